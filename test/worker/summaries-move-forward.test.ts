import { describe, expect, it } from "vitest";
import type { SummarizerRequest } from "../../src/api/summarizer.ts";
import { ProviderError } from "../../src/provider/provider-error.ts";
import {
  chatOf,
  creationOf,
  deliver,
  freshRef,
  jobOf,
  pendingJobs,
  pipelineDeps,
  quoting,
  runInDurableObject,
  said,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  stubAt,
  takeAlarm,
  turn,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

/** Faults of summaries that the simulation (test/fuzz) found, each with the fewest steps that show it. */

const LONG = { words: 900, settings: { summarizeAfterTokens: 1_000_000, keepRecentTokens: 0 } };

/** A model that fails from a given call on, until it is repaired, and a record of its calls. */
function flakyModel({ hasFallback = true } = {}) {
  const state = { answersLeft: Number.POSITIVE_INFINITY, asked: [] as number[][] };
  const parts = pipelineDeps({
    summarizer: {
      summarize: async (given) => {
        if (state.answersLeft <= 0) throw new ProviderError("invalid_answer", "for the test");
        state.answersLeft -= 1;
        state.asked.push(seqsOf(given));
        return quoting(given);
      },
    },
    fallback: hasFallback ? { summarize: async (given) => ({ ...quoting(given), model: "extractive" }) } : null,
  });
  return { state, parts };
}

function seqsOf({ messages }: SummarizerRequest): number[] {
  return messages.map(({ seq }) => seq);
}

async function versionsOf(ref: SessionRef) {
  const { data } = unwrap(await sessionAt(ref).summaries(undefined, 20));
  return data.map(({ version, throughSeq, degraded }) => ({ version, throughSeq, degraded }));
}

async function bring(ref: SessionRef, parts: ReturnType<typeof pipelineDeps>): Promise<void> {
  await deliver(await jobOf(ref, "summarize"), parts);
  await takeAlarm(ref);
}

async function summarizeRow(ref: SessionRef) {
  return (await pendingJobs(ref)).find(({ kind }) => kind === "summarize");
}

describe("promise 7: no version covers less than the one before it, whoever made it", () => {
  it("keeps the existing summary if a model fails during one from scratch, and saves that one as a whole later", async () => {
    const ref = await chatOf(34, LONG);
    const { state, parts } = flakyModel();
    await scheduleSummary(ref);
    await bring(ref, parts);
    expect(await versionsOf(ref)).toEqual([{ version: 1, throughSeq: 30, degraded: false }]);
    await scheduleSummary(ref, { fromScratch: true });
    state.answersLeft = 1;
    for (let attempt = 0; attempt < 4; attempt += 1) await bring(ref, parts);
    expect(await versionsOf(ref)).toEqual([{ version: 1, throughSeq: 30, degraded: false }]);
    state.answersLeft = Number.POSITIVE_INFINITY;
    await bring(ref, parts);
    expect(await versionsOf(ref)).toEqual([
      { version: 2, throughSeq: 30, degraded: false },
      { version: 1, throughSeq: 30, degraded: false },
    ]);
    // Both times all of it was requested once.
    const all = Array.from({ length: 30 }, (_, index) => index + 1);
    expect(state.asked.flat()).toEqual([...all, ...all]);
  });

  it("saves a fallback summary as a whole, at a cut of the chat and not where a part ended, and pays for no part twice", async () => {
    const ref = await chatOf(34, LONG);
    const { state, parts } = flakyModel();
    await scheduleSummary(ref);
    state.answersLeft = 1;
    await bring(ref, parts);
    expect(await versionsOf(ref)).toEqual([{ version: 1, throughSeq: 30, degraded: true }]);
    expect(await summarizeRow(ref)).toMatchObject({ details: { is: "upgrade", lastKept: 0 } });
    state.answersLeft = Number.POSITIVE_INFINITY;
    await bring(ref, parts);
    expect(await versionsOf(ref)).toEqual([{ version: 2, throughSeq: 30, degraded: false }]);
    expect(state.asked.flat()).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
  });

  it("includes newly due messages in a failing summary from scratch, and does not wait for it", async () => {
    const ref = await chatOf(12, { settings: { summarizeAfterTokens: 800, keepRecentTokens: 100 } });
    const { state, parts } = flakyModel();
    await scheduleSummary(ref);
    await bring(ref, parts);
    const [before] = await versionsOf(ref);
    await scheduleSummary(ref, { fromScratch: true });
    state.answersLeft = 0;
    await bring(ref, parts);
    const messages = Array.from({ length: 12 }, (_, index) => turn(20 + index));
    unwrap(await withoutAlarm(ref, (session) => session.append({ messages }, null)));
    await bring(ref, parts);
    const [after] = await versionsOf(ref);
    expect(after).toMatchObject({ degraded: true });
    expect(after?.throughSeq).toBeGreaterThan(before?.throughSeq ?? 0);
  });
});

describe("promise 10: a model is not paid twice for the same range", () => {
  it("when a message without text is erased or edited while its summary is being made", async () => {
    const ref = freshRef();
    const form = {
      id: "form",
      role: "assistant" as const,
      content: [{ type: "data-form" as const, data: { size: 3 } }],
    };
    const messages = [
      form,
      ...Array.from({ length: 7 }, (_, at) => said(`Crate ${at} leaves the harbour.`, `m-${at}`)),
    ];
    unwrap(await sessionAt(ref).append({ messages }, creationOf(ref)));
    const { jobId, epoch } = await scheduleSummary(ref);
    const step = await sessionAt(ref).beginSummary(jobId, epoch);
    if (step.next !== "call") throw new Error("expected a call");
    expect(seqsOf(step.request)).toEqual([2, 3, 4]);
    const content = [{ type: "data-form" as const, data: { size: 4 } }];
    unwrap(await withoutAlarm(ref, (session) => session.editMessage("form", { content })));
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("form")));
    await withoutAlarm(ref, (session) => session.saveAnswer(jobId, epoch, step.lease, quoting(step.request)));
    expect(await summarizeRow(ref)).toBeUndefined();
    expect(unwrap(await sessionAt(ref).context({}))).toMatchObject({ omitted: [], summary: { throughSeq: 4 } });
  });

  it("after a summary was given up: it continues with what it has, under the job id that operators know", async () => {
    const ref = await chatOf(34, { ...LONG, settings: { summarizeAfterTokens: 20_000, keepRecentTokens: 0 } });
    const { state, parts } = flakyModel({ hasFallback: false });
    await scheduleSummary(ref);
    const before = await summarizeRow(ref);
    state.answersLeft = 1;
    for (let attempt = 0; attempt < 20; attempt += 1) await bring(ref, parts);
    expect(await summarizeRow(ref)).toMatchObject({ id: before?.["id"], state: "failed" });
    await runInDurableObject(stubAt(ref), (_, { storage }) => storage.sql.exec("UPDATE jobs SET last_failed_at = 0"));
    unwrap(await withoutAlarm(ref, (session) => session.append({ messages: [turn(99, 900)] }, null)));
    expect(await summarizeRow(ref)).toMatchObject({ id: before?.["id"], state: "pending", failures: 0 });
    state.answersLeft = Number.POSITIVE_INFINITY;
    await bring(ref, parts);
    expect(state.asked.flat()).toEqual(Array.from({ length: 31 }, (_, index) => index + 1));
    expect(await parts.operations.find(String(before?.["id"]))).toBeNull();
  });
});

