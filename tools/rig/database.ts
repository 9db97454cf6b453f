// One PostgreSQL for several services. It can be killed and started again, as if its machine had failed.
import { applyMigrations, createDatabase, openWorkerRole } from "../../scripts/dev/database.ts";
import { makeFolder } from "../../scripts/dev/folders.ts";
import { loadKeys } from "../../scripts/dev/keys.ts";
import { statePaths } from "../../scripts/dev/paths.ts";
import { type PostgresServer, postgresUrl, startPostgres } from "../../scripts/dev/postgres.ts";
import { identifyProcess, killTrees } from "../../scripts/dev/processes.ts";

const DATABASE = "threadkeep";

export interface RigDatabase {
  /** A connection string of the owner, for reading. */
  readonly ownerUrl: string;
  /** The Worker's role, with no more rights than it needs. */
  readonly workerUrl: string;
  readonly port: number;
  /** kill -9 of the server and all its processes. Resolves when they are gone. */
  kill9(): Promise<void>;
  /** Starts it again on the same data and the same port. */
  startAgain(): Promise<void>;
  stop(): Promise<void>;
}

/** @param directory a folder for this server alone */
export async function openRigDatabase(directory: string, signal?: AbortSignal): Promise<RigDatabase> {
  makeFolder(directory);
  const paths = statePaths(directory);
  const { postgresPassword, workerPassword } = loadKeys(paths.keys);
  const start = (port?: number): Promise<PostgresServer> => startPostgres(paths, postgresPassword, { port, signal });
  let server = await start();
  const { port } = server;
  try {
    await createDatabase(postgresUrl(port, postgresPassword, "postgres"), DATABASE);
    const ownerUrl = postgresUrl(port, postgresPassword, DATABASE);
    await applyMigrations(ownerUrl);
    const workerUrl = (await openWorkerRole(ownerUrl, workerPassword)) ?? ownerUrl;
    return {
      ownerUrl,
      workerUrl,
      port,
      async kill9() {
        const identity = identifyProcess(server.pid);
        if (identity !== null) await killTrees([identity]);
        await server.exited;
      },
      async startAgain() {
        server = await start(port);
      },
      stop: () => server.stop(),
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
