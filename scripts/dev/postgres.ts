import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import {
  chownSync,
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Client } from "pg";
import { readTail } from "./files.ts";
import { makeFolder } from "./folders.ts";
import { projectRoot, type StatePaths } from "./paths.ts";
import { findFreePort, isPortFree, LOOPBACK } from "./ports.ts";
import { copyPostgresBinaries, findPostgresBinaries, type PostgresBinaries } from "./postgres-binaries.ts";
import { canReach, choosePostgresUser, type PostgresUser } from "./postgres-user.ts";
import {
  identifyProcess,
  isErrorWithCode,
  killTrees,
  type ProcessIdentity,
  readCommandLine,
  waitUntilGone,
} from "./processes.ts";
import { describeError, StartError } from "./start-error.ts";

const run = promisify(execFile);

const SUPERUSER = "postgres";
const READY_TIMEOUT_MS = 60_000;
/** A fast shutdown writes a checkpoint first, which takes seconds on a slow disk. */
const SHUTDOWN_TIMEOUT_MS = 15_000;
/** PostgreSQL's default port is left free for a server that the developer may have. */
const DEFAULT_POSTGRES_PORT = 5432;

/** PostgreSQL's invalid_password. */
const WRONG_PASSWORD = "28P01";

/** Used by root if no other user can read the checkout. */
const SHARED_DIRECTORY = "/var/lib/threadkeep";

export interface PostgresServer {
  readonly port: number;
  readonly pid: number;
  readonly dataDirectory: string;
  /** Resolves when the server process ends, for whatever reason. */
  readonly exited: Promise<void>;
  stop(): Promise<void>;
}

interface Installation {
  binaries: PostgresBinaries;
  user: PostgresUser | null;
  dataDirectory: string;
}

export interface PostgresOptions {
  /** Default: the port of the last start, or a free one. */
  port?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Called as soon as the process exists, before it accepts connections. */
  onSpawn?: (pid: number) => void;
}

const MAX_PORTS = 5;

/** Starts PostgreSQL on the data in the state directory, which is created if necessary. */
export async function startPostgres(
  paths: StatePaths,
  password: string,
  { port, signal, onSpawn }: PostgresOptions = {},
): Promise<PostgresServer> {
  const installation = locate(paths);
  await stopLeftOverServer(installation.dataDirectory);
  if (!existsSync(path.join(installation.dataDirectory, "PG_VERSION"))) {
    await initialize(installation, password, signal);
  }

  for (let tries = 1; ; tries += 1) {
    signal?.throwIfAborted();
    const chosenPort = port ?? (await choosePort(paths));
    const child = spawnServer(installation, paths, chosenPort);
    if (child.pid !== undefined) onSpawn?.(child.pid);
    const exited = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    try {
      await waitUntilReady(child, postgresUrl(chosenPort, password, SUPERUSER), paths);
    } catch (error) {
      child.kill("SIGKILL");
      await exited;
      // The port was free but was taken before the server could use it, so another one is tried.
      if (tries < MAX_PORTS && port === undefined && !(await isPortFree(chosenPort))) continue;
      throw error;
    }
    writeFileSync(paths.postgresPort, `${chosenPort}\n`);
    const { dataDirectory } = installation;
    return { port: chosenPort, pid: child.pid ?? 0, dataDirectory, exited, stop: () => stopServer(child) };
  }
}

export function postgresUrl(port: number, password: string, database: string, user = SUPERUSER): string {
  return `postgres://${user}:${encodeURIComponent(password)}@${LOOPBACK}:${port}/${database}`;
}

/** Stops a server that an earlier start left running, because two servers on the same data would destroy it. */
async function stopLeftOverServer(dataDirectory: string): Promise<void> {
  const pidFile = path.join(dataDirectory, "postmaster.pid");
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, "utf8").split("\n")[0]);
  const identity = identifyProcess(pid);
  const commandLine = identity === null ? null : readCommandLine(pid);
  if (identity !== null && commandLine?.includes(dataDirectory) === true) {
    await stopIdentity(identity);
  }
  // The pid file of a dead server would prevent a start if its process id is in use by another program.
  rmSync(pidFile, { force: true });
}

async function stopIdentity(identity: ProcessIdentity): Promise<void> {
  process.kill(identity.pid, "SIGINT");
  if (!(await waitUntilGone(identity, SHUTDOWN_TIMEOUT_MS))) await killTrees([identity]);
}

