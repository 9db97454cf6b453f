import { describe, expect, it } from "vitest";
import { MAX_LOSSES_READ } from "../../../src/api/limits.ts";
import type { EndLine, ItemLine, MessageLine } from "../../../src/api/transfer.ts";
import { confirmArchived } from "../../../src/session/archive/delta.ts";
import { carryOver, nextCarryOver, scheduleCarryOver } from "../../../src/session/copies/continue.ts";
import { readExportEnd, readExportHead } from "../../../src/session/copies/export.ts";
import { finishImport, importFault } from "../../../src/session/copies/finish-import.ts";
import { scheduleCopy, saveCopyPage } from "../../../src/session/copies/fork.ts";
import { beginProgress, type NumberedLine, saveLines } from "../../../src/session/copies/import.ts";
import { ImportedItems } from "../../../src/session/copies/imported-items.ts";
import { editMessage } from "../../../src/session/erase/edit.ts";
import { answerFor, eraseCopied } from "../../../src/session/erase/erase-copied.ts";
import { eraseMessage } from "../../../src/session/erase/erase.ts";
import { startOfDay } from "../../../src/session/quota/day.ts";
import { upTo } from "../../../src/session/sqlite/seq-sets.ts";
import { REBUILD_DELAY_MS, uncovered, withoutItems } from "../../../src/session/summary/invalidate.ts";
import { scheduleRebuild } from "../../../src/session/summary/rebuild.ts";
import { compareSummaries, readLosses } from "../../../src/session/summary/report.ts";
import { beginSummary, evidenceOf, saveAnswer } from "../../../src/session/summary/run.ts";
import { EPOCH, itemOf, NodeSession, NOON, outcomeOf } from "./node-session.ts";

const SAID = { kind: "fact", status: "current" } as const;

function withMessages(count: number, begun: ConstructorParameters<typeof NodeSession>[0] = {}): NodeSession {
  const session = new NodeSession(begun);
  session.say(count);
  return session;
}

describe("the messages that a summarizer gets", () => {
  it("are those since the summary, with when they were said and not when they arrived", () => {
    const session = new NodeSession();
    session.append([
      { role: "user", content: "old" },
      { role: "user", author: "Ada", content: "new", occurredAt: "2020-01-02T03:04:05.000Z" },
      { role: "assistant", content: "newest" },
    ]);
    session.summarize(1, 1, [{ id: "1.1" }]);
    const { id } = session.schedule("summarize", { throughSeq: 3 });
    expect(
      beginSummary(
        session.unit(NOON, () => "lease"),
        id,
      ),
    ).toMatchObject({
      next: "call",
      lease: "lease",
      request: {
        previous: [{ id: "1.1" }],
        messages: [
          { seq: 2, role: "user", author: "Ada", at: "2020-01-02T03:04:05.000Z", text: "new" },
          { seq: 3, role: "assistant", at: new Date(NOON).toISOString(), text: "newest" },
        ],
      },
    });
    expect(
      beginSummary(
        session.unit(NOON, () => "other"),
        id,
      ),
    ).toEqual({ next: "wait" });
  });

  it("are counted by their cost, including the message's date", () => {
    const session = new NodeSession();
    session.append([{ role: "user", author: "Ada", content: "hi", occurredAt: "2020-01-02T23:30:00-05:00" }]);
    const row = session.store.messages.bySeq(1);
    // By their clock: in UTC it was the third already.
    expect(row === null ? "" : evidenceOf(row)).toBe("user Ada 2020-01-02 2 January 2020 hi");
  });

  it("have the time by the author's clock, and an item has the day by that clock", () => {
    const session = new NodeSession();
    const occurredAt = "2026-07-01T23:30:00.000-07:00";
    session.append([{ role: "user", content: "The ferry leaves tomorrow at nine", occurredAt }]);
    const { id } = session.schedule("summarize", { throughSeq: 1 });
    const begun = beginSummary(
      session.unit(NOON, () => "lease"),
      id,
    );
    expect(begun).toMatchObject({ request: { messages: [{ at: occurredAt }] } });
    const answer = {
      model: "model",
      items: [{ ...SAID, text: "The ferry leaves tomorrow at nine", sourceSeqs: [1] }],
    };
    saveAnswer(session.unit(), id, "lease", answer, null);
    expect(session.store.summaries.items(1).map(({ text }) => text)).toEqual([
      "The ferry leaves tomorrow at nine (said 2026-07-01)",
    ]);
  });

  it.each([
    [99, false],
    [100, true],
    [101, true],
  ])(
    "are given to a fallback summary once %i of 100 tokens of the day are used: %s",
    (summarizerTokens, isOverBudget) => {
      const session = withMessages(2, { settings: { summarizerTokensPerDay: 100 } });
      session.store.spent.add(startOfDay(NOON), { summarizerTokens });
      const { id } = session.schedule("summarize", { throughSeq: 2 });
      expect(
        beginSummary(
          session.unit(NOON, () => "lease"),
          id,
        ),
      ).toMatchObject({ isOverBudget });
    },
  );
});

