// npm run migrate: updates the schema of a PostgreSQL, and lets the Worker's role log in. See `--help`.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";
import { readDatabaseAddress } from "./dev/database-address.ts";
import { applyMigrations, openWorkerRole } from "./dev/database.ts";
import { describeError, StartError } from "./dev/start-error.ts";
import { createProgram, UsageFault } from "./program/command-line.ts";
import { runProgram } from "./program/run-program.ts";

/** PostgreSQL uses few rounds, so a short password could be guessed from its verifier. */
const MIN_PASSWORD_LENGTH = 20;
/** PostgreSQL's default. */
const SCRAM_ROUNDS = 4096;
const SCRAM_SALT_BYTES = 16;

const program = createProgram("npm run migrate --", "Applies the missing migrations to a PostgreSQL.")
  .addHelpText(
    "after",
    `
Environment:
  DATABASE_URL      the server and database, and a role that may create schemas, tables and roles (on Supabase: postgres)
  WORKER_PASSWORD   if set, the role threadkeep_worker may log in with it from now on

Both are read from the environment, because other users of the machine can read a command line. Running it again
changes nothing but the password. The password itself does not travel: the server gets a verifier of it.

Example:
  DATABASE_URL=postgres://… WORKER_PASSWORD=… npm run migrate`,
  )
  .action(() => migrate(readAddress(), readPassword()));

await runProgram(program);

async function migrate(address: URL, password: string | null): Promise<void> {
  const name = `${address.host}${address.pathname}`;
  await applyMigrations(address.href);
  console.log(`The schema of ${name} is up to date.`);
  if (password === null) return;
  try {
    // A server may log statements, so the statement contains only the verifier, with which nobody can log in.
    const worker = await openWorkerRole(address.href, scramVerifier(password));
    if (worker === null) throw new StartError("The migrations made no role threadkeep_worker.");
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`The role threadkeep_worker got no password: ${describeError(error)}`, { cause: error });
  }
  console.log("The role threadkeep_worker may log in with WORKER_PASSWORD.");
}

function readAddress(): URL {
  try {
    return readDatabaseAddress("DATABASE_URL", process.env["DATABASE_URL"] ?? "");
  } catch (error) {
    if (error instanceof StartError) throw new UsageFault(error.message);
    throw error;
  }
}

function readPassword(): string | null {
  const password = process.env["WORKER_PASSWORD"] ?? "";
  if (password === "") return null;
  // Letters, digits, - and _ need neither encoding in a connection string nor SCRAM's normalization.
  if (!/^[\w-]+$/.test(password) || password.length < MIN_PASSWORD_LENGTH) {
    throw new UsageFault(`WORKER_PASSWORD must be ${MIN_PASSWORD_LENGTH} or more characters of A-Z a-z 0-9 - _`);
  }
  return password;
}

/** What PostgreSQL stores instead of a password (RFC 5803), and accepts in its place. */
function scramVerifier(password: string): string {
  const salt = randomBytes(SCRAM_SALT_BYTES);
  const salted = pbkdf2Sync(password, salt, SCRAM_ROUNDS, 32, "sha256");
  const keyOf = (name: string): Buffer => createHmac("sha256", salted).update(name).digest();
  const storedKey = createHash("sha256").update(keyOf("Client Key")).digest();
  const parts = [storedKey, keyOf("Server Key")].map((key) => key.toString("base64"));
  return `SCRAM-SHA-256$${SCRAM_ROUNDS}:${salt.toString("base64")}$${parts.join(":")}`;
}
