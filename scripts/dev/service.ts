import { rmSync } from "node:fs";
import { checkDatabaseAddresses } from "./database-address.ts";
import { applyMigrations, createDatabase, openWorkerRole } from "./database.ts";
import { writePrivateFile } from "./files.ts";
import { type LocalIssuer, startIssuer } from "./issuer.ts";
import { LOCAL_TENANT, type LocalKeys, loadKeys } from "./keys.ts";
import { lockState } from "./lock.ts";
import { type StatePaths, statePaths } from "./paths.ts";
import { LOOPBACK } from "./ports.ts";
import { type PostgresServer, postgresUrl, startPostgres } from "./postgres.ts";
import { killTrees, ProcessRecord } from "./processes.ts";
import { checkPort } from "./service-port.ts";
import { StartError } from "./start-error.ts";
import { clearSurvivors, makeStateDirectory } from "./state-directory.ts";
import { bundleWorker } from "./worker-bundle.ts";
import { WorkerProcess } from "./worker.ts";

const DATABASE = "threadkeep";
const MAX_DATABASE_RESTARTS = 3;

export interface ServiceOptions {
  /** The folder for all files of the service; two running services must not share it. */
  stateDir: string;
  /** Default: a free port. */
  port?: number;
  /** A PostgreSQL to use instead of starting one; the role must be allowed to create schemas. */
  databaseUrl?: string;
  /** The database address for the Worker, if it differs from `databaseUrl`. */
  workerDatabaseUrl?: string;
  /** Variables and secrets for the Worker, which override wrangler.toml: THREADKEEP_MODEL, SUMMARIZER_MCP_URL … */
  env?: Record<string, string>;
  /** A bundle made by `bundleWorker`, which saves two seconds. */
  bundleDir?: string;
  /** Port for workerd's inspector, on this machine only, for measurements. Default: none. */
  inspectorPort?: number;
  /** Maximum size of the Worker's heap, in MiB; the runtime ends if it is exceeded. Default: V8 decides. */
  heapMiB?: number;
  /** The runtime stores its spans and log lines in the state directory, to count what an operation does. Slower. */
  keepsTelemetry?: boolean;
  /** The Worker's output is printed by this process instead of written to worker.log. */
  isVerbose?: boolean;
  /** Aborting during the start stops what has been started, and rejects. */
  signal?: AbortSignal;
  /** Called when the service has repaired something by itself, such as a crash. */
  onNotice?: (text: string) => void;
}

export interface Service {
  readonly url: string;
  readonly port: number;
  readonly apiKey: string;
  readonly adminKey: string;
  /** For reading, and for migrations, as the owner; the Worker may use a role with fewer privileges. */
  readonly databaseUrl: string;
  readonly stateDir: string;
  /** Current process ids by role: `start` (this process), `worker` (runs workerd), `runtime` (workerd), `postgres`. */
  readonly pids: Record<string, number>;
  /** Resolves with the reason when the service has failed and will not recover by itself. */
  readonly failed: Promise<string>;
  /** Stops everything in order. Calling it again does no harm. */
  stop(): Promise<void>;
  /**
   * Kills all processes at once with kill -9, without cleaning up, like a power failure. Resolves when all have ended.
   */
  kill9(): Promise<void>;
  /** Simulates an outage: the Worker continues without its database. */
  stopPostgres(): Promise<void>;
  /** Ends the outage, on the same port. */
  startPostgres(): Promise<void>;
}

export async function startService(options: ServiceOptions): Promise<Service> {
  const paths = statePaths(options.stateDir);
  checkDatabaseAddresses(options);
  makeStateDirectory(paths);
  const unlock = lockState(paths.lock, options.stateDir);
  const record = new ProcessRecord(paths.processes);
  try {
    await clearSurvivors(paths);
    const port = await checkPort(options.port);
    const keys = loadKeys(paths.keys);
    return await new RunningService(options, paths, unlock, record, keys, port).start();
  } catch (error) {
    unlock();
    throw error;
  }
}

