import { setTimeout as sleep } from "node:timers/promises";

/** Something that a drill expected did not happen. The text is for the report. */
export class DrillFault extends Error {
  override readonly name = "DrillFault";
}

/** Long, because a lease that a crashed consumer held lasts three minutes, and pauses between retries follow. */
const PATIENCE_MS = 300_000;
const POLL_MS = 100;

export function check(isRight: boolean, otherwise: string): asserts isRight {
  if (!isRight) throw new DrillFault(otherwise);
}

export interface UntilOptions {
  readonly patienceMs?: number;
  readonly pollMs?: number;
  /** The last value that was seen. It becomes part of the error. */
  readonly seen?: () => unknown;
}

/** Polls until the result is not undefined. Fails and says what it waited for. */
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
      const last = seen === undefined ? "" : `; the last value was ${JSON.stringify(seen())}`;
      throw new DrillFault(`after ${patienceMs / 1000} s it was still not the case that ${what}${last}`);
    }
    await sleep(pollMs);
  }
}
