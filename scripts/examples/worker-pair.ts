// Runs Threadkeep and a Worker that is bound to it in one workerd, as if both were deployed.
import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import path from "node:path";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { rolldown } from "rolldown";
import { esmExternalRequirePlugin } from "rolldown/plugins";
import { LOOPBACK } from "../dev/ports.ts";
import { bundlePaths } from "../dev/worker-bundle.ts";
import { HYPERDRIVE_BINDING, type WorkerOptionsFile } from "../dev/worker-messages.ts";
import { listModules } from "../dev/worker-modules.ts";

export interface WorkerPairOptions {
  /** Threadkeep's bundle, made by `bundleWorker`. */
  bundleDirectory: string;
  hyperdriveUrl: string;
  /** Threadkeep's secrets. */
  secrets: Record<string, string>;
  /** The entry of the Worker that calls it. */
  callerEntry: string;
  compatibilityDate: string;
  compatibilityFlags?: string[];
  /** The caller's bindings, with their props. */
  services: Record<string, { entrypoint?: string; props?: Record<string, unknown> }>;
  callerBindings?: Record<string, string>;
  /** The class of each Durable Object binding of the caller. */
  callerObjects?: Record<string, string>;
  port?: number;
}

/** Starts both; requests go to the caller. Stop it with `dispose`. */
export async function startWorkerPair(options: WorkerPairOptions): Promise<Miniflare> {
  const { modules, options: optionsFile } = bundlePaths(options.bundleDirectory);
  const declared: WorkerOptionsFile = JSON.parse(readFileSync(optionsFile, "utf8"));
  const bound = Object.entries(options.services).map(([name, service]) => [name, { ...service, name: "threadkeep" }]);
  const objects = Object.entries(options.callerObjects ?? {}).map(([name, className]) => [
    name,
    { className, useSQLite: true },
  ]);
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: LOOPBACK,
      port: options.port ?? 0,
      cf: false,
      log: new Log(LogLevel.ERROR),
      workers: [
        {
          name: "caller",
          modules: [{ type: "ESModule", path: "caller.js", contents: await bundleCaller(options.callerEntry) }],
          compatibilityDate: options.compatibilityDate,
          compatibilityFlags: options.compatibilityFlags ?? [],
          bindings: options.callerBindings ?? {},
          serviceBindings: Object.fromEntries(bound),
          durableObjects: Object.fromEntries(objects),
        },
        {
          ...declared.options,
          name: "threadkeep",
          modulesRoot: modules,
          modules: listModules(modules),
          bindings: Object.assign({}, declared.options.bindings, options.secrets),
          hyperdrives: { [HYPERDRIVE_BINDING]: options.hyperdriveUrl },
        },
        ...declared.externalWorkers,
      ],
    }),
  );
  await miniflare.ready;
  return miniflare;
}

async function bundleCaller(entry: string): Promise<string> {
  const client = path.resolve(import.meta.dirname, "../../client/src/index.ts");
  const bundle = await rolldown({
    input: entry,
    platform: "neutral",
    external: /^(cloudflare|node):/,
    // Old packages import Node's modules without the `node:` prefix, with a `require` that workerd's modules do not
    // have.
    plugins: [esmExternalRequirePlugin({ external: [...builtinModules] })],
    resolve: {
      alias: { "threadkeep-client": client },
      conditionNames: ["workerd", "worker", "browser"],
      mainFields: ["module", "main"],
    },
  });
  const { output } = await bundle.generate({
    format: "esm",
    codeSplitting: false,
    paths: (name) => (builtinModules.includes(name) ? `node:${name}` : name),
  });
  return output[0].code;
}