describe("promise 9: a range that waits to be summarized again", () => {
  it("loses its draft at once when a message in it is erased while no consumer has the lease", async () => {
    const ref = await chatOf(34, LONG);
    const { state, parts } = flakyModel();
    await scheduleSummary(ref);
    state.answersLeft = 1;
    await bring(ref, parts);
    expect(String((await summarizeRow(ref))?.["draft"])).toContain("the invoice 1003");
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("turn-3")));
    expect(await summarizeRow(ref)).toMatchObject({
      draft: null,
      details: { is: "rebuild", lastKept: 0 },
      invalidated_from_seq: null,
    });
  });

  it("is summarized without its last message if that is erased after a model was given it", async () => {
    const ref = await chatOf(8);
    const { jobId, epoch } = await scheduleSummary(ref);
    const step = await sessionAt(ref).beginSummary(jobId, epoch);
    if (step.next !== "call") throw new Error("expected a call");
    expect(seqsOf(step.request).at(-1)).toBe(4);
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("turn-4")));
    // A model may have put its words into an item that cites another message.
    const folded = {
      kind: "fact" as const,
      text: "Turn 3: the invoice 1003",
      sourceSeqs: [3],
      status: "current" as const,
    };
    const answer = { model: "test", items: [folded, ...quoting(step.request).items] };
    await withoutAlarm(ref, (session) => session.saveAnswer(jobId, epoch, step.lease, answer));
    expect(await summarizeRow(ref)).toMatchObject({
      state: "pending",
      details: { is: "rebuild", lastKept: 0 },
      through_seq: 4,
    });
    const [summary] = unwrap(await sessionAt(ref).summaries(undefined, 1)).data;
    expect(summary?.items.flatMap(({ sourceSeqs }) => sourceSeqs)).not.toContain(4);
    const omitted = [{ fromSeq: 4, throughSeq: 4, reason: "hidden" }];
    expect(unwrap(await sessionAt(ref).context({}))).toMatchObject({ omitted });
  });
});
