import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { AuditActor, AuditEvent } from "../../src/api/audit.ts";
import { readAuditEvents } from "../../src/archive/audit.ts";
import { Tables } from "../../src/session/sqlite/tables.ts";
import {
  asWorker,
  billed,
  creationOf,
  evictDurableObject,
  freshRef,
  letPass,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  totalOf,
  turn,
  until,
  unwrap,
} from "../support/session.ts";

const SILENCE_MS = 86_400_000;
const KEY: AuditActor = { kind: "tenant-key", id: "key:7Qm2xVb9LcTa" };
const BY_KEY = { ...KEY, isUser: false };
const BY_ADMIN = { kind: "admin", id: "admin", isUser: false } as const;

async function append(ref: SessionRef, texts: readonly string[], by: AuditActor = KEY): Promise<void> {
  const messages = texts.map((text) => said(text));
  unwrap(await sessionAt(ref).append({ messages }, creationOf(ref), undefined, { ...by, isUser: false }));
}

/** The audit's events of a session's appends, oldest first. */
async function stored(ref: SessionRef): Promise<AuditEvent[]> {
  const filter = { session: ref.session, action: "appendMessages" };
  const events = await asWorker((database) => readAuditEvents(database, filter, { limit: 100, after: null }));
  return events.toReversed();
}

async function told(ref: SessionRef, count: number): Promise<AuditEvent[]> {
  await until(`${count} events of appends`, async () => (await stored(ref)).length >= count);
  return stored(ref);
}

function alarm(ref: SessionRef): Promise<void> {
  return runInDurableObject(stubAt(ref), (session) => session.alarm());
}

async function fallSilent(ref: SessionRef): Promise<void> {
  await letPass(ref, SILENCE_MS);
  await alarm(ref);
}

/** Audit events that are still to be sent, and ranges that are still open. */
function kept(ref: SessionRef): Promise<{ pending: number; open: number; tables: number }> {
  return runInDurableObject(stubAt(ref), (_, { storage: { sql } }) => {
    const tables = sql.exec("SELECT name FROM sqlite_master WHERE name = 'pending_audits'").toArray().length;
    const [outbox, session] = [new Tables(sql).group("jobs"), new Tables(sql).group("session")];
    const pending = outbox.exec("SELECT 1 FROM pending_audits").toArray().length;
    const open = session.exec("SELECT 1 FROM session WHERE appending IS NOT NULL").toArray().length;
    return { pending, open, tables };
  });
}

type Send = (body: unknown) => Promise<unknown>;

/**
 * Makes the session silent. Another queue replaces that of the audit until the object is evicted.
 * @param sendToSecond a second queue of the audit
 */
async function fallSilentWith(ref: SessionRef, send: Send, sendToSecond?: Send): Promise<void> {
  await letPass(ref, SILENCE_MS);
  await runInDurableObject(stubAt(ref), (session) => {
    const own: object = Reflect.get(session, "env");
    const second = sendToSecond === undefined ? {} : { AUDIT_QUEUE_2: { send: sendToSecond } };
    Reflect.set(session, "env", { ...own, AUDIT_QUEUE: { send }, ...second });
    return session.alarm();
  });
}

