import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { sessionName, type SessionRef } from "../../src/contracts/session.ts";
import type { ChatSession } from "../../src/session/chat-session.ts";
import { createSessionClient, type SessionObject } from "../../src/session/client.ts";

/** The objects of sessions, as tests reach them. */

export function sessionAt(ref: SessionRef): SessionObject {
  return createSessionClient(env.CHAT_SESSION).get(ref);
}

/** The same object as the test tools of the runtime take it. */
export function stubAt(ref: SessionRef): DurableObjectStub<ChatSession> {
  return env.CHAT_SESSION.getByName(sessionName(ref));
}

export function incarnationOf(ref: SessionRef): Promise<string> {
  return runInDurableObject(
    stubAt(ref),
    (_, state) => state.storage.sql.exec<{ incarnation: string }>("SELECT incarnation FROM session").one().incarnation,
  );
}

/** Asks again until a condition holds. */
export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 40_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Waited in vain: ${what}`);
    await scheduler.wait(10);
  }
}
