import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Omitted } from "../../../src/api/context-meta.ts";
import type { ContextRequest } from "../../../src/api/context.ts";
import { MAX_CONTEXT_BYTES } from "../../../src/api/limits.ts";
import { resolveSettings, type SessionSettings } from "../../../src/api/session.ts";
import { itemsTokens } from "../../../src/prompt/items.ts";
import { noteTokenizer, readContext } from "../../../src/session/log/read-context.ts";
import { scheduleSummaryByHand, scheduleSummaryIfDue } from "../../../src/session/summary/due.ts";
import { NodeSession } from "./node-session.ts";

/** A message of about this many tokens. */
const words = (tokens: number): string => "the ".repeat(tokens).trim();

const contextOf = (session: NodeSession, request: ContextRequest = {}) =>
  readContext(session.unit(), request, null, MAX_CONTEXT_BYTES).context;

/** Negative tokens stand for an instruction. */
function say(session: NodeSession, tokens: number): void {
  const seq = (session.store.messages.head()?.seq ?? 0) + 1;
  const role = tokens < 0 ? "system" : seq % 2 === 1 ? "user" : "assistant";
  session.append([{ role, content: `${seq} ${words(Math.abs(tokens))}` }]);
  scheduleSummaryIfDue(session.unit());
}

/** Messages that do not fit a budget, and are not in a pending summary. */
function seqsOf(omitted: readonly Omitted[]): number[] {
  return omitted
    .filter(({ reason }) => reason === "budget")
    .flatMap(({ fromSeq, throughSeq }) => Array.from({ length: throughSeq - fromSeq + 1 }, (_, at) => fromSeq + at));
}

/** Completes the pending summary, with this many tokens. */
function land(session: NodeSession, tokens: number): boolean {
  const job = session.job("summarize");
  if (job === undefined) return false;
  const version = (session.store.summaries.newest()?.version ?? 0) + 1;
  session.summarize(version, job.throughSeq, [{ text: words(tokens) }]);
  // Items of earlier versions are still there.
  session.store.summaries.setTokens(version, itemsTokens(session.store.summaries.items(version)));
  session.store.jobs.delete(job.id);
  return true;
}

describe("a threshold that is not set", () => {
  it("follows from the budget, in the proportions of the profile", () => {
    const thresholds = (settings: SessionSettings) => {
      const { summarizeAfterTokens, keepRecentTokens, summaryMaxTokens } = resolveSettings(settings);
      return [summarizeAfterTokens, keepRecentTokens, summaryMaxTokens];
    };
    expect(thresholds({})).toEqual([12_000, 4_000, 2_000]);
    expect(thresholds({ maxTokens: 4_000 })).toEqual([3_000, 1_000, 500]);
    expect(thresholds({ maxTokens: 256 })).toEqual([192, 64, 100]);
    expect(thresholds({ maxTokens: 32_000 })).toEqual([24_000, 8_000, 2_000]);
    expect(thresholds({ profile: "agent" })).toEqual([80_000, 20_000, 4_000]);
    expect(thresholds({ profile: "agent", maxTokens: 10_000 })).toEqual([8_000, 2_000, 1_250]);
    expect(thresholds({ maxTokens: 4_000, summarizeAfterTokens: 1_000 })).toEqual([1_000, 500, 500]);
    expect(thresholds({ maxTokens: 4_000, keepRecentTokens: 2_000 })).toEqual([4_000, 2_000, 500]);
  });
});