describe("an answer of a summarizer", () => {
  const answerOf = (text = "message number 0", seq = 1) => ({
    model: "model",
    items: [{ ...SAID, text, sourceSeqs: [seq] }],
  });

  function begun(count = 2) {
    const session = withMessages(count);
    const { id } = session.schedule("summarize", { throughSeq: count });
    beginSummary(
      session.unit(NOON, () => "lease"),
      id,
    );
    return { session, id };
  }
  const save = (session: NodeSession, id: string, lease: string, fallbackCause: { reason: string } | null = null) =>
    saveAnswer(session.unit(), id, lease, answerOf(), fallbackCause);

  it("becomes the next version, and counts once for the day", () => {
    const { session, id } = begun();
    expect(save(session, id, "lease")).toMatchObject({ committedVersion: 1, step: { next: "done", upgrade: null } });
    expect(session.store.summaries.newest()).toMatchObject({ version: 1, throughSeq: 2, degraded: false });
    expect(session.store.summaries.items(1)).toMatchObject([{ id: "1.1", sourceSeqs: [1] }]);
    expect(session.store.spent.on(startOfDay(NOON)).summaries).toBe(1);
    expect(session.jobs).toEqual([]);
  });

  it("with another lease, or a second time, changes nothing", () => {
    const { session, id } = begun();
    expect(save(session, id, "other")).toMatchObject({ committedVersion: null, step: { next: "wait" } });
    save(session, id, "lease");
    expect(save(session, id, "lease")).toMatchObject({ committedVersion: null, step: { next: "done" } });
    expect(session.store.summaries.newest()?.version).toBe(1);
  });

  it("made without a model is to be replaced, starting from the last good version", () => {
    const { session, id } = begun();
    expect(save(session, id, "lease", { reason: "away" })).toMatchObject({ step: { upgrade: { reason: "away" } } });
    expect(session.store.summaries.newest()?.degraded).toBe(true);
    expect(session.job("summarize")).toMatchObject({ goal: { is: "upgrade", lastKept: 0 }, throughSeq: 2 });
  });

  it("continues the numbering after the ninth item of a version", () => {
    const session = withMessages(12);
    const items = Array.from({ length: 11 }, (_, at) =>
      itemOf(`1.${at + 1}`, { text: `message number ${at}`, sourceSeqs: [at + 1] }),
    );
    const made = { baseVersion: 0, throughSeq: 11, items, dropped: 0, summarizer: "model", degraded: false };
    const { id } = session.schedule("summarize", { throughSeq: 12, inProgress: { draft: { ...made, good: null } } });
    beginSummary(
      session.unit(NOON, () => "lease"),
      id,
    );
    const answer = answerOf("message number 11", 12);
    saveAnswer(session.unit(), id, "lease", answer, null);
    expect(session.store.summaries.items(1).map((item) => item.id)).toContain("1.12");
  });
});

/** Each seq that the summary stopped covering. */
function hiddenOf(session: NodeSession): number[] {
  const ranges = session.store.summaries.hiddenRanges(Number.MAX_SAFE_INTEGER, 100);
  return ranges.flatMap(({ fromSeq, throughSeq }) =>
    Array.from({ length: throughSeq - fromSeq + 1 }, (_, at) => fromSeq + at),
  );
}

describe("a range of several calls", () => {
  it("restarts at once if something in it was erased meanwhile, because later parts would be paid for again", () => {
    const session = new NodeSession();
    session.append(["one", "two", "three"].map((word) => `${word} `.repeat(20_000).trim()));
    const { id } = session.schedule("summarize", { throughSeq: 3 });
    const told: number[][] = [];
    let leases = 0;
    const newLease = (): string => `lease-${(leases += 1)}`;
    let step = beginSummary(session.unit(NOON, newLease), id);
    for (let call = 1; step.next === "call"; call += 1) {
      told.push(step.request.messages.map(({ seq }) => seq));
      if (call === 1) eraseMessage(session.unit(), "seq-1");
      const answer = { model: "model", items: [] };
      step = saveAnswer(session.unit(NOON, newLease), id, step.lease, answer, null).step;
    }
    expect(told).toEqual([[1], [2], [3]]);
    expect(session.store.summaries.newest()).toMatchObject({ version: 1, throughSeq: 3 });
    expect(session.job("summarize")).toBeUndefined();
  });
});

