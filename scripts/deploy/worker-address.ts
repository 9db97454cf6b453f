// The database address for Hyperdrive: the database that the migrations were applied to, with the restricted role of
// the Worker.
import { readDatabaseAddress } from "../dev/database-address.ts";

const ROLE = "threadkeep_worker";

/**
 * @param databaseUrl as for `npm run migrate`; null, like a missing password, means unknown
 * @throws {StartError}
 */
export function workerAddress(databaseUrl: string | undefined, password: string | undefined): string | null {
  if (databaseUrl === undefined || databaseUrl === "" || password === undefined || password === "") return null;
  const url = readDatabaseAddress("DATABASE_URL", databaseUrl);
  // Supabase's pooler expects the project's id behind the role's name: postgres.REF.
  const project = /\.(\w+)$/.exec(decodeURIComponent(url.username))?.[1];
  url.username = project === undefined ? ROLE : `${ROLE}.${project}`;
  url.password = password;
  // Options such as the certificate's file are for this machine; Hyperdrive has its own.
  url.search = "";
  return url.href;
}

/** Whether a role is the restricted one; another might bypass row-level security. */
export function isWorkerRole(user: string): boolean {
  return user === ROLE || user.startsWith(`${ROLE}.`);
}
