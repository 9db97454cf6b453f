// The address that Hyperdrive connects to: the database that migrations were applied to, by the role that may do no more than the Worker.
import { readDatabaseAddress } from "../dev/database-address.ts";

const ROLE = "threadkeep_worker";

/**
 * @param databaseUrl as for `npm run migrate`; null, as is a missing password: nothing is known
 * @throws StartError
 */
export function workerAddress(databaseUrl: string | undefined, password: string | undefined): string | null {
  if (databaseUrl === undefined || databaseUrl === "" || password === undefined || password === "") return null;
  const url = readDatabaseAddress("DATABASE_URL", databaseUrl);
  // A pooler of Supabase wants the project behind the name of the role: postgres.REF.
  const project = /\.(\w+)$/.exec(decodeURIComponent(url.username))?.[1];
  url.username = project === undefined ? ROLE : `${ROLE}.${project}`;
  url.password = password;
  // Options such as the certificate's file are of this machine; Hyperdrive has its own.
  url.search = "";
  return url.href;
}

/** Whether a role is the one with the least rights: another could pass by row-level security. */
export function isWorkerRole(user: string): boolean {
  return user === ROLE || user.startsWith(`${ROLE}.`);
}
