import { withTimeout } from "../../lib/with-timeout.ts";

/** How long a call between a session's object and a fan-out object may take, in ms: it reads or sends one page. */
const CALL_TIMEOUT_MS = 5_000;
/** The pauses between attempts, in ms. What fails for longer is made good by the fan-out object's next check. */
const PAUSES_MS = [250, 1_000, 4_000];

/**
 * Makes an idempotent call to another object, and repeats it if it fails.
 * @param call gets a new stub each time: after an exception a stub may fail every call
 */
export async function attempt<T>(call: () => Promise<T>): Promise<T> {
  for (const pauseMs of [...PAUSES_MS, null]) {
    try {
      return await withTimeout(call(), CALL_TIMEOUT_MS, () => {
        throw new Error(`no answer within ${CALL_TIMEOUT_MS} ms`);
      });
    } catch (error) {
      // The platform asks not to repeat a call that an object is too busy to answer.
      const isOverloaded = error instanceof Error && "overloaded" in error && error.overloaded === true;
      if (pauseMs === null || isOverloaded) throw error;
      await scheduler.wait(pauseMs);
    }
  }
  throw new Error("unreachable: the last attempt returns or throws");
}
