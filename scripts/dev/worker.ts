import { type ChildProcess, fork } from "node:child_process";
import { closeSync, existsSync, openSync, renameSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { readTail } from "./files.ts";
import { projectRoot, type StatePaths } from "./paths.ts";
import { LOOPBACK } from "./ports.ts";
import { identifyProcess, killTrees, type ProcessRecord, waitUntilGone } from "./processes.ts";
import { StartError } from "./start-error.ts";
import { WRANGLER_ENVIRONMENT } from "./worker-bundle.ts";
import type { FromHost, ToHost, WorkerPorts } from "./worker-messages.ts";

const HOST = fileURLToPath(new URL("worker-host.ts", import.meta.url));
const STOP_TIMEOUT_MS = 5_000;
/** Many times what it normally takes, because a busy machine may be slow. */
const READY_TIMEOUT_MS = 120_000;
const FAULTS_TITLE = "The configuration has faults:";
const WHERE_SETTINGS_STAND =
  "Here such settings come from the environment: THREADKEEP_MODEL=… npm start (see npm start -- --help).";

export interface WorkerSettings {
  bundleDirectory: string;
  /** Null: any free port. */
  port: number | null;
  inspectorPort: number | undefined;
  keepsTelemetry: boolean;
  hyperdriveUrl: string;
  bindings: Record<string, string>;
}

/**
 * The process that runs workerd, and workerd. It is created before it is needed, because loading its modules takes a
 * second.
 */
export class WorkerProcess {
  readonly exited: Promise<string>;
  readonly #child: ChildProcess;
  readonly #paths: StatePaths;
  readonly #record: ProcessRecord;
  #onRuntimeChange: (() => void) | undefined;
  #failure: string | undefined;
  #ports: WorkerPorts | undefined;
  #hasExited = false;
  #wake: (() => void) | undefined;

  /** @param heapMiB maximum size of a Worker's JavaScript heap; undefined: V8 decides */
  constructor(paths: StatePaths, record: ProcessRecord, isVerbose: boolean, heapMiB?: number) {
    this.#paths = paths;
    this.#record = record;
    if (existsSync(paths.workerLog)) renameSync(paths.workerLog, `${paths.workerLog}.previous`);
    const log = openSync(paths.workerLog, "a", 0o600);
    const output = isVerbose ? "inherit" : log;
    this.#child = fork(HOST, [], {
      cwd: projectRoot,
      execArgv: ["--disable-warning=ExperimentalWarning"],
      env: { ...process.env, ...WRANGLER_ENVIRONMENT, ...runtimeEnvironment(heapMiB) },
      stdio: ["ignore", output, output, "ipc"],
      detached: true,
    });
    closeSync(log);
    record.set("worker", this.#child.pid);
    this.#child.on("message", (message: FromHost) => this.#receive(message));
    this.exited = new Promise((resolve) => {
      const finish = (reason: string): void => {
        this.#hasExited = true;
        this.#wake?.();
        resolve(reason);
      };
      this.#child.once("exit", (code, signal) => finish(signal ?? `code ${code ?? "unknown"}`));
      this.#child.once("error", (error) => finish(error.message));
    });
  }

  /** Resolves when workerd listens and the Worker is ready. */
  async start(settings: WorkerSettings, onRuntimeChange: () => void): Promise<WorkerPorts> {
    this.#onRuntimeChange = onRuntimeChange;
    const { workerState, workerTemporary } = this.#paths;
    this.#tell({
      type: "start",
      stateDirectory: workerState,
      temporaryDirectory: workerTemporary,
      ...settings,
    });
    while (this.#ports === undefined) {
      if (this.#failure !== undefined || this.#hasExited) {
        throw new StartError(`The Worker could not start: ${this.#failure ?? "its process ended"}\n${this.#logTail()}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    await this.#waitUntilReady(`http://${LOOPBACK}:${this.#ports.port}/readyz`);
    return this.#ports;
  }

  /** Names the database server that the Worker's process must stop if this process is killed. */
  watch(pid: number | null): void {
    this.#tell({ type: "watch", pid });
  }

  async stop(): Promise<void> {
    const identity = this.#child.pid === undefined ? null : identifyProcess(this.#child.pid);
    if (identity === null) return;
    this.#tell({ type: "stop" });
    if (!(await waitUntilGone(identity, STOP_TIMEOUT_MS))) await killTrees([identity]);
  }

  #tell(message: ToHost): void {
    if (this.#child.connected) this.#child.send(message, () => undefined); // a child that just ended is seen by `exited`
  }

  #receive(message: FromHost): void {
    if (message.type === "runtime") {
      this.#record.set("runtime", message.pid);
      this.#onRuntimeChange?.();
    } else if (message.type === "listening") this.#ports = { port: message.port };
    else if (message.type === "failed") this.#failure = message.message;
    this.#wake?.();
  }

  async #waitUntilReady(url: string): Promise<void> {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    let last = "was never asked";
    while (Date.now() < deadline && !this.#hasExited) {
      try {
        const response = await fetch(url, { signal: AbortSignal.timeout(10_000) });
        const body = await response.text();
        if (response.status === 200) return;
        const faults = configurationFaults(body);
        if (faults.length > 0) throw new StartError([FAULTS_TITLE, ...faults, WHERE_SETTINGS_STAND].join("\n"));
        last = `answered ${response.status} ${body.slice(0, 500)}`;
      } catch (error) {
        if (error instanceof StartError) throw error;
        last = `did not answer (${error instanceof Error ? error.message : String(error)})`;
      }
      await sleep(50);
    }
    const waited = `within ${READY_TIMEOUT_MS / 1_000} s`;
    throw new StartError(`The Worker did not become ready ${waited}: GET ${url} ${last}\n${this.#logTail()}`);
  }

  #logTail(): string {
    const tail = readTail(this.#paths.workerLog, 25);
    return tail === "" ? "" : `The end of ${this.#paths.workerLog}:\n${tail}`;
  }
}

/**
 * Keeps workerd small on a laptop, where one process has all objects and about twenty isolates of the simulator. Miniflare
 * hands these variables to it.
 *
 * @param heapMiB V8 ends workerd if an isolate's heap needs more
 */
function runtimeEnvironment(heapMiB: number | undefined): Record<string, string> {
  const bound = heapMiB === undefined ? [] : [`--max-heap-size=${heapMiB}`];
  return {
    // V8 sees a machine with much memory, and would let heaps grow far before it collects garbage.
    MINIFLARE_WORKERD_V8_FLAGS: ["--optimize-for-size", ...bound].join(" "),
    // TCMalloc, the allocator of workerd, caches freed memory for each processor, which is less than for each thread.
    // It can do so only if glibc does not register the thread's `rseq` area first.
    GLIBC_TUNABLES: [process.env["GLIBC_TUNABLES"] ?? [], "glibc.pthread.rseq=0"].flat().join(":"),
  };
}

/** The configuration faults that a Worker reports at /readyz; waiting would not help. */
function configurationFaults(body: string): string[] {
  const answer: unknown = body.startsWith("{") ? JSON.parse(body) : null;
  if (typeof answer !== "object" || answer === null || !("faults" in answer)) return [];
  return Array.isArray(answer.faults) ? answer.faults.map((fault) => `- ${String(fault)}`) : [];
}
