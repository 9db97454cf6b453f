import { describe, expect, it } from "vitest";
import { MAX_SUMMARIZER_INPUT_TOKENS } from "../../src/api/limits.ts";
import type { NewMessage } from "../../src/api/message.ts";
import type { SummarizerAnswer, SummarizerRequest } from "../../src/api/summarizer.ts";
import { itemsTokens } from "../../src/prompt/items.ts";
import { estimateTokens } from "../../src/tokens/estimate.ts";
import {
  creationOf,
  deliver,
  freshRef,
  jobOf,
  pipelineDeps,
  said,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

const WORDS = ["invoice", "Lisbon", "Friday", "budget", "office", "contract", "meeting", "garden", "window", "ticket"];
const FULL = { summaryMaxTokens: 32_000, summarizeAfterTokens: 1_000_000, maxTokens: 100_000 };

/** A message of a few hundred tokens that fits into one item. */
function fact(number: number): NewMessage {
  const words = Array.from({ length: 130 }, (_, at) => `${WORDS[(at * 7 + number) % 10]} ${1_000 + number * 100 + at}`);
  return said(`Fact ${number}: ${words.join(" ")}`.slice(0, 1_990), `fact-${number}`);
}

/** Makes every message an item in addition to the given ones, like a model that forgets nothing. */
function quoting({ previous, messages }: SummarizerRequest): SummarizerAnswer {
  const items = messages.map(({ seq, text }) => ({
    kind: "fact" as const,
    text,
    sourceSeqs: [seq],
    status: "current" as const,
  }));
  return { model: "test", items: [...previous, ...items] };
}

/** Summarizes everything, and records the calls of the summarizer. */
async function summarize(ref: SessionRef): Promise<SummarizerRequest[]> {
  const asked: SummarizerRequest[] = [];
  await scheduleSummary(ref);
  const summarizer = {
    summarize: async (given: SummarizerRequest) => {
      asked.push(given);
      return quoting(given);
    },
  };
  await deliver(await jobOf(ref, "summarize"), pipelineDeps({ summarizer }));
  await withoutAlarm(ref, async () => undefined);
  return asked;
}

async function append(ref: SessionRef, messages: NewMessage[]): Promise<void> {
  unwrap(await withoutAlarm(ref, (session) => session.append({ messages }, creationOf(ref, FULL))));
}

async function newest(ref: SessionRef) {
  const summary = unwrap(await sessionAt(ref).summaries(undefined, 1)).data[0];
  if (summary === undefined) throw new Error("no summary landed");
  return summary;
}

describe("a summary as large as the input of one call", () => {
  it("leaves room for new messages: they are read whole, in few calls", async () => {
    const ref = freshRef();
    await append(
      ref,
      Array.from({ length: 90 }, (_, index) => fact(index + 1)),
    );
    await summarize(ref);
    const before = await newest(ref);
    expect(before.tokens).toBeGreaterThan(0.95 * FULL.summaryMaxTokens);

    const password = (room: number): string => `The password of room ${room} is swordfish-${room}, do not forget it.`;
    const news = Array.from({ length: 14 }, (_, index) => said(password(index + 1), `room-${index + 1}`));
    await append(ref, news);
    const asked = await summarize(ref);
    expect(asked).toHaveLength(1);
    const [request] = asked;
    expect(request?.messages.slice(-10).map(({ text }) => text)).toEqual(
      Array.from({ length: 10 }, (_, index) => password(index + 1)),
    );
    const input = itemsTokens(request?.previous ?? []) + estimateTokens(JSON.stringify(request?.messages));
    expect(input).toBeLessThan(MAX_SUMMARIZER_INPUT_TOKENS);

    const after = await newest(ref);
    expect(after.throughSeq).toBe(100);
    expect(after.tokens).toBeLessThanOrEqual(FULL.summaryMaxTokens);
    const texts = after.items.map(({ text }) => text);
    for (let room = 1; room <= 10; room += 1) expect(texts).toContain(password(room));
    // Items that the summarizer was not given stay, except for those that have to make room.
    const kept = before.items.filter(({ id }) => after.items.some((item) => item.id === id));
    expect(kept.length).toBeGreaterThan(0.85 * before.items.length);
  });

  it("is given in part, and items that are not given keep their ids, words and sources", async () => {
    const ref = freshRef();
    await append(
      ref,
      Array.from({ length: 60 }, (_, index) => fact(index + 1)),
    );
    await summarize(ref);
    const before = await newest(ref);
    await append(ref, [said("One."), said("Two."), said("The tea is in the blue tin."), said("Four."), said("Five.")]);
    const [request] = await summarize(ref);
    const given = new Set(request?.previous.map(({ id }) => id));
    const heldBack = before.items.filter(({ id }) => !given.has(id));
    expect(heldBack.length).toBeGreaterThan(0);
    const { items } = await newest(ref);
    for (const item of heldBack) expect(items).toContainEqual(item);
    expect(new Set(items.map(({ id }) => id)).size).toBe(items.length);
  });
});
