// The levers of levers-worker.mjs, for drills.
import { check } from "./fault.ts";
import { send, type Target } from "./requests.ts";

type QueueBinding = "SUMMARIZE_QUEUE" | "ARCHIVE_QUEUE";

/** The most messages that a queue accepts in one call. */
const BATCH = 100;

/** Stops all deliveries from now on. */
export async function holdQueues(target: Target): Promise<void> {
  await pull(target, "hold");
}

export async function releaseQueues(target: Target): Promise<void> {
  await pull(target, "release");
}

/** Resumes an instance of the Workflow that runs operations. */
export async function wakeWorkflow(target: Target, id: string): Promise<void> {
  await pull(target, "wake", { id });
}

export async function sendBodies(target: Target, queue: QueueBinding, bodies: readonly unknown[]): Promise<void> {
  for (let from = 0; from < bodies.length; from += BATCH) {
    await pull(target, "send", { queue, bodies: bodies.slice(from, from + BATCH) });
  }
}

async function pull(target: Target, lever: string, body?: unknown): Promise<void> {
  const { status } = await send(target, `/drills/${lever}`, { method: "POST", body });
  check(status === 204, `the lever "${lever}" was answered with ${status}`);
}
