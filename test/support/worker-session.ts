import { runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { unwrap } from "../../src/contracts/errors.ts";
import type { SummarizeRequest } from "../../src/contracts/job.ts";
import type { NewMessage } from "../../src/contracts/message.ts";
import type { SessionRef, SessionSettings } from "../../src/contracts/session.ts";
import type { Birth, ChatSession } from "../../src/session/chat-session.ts";
import { createSessionClient, type SessionObject } from "../../src/session/client.ts";

/** A name that no other test uses: objects are isolated by file, not by test, and PostgreSQL is shared by all. */
export function freshRef(owner = "-"): SessionRef {
  return { tenant: "test", owner, session: crypto.randomUUID() };
}

export function sessionAt(ref: SessionRef): SessionObject {
  return createSessionClient(env.CHAT_SESSION).get(ref);
}

/** The same object as the test tools of the runtime take it. */
export function stubAt(ref: SessionRef): DurableObjectStub<ChatSession> {
  return env.CHAT_SESSION.getByName(`${ref.tenant}/${ref.owner}/${ref.session}`);
}

export function birthOf(ref: SessionRef, settings?: SessionSettings): Birth {
  return { ref, createdAt: Date.now(), ...(settings === undefined ? {} : { settings }) };
}

export function said(text: string, id?: string): NewMessage {
  return { role: "user", content: text, ...(id === undefined ? {} : { id }) };
}

/** A turn of about so many words, each like no other turn's. */
export function turn(number: number, words = 40): NewMessage {
  const filler = Array.from({ length: words }, (_, index) => `word${(number * 31 + index * 17) % 997}`);
  return {
    id: `turn-${number}`,
    role: number % 2 === 1 ? "user" : "assistant",
    content: `Turn ${number}: the invoice ${1000 + number} goes to harbour office ${number}. ${filler.join(" ")}.`,
  };
}

/** A session with so many turns. */
export async function chatOf(
  count: number,
  options: { settings?: SessionSettings; words?: number } = {},
): Promise<SessionRef> {
  const ref = freshRef();
  for (let from = 1; from <= count; from += 100) {
    const size = Math.min(100, count - from + 1);
    const messages = Array.from({ length: size }, (_, index) => turn(from + index, options.words));
    unwrap(await sessionAt(ref).append({ messages }, birthOf(ref, options.settings)));
  }
  return ref;
}

/**
 * Runs a body in the object and takes the alarm away before it can fire, so that the test alone brings owed work on its way.
 */
export function withoutAlarm<T>(ref: SessionRef, body: (session: ChatSession) => Promise<T>): Promise<T> {
  return runInDurableObject(stubAt(ref), async (session, state) => {
    const result = body(session);
    await state.storage.deleteAlarm();
    return result;
  });
}

/** The jobs that the object owes. */
export function owedJobs(ref: SessionRef): Promise<Record<string, SqlStorageValue>[]> {
  return runInDurableObject(stubAt(ref), (_, state) =>
    state.storage.sql.exec("SELECT * FROM jobs ORDER BY kind").toArray(),
  );
}

export function incarnationOf(ref: SessionRef): Promise<string> {
  return runInDurableObject(
    stubAt(ref),
    (_, state) => state.storage.sql.exec<{ incarnation: string }>("SELECT incarnation FROM session").one().incarnation,
  );
}

/** Owes a summary by hand that only the test brings on its way. */
export async function oweSummary(
  ref: SessionRef,
  request: SummarizeRequest = { keepRecentTokens: 0 },
): Promise<{ jobId: string; incarnation: string }> {
  const { job } = unwrap(await withoutAlarm(ref, (session) => session.summarize(request)));
  if (job === null) throw new Error("nothing to summarize");
  return { jobId: job.id, incarnation: await incarnationOf(ref) };
}

/** Asks again until a condition holds. */
export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 40_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Waited in vain: ${what}`);
    await scheduler.wait(10);
  }
}
