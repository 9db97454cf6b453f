import { describe, expect, it } from "vitest";
import type { SummarizerAnswer, SummarizerRequest } from "../../src/api/summarizer.ts";
import type { SummaryStep } from "../../src/session/summary/run.ts";
import { chatOf, said, scheduleSummary, sessionAt, until, unwrap, withoutAlarm } from "../support/session.ts";

type CallStep = Extract<SummaryStep, { next: "call" }>;

function call(step: SummaryStep): CallStep {
  if (step.next !== "call") throw new Error(`expected a call, got ${step.next}`);
  return step;
}

/** A possible answer of a summarizer: the first words of each message, citing it, and the existing items. */
function answerTo(request: SummarizerRequest): SummarizerAnswer {
  return {
    model: "test",
    items: [
      ...request.previous,
      ...request.messages.map(({ seq, text }) => ({
        kind: "fact" as const,
        text: text.slice(0, 30),
        sourceSeqs: [seq],
        status: "current" as const,
      })),
    ],
  };
}

describe("promise 7: a summary lands whole or not at all", () => {
  it("shows nothing of a long range before its last part is answered", async () => {
    const ref = await chatOf(60, { words: 700, settings: { profile: "agent" } });
    const { jobId, epoch } = await scheduleSummary(ref);
    const session = sessionAt(ref);
    let step = await session.beginSummary(jobId, epoch);
    const ranges: number[][] = [];
    while (step.next === "call") {
      ranges.push(step.request.messages.map(({ seq }) => seq));
      expect(unwrap(await session.state()).summary).toBeNull();
      const { lease, request } = step;
      step = await withoutAlarm(ref, (object) => object.saveAnswer(jobId, epoch, lease, answerTo(request)));
    }
    expect(ranges.length).toBeGreaterThan(1);
    expect(ranges.flat()).toEqual(Array.from({ length: 56 }, (_, index) => index + 1));
    const { summary } = unwrap(await session.state());
    expect(summary).toMatchObject({ version: 1, throughSeq: 56 });
  });

  it("gives a duplicate delivery nothing to do while the first one has the lease", async () => {
    const ref = await chatOf(8);
    const { jobId, epoch } = await scheduleSummary(ref);
    call(await sessionAt(ref).beginSummary(jobId, epoch));
    const duplicate = await sessionAt(ref).beginSummary(jobId, epoch);
    expect(duplicate).toMatchObject({ next: "wait" });
  });

  it("accepts no answer under a lost lease, and one answer under a valid one", async () => {
    const ref = await chatOf(8);
    const { jobId, epoch } = await scheduleSummary(ref);
    const session = sessionAt(ref);
    const lost = call(await session.beginSummary(jobId, epoch));
    await withoutAlarm(ref, (object) => object.noteFailure(jobId, epoch, { reason: "test", lease: lost.lease }));
    const held = call(await session.beginSummary(jobId, epoch));
    const late = await session.saveAnswer(jobId, epoch, lost.lease, answerTo(lost.request));
    expect(late).toMatchObject({ next: "wait" });
    expect(unwrap(await session.state()).summary).toBeNull();
    const save = () =>
      withoutAlarm(ref, (object) => object.saveAnswer(jobId, epoch, held.lease, answerTo(held.request)));
    expect(await save()).toMatchObject({ next: "done" });
    expect(await save()).toMatchObject({ next: "done" });
    expect(unwrap(await session.summaries(undefined, 10)).data).toHaveLength(1);
  });

  it("does nothing for a job of another epoch of the session, or for one that is done", async () => {
    const ref = await chatOf(8);
    const { jobId, epoch } = await scheduleSummary(ref);
    const session = sessionAt(ref);
    expect(await session.beginSummary(jobId, "another")).toMatchObject({ next: "done" });
    expect(await session.beginSummary("no-such-job", epoch)).toMatchObject({ next: "done" });
    expect(await session.beginSummary(jobId, epoch)).toMatchObject({ next: "call" });
  });

  it("covers messages that came while it was made only with the next summary", async () => {
    const ref = await chatOf(8);
    const { jobId, epoch } = await scheduleSummary(ref);
    const session = sessionAt(ref);
    const step = call(await session.beginSummary(jobId, epoch));
    unwrap(await session.append({ messages: [said("late to the party")] }, null));
    await withoutAlarm(ref, (object) => object.saveAnswer(jobId, epoch, step.lease, answerTo(step.request)));
    const state = unwrap(await session.state());
    expect(state).toMatchObject({ headSeq: 9, summary: { throughSeq: 4 } });
  });

  it("makes the second summary from the items of the first and what came since, and keeps both versions", async () => {
    const ref = await chatOf(8);
    const session = sessionAt(ref);
    for (let round = 0; round < 2; round += 1) {
      const { jobId, epoch } = await scheduleSummary(ref);
      const step = call(await session.beginSummary(jobId, epoch));
      const answer = answerTo(step.request);
      // The second time one item is reworded, one left out and one kept.
      if (round === 1) {
        const [reworded, ...rest] = answer.items;
        if (reworded === undefined) throw new Error("no item");
        answer.items = [{ ...reworded, text: "Turn 1: the invoice" }, ...rest.slice(1)];
      }
      await withoutAlarm(ref, (object) => object.saveAnswer(jobId, epoch, step.lease, answer));
      unwrap(await session.append({ messages: Array.from({ length: 4 }, () => said("more")) }, null));
    }
    const first = unwrap(await session.summary(1, false));
    const second = unwrap(await session.summary(2, true));
    expect(first.items.map(({ id }) => id)).toEqual(["1.1", "1.2", "1.3", "1.4"]);
    expect(first.items[0]?.text).not.toBe("Turn 1: the invoice");
    expect(second.items.map(({ id }) => id)).toEqual(["1.1", "1.3", "1.4", "2.1", "2.2", "2.3", "2.4"]);
    expect(second.items[0]).toMatchObject({ id: "1.1", text: "Turn 1: the invoice" });
    expect(second.sources?.map(({ seq }) => seq)).toEqual([1, 3, 4, 5, 6, 7, 8]);
  });

  it("puts the summary of a chat that crosses the threshold into the context automatically", async () => {
    const ref = await chatOf(60, { settings: { summarizeAfterTokens: 2_000, keepRecentTokens: 500 } });
    const session = sessionAt(ref);
    await until("the summary is there", async () => unwrap(await session.state()).summary !== null);
    const context = unwrap(await session.context({ maxTokens: 4_000 }));
    expect(context).toMatchObject({ summary: { summarizer: "extractive", degraded: false } });
    await until("nothing is pending", async () => {
      const state = unwrap(await session.state());
      return !state.summaryPending && state.archived;
    });
    const settled = unwrap(await session.context({ maxTokens: 4_000 }));
    expect(settled).toMatchObject({ omitted: [], headSeq: 60 });
  });
});