function locate(paths: StatePaths): Installation {
  const binaries = findPostgresBinaries();
  const user = choosePostgresUser(paths.postgresData, projectRoot);
  const inside = { binaries, user, dataDirectory: paths.postgresData };
  if (user === null || process.platform === "win32") return inside;
  const areBinariesReachable = canReach(user, [], [binaries.initdb, binaries.postgres]);
  const isStateReachable = canReach(user, [paths.directory], []);
  if (areBinariesReachable && isStateReachable) return inside;

  const stateId = createHash("sha256").update(paths.directory).digest("hex").slice(0, 12);
  const dataDirectory = isStateReachable ? paths.postgresData : path.join(SHARED_DIRECTORY, stateId, "postgres");
  makeFolder(path.dirname(dataDirectory), 0o755);
  return {
    binaries: areBinariesReachable ? binaries : copyPostgresBinaries(binaries, SHARED_DIRECTORY),
    user,
    dataDirectory,
  };
}

/**
 * Creates the data in a temporary folder that is renamed when complete, so that the half-made data of a killed start is
 * never used.
 */
async function initialize(
  { binaries, user, dataDirectory }: Installation,
  password: string,
  signal?: AbortSignal,
): Promise<void> {
  const parent = path.dirname(dataDirectory);
  for (const name of readdirSync(parent)) {
    if (name.startsWith("postgres.new-")) rmSync(path.join(parent, name), { recursive: true, force: true });
  }
  const temporary = path.join(parent, `postgres.new-${randomBytes(4).toString("hex")}`);
  const passwordFile = `${temporary}.password`;
  mkdirSync(temporary, { mode: 0o700 });
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (user !== null) {
    chownSync(temporary, user.uid, user.gid);
    chownSync(passwordFile, user.uid, user.gid);
  }
  try {
    await run(
      binaries.initdb,
      [
        `--pgdata=${temporary}`,
        `--username=${SUPERUSER}`,
        `--pwfile=${passwordFile}`,
        "--auth=scram-sha-256",
        // Fixed settings, because the system's locale would change the order of texts and the language of the logs.
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--no-instructions",
      ],
      { ...user, cwd: "/", signal },
    );
    renameSync(temporary, dataDirectory);
  } catch (error) {
    throw new StartError(
      `PostgreSQL could not make its data directory ${dataDirectory}:\n${describeError(error)}\n` +
        "Check that the disk is writable and not full, or pass a server of yours: DATABASE_URL=postgres://… npm start",
      { cause: error },
    );
  } finally {
    rmSync(temporary, { recursive: true, force: true });
    rmSync(passwordFile, { force: true });
  }
}

function spawnServer({ binaries, user, dataDirectory }: Installation, paths: StatePaths, port: number): ChildProcess {
  const log = openSync(paths.postgresLog, "a", 0o600);
  chmodSync(paths.postgresLog, 0o600);
  const settings = {
    listen_addresses: LOOPBACK,
    unix_socket_directories: "", // nothing outside the state directory, and no other user's way in
    max_connections: "200",
    log_min_messages: "warning",
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  try {
    return spawn(binaries.postgres, ["-D", dataDirectory, "-p", String(port), ...flags], {
      ...user,
      cwd: "/",
      stdio: ["ignore", log, log],
      detached: true, // a terminal's Ctrl-C goes to the whole group; the Worker must be stopped before the database
    });
  } finally {
    closeSync(log);
  }
}

/** The port of the last start if it is free, so that a database address that somebody noted stays valid. */
async function choosePort(paths: StatePaths): Promise<number> {
  const last = existsSync(paths.postgresPort) ? Number(readFileSync(paths.postgresPort, "utf8")) : 0;
  if (Number.isInteger(last) && last > 0 && (await isPortFree(last))) return last;
  const port = await findFreePort();
  return port === DEFAULT_POSTGRES_PORT ? findFreePort() : port;
}

async function waitUntilReady(child: ChildProcess, url: string, paths: StatePaths): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      throw new StartError(
        `PostgreSQL ended while starting. The end of ${paths.postgresLog}:\n${readTail(paths.postgresLog, 15)}`,
      );
    }
    const failure = await tryConnect(url);
    if (failure === null) return;
    if (isErrorWithCode(failure, WRONG_PASSWORD)) {
      throw new StartError(
        `The database under ${paths.directory} was made with another password than the one in ${paths.keys}.\n` +
          `Put that file back, or give up the data: delete ${paths.directory}.`,
      );
    }
    if (Date.now() > deadline) {
      throw new StartError(
        `PostgreSQL did not answer within ${READY_TIMEOUT_MS / 1000} s (${describeError(failure)}). The end of ${paths.postgresLog}:\n` +
          readTail(paths.postgresLog, 15),
      );
    }
    await sleep(50);
  }
}

async function tryConnect(url: string): Promise<unknown> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on("error", () => undefined); // a connection lost here is found by the next attempt
  try {
    await client.connect();
    return null;
  } catch (error) {
    return error;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function stopServer(child: ChildProcess): Promise<void> {
  const identity = child.pid === undefined ? null : identifyProcess(child.pid);
  if (identity !== null) await stopIdentity(identity);
}
