import type { SourcelessWorkerOptions, Unstable_MiniflareWorkerOptions } from "wrangler";
import type { RateLimit } from "./worker-rate-limits.ts";

/** The database binding's name in wrangler.toml. */
export const HYPERDRIVE_BINDING = "HYPERDRIVE";

/**
 * What worker-options.ts writes for worker-host.ts: the bindings, without addresses and secrets of a running service.
 */
export interface WorkerOptionsFile {
  options: Omit<SourcelessWorkerOptions, "modulesRules">;
  externalWorkers: Unstable_MiniflareWorkerOptions["externalWorkers"];
}

/** The same as it is read: wrangler's type does not say what a rate limiter is. */
export interface ReadWorkerOptions extends WorkerOptionsFile {
  options: WorkerOptionsFile["options"] & { ratelimits?: Record<string, RateLimit> };
}

/**
 * Messages between the service and the process that runs workerd. Keys are sent here, so that `ps` does not show them.
 */
export interface StartWorker {
  type: "start";
  bundleDirectory: string;
  stateDirectory: string;
  temporaryDirectory: string;
  /** Null: any free port. */
  port: number | null;
  inspectorPort: number | undefined;
  keepsTelemetry: boolean;
  hyperdriveUrl: string;
  bindings: Record<string, string>;
}

export interface WorkerPorts {
  port: number;
}

export type ToHost = StartWorker | { type: "watch"; pid: number | null } | { type: "stop" };

export type FromHost =
  | { type: "runtime"; pid: number }
  | ({ type: "listening" } & WorkerPorts)
  | { type: "restarted" }
  | { type: "failed"; message: string };
