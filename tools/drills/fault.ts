import { setTimeout as sleep } from "node:timers/promises";

/** What a drill was to see and did not. Its text is for whoever reads the report. */
export class DrillFault extends Error {
  override readonly name = "DrillFault";
}

/** A consumer that a crash took along holds its lease for three minutes, and then there are pauses. */
const PATIENCE_MS = 300_000;
const POLL_MS = 100;

export function check(isRight: boolean, otherwise: string): asserts isRight {
  if (!isRight) throw new DrillFault(otherwise);
}

export interface UntilOptions {
  readonly patienceMs?: number;
  readonly pollMs?: number;
  /** Told with the fault: what was seen last. */
  readonly seen?: () => unknown;
}

/** Asks until there is something other than undefined. Fails with what was waited for. */
export async function until<Result>(
  what: string,
  ask: () => Promise<Result | undefined> | Result | undefined,
  { patienceMs = PATIENCE_MS, pollMs = POLL_MS, seen }: UntilOptions = {},
): Promise<Result> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const result = await ask();
    if (result !== undefined) return result;
    if (Date.now() > deadline) {
      const last = seen === undefined ? "" : `; last seen: ${JSON.stringify(seen())}`;
      throw new DrillFault(`waited ${patienceMs / 1000} s in vain until ${what}${last}`);
    }
    await sleep(pollMs);
  }
}
