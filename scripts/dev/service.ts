import { chmodSync, readdirSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readDatabaseAddress } from "./database-address.ts";
import { applyMigrations, createDatabase, openWorkerRole } from "./database.ts";
import { writePrivateFile } from "./files.ts";
import { makeFolder } from "./folders.ts";
import { type LocalIssuer, startIssuer } from "./issuer.ts";
import { LOCAL_TENANT, type LocalKeys, loadKeys } from "./keys.ts";
import { lockState } from "./lock.ts";
import { OWN_FILES, projectRoot, type StatePaths, statePaths } from "./paths.ts";
import { lookAtPort, LOOPBACK } from "./ports.ts";
import { type PostgresServer, postgresUrl, startPostgres } from "./postgres.ts";
import { killTrees, ProcessRecord, readSurvivors, signalProcess, waitUntilGone } from "./processes.ts";
import { StartError } from "./start-error.ts";
import { checkStoreFormat } from "./store-format.ts";
import { bundleWorker } from "./worker-bundle.ts";
import { WorkerProcess } from "./worker.ts";

const DATABASE = "threadkeep";
/** On most systems, only root may use ports up to this one. */
const LAST_PORT_OF_ROOT = 1023;
const LAST_PORT = 65_535;
/** The service's port if none is given. */
export const DEFAULT_PORT = 8787;
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
        // The local rate limiter counts on disk, and would hinder benchmarks and imports.
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

function makeStateDirectory(paths: StatePaths): void {
  refuseSharedFolder(paths.directory);
  makeFolder(paths.directory);
  const isOurs = readdirSync(paths.directory).every((name) => OWN_FILES.has(name));
  // If this runs as root, PostgreSQL runs as another user and must be able to enter the folder; every file in it has
  // its own mode.
  if (isOurs && statSync(paths.directory).uid === process.getuid?.()) {
    chmodSync(paths.directory, process.getuid() === 0 ? 0o755 : 0o700);
  }
  checkStoreFormat(paths);
  makeFolder(paths.workerState, 0o700);
  makeFolder(paths.workerTemporary, 0o700);
}

/**
 * Refuses a folder such as a home, a checkout or a disk for the state: its permissions would change, and deleting the
 * state would delete everything in it.
 */
function refuseSharedFolder(directory: string): void {
  for (const kept of [homedir(), projectRoot]) {
    const isWithin = `${path.resolve(kept)}${path.sep}`.startsWith(
      directory.endsWith(path.sep) ? directory : `${directory}${path.sep}`,
    );
    if (!isWithin) continue;
    throw new StartError(
      `${directory} holds more than a service's state. Name a folder of its own: --state ${path.join(directory, ".threadkeep")}`,
    );
  }
}

/**
 * Ends the processes that a killed start left running. They are identified by id and start time, so no other process is
 * hit.
 */
async function clearSurvivors(paths: StatePaths): Promise<void> {
  const survivors = readSurvivors(paths.processes);
  const postgres = survivors.get("postgres");
  const others = [...survivors].filter(([role]) => role !== "postgres").map(([, identity]) => identity);
  await killTrees(others);
  if (postgres !== undefined) {
    signalProcess(postgres, "SIGINT");
    if (!(await waitUntilGone(postgres, 15_000))) await killTrees([postgres]);
  }
  rmSync(paths.processes, { force: true });
}

/** On a busy machine, the sockets of a killed process may close a little after it has ended. */
const PORT_PATIENCE_MS = 3_000;

/** The requested port, once it is free; null if any port will do. */
async function checkPort(wanted: number | undefined): Promise<number | null> {
  if (wanted === undefined || wanted === 0) return null;
  const deadline = Date.now() + PORT_PATIENCE_MS;
  for (;;) {
    const found = await lookAtPort(wanted);
    if (found === "free") return wanted;
    if (found !== "taken") throw new StartError(describePort(wanted, found));
    if (Date.now() >= deadline) throw new StartError(describePort(wanted, found));
    await sleep(50);
  }
}

/**
 * @param found `taken`, or the system's error code if nobody can listen there
 * @internal Which sentence is shown depends on what takes the port, which no test can arrange each time.
 */
export function describePort(port: number, found: string): string {
  const next = port < LAST_PORT_OF_ROOT || port === LAST_PORT ? DEFAULT_PORT : port + 1;
  const other = `Choose another: npm start -- --port ${next} (or set PORT).`;
  if (found === "taken") return `Port ${port} is taken by another program. ${other}`;
  if (found === "EACCES" || found === "EPERM") {
    return `This user may not listen on port ${port}: systems keep ports under 1024 for root, and some keep others for themselves. ${other}`;
  }
  return `Nobody can listen on port ${port} of ${LOOPBACK} (${found}). ${other}`;
}

/**
 * Checked before anything is created, because a typing error in an address would otherwise be reported as an unknown
 * host that nobody wrote.
 */
function checkDatabaseAddresses({ databaseUrl, workerDatabaseUrl }: ServiceOptions): void {
  if (workerDatabaseUrl !== undefined && databaseUrl === undefined) {
    throw new StartError(
      "WORKER_DATABASE_URL goes with DATABASE_URL, which is not set: it is the same database, by another role.",
    );
  }
  if (databaseUrl === undefined) return;
  const addresses = [
    ["DATABASE_URL", readDatabaseAddress("DATABASE_URL", databaseUrl)] as const,
    ...(workerDatabaseUrl === undefined
      ? []
      : [["WORKER_DATABASE_URL", readDatabaseAddress("WORKER_DATABASE_URL", workerDatabaseUrl)] as const]),
  ];
  const [name, { password }] = addresses.at(-1) ?? addresses[0] ?? ["", { password: "" }];
  if (password === "") {
    throw new StartError(
      `${name} holds no password, and the Worker connects with one: postgres://USER:PASSWORD@HOST:5432/DATABASE`,
    );
  }
}

function rejectOnAbort(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    const abort = (): void => reject(new StartError("Stopped while starting."));
    if (signal?.aborted === true) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}