describe("a change of a covered message", () => {
  it("deletes the items that cite it, hides what only they covered, and schedules a summary from before it", () => {
    const session = withMessages(6);
    session.summarize(1, 2);
    session.summarize(2, 4, [{ sourceSeqs: [3, 4] }, { sourceSeqs: [2] }, { sourceSeqs: [4] }]);
    eraseMessage(session.unit(), "seq-3");
    expect(session.store.summaries.items(2).map(({ sourceSeqs }) => sourceSeqs)).toEqual([[2], [4]]);
    expect(hiddenOf(session)).toEqual([3]);
    expect(session.job("summarize")).toMatchObject({
      goal: { is: "rebuild", lastKept: 1 },
      throughSeq: 4,
      nextSendAt: NOON + REBUILD_DELAY_MS,
    });
  });

  it.each([
    [1, 0],
    [2, 0],
    [3, 1],
    [4, 1],
  ])("at seq %i goes back to version %i: the newest one that does not cover it", (seq, lastKept) => {
    const session = withMessages(6);
    session.summarize(1, 2);
    session.summarize(2, 4);
    expect(session.store.summaries.versionBefore(seq)).toBe(lastKept);
    editMessage(session.unit(), `seq-${seq}`, { content: "something else" });
    expect(session.job("summarize")?.goal).toMatchObject({ is: "rebuild", lastKept });
  });

  it.each([
    ["that no item cites", "message number 9", [2]],
    ["that says the same in other parts", [{ type: "text" as const, text: "message number 1" }], []],
  ])("by an edit of a message %s hides its new text until that is summarized", (_, content, hidden) => {
    const session = withMessages(4);
    session.summarize(1, 3, [{ sourceSeqs: [1] }]);
    editMessage(session.unit(), "seq-2", { content });
    expect(hiddenOf(session)).toEqual(hidden);
    const job = session.job("summarize");
    if (job === undefined) return;
    beginSummary(
      session.unit(NOON, () => "lease"),
      job.id,
    );
    const answer = { model: "model", items: [] };
    saveAnswer(session.unit(), job.id, "lease", answer, null);
    expect(hiddenOf(session)).toEqual([]);
  });

  it("by an edit of a message that had no text when a summarizer was called hides it until the next summary", () => {
    const session = new NodeSession();
    session.append(["message number 0", { role: "user", content: "" }, "message number 2", "message number 3"]);
    const first = session.schedule("summarize", { throughSeq: 3 });
    const begun = beginSummary(
      session.unit(NOON, () => "lease"),
      first.id,
    );
    expect(begun).toMatchObject({ next: "call", request: { messages: [{ seq: 1 }, { seq: 3 }] } });
    editMessage(session.unit(), "seq-2", { content: "message number 1" });
    editMessage(session.unit(), "seq-4", { content: "message number 4" });
    const answer = { model: "model", items: [{ ...SAID, text: "message number 0", sourceSeqs: [1] }] };
    const save = (id: string, lease: string) => saveAnswer(session.unit(), id, lease, answer, null);
    expect(save(first.id, "lease")).toMatchObject({ committedVersion: 1 });
    expect(hiddenOf(session)).toEqual([2]);
    const again = session.job("summarize");
    if (again === undefined) throw new Error("no summary is pending");
    const anew = beginSummary(
      session.unit(NOON, () => "later"),
      again.id,
    );
    expect(anew).toMatchObject({
      request: { messages: [{ seq: 1 }, { seq: 2, text: "message number 1" }, { seq: 3 }] },
    });
    expect(save(again.id, "later")).toMatchObject({ committedVersion: 2 });
    expect(hiddenOf(session)).toEqual([]);
  });

  it("after the covered range schedules nothing", () => {
    const session = withMessages(6);
    session.summarize(1, 4, [{ sourceSeqs: [4] }]);
    eraseMessage(session.unit(), "seq-5");
    expect(session.job("summarize")).toBeUndefined();
    expect(session.store.summaries.items(1)).toHaveLength(1);
  });

  it("removes erased text from a draft, and from the good part of one", () => {
    const erased = itemOf("1.1", { sourceSeqs: [1] });
    const kept = itemOf("1.2", { sourceSeqs: [2] });
    const good = { throughSeq: 2, items: [erased, kept], dropped: 0, summarizer: "model" };
    const draft = { ...good, baseVersion: 0, degraded: true, good };
    const left = withoutItems(draft, ({ sourceSeqs }) => sourceSeqs.includes(1));
    expect(left.items).toEqual([kept]);
    expect(left.good?.items).toEqual([kept]);
    expect(withoutItems({ ...draft, good: null }, () => true)).toMatchObject({ items: [], good: null });
  });

  it("leaves messages covered that another item cites", () => {
    expect([...uncovered([itemOf("a", { sourceSeqs: [1, 2, 3] })], [itemOf("b", { sourceSeqs: [2] })])]).toEqual([
      1, 3,
    ]);
    const carried = itemOf("c", { sourceSeqs: [9], sourceSession: "other" });
    expect([...uncovered([carried], [])]).toEqual([]);
  });

  it("after which nothing is left removes the old summary from the archive", () => {
    const session = new NodeSession();
    session.append(["one"]);
    eraseMessage(session.unit(), "seq-1");
    session.store.setArchiveRev(3, false, 0);
    expect(scheduleRebuild(session.unit())).toBeNull();
    expect(session.job("archive")).toBeDefined();
    expect(session.row).toMatchObject({ archiveRev: 4, archiveReplace: true });
  });

  it("after which nothing is left lets the consumer end its job and remove it from the operators' list", () => {
    const session = new NodeSession();
    session.append(["one"]);
    eraseMessage(session.unit(), "seq-1");
    const begin = (id: string) =>
      beginSummary(
        session.unit(NOON, () => "lease"),
        id,
      );
    const rebuild = {
      goal: { is: "rebuild", lastKept: 0, isFromScratch: false },
      inProgress: { invalidatedFromSeq: 1 },
    } as const;
    session.schedule("summarize", rebuild);
    expect(scheduleRebuild(session.unit())).toBeNull();
    expect(session.job("summarize")).toBeUndefined();
    const known = { state: "failed", failures: 9, firstFailedAt: NOON, lastFailedAt: NOON } as const;
    const { id } = session.schedule("summarize", { ...rebuild, ...known });
    expect(scheduleRebuild(session.unit())).toBeNull();
    expect(session.job("summarize")).toMatchObject({ id, state: "pending", nextSendAt: NOON });
    expect(begin(id)).toMatchObject({ next: "done", hasFailed: true });
    expect(session.job("summarize")).toBeUndefined();
  });
});

