import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { sessionName, type SessionRef } from "../../../src/api/session.ts";
import { createSessionClient, type SessionObject } from "../../../src/session/client.ts";
import type { ChatSession } from "../../../src/session/object.ts";

/** The objects of sessions, for tests. */

export function sessionAt(ref: SessionRef): SessionObject {
  return createSessionClient(env.CHAT_SESSION).get(ref);
}

/** The same object in the form that the runtime's test tools need. */
export function stubAt(ref: SessionRef): DurableObjectStub<ChatSession> {
  return env.CHAT_SESSION.getByName(sessionName(ref));
}

export function epochOf(ref: SessionRef): Promise<string> {
  return runInDurableObject(
    stubAt(ref),
    (_, state) => state.storage.sql.exec<{ epoch: string }>("SELECT epoch FROM session").one().epoch,
  );
}

/** Checking uses the thread that the awaited work needs, so the pauses between checks grow. */
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 150;

/** Repeats a check until a condition holds. */
export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 40_000;
  for (let pauseMs = FIRST_PAUSE_MS; !(await condition()); pauseMs = Math.min(pauseMs * 1.3, LONGEST_PAUSE_MS)) {
    if (Date.now() > deadline) throw new Error(`Waited in vain: ${what}`);
    await scheduler.wait(pauseMs);
  }
}
