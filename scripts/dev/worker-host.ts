// The process that runs workerd: one Worker with all its bindings local, without the proxy process of `wrangler dev`.
// Started by worker.ts; ends when its parent ends, in whatever way.
import type { ChildProcess } from "node:child_process";
import { subscribe } from "node:diagnostics_channel";
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare, Response, type V4ModuleDefinition } from "miniflare";
import { INSPECTOR_BUILD } from "../inspector/ensure.ts";
import { isWranglerConnectedTo } from "./peer-process.ts";
import { findFreePort, LOOPBACK } from "./ports.ts";
import { identifyProcess, isErrorWithCode, type ProcessIdentity, signalProcess, waitUntilGone } from "./processes.ts";
import { bundlePaths } from "./worker-bundle.ts";
import {
  type FromHost,
  HYPERDRIVE_BINDING,
  type ReadWorkerOptions,
  type StartWorker,
  type ToHost,
  type WorkerPorts,
} from "./worker-messages.ts";
import { listModules } from "./worker-modules.ts";
import type { RateLimit } from "./worker-rate-limits.ts";

let miniflare: Miniflare | undefined;
/** The database server to stop if the parent was killed and cannot do it. */
let watched: ProcessIdentity | null = null;

process.on("message", (message: ToHost) => {
  if (message.type === "start") void start(message);
  else if (message.type === "watch") watched = message.pid === null ? null : identifyProcess(message.pid);
  else void stop();
});
process.on("disconnect", () => void stopOrphaned());

// The process id of workerd is reported immediately, so that the next start can end it if this one is killed.
subscribe("child_process", (message) => {
  const child = childOf(message);
  child?.once("spawn", () => {
    if (child.pid !== undefined && child.spawnfile.includes("workerd")) tell({ type: "runtime", pid: child.pid });
  });
});

/** A free port may be assigned to another connection before workerd uses it. */
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
    const port = options.port ?? (await findFreePort());
    try {
      miniflare = run(options, port);
      await miniflare.ready;
      return { port };
    } catch (error) {
      if (tries === MAX_TRIES || !isErrorWithCode(error, "ERR_ADDRESS_IN_USE")) throw error;
      await miniflare?.dispose().catch(() => undefined); // it never ran
    }
  }
}

function run(options: StartWorker, port: number): Miniflare {
  const paths = bundlePaths(options.bundleDirectory);
  const { options: declared, externalWorkers }: ReadWorkerOptions = JSON.parse(readFileSync(paths.options, "utf8"));
  // The rate limiters are those of worker-rate-limits.ts.
  const { ratelimits: rateLimits = {}, ...withoutLimits } = declared;
  return new Miniflare(
    convertV4MiniflareOptions({
      // The simulator's own entry interprets a few headers. It is not what people use, so it gets an unpublished port
      // and a certificate that no browser trusts.
      host: LOOPBACK,
      port: 0,
      https: true,
      ...(options.inspectorPort === undefined ? {} : { inspectorPort: options.inspectorPort }),
      cf: false,
      log: new Log(LogLevel.INFO),
      logRequests: false,
      unsafeObservability: options.keepsTelemetry,
      unsafeHandleRuntimeRestart: () => tell({ type: "restarted" }),
      resourcePersistencePath: options.stateDirectory,
      resourceTmpPath: options.temporaryDirectory,
      workers: [
        {
          ...withoutLimits,
          name: "threadkeep",
          // The port of the Worker itself.
          unsafeDirectSockets: [{ host: LOOPBACK, port, proxy: false }],
          modulesRoot: paths.modules,
          modules: [...localModules(paths.modules, rateLimits), ...listModules(paths.modules)],
          serviceBindings: Object.assign({}, declared.serviceBindings, {
            // The simulator of static assets would process every request before the Worker, so the files are bound as a
            // folder instead.
            ASSETS: { disk: { path: INSPECTOR_BUILD, writable: false } },
            LOCAL_DOORMAN: () => new Response(isWranglerConnectedTo(port) ? "wrangler" : "nobody"),
          }),
          bindings: Object.assign({}, declared.bindings, options.bindings),
          hyperdrives: { [HYPERDRIVE_BINDING]: options.hyperdriveUrl },
        },
        ...externalWorkers,
      ],
    }),
  );
}

/**
 * The entry for workerd: the bundle as it is deployed, with the rate limiters of worker-rate-limits.ts, wrapped by
 * worker-door.ts.
 */
function localModules(directory: string, rateLimits: Readonly<Record<string, RateLimit>>): V4ModuleDefinition[] {
  const entry = [
    'import { env } from "cloudflare:workers";',
    'import worker from "./worker.js";',
    'import { withDoor } from "./local-door.js";',
    'import { bindRateLimits } from "./local-rate-limits.js";',
    'export * from "./worker.js";',
    `bindRateLimits(env, ${JSON.stringify(rateLimits)});`,
    "export default withDoor(worker);",
  ].join("\n");
  const module = (name: string, contents: string): V4ModuleDefinition => {
    return { type: "ESModule", path: path.join(directory, name), contents };
  };
  return [
    module("local-entry.js", entry),
    module("local-door.js", readProgram(new URL("worker-door.ts", import.meta.url))),
    module("local-rate-limits.js", readProgram(new URL("worker-rate-limits.ts", import.meta.url))),
  ];
}

function readProgram(file: URL): string {
  return stripTypeScriptTypes(readFileSync(file, "utf8"));
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
