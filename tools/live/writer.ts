// Writes to a session over HTTP, also during restarts: each message has an id, so that a repetition changes nothing.
import { setTimeout as sleep } from "node:timers/promises";
import type { Place } from "./follower.ts";

const RETRY_MS = 100;
/** A restart takes seconds. If it takes longer than this, the service is down. */
const PATIENCE_MS = 120_000;

export interface Write {
  readonly method: "POST" | "PATCH" | "DELETE";
  /** The path after /v1/sessions. */
  readonly path: string;
  readonly body?: unknown;
}

/** A session that is never summarized, so that only writes cause events. */
export async function createSession(place: () => Place): Promise<void> {
  const settings = { summarizeAfterTokens: 1_000_000, summarizeAfterIdleSeconds: null };
  await write(place, { method: "POST", path: "", body: { id: place().session, settings } });
}

/** Repeats the request until it is answered. Fails if it is refused. */
export async function write(place: () => Place, { method, path, body }: Write): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const status = await attempt(place(), method, path, body);
    if (status !== null && status < 300) return;
    if (status !== null && status < 500) throw new Error(`${method} ${path} was refused with ${status}`);
    if (Date.now() > deadline) throw new Error(`${method} ${path} was not answered within ${PATIENCE_MS} ms`);
    await sleep(RETRY_MS);
  }
}

/** Returns the status; null without an answer. */
async function attempt(place: Place, method: string, path: string, body: unknown): Promise<number | null> {
  try {
    const answer = await fetch(`${place.url}/v1/sessions${path}`, {
      method,
      headers: { authorization: `Bearer ${place.apiKey}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return null; // There was no connection, or it broke: the service is restarting.
  }
}
