import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Omitted } from "../../../src/api/context-meta.ts";
import { MAX_BRANCHES, MAX_CONTEXT_BYTES } from "../../../src/api/limits.ts";
import type { NewMessage, Seq } from "../../../src/api/message.ts";
import { type BranchPoint, Siblings } from "../../../src/prompt/branch.ts";
import { editMessage } from "../../../src/session/erase/edit.ts";
import { eraseMessage } from "../../../src/session/erase/erase.ts";
import { readContext } from "../../../src/session/log/read-context.ts";
import { readMessages, readState } from "../../../src/session/log/read.ts";
import { settleBranch, switchBranch } from "../../../src/session/log/switch-branch.ts";
import { retrieveForContext, searchMessages } from "../../../src/session/search/retrieve.ts";
import { scheduleSummaryByHand, scheduleSummaryThrough, unsummarizedTokens } from "../../../src/session/summary/due.ts";
import { scheduleRebuild } from "../../../src/session/summary/rebuild.ts";
import { beginSummary, saveAnswer, type SummaryStep } from "../../../src/session/summary/run.ts";
import { checkIntegrity, checkSummaryIntegrity } from "../../../src/session/verify/integrity.ts";
import { NodeSession, NOON } from "./node-session.ts";

/** A plain model of a chat: which message each one follows, and where the active branch ends. */
class Chat {
  readonly afterOf: Seq[] = [0];
  readonly content: (string | null)[] = [null];
  head: Seq = 0;

  get last(): Seq {
    return this.afterOf.length - 1;
  }

  say(content: string, afterSeq: Seq = this.head): void {
    this.afterOf.push(afterSeq);
    this.content.push(content);
    this.head = this.last;
  }

  /** The messages that lead to a message, and the message itself. */
  path(seq: Seq = this.head): Seq[] {
    const path: Seq[] = [];
    for (let at = seq; at > 0; at = this.afterOf[at] ?? 0) path.unshift(at);
    return path;
  }
}

/** A session, and the chat that it should represent. */
class Pair {
  readonly session = new NodeSession();
  readonly chat = new Chat();
  #leases = 0;

  say(content: string, afterSeq?: Seq): void {
    const message: NewMessage = { role: this.chat.last % 2 === 0 ? "user" : "assistant", content };
    const follows = afterSeq === undefined ? message : { ...message, afterSeq };
    const appended = this.session.append([follows]);
    if (!appended.ok) throw new Error(appended.fault.detail);
    if (appended.value.isBranched) settleBranch(this.session.unit());
    this.chat.say(content, afterSeq);
    if (appended.value.headSeq !== this.chat.head) throw new Error(`the head is ${appended.value.headSeq}`);
  }

  switchTo(headSeq: Seq): void {
    switchBranch(this.session.unit(), { headSeq });
    this.chat.head = headSeq;
  }

  erase(seq: Seq): void {
    eraseMessage(this.session.unit(), `seq-${seq}`);
    this.session.search.remove([seq]);
    this.chat.content[seq] = null;
  }

  edit(seq: Seq, content: string): void {
    if (this.chat.content[seq] === null) return;
    editMessage(this.session.unit(), `seq-${seq}`, { content });
    this.session.search.update(seq);
    this.chat.content[seq] = content;
  }

  schedule(keepRecentTokens: number): void {
    scheduleSummaryByHand(this.session.unit(), { keepRecentTokens });
  }

  /** A consumer takes the pending summary. */
  begin(): SummaryStep | null {
    const job = this.session.job("summarize");
    if (job === undefined) return null;
    return beginSummary(
      this.session.unit(NOON, () => `lease-${(this.#leases += 1)}`),
      job.id,
    );
  }

  /** It answers with an item for each message that it was given. */
  answer(step: SummaryStep | null, jobId: string | undefined): void {
    if (step?.next !== "call" || jobId === undefined) return;
    const said = step.request.messages.map(({ seq, text }) => ({ kind: "fact" as const, text, sourceSeqs: [seq] }));
    const before = step.request.previous.map(({ id, kind, text, sourceSeqs }) => ({ id, kind, text, sourceSeqs }));
    const items = [...before, ...said].map((item) => ({ ...item, status: "current" as const }));
    saveAnswer(this.session.unit(), jobId, step.lease, { items, model: "model" }, null);
  }