describe("a budget", () => {
  it("forgets nothing without a summary, whatever the settings are and however long messages are", () => {
    fc.assert(
      fc.property(
        fc.record(
          {
            profile: fc.constantFrom("chat" as const, "agent" as const),
            maxTokens: fc.constantFrom(256, 1_000, 4_000, 16_000),
            summarizeAfterTokens: fc.constantFrom(100, 2_000, 50_000),
            keepRecentTokens: fc.constantFrom(0, 99, 1_500),
            summaryMaxTokens: fc.constantFrom(100, 2_000, 30_000),
          },
          { requiredKeys: [] },
        ),
        fc.array(fc.constantFrom(5, 40, 200, 900, 5_000, -40, -200, -900), { minLength: 1, maxLength: 16 }),
        fc.constantFrom<ContextRequest>({}, { format: "anthropic" }, { tokenizer: "claude" }),
        fc.constantFrom(20, 400, 3_000),
        (settings, sizes, request, summaryTokens) => {
          const session = new NodeSession({ settings });
          noteTokenizer(session.unit(), request);
          for (const tokens of sizes) {
            say(session, tokens);
            for (let landed = 0; landed < 3; landed += 1) {
              const { messages, omitted, summaryPending, leftOut, summary } = contextOf(session, request);
              const covered = summary?.throughSeq ?? 0;
              const cut = new Set(messages.flatMap(({ seq, cut: isCut }) => (isCut === true ? [seq] : [])));
              const forgotten = seqsOf(omitted).filter((seq) => seq > covered && !cut.has(seq));
              // There is only one pending summary at a time; messages that came meanwhile need another one.
              if (!summaryPending) expect(messages.length === 0 ? [] : forgotten).toEqual([]);
              expect(leftOut !== undefined).toBe(omitted.some(({ reason }) => reason === "budget"));
              if (!land(session, summaryTokens)) break;
              scheduleSummaryIfDue(session.unit());
            }
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it("of a single read says what it left out, and names a budget that would leave out nothing", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(5, 40, 200, 900, -40, -200), { minLength: 4, maxLength: 25 }),
        fc.constantFrom(0, 100, 1_500),
        fc.constantFrom<ContextRequest>({}, { format: "anthropic" }),
        fc.constantFrom(256, 500, 1_000, 3_000),
        (sizes, summaryTokens, request, maxTokens) => {
          const session = new NodeSession({ settings: { maxTokens: 200_000 } });
          for (const tokens of sizes) say(session, tokens);
          if (summaryTokens > 0) session.summarize(1, 2, [{ text: words(summaryTokens) }], { tokens: summaryTokens });
          const { omitted, leftOut } = contextOf(session, { ...request, maxTokens });
          expect(leftOut !== undefined).toBe(omitted.some(({ reason }) => reason === "budget"));
          if (leftOut === undefined) return;
          expect(leftOut.messages).toBeGreaterThan(0);
          expect(leftOut.tokens).toBeGreaterThan(0);
          expect(leftOut.help).toContain(String(leftOut.maxTokens));
          expect(leftOut.help).toContain("/summarize");
          const wider = contextOf(session, { ...request, maxTokens: leftOut.maxTokens ?? 0 });
          expect(wider).toMatchObject({ omitted: [] });
          expect(wider).not.toHaveProperty("leftOut");
        },
      ),
      { numRuns: 20 },
    );
  });

  it("that a user set makes no summary due earlier: a context says what it has no room for", () => {
    const session = new NodeSession({ settings: { byUser: { maxTokens: 300 } } });
    for (let at = 0; at < 12; at += 1) say(session, 100);
    expect(session.job("summarize")).toBeUndefined();
    expect(contextOf(session).leftOut?.messages).toBeGreaterThan(5);
  });
});

describe("the part of omitted that a pending summary covers", () => {
  it("is distinguished from what it does not cover", () => {
    const session = new NodeSession();
    for (let at = 0; at < 12; at += 1) say(session, 100);
    session.schedule("summarize", { throughSeq: 3 });
    const { omitted, leftOut } = contextOf(session, { maxTokens: 500 });
    expect(omitted[0]).toEqual({ fromSeq: 1, throughSeq: 3, reason: "pending" });
    expect(omitted[1]).toMatchObject({ fromSeq: 4, reason: "budget" });
    expect(leftOut?.messages).toBe((omitted[1]?.throughSeq ?? 0) - 3);
  });

  it("is everything that a context has no room for, after a summary is requested", () => {
    const session = new NodeSession({ settings: { maxTokens: 1_000 } });
    for (const tokens of [900, 900]) say(session, tokens);
    session.store.jobs.delete(session.job("summarize")?.id ?? "");
    expect(scheduleSummaryByHand(session.unit(), {})?.throughSeq).toBe(1);
  });
});