class RunningService implements Service {
  url = "";
  port = 0;
  readonly apiKey: string;
  readonly adminKey: string;
  readonly stateDir: string;
  readonly failed: Promise<string>;
  databaseUrl = "";
  readonly #options: ServiceOptions;
  readonly #paths: StatePaths;
  readonly #unlock: () => void;
  readonly #record: ProcessRecord;
  readonly #keys: LocalKeys;
  readonly #wantedPort: number | null;
  #fail: (reason: string) => void = () => undefined;
  #postgres: PostgresServer | undefined;
  #worker: WorkerProcess | undefined;
  #issuer: LocalIssuer | undefined;
  #isUp = false;
  #isEnding = false;
  #stopping: Promise<void> | undefined;
  #databaseRestarts = 0;

  constructor(
    options: ServiceOptions,
    paths: StatePaths,
    unlock: () => void,
    record: ProcessRecord,
    keys: LocalKeys,
    wantedPort: number | null,
  ) {
    this.#options = options;
    this.#paths = paths;
    this.#unlock = unlock;
    this.#record = record;
    this.#keys = keys;
    this.#wantedPort = wantedPort;
    this.apiKey = keys.apiKey;
    this.adminKey = keys.adminKey;
    this.stateDir = paths.directory;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  get pids(): Record<string, number> {
    return { start: process.pid, ...this.#record.pids() };
  }

  async start(): Promise<this> {
    const { bundleDir, isVerbose = false, env = {}, heapMiB, signal } = this.#options;
    const worker = new WorkerProcess(this.#paths, this.#record, isVerbose, heapMiB);
    this.#worker = worker;
    // The bundle, the database and the Worker's process are prepared concurrently.
    const bundle = bundleDir === undefined ? this.#bundle() : Promise.resolve(bundleDir);
    const database = this.#openDatabase();
    try {
      const [bundleDirectory, hyperdriveUrl] = await Promise.all([bundle, database]);
      this.#issuer = await startIssuer(this.#paths.issuerKey);
      const bindings = {
        THREADKEEP_JWT_ISSUERS: this.#issuer.setting,
        // Rejects requests from a web page that has pointed its own host name at this machine.
        THREADKEEP_HOSTS: `localhost,${LOOPBACK},[::1]`,
        // Benchmarks and imports send more than the limits allow.
        THREADKEEP_RATE_LIMITS: "off",
        ...env,
        THREADKEEP_API_KEY: this.apiKey,
        THREADKEEP_ADMIN_KEY: this.adminKey,
        THREADKEEP_API_TENANT: LOCAL_TENANT,
      };
      const settings = {
        bundleDirectory,
        port: this.#wantedPort,
        inspectorPort: this.#options.inspectorPort,
        keepsTelemetry: this.#options.keepsTelemetry ?? false,
        hyperdriveUrl,
        bindings,
      };
      const starting = worker.start(settings, () => this.#noteRuntime());
      const { port } = await Promise.race([starting, rejectOnAbort(signal)]);
      this.port = port;
      this.url = `http://${LOOPBACK}:${port}`;
    } catch (error) {
      // Waits for both, because a database that is still starting could neither be stopped now nor found later.
      await Promise.allSettled([bundle, database]);
      await this.stop();
      throw error;
    }
    void worker.exited.then((reason) => this.#workerEnded(reason));
    this.#isUp = true;
    this.#writeDevJson();
    return this;
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async kill9(): Promise<void> {
    this.#isEnding = true;
    this.#stopping ??= Promise.resolve(); // there is nothing left to stop
    await this.#issuer?.stop();
    await killTrees(this.#record.all());
    this.#unlock(); // the lock of a dead process holds nobody up, but this one lives on
  }

  async stopPostgres(): Promise<void> {
    const server = this.#postgres;
    if (server === undefined) return;
    this.#postgres = undefined; // before it ends, so that its end is not taken for a crash
    this.#worker?.watch(null);
    await server.stop();
    this.#record.delete("postgres");
    this.#writeDevJson();
  }

  async startPostgres(): Promise<void> {
    if (this.#postgres !== undefined || this.#options.databaseUrl !== undefined) return;
    await this.#runPostgres(Number(new URL(this.databaseUrl).port));
    this.#writeDevJson();
  }

  async #stopAll(): Promise<void> {
    this.#isEnding = true;
    await this.#worker?.stop();
    await this.#postgres?.stop();
    await this.#issuer?.stop();
    await killTrees(this.#record.all());
    this.#record.removeFile();
    rmSync(this.#paths.devJson, { force: true });
    this.#unlock();
  }

  async #bundle(): Promise<string> {
    await bundleWorker(this.#paths.bundle, {
      signal: this.#options.signal,
      onSpawn: (pid) => this.#record.set(`bundle ${pid}`, pid),
    });
    this.#record.forgetEnded();
    return this.#paths.bundle;
  }

  /** Returns the database address for the Worker. */
  async #openDatabase(): Promise<string> {
    const { databaseUrl, workerDatabaseUrl } = this.#options;
    if (databaseUrl !== undefined) {
      this.databaseUrl = databaseUrl;
      await applyMigrations(databaseUrl);
      return workerDatabaseUrl ?? databaseUrl;
    }
    const { postgresPassword, workerPassword } = this.#keys;
    const server = await this.#runPostgres();
    if (server.dataDirectory !== this.#paths.postgresData) {
      this.#options.onNotice?.(
        `PostgreSQL does not run as root, and no other user gets into ${this.#paths.directory}: ` +
          `its data lies in ${server.dataDirectory}`,
      );
    }
    await createDatabase(postgresUrl(server.port, postgresPassword, "postgres"), DATABASE);
    this.databaseUrl = postgresUrl(server.port, postgresPassword, DATABASE);
    await applyMigrations(this.databaseUrl);
    return (await openWorkerRole(this.databaseUrl, workerPassword)) ?? this.databaseUrl;
  }

  async #runPostgres(port?: number): Promise<PostgresServer> {
    const server = await startPostgres(this.#paths, this.#keys.postgresPassword, {
      port,
      signal: this.#options.signal,
      onSpawn: (pid) => {
        this.#record.set("postgres", pid);
        this.#worker?.watch(pid);
      },
    });
    this.#postgres = server;
    void server.exited.then(() => this.#databaseEnded(server));
    return server;
  }

  /** The Worker continues without its database, so the database is restarted after a crash. */
  async #databaseEnded(server: PostgresServer): Promise<void> {
    if (this.#isEnding || this.#postgres !== server) return;
    this.#postgres = undefined;
    this.#record.delete("postgres");
    this.#databaseRestarts += 1;
    if (this.#databaseRestarts > MAX_DATABASE_RESTARTS) {
      this.#options.onNotice?.(
        `PostgreSQL has ended ${this.#databaseRestarts} times and stays down; see ${this.#paths.postgresLog}. ` +
          "Chats go on; the archive catches up after the next start.",
      );
      return;
    }
    this.#options.onNotice?.("PostgreSQL has ended unexpectedly and is started again.");
    try {
      await this.startPostgres();
    } catch (error) {
      this.#options.onNotice?.(error instanceof Error ? error.message : String(error));
    }
  }

  /** Miniflare restarts workerd by itself; only the process id changes. */
  #noteRuntime(): void {
    if (this.#isEnding || !this.#isUp) return;
    this.#options.onNotice?.("workerd has ended unexpectedly and is started again.");
    this.#writeDevJson();
  }

  async #workerEnded(reason: string): Promise<void> {
    if (this.#isEnding) return;
    await this.stop();
    this.#fail(`The Worker's process has ended (${reason}). See ${this.#paths.workerLog}`);
  }

  #writeDevJson(): void {
    const { url, apiKey, adminKey, databaseUrl, pids } = this;
    writePrivateFile(this.#paths.devJson, `${JSON.stringify({ url, apiKey, adminKey, databaseUrl, pids }, null, 2)}\n`);
  }
}

function rejectOnAbort(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = (): void => reject(new StartError("Stopped while starting."));
    if (signal?.aborted === true) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
