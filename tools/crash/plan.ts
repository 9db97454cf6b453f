// What is killed, and when. A pure function: the same seed gives the same plan.
import { createRandom } from "../../simulation/random.ts";
import { shuffle } from "../bench/statistics.ts";
import type { Victim } from "./options.ts";

export interface PlannedKill {
  readonly victim: Victim;
  /** Counted from the moment every chat has its first answer. */
  readonly afterMs: number;
  /** How long the killed processes stay down. */
  readonly downMs: number;
}

const LONGEST_DOWN_MS = 1_000;

/** Each victim is killed equally often, in random order. */
export function planKills(kills: number, victims: readonly Victim[], withinMs: number, seed: number): PlannedKill[] {
  const random = createRandom(seed);
  const inTurn = Array.from({ length: kills }, (_, index) => victims[index % victims.length] ?? "both");
  return shuffle(inTurn, random).map((victim) => ({
    victim,
    afterMs: Math.floor(random() * withinMs),
    downMs: Math.floor(random() * LONGEST_DOWN_MS),
  }));
}
