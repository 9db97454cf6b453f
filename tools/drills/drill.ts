import type { Scene } from "./stage.ts";

export interface Drill {
  readonly name: string;
  /** One line for `--list`. */
  readonly says: string;
  /** Rejects and says what did not hold. Leaves the service healthy, so that the next drill can run on it. */
  run(scene: Scene): Promise<void>;
}