describe("the report on a version", () => {
  const user = (content: string) => ({ role: "user" as const, content });

  it("compares it with the version before, or another one, without the epochs of sessions that items came from", () => {
    const session = withMessages(6);
    session.summarize(1, 2, [{ text: "Ada lives in Lisbon" }, { sourceSession: "old", sourceEpoch: "an-epoch" }]);
    session.summarize(2, 4, [{ text: "Ada moved to Porto", sourceSeqs: [4] }]);
    expect(compareSummaries(session.unit(), 1, undefined)).toMatchObject({
      version: 1,
      from: null,
      kept: [],
      dropped: [],
    });
    expect(JSON.stringify(compareSummaries(session.unit(), 1, undefined))).not.toContain("an-epoch");
    expect(compareSummaries(session.unit(), 2, undefined)).toMatchObject({
      from: 1,
      added: [{ text: "Ada moved to Porto" }],
    });
    expect(compareSummaries(session.unit(), 1, 2)).toMatchObject({
      from: 2,
      dropped: [{ text: "Ada moved to Porto" }],
    });
    expect([compareSummaries(session.unit(), 3, undefined), compareSummaries(session.unit(), 2, 3)]).toEqual([
      null,
      null,
    ]);
  });

  it("names what users said on its branch that no item says, page by page, and nothing that was erased", () => {
    const session = new NodeSession();
    session.append([user("The code is 4711."), { role: "assistant", content: "Noted: 4711 and 9999." }]);
    session.append([user("And the gate is 5522."), user("My locker is 6633."), user("The bus is 7744.")]);
    session.append([{ ...user("The train is 8855."), afterSeq: 4 }, user("The room is 9966.")]);
    session.summarize(1, 7, [{ text: "The locker is 6633", sourceSeqs: [4] }]);
    eraseMessage(session.unit(), "seq-3");
    const [seven, all] = [readLosses(session.unit(), 1, 0, 2), readLosses(session.unit(), 1, 0, 50)];
    expect(all).toEqual({
      data: [
        { seq: 1, id: "seq-1", words: [{ kind: "number", text: "4711" }] },
        { seq: 6, id: "seq-6", words: [{ kind: "number", text: "8855" }] },
        { seq: 7, id: "seq-7", words: [{ kind: "number", text: "9966" }] },
      ],
      hasMore: false,
      nextCursor: null,
    });
    expect(seven).toMatchObject({ data: all?.data.slice(0, 2), hasMore: true, nextCursor: "6" });
    expect(readLosses(session.unit(), 1, 6, 2)?.data).toEqual(all?.data.slice(2));
    expect(readLosses(session.unit(), 2, 0, 2)).toBeNull();
  });

  it("reads at most the allowed number of messages for a page, however little it finds", () => {
    const session = new NodeSession();
    const talk = Array.from({ length: 100 }, () => "Hello again.");
    for (let said = 0; said < MAX_LOSSES_READ; said += talk.length) session.append(talk);
    session.append([user("The code is 4711.")]);
    session.summarize(1, MAX_LOSSES_READ + 1, []);
    const page = readLosses(session.unit(), 1, 0, 10);
    expect(page).toEqual({ data: [], hasMore: true, nextCursor: `${MAX_LOSSES_READ}` });
    expect(readLosses(session.unit(), 1, Number(page?.nextCursor), 10)?.data).toMatchObject([
      { seq: MAX_LOSSES_READ + 1 },
    ]);
  });
});

