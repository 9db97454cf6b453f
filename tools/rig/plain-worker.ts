// A Worker with one class of objects, in the local runtime, to measure something else than Threadkeep in the same surroundings.
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { findFreePort, LOOPBACK } from "../../scripts/dev/ports.ts";

export interface PlainWorkerOptions {
  readonly name: string;
  /** One ES module. */
  readonly code: string;
  readonly compatibilityFlags?: readonly string[];
  /** Its variables. */
  readonly bindings: Record<string, string>;
  /** The binding of its objects, and their class. */
  readonly objects: { readonly binding: string; readonly className: string };
}

export interface PlainWorker {
  readonly url: string;
  stop(): Promise<void>;
}

/** @param directory where its objects are stored: a Worker that is started there again finds them asleep */
export async function startPlainWorker(
  directory: string,
  { name, code, compatibilityFlags = [], bindings, objects }: PlainWorkerOptions,
): Promise<PlainWorker> {
  const port = await findFreePort();
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: LOOPBACK,
      port: 0,
      cf: false,
      log: new Log(LogLevel.ERROR),
      resourcePersistencePath: directory,
      workers: [
        {
          name,
          modules: [{ type: "ESModule", path: "worker.js", contents: code }],
          compatibilityDate: "2026-10-01",
          compatibilityFlags: [...compatibilityFlags],
          bindings,
          durableObjects: { [objects.binding]: { className: objects.className, useSQLite: true } },
          // Threadkeep is called in the same way: bypassing the simulator's own entry.
          unsafeDirectSockets: [{ host: LOOPBACK, port, proxy: false }],
        },
      ],
    }),
  );
  await miniflare.ready;
  return { url: `http://${LOOPBACK}:${port}`, stop: () => miniflare.dispose() };
}
