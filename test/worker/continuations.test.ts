import { describe, expect, it } from "vitest";
import type { Item } from "../../src/api/summary.ts";
import type { CarriedItems } from "../../src/session/client.ts";
import type { ChatSession } from "../../src/session/object.ts";
import type { Ended } from "../../src/session/outbox/for-consumer.ts";
import {
  archivedTexts,
  archivedWhole,
  beside,
  chatOf,
  continuationOf,
  creationOf,
  deliver,
  epochOf,
  epochRefOf,
  freshRef,
  itemsOf,
  jobOf,
  pendingJobs,
  pipelineDeps,
  quoting,
  request,
  ring,
  runInDurableObject,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  storedText,
  stubAt,
  summarizeAndArchive,
  summarizeBy,
  turn,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

const SECRET = "the invoice 1003";
const FOLDED = "mandrake";

/** A continuation whose job only the test delivers. */
async function beginContinuation(source: SessionRef): Promise<SessionRef> {
  const copy = beside(source);
  const epoch = unwrap(await sessionAt(source).beginContinuation(copy.session));
  unwrap(await withoutAlarm(copy, (session) => session.create(creationOf(copy), undefined, epoch)));
  return copy;
}

async function carry(copy: SessionRef, carriedItems: CarriedItems | null): Promise<Ended> {
  const { jobId, epoch } = await jobOf(copy, "restore");
  return withoutAlarm(copy, async (session) => {
    const next = await session.nextCarryOver(jobId, epoch);
    if (next === null) throw new Error("nothing is pending");
    return session.carryOver(jobId, epoch, next.lease, carriedItems);
  });
}

async function carriedItemsOf(source: SessionRef): Promise<CarriedItems> {
  const carried = await sessionAt(source).readCarried(await epochOf(source), false);
  if (carried?.next !== "items") throw new Error("the source has nothing to give");
  return carried;
}

function item(id: string, text: string, sourceSeqs: number[], change: Partial<Item> = {}): Item {
  return { id, kind: "fact", text, sourceSeqs, status: "current", ...change };
}

describe("a continuation", () => {
  it("starts with the items of the other session's summary, each of which names the session of its sources", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const copy = await continuationOf(source);
    const before = await itemsOf(source);
    expect(before.length).toBeGreaterThan(0);
    const carried = await itemsOf(copy);
    expect(carried.map(({ text, sourceSeqs, sourceSession }) => ({ text, sourceSeqs, sourceSession }))).toEqual(
      before.map(({ text, sourceSeqs }) => ({ text, sourceSeqs, sourceSession: source.session })),
    );
    expect(unwrap(await sessionAt(copy).state())).toMatchObject({
      headSeq: 0,
      origin: { session: source.session, kind: "continuation", throughSeq: 8, state: "done" },
      summary: { version: 1, throughSeq: 0 },
    });
    await archivedWhole(copy);
    expect((await archivedTexts(await epochOf(copy))).toSorted()).toEqual(carried.map(({ text }) => text).toSorted());
  });

  it("first lets the other session summarize all but its last four messages", async () => {
    const source = await chatOf(12);
    const copy = await continuationOf(source);
    expect(unwrap(await sessionAt(source).state()).summary).toMatchObject({ throughSeq: 8 });
    expect((await itemsOf(copy)).length).toBeGreaterThan(0);
  });

  it("uses the existing summary if a new one takes too long", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    unwrap(await sessionAt(source).append({ messages: [13, 14, 15, 16].map((number) => turn(number)) }, null));
    const copy = await beginContinuation(source);
    const job = await jobOf(copy, "restore");
    const { sessions } = pipelineDeps();
    const stuck = pipelineDeps({
      sessions: {
        get: (ref) =>
          new Proxy(sessions.get(ref), {
            get: (target, name) =>
              name === "readCarried"
                ? (epoch: string, mayWait: boolean) =>
                    withoutAlarm(ref, (session) => session.readCarried(epoch, mayWait))
                : name === "putOff"
                  ? (...given: Parameters<ChatSession["putOff"]>) =>
                      withoutAlarm(ref, (session) => session.putOff(...given))
                  : Reflect.get(target, name),
          }),
      },
    });
    const sendFor = async (sends: number): Promise<number> => {
      const sentAt = Date.now();
      await runInDurableObject(stubAt(copy), (_, { storage }) => storage.sql.exec("UPDATE jobs SET sends = ?", sends));
      // Not through the queue, which would give the job up after some deliveries.
      expect(await deliver(job, stuck)).toBe("acked");
      const pending = (await pendingJobs(copy)).find(({ kind }) => kind === "restore");
      return pending === undefined ? 0 : Math.round((Number(pending["next_send_at"]) - sentAt) / 1_000);
    };
    expect([await sendFor(1), await sendFor(3), await sendFor(5)]).toEqual([1, 4, 16]);
    expect(unwrap(await sessionAt(copy).state()).origin).toMatchObject({ state: "pending" });
    await sendFor(6);
    expect(unwrap(await sessionAt(copy).state()).origin).toMatchObject({ state: "done", throughSeq: 8 });
  });

  it("leaves out superseded items, and the oldest ones if they do not fit the budget", async () => {
    const source = await chatOf(12);
    const copy = beside(source);
    const epoch = unwrap(await sessionAt(source).beginContinuation(copy.session));
    const creation = creationOf(copy, { summaryMaxTokens: 150 });
    unwrap(await withoutAlarm(copy, (session) => session.create(creation, undefined, epoch)));
    const items = Array.from({ length: 12 }, (_, index) =>
      item(`1.${index + 1}`, `Statement ${index + 1} about the harbour office.`, [index + 1]),
    );
    const done = item("1.20", "An old task, long done.", [1], { status: "superseded" });
    expect(await carry(copy, { throughSeq: 12, items: [done, ...items.toReversed()], origins: [] })).toBe(true);
    const carried = await itemsOf(copy);
    const seqs = carried.flatMap(({ sourceSeqs }) => sourceSeqs);
    expect(seqs.length).toBeGreaterThan(1);
    expect(seqs.length).toBeLessThan(12);
    expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, index) => 12 - seqs.length + 1 + index));
    const summary = unwrap(await sessionAt(copy).summary(1, false));
    expect(summary.tokens).toBeLessThanOrEqual(150);
    expect(summary.droppedItems).toBe(12 - seqs.length);
  });

  it("names no message of the other session in omitted, and cites none in expanded sources", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const copy = await continuationOf(source);
    unwrap(await sessionAt(copy).append({ messages: [turn(21), turn(22)] }, null));
    const context = unwrap(await sessionAt(copy).context({ format: "threadkeep" }));
    expect(context).toMatchObject({ omitted: [], headSeq: 2 });
    const starved = unwrap(await sessionAt(copy).context({ format: "threadkeep", maxTokens: 256 }));
    if (!("omitted" in starved)) throw new Error("expected the format threadkeep");
    for (const { throughSeq } of starved.omitted) expect(throughSeq).toBeLessThanOrEqual(2);
    expect(unwrap(await sessionAt(copy).summary(1, true)).sources).toEqual([]);
  });

  it("is answered the same when it is requested twice, and refused if there is nothing to continue from", async () => {
    const source = await chatOf(12);
    const copy = await continuationOf(source);
    const again = await request("POST", "/sessions", { id: copy.session, continueFrom: source.session });
    expect(again).toMatchObject({ status: 200, body: { id: copy.session } });
    const unknown = await request("POST", "/sessions", { continueFrom: crypto.randomUUID() });
    expect(unknown).toMatchObject({
      status: 404,
      body: { code: "session_not_found", errors: [{ path: "/continueFrom" }] },
    });
    const id = crypto.randomUUID();
    expect(await request("POST", "/sessions", { id, continueFrom: id })).toMatchObject({
      status: 422,
      body: { errors: [{ path: "/continueFrom" }] },
    });
  });

  it("says that it has nothing if the other session was erased before anything was carried over", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const copy = await beginContinuation(source);
    const carriedItems = await carriedItemsOf(source);
    const job = await jobOf(copy, "restore");
    unwrap(await withoutAlarm(source, (session) => session.erase()));
    await deliver(await jobOf(source, "erase-copies"));
    expect(await carry(copy, carriedItems)).toBe(true);
    expect(unwrap(await sessionAt(copy).state())).toMatchObject({ summary: null, origin: { state: "lost" } });
    expect(await storedText(copy)).not.toContain(SECRET);
    expect(await deliver(job)).toBe("acked");
    unwrap(await sessionAt(copy).append({ messages: [turn(1)] }, null));
  });

  it("does not carry over an item whose message was erased in the meantime", async () => {
    const source = await chatOf(12);
    await summarizeBy(source, quoting);
    const copy = await beginContinuation(source);
    const carriedItems = await carriedItemsOf(source);
    expect(JSON.stringify(carriedItems)).toContain(SECRET);
    unwrap(await withoutAlarm(source, (session) => session.eraseMessage("turn-3")));
    await deliver(await jobOf(source, "erase-copies"));
    expect(await carry(copy, carriedItems)).toBe(true);
    expect((await itemsOf(copy)).map(({ sourceSeqs }) => sourceSeqs[0])).toEqual([1, 2, 4, 5, 6, 7, 8]);
    expect(await storedText(copy)).not.toContain(SECRET);
  });
});

