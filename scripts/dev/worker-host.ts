// The process that runs workerd: one Worker with all its bindings local, without the proxy process of `wrangler dev`.
// Started by worker.ts; ends when its parent does, however that ends.
import type { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { findFreePort, LOOPBACK } from "./ports.ts";
import { identifyProcess, isErrorWithCode, type ProcessIdentity, signalProcess, waitUntilGone } from "./processes.ts";
import { bundlePaths } from "./worker-bundle.ts";
import {
  type FromHost,
  HYPERDRIVE_BINDING,
  type StartWorker,
  type ToHost,
  type WorkerOptionsFile,
  type WorkerPorts,
} from "./worker-messages.ts";
import { listModules } from "./worker-modules.ts";

let miniflare: Miniflare | undefined;
/** The database server to stop when the parent was killed and cannot. */
let watched: ProcessIdentity | null = null;

process.on("message", (message: ToHost) => {
  if (message.type === "start") void start(message);
  else if (message.type === "watch") watched = message.pid === null ? null : identifyProcess(message.pid);
  else void stop();
});
process.on("disconnect", () => void stopOrphaned());

// workerd's process id is wanted as soon as there is one: a start that is killed in between must be cleared by the next.
subscribe("child_process", (message) => {
  const child = childOf(message);
  child?.once("spawn", () => {
    if (child.pid !== undefined && child.spawnfile.includes("workerd")) tell({ type: "runtime", pid: child.pid });
  });
});

/** A port that was free may be lent to somebody's connection before workerd has it. */
const MAX_TRIES = 5;

async function start(options: StartWorker): Promise<void> {
  try {
    tell({ type: "listening", ...(await listen(options)) });
  } catch (error) {
    console.error(error);
    tell({ type: "failed", message: error instanceof Error ? error.message : String(error) });
    await stop();
  }
}

async function listen(options: StartWorker): Promise<WorkerPorts> {
  for (let tries = 1; ; tries += 1) {
    const ports = { port: options.port ?? (await findFreePort()), directPort: await findFreePort() };
    try {
      miniflare = run(options, ports);
      await miniflare.ready;
      return ports;
    } catch (error) {
      if (tries === MAX_TRIES || !isErrorWithCode(error, "ERR_ADDRESS_IN_USE")) throw error;
      await miniflare?.dispose().catch(() => undefined); // it never ran
    }
  }
}

function run(options: StartWorker, { port, directPort }: WorkerPorts): Miniflare {
  const paths = bundlePaths(options.bundleDirectory);
  const declared: WorkerOptionsFile = JSON.parse(readFileSync(paths.options, "utf8"));
  return new Miniflare(
    convertV4MiniflareOptions({
      host: LOOPBACK,
      port,
      ...(options.inspectorPort === undefined ? {} : { inspectorPort: options.inspectorPort }),
      cf: false,
      log: new Log(LogLevel.INFO),
      logRequests: false,
      // What `wrangler workflows trigger --local` and a cron request by hand talk to.
      unsafeLocalExplorer: true,
      unsafeTriggerHandlers: true,
      unsafeHandleRuntimeRestart: () => tell({ type: "restarted" }),
      resourcePersistencePath: options.stateDirectory,
      resourceTmpPath: options.temporaryDirectory,
      workers: [
        {
          ...declared.options,
          name: "threadkeep",
          unsafeDirectSockets: [{ host: LOOPBACK, port: directPort, proxy: false }],
          modulesRoot: paths.modules,
          modules: listModules(paths.modules),
          bindings: Object.assign({}, declared.options.bindings, options.bindings),
          hyperdrives: { [HYPERDRIVE_BINDING]: options.hyperdriveUrl },
        },
        ...declared.externalWorkers,
      ],
    }),
  );
}

async function stop(): Promise<void> {
  await miniflare?.dispose();
  process.exit(0);
}

async function stopOrphaned(): Promise<void> {
  if (watched !== null) {
    signalProcess(watched, "SIGINT");
    await Promise.race([waitUntilGone(watched, 10_000), sleep(10_000)]);
    signalProcess(watched, "SIGKILL");
  }
  await stop();
}

function tell(message: FromHost): void {
  if (process.connected) process.send?.(message);
}

function childOf(message: unknown): ChildProcess | undefined {
  if (typeof message !== "object" || message === null || !("process" in message)) return undefined;
  return message.process as ChildProcess;
}