describe("the versions of a summary", () => {
  it.each([
    [1, null],
    [2, 1],
    [3, 1],
    [4, 2],
    [9, 2],
  ])("are those as of seq %i: %s", (seq, version) => {
    const session = withMessages(6);
    session.summarize(1, 2);
    session.summarize(2, 4);
    expect(session.store.summaries.at(session.store.branches.through(seq))?.version ?? null).toBe(version);
  });

  it("are deleted together with the items that ended in them", () => {
    const session = withMessages(6);
    session.summarize(1, 2, [{}]);
    session.summarize(2, 4, [{ sourceSeqs: [3] }], {}, ["1.1"]);
    const itemsThrough = (version: number) =>
      session.store.summaries.itemPage(version, 0, 10).map((place) => place.item);
    expect(session.store.summaries.items(2).map(({ id }) => id)).toEqual(["2.1"]);
    expect(itemsThrough(1)).toMatchObject([{ id: "1.1", toVersion: null }]);
    expect(itemsThrough(2)).toMatchObject([{ id: "1.1", toVersion: 2 }, { id: "2.1" }]);
    session.store.summaries.deleteVersionsAfter(1);
    expect(session.store.summaries.newest()?.version).toBe(1);
    expect(session.store.summaries.items(1)).toMatchObject([{ id: "1.1", toVersion: null }]);
  });
});

describe("an exported session", () => {
  it.each([
    ["untouched", () => undefined, true],
    ["that goes on", (session: NodeSession) => session.say(1), true],
    ["that is edited", (session: NodeSession) => editMessage(session.unit(), "seq-1", { content: "x" }), false],
    ["of which something is erased", (session: NodeSession) => eraseMessage(session.unit(), "seq-1"), false],
  ])("%s is told to be complete, or not", (_, change, complete) => {
    const session = withMessages(3);
    const head = readExportHead(session.unit());
    change(session);
    expect(readExportEnd(session.unit(), head, null).end).toMatchObject({ messages: 3, complete });
  });
});