  summarize(): void {
    this.schedule(0);
    for (let round = 0; round < 3 && this.session.job("summarize") !== undefined; round += 1) {
      const { id } = this.session.job("summarize") ?? {};
      this.answer(this.begin(), id);
    }
  }

  context(maxTokens: number, atSeq?: Seq) {
    const request = { maxTokens, ...(atSeq === undefined ? {} : { atSeq }) };
    return readContext(this.session.unit(), request, null, MAX_CONTEXT_BYTES).context;
  }
}

const seqsOf = (ranges: readonly Omitted[]): Seq[] =>
  ranges.flatMap(({ fromSeq, throughSeq }) =>
    Array.from({ length: throughSeq - fromSeq + 1 }, (_, at) => fromSeq + at),
  );

/** Nothing off the branch is in a context, and nothing on it is missing silently. */
function check(pair: Pair, maxTokens: number, atSeq?: Seq): void {
  const { chat } = pair;
  const context = pair.context(maxTokens, atSeq);
  const path = chat.path(atSeq);
  const on = new Set(path);
  const through = context.summary?.throughSeq ?? 0;
  expect(context.headSeq).toBe(chat.head);
  expect(context.atSeq).toBe(path.at(-1) ?? 0);
  expect(through === 0 || on.has(through)).toBe(true);
  for (const message of context.messages) {
    expect(on.has(message.seq)).toBe(true);
    if (message.cut !== true) expect(message.content).toBe(chat.content[message.seq]);
  }
  for (const { sourceSeqs, text } of context.summary?.items ?? []) {
    for (const seq of sourceSeqs) {
      expect(on.has(seq) && seq <= through).toBe(true);
      expect(chat.content[seq]).toBe(text);
    }
  }
  const branch = context.omitted.filter(({ reason }) => reason === "branch");
  const last = atSeq ?? chat.last;
  const off = Array.from({ length: last }, (_, at) => at + 1).filter((seq) => !on.has(seq));
  expect(seqsOf(branch)).toEqual(off);
  const others = seqsOf(context.omitted.filter(({ reason }) => reason !== "branch"));
  expect(others.filter((seq) => !on.has(seq))).toEqual([]);
  const told = new Set([...context.messages.map(({ seq }) => seq), ...others, ...path.filter((seq) => seq <= through)]);
  expect(path.filter((seq) => !told.has(seq))).toEqual([]);
}

