import { send } from "./worker-http.ts";

/** Far longer than a busy machine needs. */
const MAX_TRIES = 20;

/**
 * Before the first tests, this request makes the modules of the Worker and of its objects load. That takes seconds while tests in Node use
 * the other core, longer than the Worker's timeouts. A Worker that never answers is reported by the tests.
 */
async function awaitFirstAnswer(): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const { status } = await send("GET", "/v1/sessions");
    if (status === 200) return;
  }
}

await awaitFirstAnswer();
