/** What the service and the process that runs workerd say to each other. Keys travel here, so that `ps` does not show them. */
export interface StartWorker {
  type: "start";
  projectRoot: string;
  bundleDirectory: string;
  stateDirectory: string;
  temporaryDirectory: string;
  port: number;
  hyperdriveUrl: string;
  bindings: Record<string, string>;
}

export type ToHost = StartWorker | { type: "watch"; pid: number | null } | { type: "stop" };

export type FromHost =
  | { type: "runtime"; pid: number }
  | { type: "listening" }
  | { type: "restarted" }
  | { type: "failed"; message: string };
