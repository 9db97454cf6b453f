// What is killed, and when. Pure: the same seed gives the same plan.
import { createRandom, shuffle } from "../bench/statistics.ts";
import type { Victim } from "./options.ts";

export interface PlannedKill {
  readonly victim: Victim;
  /** From the first answer that every chat got. */
  readonly afterMs: number;
  /** For so long what was killed stays down. */
  readonly downMs: number;
}

const LONGEST_DOWN_MS = 1_000;

/** Each victim comes as often as the others, in an order by chance. */
export function planKills(kills: number, victims: readonly Victim[], withinMs: number, seed: number): PlannedKill[] {
  const random = createRandom(seed);
  const inTurn = Array.from({ length: kills }, (_, index) => victims[index % victims.length] ?? "both");
  return shuffle(inTurn, random).map((victim) => ({
    victim,
    afterMs: Math.floor(random() * withinMs),
    downMs: Math.floor(random() * LONGEST_DOWN_MS),
  }));
}