describe("appends in the audit", () => {
  it("are recorded as one range within a day, and later ones as the next range", async () => {
    const ref = freshRef();
    await append(ref, ["one", "two"]);
    await append(ref, ["three"]);
    await fallSilent(ref);
    const [range] = await told(ref, 1);
    expect(range).toMatchObject({
      tenant: "test",
      actor: KEY,
      user: null,
      action: "appendMessages",
      result: "ok",
      details: { fromSeq: 1, throughSeq: 3, principals: 1 },
    });
    await append(ref, ["four"]);
    await fallSilent(ref);
    expect((await told(ref, 2)).map(({ details }) => [details["fromSeq"], details["throughSeq"]])).toEqual([
      [1, 3],
      [4, 4],
    ]);
    expect(await kept(ref)).toMatchObject({ pending: 0, open: 0 });
  });

  it("are recorded when a summary is stored, up to the newest message", async () => {
    const ref = freshRef();
    const messages = Array.from({ length: 12 }, (_, index) => turn(index + 1));
    unwrap(await sessionAt(ref).append({ messages }, creationOf(ref), undefined, BY_KEY));
    unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0 }));
    const [range] = await told(ref, 1);
    expect(range?.details).toMatchObject({ fromSeq: 1, throughSeq: 12 });
  });

  it('are recorded for each principal that took part, and for more than eight as "many"', async () => {
    const ref = freshRef();
    await append(ref, ["one"]);
    await append(ref, ["two"], BY_ADMIN);
    await append(ref, ["three"]);
    await fallSilent(ref);
    const both = await told(ref, 2);
    expect(both.map(({ actor }) => actor.id).toSorted()).toEqual([BY_ADMIN.id, KEY.id]);
    for (const { details } of both) expect(details).toMatchObject({ fromSeq: 1, throughSeq: 3, principals: 2 });

    const crowded = freshRef();
    for (let at = 0; at < 12; at += 1) await append(crowded, ["hello"], { kind: "tenant-key", id: `key:${at}` });
    await fallSilent(crowded);
    const events = await told(crowded, 9);
    expect(events).toHaveLength(9);
    expect(events.filter(({ actor }) => actor.kind === "many")).toHaveLength(1);
  });

  it("are recorded even if the session is erased first, and then the object is empty", async () => {
    const ref = freshRef();
    await append(ref, ["one", "two"]);
    unwrap(await sessionAt(ref).erase());
    expect((await told(ref, 1))[0]?.details).toMatchObject({ fromSeq: 1, throughSeq: 2 });
    await until("the object vanishes", async () => (await kept(ref)).tables === 0);
  });

  it("are recorded in spite of an outage of the queue and an eviction", async () => {
    const ref = freshRef();
    await append(ref, ["one"]);
    await fallSilentWith(ref, () => Promise.reject(new Error("the queue is out of reach")));
    expect(await kept(ref)).toMatchObject({ pending: 1, open: 0 });
    await evictDurableObject(stubAt(ref));
    await told(ref, 1);
    await until("nothing is pending", async () => (await kept(ref)).pending === 0);
  });

  it("of two queues go to that of the session's tenant", async () => {
    const first: SessionRef = { ...freshRef(), tenant: "audited-1" };
    const second: SessionRef = { ...freshRef(), tenant: "audited-2" };
    const sent: [queue: number, body: unknown][] = [];
    for (const ref of [first, second]) {
      await append(ref, ["one"]);
      await fallSilentWith(
        ref,
        async (body) => void sent.push([1, body]),
        async (body) => void sent.push([2, body]),
      );
      expect(await kept(ref)).toMatchObject({ pending: 0 });
    }
    expect(sent).toEqual([
      [2, { v: 1, events: [expect.objectContaining({ tenant: "audited-1" })] }],
      [1, { v: 1, events: [expect.objectContaining({ tenant: "audited-2" })] }],
    ]);
  });

  it("are recorded once if the object ends between sending and noting it", async () => {
    const ref = freshRef();
    await append(ref, ["one"]);
    let sent = 0;
    await fallSilentWith(ref, async (body) => {
      await env.AUDIT_QUEUE.send(body);
      sent += 1;
      throw new Error("the answer got lost");
    });
    expect(sent).toBe(1);
    await evictDurableObject(stubAt(ref));
    await until("nothing is pending", async () => (await kept(ref)).pending === 0);
    expect(await told(ref, 1)).toHaveLength(1);
  });

  it("are not recorded for a batch that was appended before and changes nothing", async () => {
    const ref = freshRef();
    const messages = [said("one", "m1")];
    unwrap(await sessionAt(ref).append({ messages }, creationOf(ref), undefined, BY_KEY));
    await fallSilent(ref);
    await told(ref, 1);
    unwrap(await sessionAt(ref).append({ messages }, null, undefined, BY_ADMIN));
    expect(await kept(ref)).toMatchObject({ pending: 0, open: 0 });
  });

  it("cost no row and no alarm of their own, except for the first of a range and each further principal", async () => {
    const ref = freshRef();
    await append(ref, ["one"]);
    const rows = async (by: AuditActor): Promise<number> => {
      const messages = [said("more")];
      return totalOf(
        await billed(ref, async (session) =>
          unwrap(await session.append({ messages }, null, undefined, { ...by, isUser: false })),
        ),
      );
    };
    expect(await rows(KEY)).toBe(1);
    expect(await rows(BY_ADMIN)).toBe(2);
    expect(await rows(BY_ADMIN)).toBe(1);
    expect(await rows(KEY)).toBe(1);
  });
});