describe("an imported line", () => {
  const createdAt = "2026-01-01T00:00:00Z";
  const message = (seq: number, more: Partial<MessageLine> = {}): NumberedLine => ({
    number: seq,
    line: { type: "message", seq, id: `seq-${seq}`, role: "user", content: "hello", createdAt, ...more },
  });
  const summary = (version: number, throughSeq: number): NumberedLine => ({
    number: 9,
    line: {
      type: "summary",
      version,
      throughSeq,
      tokens: 1,
      summarizer: "m",
      degraded: false,
      droppedItems: 0,
      createdAt,
    },
  });
  const item = (more: Partial<ItemLine> = {}): NumberedLine => ({
    number: 10,
    line: { type: "item", id: "1.1", fromVersion: 1, ...SAID, text: "hello", sourceSeqs: [1], ...more },
  });

  const progress = beginProgress("import", 1, 1_000);
  const copying = { kind: "import", until: NOON, sourceChanges: null, progress } as const;
  const importing = (lines: readonly NumberedLine[]) => {
    const session = new NodeSession({ copying });
    const numbered = lines.map(({ line }, at) => ({ line, number: at + 2 }));
    const saved = outcomeOf(() =>
      saveLines(session.unit(), beginProgress("import", 1, 1_000), new ImportedItems(), numbered, lines.length + 1),
    );
    return { session, saved };
  };
  const three = [message(1), message(2), message(3)];
  const ending: NumberedLine = {
    number: 11,
    line: { type: "end", messages: 3, summaries: 0, items: 0, complete: true },
  };

  it.each([
    ["a message out of order", [message(2)]],
    ["a message twice", [message(1), message(1)]],
    ["a message after the end", [...three, ending, message(4)]],
    ["two ends", [...three, ending, ending]],
    ["the server's id of another message", [message(1, { id: "seq-2" })]],
    ["an id twice", [message(1, { id: "a" }), message(2, { id: "a" })]],
    ["a version that is not above the one before", [...three, summary(1, 1), summary(1, 2)]],
    ["a last version that covers less", [...three, summary(1, 2), summary(2, 1), ending]],
    ["a version that covers more than there is", [...three, summary(1, 4)]],
    ["an item of no version", [...three, item()]],
    ["an item that ends as it begins", [...three, summary(1, 2), item({ toVersion: 1 })]],
    ["an item that cites past its version", [...three, summary(1, 2), item({ sourceSeqs: [3] })]],
    ["an item twice", [...three, summary(1, 2), item(), item()]],
    ["an item of an erased message", [message(1, { content: undefined, erasedAt: createdAt }), summary(1, 1), item()]],
  ])("with %s is refused", (_, lines) => {
    expect(importing(lines).saved).toMatchObject({ ok: false, fault: { code: "validation_failed" } });
  });

  it.each([
    ["a version that covers as much as the one before", [...three, summary(1, 2), summary(2, 2)], 0],
    ["a version that covers all", [...three, summary(1, 3)], 0],
    [
      "a version of a shorter branch between others",
      [...three, summary(1, 2), summary(2, 1), summary(3, 2), ending],
      0,
    ],
    ["an item that cites the last of its version", [...three, summary(1, 2), item({ sourceSeqs: [2] })], 0],
    [
      "an item again after it ended",
      [...three, summary(1, 2), summary(2, 3), item({ toVersion: 2 }), item({ fromVersion: 2 })],
      0,
    ],
    ["an item that nobody said", [...three, summary(1, 2), item({ text: "Paris, 1789" })], 1],
  ])("with %s is accepted", (_, lines, dropped) => {
    expect(importing(lines).saved).toMatchObject({ ok: true, value: { dropped, throughLine: lines.length + 1 } });
  });

  const end = (more: Partial<EndLine> = {}): NumberedLine => ({
    number: 11,
    line: { type: "end", messages: 3, summaries: 1, items: 2, complete: true, ...more },
  });

  it.each([
    ["that says that an edit overtook it", [...three, end({ complete: false })]],
    ["with a line after it", [...three, end(), item()]],
  ])("for the end with %s is refused", (_, lines) => {
    expect(importing(lines).saved).toMatchObject({ ok: false, fault: { code: "validation_failed" } });
  });

  it.each([
    ["what came", {}, undefined],
    ["a message less", { messages: 2 }, "validation_failed"],
    ["a summary more", { summaries: 2 }, "validation_failed"],
    ["no item that was dropped", { items: 1 }, "validation_failed"],
  ])("for the end that counts %s ends the import, or not", (_, more, code) => {
    const items = [item(), item({ id: "1.2", text: "Paris, 1789" })];
    const { session, saved } = importing([...three, summary(1, 2), ...items, end(more)]);
    if (!saved.ok) throw new Error(saved.fault.detail);
    expect(importFault(session.unit(), saved.value)?.code).toBe(code);
    if (code !== undefined) return;
    finishImport(session.unit(), saved.value);
    expect(session.row.copying).toBeNull();
    expect(session.job("archive")).toBeDefined();
  });

  it("is missing if the file ends early", () => {
    const { session, saved } = importing(three);
    if (!saved.ok) throw new Error(saved.fault.detail);
    expect(importFault(session.unit(), saved.value)?.facts).toEqual({ line: 5 });
  });
});

