import path from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the checkout, with package.json, wrangler.toml and migrations. */
export const projectRoot = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

/**
 * The default folder for a local service's files. If the package was installed with npm, it is in the folder where the
 * command was run, because npm replaces the package's own folder with the next version.
 */
export const stateFolder = path.join(process.env["TK_HOME"] ?? projectRoot, ".threadkeep");

/**
 * The files that a service of this or an earlier version creates in its state directory, besides those that it renames
 * there.
 */
export const OWN_FILES: ReadonlySet<string> = new Set([
  "dev.json",
  "keys.json",
  "issuer-key.json",
  "lock.json",
  "processes.json",
  "store-format",
  "bundle",
  "state",
  "tmp",
  "worker.log",
  "worker.log.previous",
  "postgres",
  "postgres-port",
  "postgres.log",
  "demo",
]);

export interface StatePaths {
  directory: string;
  devJson: string;
  keys: string;
  issuerKey: string;
  lock: string;
  processes: string;
  storeFormat: string;
  bundle: string;
  workerState: string;
  workerTemporary: string;
  workerLog: string;
  postgresData: string;
  postgresPort: string;
  postgresLog: string;
}

/** The files of a service in its state directory. Services with different state directories share nothing. */
export function statePaths(stateDirectory: string): StatePaths {
  const directory = path.resolve(stateDirectory);
  const inside = (name: string): string => path.join(directory, name);
  return {
    directory,
    devJson: inside("dev.json"),
    keys: inside("keys.json"),
    issuerKey: inside("issuer-key.json"),
    lock: inside("lock.json"),
    processes: inside("processes.json"),
    storeFormat: inside("store-format"),
    bundle: inside("bundle"),
    workerState: inside("state"),
    workerTemporary: inside("tmp"),
    workerLog: inside("worker.log"),
    postgresData: inside("postgres"),
    postgresPort: inside("postgres-port"),
    postgresLog: inside("postgres.log"),
  };
}
