import type { Scene } from "./stage.ts";

export interface Drill {
  readonly name: string;
  /** For `--list`. */
  readonly says: string;
  /** Rejects with what was not as promised. Leaves the service well, so that the next drill can be held on it. */
  run(scene: Scene): Promise<void>;
}