describe("a fork", () => {
  const SOURCE = {
    session: "source",
    epoch: "source-epoch",
    kind: "fork",
    throughSeq: 3,
    state: "pending",
  } as const;

  function copying() {
    const session = new NodeSession({ copying: { kind: "fork", until: NOON, sourceChanges: null } });
    const { id } = scheduleCopy(session.unit(), SOURCE);
    const source = withMessages(4);
    const rows = [...source.store.messages.hashedForward(1, 4)];
    const end = { hashKey: source.row.hashKey, summary: null, items: [], origins: [], hasVectors: false };
    return { session, id, rows, end };
  }

  it("copies messages in order, up to its last one, even if some come twice", () => {
    const { session, id, rows, end } = copying();
    const save = (page: Parameters<typeof saveCopyPage>[2]) => saveCopyPage(session.unit(), id, page);
    expect(save({ changes: 0, rows: rows.slice(0, 2), end: null })).toMatchObject({ afterSeq: 2, throughSeq: 3 });
    expect(save({ changes: 0, rows: rows.slice(0, 2), end: null })).toMatchObject({ afterSeq: 2 });
    expect(save({ changes: 0, rows: rows.slice(2), end: null })).toMatchObject({ afterSeq: 3 });
    expect(save({ changes: 0, rows: [], end })).toBeNull();
    expect(session.store.messages.head()?.seq).toBe(3);
    expect(session.row.copying).toBeNull();
    expect(session.store.lineage.origins()).toMatchObject([{ state: "done" }]);
    expect(session.jobs).toEqual([]);
  });

  it("restarts if its source changed between two pages", () => {
    const { session, id, rows } = copying();
    saveCopyPage(session.unit(), id, { changes: 0, rows: rows.slice(0, 2), end: null });
    const page = { changes: 1, rows: rows.slice(2), end: null };
    expect(saveCopyPage(session.unit(), id, page)).toMatchObject({ afterSeq: 0 });
    expect(session.store.messages.head()).toBeNull();
    expect(session.row.copying).toMatchObject({ sourceChanges: null });
  });

  it.each([
    [[1, 2, 3], 2, [1, 2]],
    [[3], 2, null],
    [[2], 2, [2]],
    [null, 2, { throughSeq: 2 }],
    [null, 0, null],
    [{ throughSeq: 5 }, 2, { throughSeq: 2 }],
    [{ throughSeq: 1 }, 2, { throughSeq: 1 }],
  ])("that copied %j up to %i is affected by %j", (seqs, throughSeq, taken) => {
    expect(upTo(seqs, throughSeq)).toEqual(taken);
  });
});

