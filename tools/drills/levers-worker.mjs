// The Worker, unchanged, behind levers that put bodies into its queues, hold up its consumers, and resume a Workflow. It runs in workerd
// and calls the Worker's bundle, which is service.js there. It is never deployed.
import worker from "./service.js";

export * from "./service.js";

/** A body that is not understood is delivered eleven times, with pauses that grow to five minutes. Here there are no pauses. */
const RETRY_SECONDS = 0;
const POLL_MS = 100;
const levers = { isHeld: false };

export default {
  ...worker,
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/drills/hold") levers.isHeld = true;
    else if (pathname === "/drills/release") levers.isHeld = false;
    else if (pathname === "/drills/send") {
      const { queue, bodies } = await request.json();
      await env[queue].sendBatch(bodies.map((body) => ({ body })));
    } else if (pathname === "/drills/wake") await wake(env.OPERATIONS_WORKFLOW, (await request.json()).id);
    else return worker.fetch(request, env, ctx);
    return new Response(null, { status: 204 });
  },
  async queue(batch, env, ctx) {
    // The simulator gives a consumer one batch at a time. While this one waits, nothing is delivered, as if the queue were paused.
    while (levers.isHeld) await scheduler.wait(POLL_MS);
    await worker.queue({ queue: batch.queue, messages: batch.messages.map(hurry) }, env, ctx);
  },
};

/** The platform resumes instances that a crash interrupted. The simulator does not, until somebody pauses and resumes them. */
async function wake(workflow, id) {
  const instance = await workflow.get(id);
  await instance.pause();
  while (!["paused", "complete"].includes((await instance.status()).status)) await scheduler.wait(POLL_MS);
  await instance.resume();
}

function hurry(message) {
  const { id, timestamp, attempts, body } = message;
  const isUnderstood = body?.v === 1;
  return {
    id,
    timestamp,
    attempts,
    body,
    ack: () => message.ack(),
    retry: (options) => message.retry(isUnderstood ? options : { delaySeconds: RETRY_SECONDS }),
  };
}
