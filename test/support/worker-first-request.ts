import { send } from "./worker-http.ts";

/** Far more than a busy machine needs. */
const MAX_TRIES = 20;

/**
 * Before the first tests: the first request has the modules of the Worker and of its objects loaded, which takes seconds while tests in Node have
 * the other core, and the Worker gives nobody so long. A Worker that never answers is left to the tests to tell.
 */
async function awaitFirstAnswer(): Promise<void> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const { status } = await send("GET", "/v1/sessions");
    if (status === 200) return;
  }
}

await awaitFirstAnswer();