/** A chat without branches in which the same was said. */
function alike(chat: Chat): NodeSession {
  const session = new NodeSession();
  for (const seq of chat.path()) {
    session.append([{ role: seq % 2 === 1 ? "user" : "assistant", content: chat.content[seq] ?? "" }]);
  }
  return session;
}

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("say" as const), words: fc.integer({ min: 1, max: 30 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("sayAfter" as const),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      words: fc.integer({ min: 1, max: 30 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("switch" as const), at: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("summarize" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("begin" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("answer" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("erase" as const), at: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("edit" as const), at: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
);

describe("a session with branches", () => {
  it("is read as the chat that the user sees, whatever was said, summarized, changed and activated", () => {
    fc.assert(
      fc.property(
        fc.array(action, { minLength: 3, maxLength: 30 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (steps, at) => {
          const pair = new Pair();
          const { chat, session } = pair;
          let count = 0;
          let given: { step: SummaryStep | null; id: string | undefined } = { step: null, id: undefined };
          const words = (length: number): string => `n${(count += 1)} ${"harbour ".repeat(length)}`.trim();
          const pick = (share: number, from: Seq): Seq => from + Math.floor(share * (chat.last - from + 0.999));
          pair.say(words(2));
          for (const one of steps) {
            if (one.kind === "say") pair.say(words(one.words));
            else if (one.kind === "sayAfter") pair.say(words(one.words), pick(one.at, 0));
            else if (one.kind === "switch") pair.switchTo(pick(one.at, 1));
            else if (one.kind === "summarize") pair.summarize();
            else if (one.kind === "begin") {
              pair.schedule(0);
              given = { id: session.job("summarize")?.id, step: pair.begin() };
            } else if (one.kind === "answer") pair.answer(given.step, given.id);
            else if (one.kind === "erase") pair.erase(pick(one.at, 1));
            else pair.edit(pick(one.at, 1), words(4));
            check(pair, 100_000);
            check(pair, 300);
          }
          check(pair, 100_000, pick(at, 1));
          expect(checkIntegrity(session.unit(), NOON).flaws).toEqual([]);
          expect(checkSummaryIntegrity(session.unit(), 0).flaws).toEqual([]);
          const on = new Set(chat.path());
          for (const { message } of searchMessages(session.unit(), { query: "harbour", limit: 50 }).data) {
            expect(on.has(message.seq)).toBe(true);
          }
          const branch = session.store.branches.through(chat.head);
          for (const { message } of retrieveForContext(session.unit(), "harbour", branch).found) {
            expect(on.has(message.seq)).toBe(true);
          }
          expect(session.store.totals.areTrue(session.store.messages.head())).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("gives the same context as a chat in which nothing else was said", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.option(fc.double({ min: 0, max: 1, noNaN: true }))), {
          minLength: 5,
          maxLength: 40,
        }),
        fc.constantFrom(256, 400, 1_000, 4_000),
        fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
        (said, maxTokens, back) => {
          const pair = new Pair();
          for (const [length, at] of said) {
            const content = "tram ".repeat(length);
            if (at === null || pair.chat.last === 0) pair.say(content);
            else pair.say(content, Math.floor(at * (pair.chat.last + 0.999)));
          }
          if (back !== null) pair.switchTo(1 + Math.floor(back * (pair.chat.last - 0.001)));
          const other = alike(pair.chat);
          expect(unsummarizedTokens(pair.session.unit())).toBe(unsummarizedTokens(other.unit()));
          const path = pair.chat.path();
          const plain = readContext(other.unit(), { maxTokens }, null, MAX_CONTEXT_BYTES).context;
          const context = pair.context(maxTokens);
          const branched = { ...context, omitted: context.omitted.filter(({ reason }) => reason !== "branch") };
          expect(branched.messages.map(({ seq, content, role }) => [path.indexOf(seq) + 1, content, role])).toEqual(
            plain.messages.map(({ seq, content, role }) => [seq, content, role]),
          );
          expect(branched.tokens).toEqual(plain.tokens);
          expect(branched.leftOut).toEqual(plain.leftOut);
          expect(seqsOf(branched.omitted).map((seq) => path.indexOf(seq) + 1)).toEqual(seqsOf(plain.omitted));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("lists the alternatives of each message, and where they lead", () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.double({ min: 0, max: 1, noNaN: true })), { minLength: 1, maxLength: 25 }),
        (ats) => {
          const chat = new Chat();
          for (const at of ats) chat.say("x", at === null ? chat.head : Math.floor(at * (chat.last + 0.999)));
          const points: BranchPoint[] = chat.afterOf.flatMap((afterSeq, seq) =>
            seq > 0 && afterSeq !== seq - 1 ? [{ seq, afterSeq }] : [],
          );
          const siblings = new Siblings(points, chat.last);
          const seqs = Array.from({ length: chat.last }, (_, index) => index + 1);
          for (const seq of seqs) {
            const same = seqs.filter((other) => chat.afterOf[other] === chat.afterOf[seq]);
            const expected = same.map((other) => ({
              seq: other,
              headSeq: Math.max(...seqs.filter((below) => chat.path(below).includes(other))),
            }));
            expect(siblings.of(seq)).toEqual(same.length < 2 ? [] : expected);
          }
        },
      ),
    );
  });
});

/** Nine messages, and another answer to the first question: 1 to 9, and 10 after 1. */
function regenerated(): Pair {
  const pair = new Pair();
  for (const text of ["Where?", "North gate.", "When?", "At nine.", "Thanks.", "Bye.", "Oh.", "Yes?", "No."])
    pair.say(text);
  pair.say("South gate.", 1);
  return pair;
}

describe("a regenerated answer", () => {
  it("can be repeated without harm, and conflicts if it follows another message", () => {
    const session = new NodeSession();
    session.say(3);
    const again = (afterSeq?: Seq) =>
      session.append([
        { id: "a", role: "assistant", content: "Anew.", ...(afterSeq === undefined ? {} : { afterSeq }) },
      ]);
    expect(again(1)).toMatchObject({ ok: true, value: { headSeq: 4, createdCount: 1, isBranched: true } });
    expect(again(1)).toMatchObject({ ok: true, value: { headSeq: 4, createdCount: 0, isBranched: false } });
    expect(again(2)).toMatchObject({ ok: false, fault: { code: "message_conflict" } });
    expect(again()).toMatchObject({ ok: false, fault: { code: "message_conflict" } });
    session.append([{ id: "b", role: "user", content: "So." }]);
    expect(session.append([{ id: "b", role: "user", content: "So.", afterSeq: 4 }])).toMatchObject({ ok: true });
    expect(session.append([{ id: "b", role: "user", content: "So.", afterSeq: 1 }])).toMatchObject({ ok: false });
  });

  it("cannot follow a message that does not exist", () => {
    const session = new NodeSession();
    session.say(2);
    expect(session.append([{ role: "user", content: "Hm.", afterSeq: 3 }])).toMatchObject({
      ok: false,
      fault: { code: "validation_failed", errors: [{ path: "/messages/0/afterSeq" }] },
    });
  });

  it("is followed by the next message, and counts for expectedHeadSeq", () => {
    const { session } = regenerated();
    expect(session.append(["Good."], NOON, 9)).toMatchObject({
      ok: false,
      fault: { code: "head_seq_mismatch", facts: { headSeq: 10 } },
    });
    session.append(["Good."], NOON, 10);
    const path = readMessages(session.unit(), { branch: "active", limit: 10 }).data;
    expect(path.map(({ seq, afterSeq, siblings }) => [seq, afterSeq, siblings?.map((one) => one.headSeq)])).toEqual([
      [1, undefined, undefined],
      [10, 1, [9, 11]],
      [11, undefined, undefined],
    ]);
    const all = readMessages(session.unit(), { limit: 20 }).data;
    expect(all.filter(({ offBranch }) => offBranch === true).map(({ seq }) => seq)).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("uses a budget for what it says itself, whoever asks", () => {
    const pair = new Pair();
    for (const content of ["one", "two", "three and more words than that"]) pair.say(content);
    pair.say("another", 1);
    const { messages, totals } = pair.session.store;
    const tip = messages.tip();
    if (tip === null) throw new Error("nobody said anything");
    expect(totals.costOn(tip.branch, tip.seq)).toBe(tip.totalCost);
    expect(tip.totalCost).toBeLessThan(totals.costAt(tip.seq));
  });

  it("is refused if there are too many branches", () => {
    const session = new NodeSession();
    session.say(1);
    const again = () => session.append([{ role: "assistant", content: "x", afterSeq: 1 }]);
    const points = "INSERT INTO branches (seq, after_seq) SELECT -value, 0 FROM json_each(?)";
    again();
    again();
    // As if this many branches existed already.
    session.sql.exec(points, JSON.stringify(Array.from({ length: MAX_BRANCHES - 2 }, (_, at) => at + 1)));
    session.store.forget();
    expect(again()).toMatchObject({ ok: true });
    expect(again()).toMatchObject({
      ok: false,
      fault: { code: "session_full", facts: { maxBranches: MAX_BRANCHES } },
    });
    expect(session.append(["It goes on."])).toMatchObject({ ok: true });
  });
});

describe("a branch that is activated again", () => {
  it("brings its summary back without a call of a model", () => {
    const pair = regenerated();
    const { session } = pair;
    pair.switchTo(9);
    pair.summarize();
    const before = pair.context(4_000);
    expect(before.summary?.items.length).toBeGreaterThan(0);
    pair.switchTo(10);
    expect(pair.context(4_000)).toMatchObject({
      summary: null,
      omitted: [{ fromSeq: 2, throughSeq: 9, reason: "branch" }],
    });
    expect(readState(session.unit())).toMatchObject({ headSeq: 10, lastSeq: 10, summary: null });
    expect(session.job("summarize")).toBeUndefined();
    pair.switchTo(9);
    const after = pair.context(4_000);
    expect(after.summary?.items).toEqual(before.summary?.items);
    expect(after.summary?.throughSeq).toBe(before.summary?.throughSeq);
    expect(session.job("summarize")).toBeUndefined();
  });

  it("has a tool's call with its results if a summary of another branch ends between them", () => {
    const session = new NodeSession();
    const call = (id: string) => ({ type: "tool-call" as const, toolCallId: id, toolName: "find", input: {} });
    const result = (id: string): NewMessage => ({
      role: "tool",
      content: [{ type: "tool-result", toolCallId: id, toolName: "find", output: `found by ${id}` }],
    });
    session.append(["Where is it?", { role: "assistant", content: [call("a"), call("b")] }, result("a"), result("b")]);
    // The question is asked again after the calls: on that branch nothing answers them.
    session.append([{ role: "user", content: "Leave that. What is the time?", afterSeq: 2 }]);
    settleBranch(session.unit());
    session.append(["Noon.", "Thanks.", "Goodbye."]);
    scheduleSummaryByHand(session.unit(), { keepRecentTokens: 0 });
    const id = session.job("summarize")?.id ?? "";
    const begun = beginSummary(
      session.unit(NOON, () => "lease"),
      id,
    );
    if (begun?.next !== "call") throw new Error("nothing is pending");
    expect(begun.request.messages.at(-1)?.seq).toBe(2);
    saveAnswer(session.unit(), id, begun.lease, { items: [], model: "model" }, null);
    switchBranch(session.unit(), { headSeq: 4 });
    const { context } = readContext(session.unit(), { maxTokens: 4_000 }, null, MAX_CONTEXT_BYTES);
    expect(context.summary?.throughSeq).toBe(2);
    expect(context.messages.map(({ seq, cut }) => [seq, cut])).toEqual([
      [1, undefined],
      [2, undefined],
      [3, undefined],
      [4, undefined],
    ]);
    expect(context.omitted.map(({ reason }) => reason)).toEqual(["branch"]);
  });

  it("takes nothing from a pending summary of another branch", () => {
    const pair = regenerated();
    const { session } = pair;
    pair.switchTo(9);
    pair.schedule(0);
    const id = session.job("summarize")?.id;
    const step = pair.begin();
    pair.switchTo(10);
    pair.answer(step, id);
    expect(session.store.summaries.newest()).toBeNull();
    expect(pair.context(4_000).summary).toBeNull();
  });

  it("is cited by no item of another branch", () => {
    const pair = regenerated();
    for (const text of ["So.", "Then.", "And?", "Yes.", "Well."]) pair.say(text);
    const { session } = pair;
    pair.schedule(0);
    const id = session.job("summarize")?.id ?? "";
    const begun = pair.begin();
    if (begun?.next !== "call") throw new Error("nothing is pending");
    const items = [{ kind: "fact" as const, text: "North gate.", sourceSeqs: [2], status: "current" as const }];
    saveAnswer(session.unit(), id, begun.lease, { items, model: "model" }, null);
    expect(pair.context(4_000).summary).toMatchObject({ items: [], droppedItems: 1 });
  });

  it("is reported on the feed, with what both branches share", () => {
    const { session } = regenerated();
    expect(session.store.feed.lastThrough()).toMatchObject({ kind: "branched", seq: 1, throughSeq: 1, headSeq: 9 });
    switchBranch(session.unit(), { headSeq: 4 });
    expect(session.store.feed.lastThrough()).toMatchObject({ kind: "branched", seq: 1, throughSeq: 4, headSeq: 10 });
  });

  it("can be erased like any other", () => {
    const pair = regenerated();
    pair.switchTo(9);
    pair.summarize();
    pair.switchTo(10);
    pair.erase(2);
    const { session } = pair;
    const texts = session.sql.exec<{ text: string }>("SELECT items AS text FROM item_blocks WHERE block > 0").toArray();
    expect(texts.some(({ text }) => text.includes("North"))).toBe(false);
    pair.summarize();
    pair.switchTo(9);
    check(pair, 4_000);
    expect(session.store.summaries.newest()?.throughSeq).toBe(0);
  });

  it("is not part of another branch's pending summary: erasing in it makes nothing be paid for again", () => {
    const pair = regenerated();
    for (const text of ["So.", "Then.", "And?", "Yes.", "Well."]) pair.say(text);
    pair.schedule(0);
    const id = pair.session.job("summarize")?.id;
    const step = pair.begin();
    pair.erase(5);
    pair.edit(6, "Farewell.");
    pair.answer(step, id);
    expect(pair.session.store.summaries.newest()).toMatchObject({ version: 1 });
    expect(pair.session.job("summarize")).toBeUndefined();
    check(pair, 4_000);
  });

  it("is not part of a pending summary that a later message of another branch ends: changing it repeats nothing", () => {
    const pair = regenerated();
    for (const text of ["So.", "Then.", "And?", "Yes.", "Well."]) pair.say(text);
    pair.summarize();
    pair.erase(5);
    pair.edit(6, "Farewell.");
    expect(pair.session.job("summarize")).toBeUndefined();
    expect(pair.session.store.summaries.newest()).toMatchObject({ version: 1 });
    expect(pair.session.store.summaries.hiddenRanges(pair.chat.last, 10)).toEqual([]);
    check(pair, 4_000);
  });

  it("loses the versions that cover an erased message, and leaves another branch's pending summary alone", () => {
    const pair = regenerated();
    pair.switchTo(9);
    pair.summarize();
    pair.switchTo(10);
    for (const text of ["So.", "Then.", "And?", "Yes.", "Well."]) pair.say(text);
    pair.schedule(0);
    const id = pair.session.job("summarize")?.id;
    const step = pair.begin();
    pair.erase(5);
    expect(pair.session.job("summarize")).toMatchObject({ id, goal: { is: "rebuild", lastKept: 0 } });
    expect(pair.session.store.jobs.inProgress(id ?? "").invalidatedFromSeq).toBeNull();
    pair.answer(step, id);
    const { summaries } = pair.session.store;
    expect(summaries.backward(Number.MAX_SAFE_INTEGER, 10)).toEqual([summaries.newest()]);
    expect(pair.session.job("summarize")).toBeUndefined();
    check(pair, 4_000);
  });

  it("gets a better summary than the fallback summary that it brings back, also by a job that operators know", () => {
    const pair = new Pair();
    for (const text of ["Where?", "North gate.", "When?", "At nine.", "Thanks.", "Bye."]) pair.say(text);
    const { session } = pair;
    session.summarize(1, 2, [{ text: "North gate.", sourceSeqs: [2] }], { degraded: true });
    const known = { failures: 4, firstFailedAt: NOON, lastFailedAt: NOON, firstError: "away", lastError: "away" };
    const goal = { is: "upgrade", lastKept: 0, isFromScratch: false } as const;
    const { id } = session.schedule("summarize", { throughSeq: 2, goal, ...known });
    pair.switchTo(1);
    pair.switchTo(5);
    expect(session.store.summaries.newest()).toMatchObject({ version: 3, throughSeq: 2, degraded: true });
    expect(session.job("summarize")).toMatchObject({ id, throughSeq: 2, goal: { is: "upgrade" } });
    pair.answer(pair.begin(), id);
    expect(session.store.summaries.newest()).toMatchObject({ throughSeq: 2, degraded: false });
  });

  it("gets its better summary from before the fallback summary, also if newer messages are included", () => {
    const pair = new Pair();
    for (const text of ["Where?", "North gate.", "When?", "At nine.", "Thanks.", "Bye."]) pair.say(text);
    const { session } = pair;
    session.summarize(1, 2, [{ text: "North gate.", sourceSeqs: [2] }], { degraded: true });
    pair.switchTo(1);
    pair.switchTo(5);
    scheduleSummaryThrough(session.unit(), 4);
    expect(session.job("summarize")).toMatchObject({ throughSeq: 4, goal: { is: "rebuild" } });
    const begun = pair.begin();
    if (begun?.next !== "call") throw new Error("nothing is pending");
    expect(begun.request.messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
    pair.answer(begun, session.job("summarize")?.id);
    expect(session.store.summaries.newest()).toMatchObject({ throughSeq: 4, degraded: false });
    expect(session.job("summarize")).toBeUndefined();
  });

  it("without anything to summarize loses all versions when it is rebuilt, including those of erased messages", () => {
    const pair = new Pair();
    for (const text of ["Where?", "North gate.", "When?", "At nine.", "Thanks.", "Bye."]) pair.say(text);
    const { session } = pair;
    session.summarize(1, 4, [{ text: "When? At the North gate.", sourceSeqs: [3] }]);
    pair.switchTo(1);
    pair.erase(2);
    expect(scheduleRebuild(session.unit())).toBeNull();
    const texts = session.sql.exec<{ text: string }>("SELECT items AS text FROM item_blocks").toArray();
    expect(texts.some(({ text }) => text.includes("North"))).toBe(false);
    expect(session.store.summaries.newest()).toMatchObject({ version: 3, throughSeq: 0 });
    pair.switchTo(5);
    check(pair, 4_000);
  });

  it("costs nothing in a session that never branches", () => {
    const session = new NodeSession();
    session.say(40);
    session.summarize(1, 20);
    expect(session.sql.exec("SELECT * FROM branches").toArray()).toEqual([]);
    expect(session.row.changes).toBe(0);
  });
});