describe("carried items", () => {
  it("keep their words and sources whatever a summarizer returns; their status may change", async () => {
    const source = await chatOf(12);
    const copy = await beginContinuation(source);
    await carry(copy, {
      throughSeq: 8,
      items: [
        item("1.1", "The invoice goes to office 3.", [3]),
        item("1.2", "Call the harbour.", [4], { kind: "task" }),
      ],
      origins: [],
    });
    unwrap(await sessionAt(copy).append({ messages: [1, 2, 3, 4, 5, 6].map((number) => turn(number)) }, null));
    await summarizeBy(copy, ({ previous }) => ({
      model: "test",
      items: previous.map((before, index) => ({
        ...before,
        text: "Something else altogether.",
        sourceSeqs: [1],
        status: index === 1 ? ("done" as const) : ("current" as const),
      })),
    }));
    expect(await itemsOf(copy)).toMatchObject([
      { text: "The invoice goes to office 3.", sourceSeqs: [3], sourceSession: source.session, status: "current" },
      { text: "Call the harbour.", sourceSeqs: [4], sourceSession: source.session, status: "done" },
    ]);
  });

  it("survive a summary from scratch, and a rebuild after an erasure", async () => {
    const source = await chatOf(12);
    const copy = await beginContinuation(source);
    await carry(copy, { throughSeq: 8, items: [item("1.1", "Ada lives in Lisbon.", [3])], origins: [] });
    unwrap(await sessionAt(copy).append({ messages: [1, 2, 3, 4, 5, 6, 7, 8].map((number) => turn(number)) }, null));
    await summarizeBy(copy, quoting);
    unwrap(await sessionAt(copy).summarize({ fromScratch: true, keepRecentTokens: 0, waitMs: 10_000 }));
    const carried = { text: "Ada lives in Lisbon.", sourceSession: source.session, sourceSeqs: [3] };
    unwrap(await withoutAlarm(copy, (session) => session.eraseMessage("turn-3")));
    const job = (await pendingJobs(copy)).find(({ kind }) => kind === "summarize");
    expect(job).toMatchObject({ details: { is: "rebuild", lastKept: 1 } });
    await summarizeBy(copy, quoting);
    const items = await itemsOf(copy);
    expect(items).toContainEqual(expect.objectContaining(carried));
    expect(items.filter(({ sourceSession }) => sourceSession !== undefined)).toHaveLength(1);
    const versions = unwrap(await sessionAt(copy).summaries(undefined, 10)).data;
    expect(versions.at(-1)).toMatchObject({ version: 1, throughSeq: 0, items: [carried] });
  });

  it("wait for a pending summary, and not for one that was given up", async () => {
    const source = await chatOf(12);
    const copy = await beginContinuation(source);
    unwrap(await sessionAt(copy).append({ messages: [1, 2, 3, 4, 5, 6].map((number) => turn(number)) }, null));
    const { jobId, epoch } = await scheduleSummary(copy);
    const step = await sessionAt(copy).beginSummary(jobId, epoch);
    if (step.next !== "call") throw new Error("expected a call");
    const carriedItems: CarriedItems = {
      throughSeq: 8,
      items: [item("1.1", "Ada lives in Lisbon.", [3])],
      origins: [],
    };
    expect(await carry(copy, carriedItems)).toBe(false);
    await runInDurableObject(stubAt(copy), (_, state) => {
      state.storage.sql.exec("UPDATE jobs SET state = 'failed' WHERE id = ?", jobId);
    });
    expect(await carry(copy, carriedItems)).toBe(true);
    expect(await itemsOf(copy)).toHaveLength(1);
  });

  it("pass through five continuations, and keep their words and the name of the first session", async () => {
    const first = await chatOf(12);
    await summarizeBy(first, quoting);
    const [before] = await itemsOf(first);
    let last = first;
    for (let step = 1; step <= 5; step += 1) {
      const next = await continuationOf(last, { settings: { summaryMaxTokens: 4_000 } });
      const turns = [1, 2, 3, 4, 5, 6].map((number) => turn(100 * step + number));
      unwrap(await sessionAt(next).append({ messages: turns }, null));
      await summarizeBy(next, quoting);
      expect(await itemsOf(next)).toContainEqual(
        expect.objectContaining({ text: before?.text, sourceSeqs: [1], sourceSession: first.session }),
      );
      expect(unwrap(await sessionAt(next).state()).origin).toMatchObject({ session: last.session });
      last = next;
    }
    const sources = new Set((await itemsOf(last)).map(({ sourceSession }) => sourceSession));
    expect(sources.size).toBe(6);
  });

  it("are removed from every version and from the archive when a message that they cite is erased in its session", async () => {
    const a = await chatOf(12);
    await summarizeBy(a, quoting);
    const b = await continuationOf(a);
    unwrap(await sessionAt(b).append({ messages: [21, 22, 23, 24, 25, 26].map((number) => turn(number)) }, null));
    await summarizeBy(b, quoting);
    await ring(b);
    await archivedWhole(b);
    const c = await continuationOf(b);
    await archivedWhole(c);
    for (const ref of [b, c]) {
      expect(await storedText(ref)).toContain(SECRET);
      expect((await archivedTexts(await epochOf(ref))).join("\n")).toContain(SECRET);
    }
    expect(unwrap(await withoutAlarm(a, (session) => session.eraseMessage("turn-3")))).toMatchObject({
      state: "erasing",
    });
    await deliver(await jobOf(a, "erase-copies"));
    expect(await storedText(b)).not.toContain(SECRET);
    await until("the last of them notes the erasure", async () => !(await storedText(c)).includes(SECRET));
    for (const ref of [b, c]) {
      await until("the archive is up to date", async () => unwrap(await sessionAt(ref).state()).archived);
      expect((await archivedTexts(await epochOf(ref))).join("\n")).not.toContain(SECRET);
      const kept = (await itemsOf(ref)).filter(({ sourceSession }) => sourceSession === a.session);
      expect(kept.map(({ sourceSeqs }) => sourceSeqs[0])).toEqual([1, 2, 4, 5, 6, 7, 8]);
    }
  });

  it("are replaced once the other session's new summary is there, if erased text may be in items that cite other messages", async () => {
    const a = await chatOf(12);
    await summarizeBy(a, ({ previous, messages }) => ({
      model: "test",
      items: [
        ...previous,
        ...messages.slice(3, 5).map(({ seq, text }) => ({
          kind: "fact" as const,
          text: `${text.slice(0, 60)} ${seq === 4 ? FOLDED : ""}`.trim(),
          sourceSeqs: [seq],
          status: "current" as const,
        })),
      ],
    }));
    const b = await continuationOf(a);
    unwrap(await sessionAt(b).append({ messages: [21, 22, 23, 24, 25, 26].map((number) => turn(number)) }, null));
    // A model of the continuation puts it into yet another item, about something that was said there.
    await summarizeBy(b, ({ previous, messages }) => ({
      model: "test",
      items: [
        ...previous,
        {
          kind: "fact",
          text: `${messages[0]?.text.slice(0, 60)} ${FOLDED}`,
          sourceSeqs: [1],
          status: "current",
        },
      ],
    }));
    const c = await continuationOf(b);
    for (const ref of [b, c]) expect(await storedText(ref)).toContain(FOLDED);
    unwrap(await sessionAt(a).eraseMessage("turn-3"));
    for (const ref of [a, b, c]) {
      await until("what is pending is done", async () => {
        if ((await pendingJobs(ref)).length > 0) await ring(ref);
        const { archived } = unwrap(await sessionAt(ref).state());
        return archived && !(await storedText(ref)).includes(FOLDED);
      });
      expect((await archivedTexts(await epochOf(ref))).join("\n")).not.toContain(FOLDED);
    }
    expect((await itemsOf(b)).filter(({ sourceSession }) => sourceSession === a.session).length).toBeGreaterThan(0);
    expect(unwrap(await sessionAt(b).state()).origin).toMatchObject({ state: "done" });
  });

  it("are gone when their session is erased; what was said in the new session stays", async () => {
    const a = await chatOf(12);
    await summarizeBy(a, quoting);
    const b = await continuationOf(a);
    unwrap(await sessionAt(b).append({ messages: [21, 22, 23, 24, 25, 26].map((number) => turn(number)) }, null));
    await summarizeBy(b, quoting);
    unwrap(await sessionAt(a).erase());
    await until("the copy notes the erasure", async () => !(await storedText(b)).includes(SECRET));
    const items = await itemsOf(b);
    expect(items.map(({ sourceSeqs, sourceSession }) => [sourceSession, sourceSeqs])).toEqual([
      [undefined, [1]],
      [undefined, [2]],
    ]);
    expect(unwrap(await sessionAt(b).messages({ limit: 10 })).data).toHaveLength(6);
    expect((await epochRefOf(b)).session).toBe(b.session);
  });
});

describe("a request to continue another owner's session", () => {
  it("is answered as for one that does not exist", async () => {
    const foreign = { ...freshRef("mallory") };
    unwrap(await sessionAt(foreign).append({ messages: [turn(1)] }, creationOf(foreign)));
    expect(await request("POST", "/sessions", { continueFrom: foreign.session })).toMatchObject({ status: 404 });
    expect(await pendingJobs(foreign)).toEqual([]);
  });
});
