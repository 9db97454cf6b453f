import path from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the checkout: it holds package.json, wrangler.toml and migrations. */
export const projectRoot = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

/**
 * Where the service that is started here keeps its files, if nobody names another folder. Of a package from npm it stands where the command was
 * typed: the package's own folder is replaced with the next version.
 */
export const stateFolder = path.join(process.env["TK_HOME"] ?? projectRoot, ".threadkeep");

/** What a service puts into its state directory, in this version or an earlier one, besides what it renames there. */
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

/** Where a running service keeps its files; two services with different state directories share nothing. */
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