describe("a continuation", () => {
  const SOURCE = {
    session: "source",
    epoch: "source-epoch",
    kind: "continuation",
    throughSeq: 0,
    state: "pending",
  } as const;
  const items = [
    itemOf("1.1", { text: "first", sourceSeqs: [1] }),
    itemOf("1.2", { text: "second", sourceSeqs: [2] }),
    itemOf("1.3", { text: "over", sourceSeqs: [3], status: "superseded" }),
    itemOf("1.4", { text: "done", sourceSeqs: [4], status: "done" }),
    itemOf("1.5", { text: "fifth", sourceSeqs: [5, 6] }),
  ];

  /** A consumer takes the job, and asks the source. Returns its lease. */
  function beginCarryOver(session: NodeSession, jobId: string): string {
    return (
      nextCarryOver(
        session.unit(NOON, () => "lease"),
        jobId,
      )?.lease ?? ""
    );
  }

  function carried(duringJob: (session: NodeSession) => void = () => undefined): string[] {
    const session = new NodeSession();
    scheduleCarryOver(session.unit(), SOURCE);
    const { id } = session.schedule("restore");
    duringJob(session);
    const lease = beginCarryOver(session, id);
    const given = { throughSeq: 6, items, origins: [] };
    expect(carryOver(session.unit(), id, "another", given)).toBe(false);
    expect(carryOver(session.unit(), id, lease, given)).toBe(true);
    const version = session.store.summaries.newest()?.version ?? 0;
    return session.store.summaries.items(version).map(({ text }) => text);
  }

  it("asks again in pages, and keeps the items that are still valid, however many there are", () => {
    const session = new NodeSession();
    session.append(["message number 0"]);
    const carriedFrom = { sourceSession: SOURCE.session, sourceEpoch: SOURCE.epoch };
    session.summarize(
      1,
      1,
      Array.from({ length: 1_201 }, (_, at) => ({ text: `carried ${at}`, ...carriedFrom })),
    );
    session.store.lineage.putOrigin({ ...SOURCE, state: "stale" });
    const { id } = session.schedule("restore");
    const lease = beginCarryOver(session, id);
    const held = [1, 600, 1_200].map((at) => itemOf(`1.${at}`, { text: `carried ${at}` }));
    const given = { throughSeq: 1, items: held, origins: [] };
    expect(carryOver(session.unit(), id, lease, given)).toBe(true);
    const newest = session.store.summaries.newest()?.version ?? 0;
    expect(session.store.summaries.items(newest).map(({ text }) => text)).toEqual(held.map(({ text }) => text));
  });

  it.each(["pending", "stale"] as const)(
    "does not get back what it said itself from a source that continued from it (%s)",
    (state) => {
      const session = withMessages(1);
      const own = { text: "said here", sourceSession: session.row.session, sourceEpoch: EPOCH };
      const others = { text: "said there", sourceSession: SOURCE.session, sourceEpoch: SOURCE.epoch };
      const further = {
        session: own.sourceSession,
        epoch: EPOCH,
        kind: "further",
        throughSeq: 0,
        state: "done",
      } as const;
      session.store.lineage.putOrigin({ ...SOURCE, state });
      const { id } = session.schedule("restore");
      const lease = beginCarryOver(session, id);
      const given = { throughSeq: 1, items: [itemOf("1.1", own), itemOf("1.2", others)], origins: [further] };
      expect(carryOver(session.unit(), id, lease, given)).toBe(true);
      const newest = session.store.summaries.newest()?.version ?? 0;
      expect(session.store.summaries.items(newest).map(({ text }) => text)).toEqual(["said there"]);
      // Other items of the source may say it in other words, so the erasure of its message still has to come back this way.
      expect(session.store.lineage.origins()).toContainEqual(further);
    },
  );

  /** A continuation in the archive, with items of six messages, and what happens to it then. */
  function archivedContinuation() {
    const session = new NodeSession();
    scheduleCarryOver(session.unit(), SOURCE);
    session.schedule("restore");
    const give = (given: { throughSeq: number; items: typeof items } | null): void => {
      const id = session.job("restore")?.id ?? "";
      const lease = beginCarryOver(session, id);
      expect(carryOver(session.unit(), id, lease, given === null ? null : { ...given, origins: [] })).toBe(true);
    };
    const archive = (): void => {
      const job = session.job("archive")?.id ?? "";
      const { archiveRev: rev } = session.row;
      const version = session.store.summaries.newest()?.version ?? 0;
      confirmArchived(session.unit(), job, { rev, version, messageSeq: 0 });
    };
    /** Its answer to what its source tells it. */
    const tell = (seqs: number[] | null): ReturnType<typeof answerFor> => {
      const told = [{ source: { session: SOURCE.session, epoch: SOURCE.epoch }, seqs }];
      eraseCopied(session.unit(), told);
      return answerFor(session.unit(), told, 0);
    };
    give({ throughSeq: 6, items });
    archive();
    session.store.lineage.putCopy({ session: "chat", epoch: EPOCH }, "copy", null);
    return { give, archive, tell };
  }

  /** It names its copy, which has the items from it. */
  const NAMED = { took: "items", copies: [{ session: "copy" }] };

  it("confirms no erasure before the archive has, even if later items end before that", () => {
    const { give, archive, tell } = archivedContinuation();
    expect(tell([5]).isConfirmed).toBe(false);
    give({ throughSeq: 0, items: [] });
    expect(tell([5]).isConfirmed).toBe(false);
    archive();
    expect(tell([5]).isConfirmed).toBe(true);
  });

  it("still has to do with what it took at first, if what it took later ends before that", () => {
    const { give, archive, tell } = archivedContinuation();
    tell([1]);
    give({ throughSeq: 0, items: [] });
    expect(tell([5])).toMatchObject({ isConfirmed: false, further: { own: NAMED } });
    give({ throughSeq: 0, items: [] });
    archive();
    expect(tell([5]).isConfirmed).toBe(true);
    expect(tell([7])).toMatchObject({ isConfirmed: true, further: { own: null } });
  });

  it("still has to do with what it took of a source that is gone now", () => {
    const { give, archive, tell } = archivedContinuation();
    tell([1]);
    give(null);
    expect(tell(null)).toMatchObject({ isConfirmed: false, further: { own: NAMED } });
    archive();
    expect(tell(null).isConfirmed).toBe(true);
  });

  it("starts with the items that are still valid", () => {
    expect(carried().toSorted()).toEqual(["fifth", "first", "second"]);
  });

  it.each([
    ["one message", 2, ["fifth", "first"]],
    ["one of several that an item cites", 6, ["first", "second"]],
    ["all through one", { throughSeq: 2 }, ["fifth"]],
    ["everything", "all", []],
  ] as const)("that is notified that %s is erased starts without it", (_, what, left) => {
    expect(carried(({ store }) => void store.lineage.noteSourceErasure(SOURCE, what, null)).toSorted()).toEqual(left);
  });

  it("is not affected by what is erased in another epoch of that id", () => {
    const other = { session: "source", epoch: "another-epoch" };
    expect(carried(({ store }) => void store.lineage.noteSourceErasure(other, { throughSeq: 9 }, null))).toHaveLength(
      3,
    );
  });
});
