// Ways of summarizing a sitting into a given number of words: baselines, the extractive summarizer, and any MCP agent.
import { setTimeout as sleep } from "node:timers/promises";
import type { SummarizerUsage, TranscriptMessage } from "../../src/api/summarizer.ts";
import { ITEM_OVERHEAD_TOKENS } from "../../src/prompt/items.ts";
import { ProviderError } from "../../src/provider/provider-error.ts";
import { createSummarizerClient } from "../../src/summarizer/client.ts";
import { summarizeExtractively } from "../../src/summarizer/extractive.ts";
import { estimateTokens } from "../../src/tokens/estimate.ts";
import type { Kept } from "./memory-facts.ts";
import type { Turn } from "./questioned-chats.ts";
import { stemsOf, wordsOf } from "./stems.ts";
import { addUsage } from "./usage.ts";

interface Memory {
  readonly texts: readonly string[];
  /** Null if the summary is prose without items. */
  readonly items: readonly Kept[] | null;
  readonly usage?: SummarizerUsage | undefined;
}

export type Method = (turns: readonly Turn[], maxWords: number) => Memory | Promise<Memory>;

const segmenter = new Intl.Segmenter("en", { granularity: "sentence" });

export function sentencesOf(text: string): string[] {
  return [...segmenter.segment(text)].map(({ segment }) => segment.trim()).filter((sentence) => sentence !== "");
}

function prose(texts: readonly string[]): Memory {
  return { texts, items: null };
}

/** The baseline "lead": the beginning, and nothing else. */
export const lead: Method = (turns, maxWords) =>
  prose([
    wordsOf(turns.map(({ text }) => text).join("\n"))
      .slice(0, maxWords)
      .join(" "),
  ]);

export const everything: Method = (turns) => prose(turns.map(({ text }) => text));

const DAMPING = 0.85;
const ITERATIONS = 30;

/**
 * The sentences that have most in common with the others (Mihalcea and Tarau 2004, "TextRank: Bringing Order into Texts"), by rank, as
 * many as fit.
 */
export const textRank: Method = (turns, maxWords) => {
  const units = turns
    .flatMap(({ text }) => sentencesOf(text))
    .map((text) => ({ text, stems: stemsOf(text), words: wordsOf(text).length }))
    .filter(({ stems }) => stems.size > 1);
  const edges = edgesOf(units.map(({ stems }) => stems));
  const totals = edges.map((row) => row.reduce((sum, [, weight]) => sum + weight, 0));
  let ranks = units.map(() => 1);
  for (let round = 0; round < ITERATIONS; round += 1) {
    ranks = edges.map(
      (row) =>
        1 -
        DAMPING +
        DAMPING * row.reduce((sum, [other, weight]) => sum + (weight / (totals[other] ?? 1)) * (ranks[other] ?? 0), 0),
    );
  }
  const chosen: string[] = [];
  let left = maxWords;
  const best = units
    .map((unit, place) => ({ ...unit, rank: ranks[place] ?? 0 }))
    .toSorted((one, other) => other.rank - one.rank);
  for (const { text, words } of best) {
    if (words > left) continue;
    left -= words;
    chosen.push(text);
  }
  return prose(chosen);
};

/** For each sentence, the sentences that share a stem with it, weighted by how much they share in relation to their lengths. */
function edgesOf(sentences: readonly ReadonlySet<string>[]): [place: number, weight: number][][] {
  const holders = new Map<string, number[]>();
  for (const [place, stems] of sentences.entries()) {
    for (const stem of stems) holders.set(stem, [...(holders.get(stem) ?? []), place]);
  }
  return sentences.map((stems, place) => {
    const shared = new Map<number, number>();
    for (const stem of stems)
      for (const other of holders.get(stem) ?? []) shared.set(other, (shared.get(other) ?? 0) + 1);
    shared.delete(place);
    return [...shared].map(([other, count]): [number, number] => {
      const size = Math.log(stems.size) + Math.log(sentences[other]?.size ?? 1);
      return [other, count / size];
    });
  });
}

/** Takes whole units, at each step the one with the most rare stems per word that are not covered yet. */
export function greedy(unitsOf: (text: string) => string[]): Method {
  return (turns, maxWords) => {
    const units = turns
      .flatMap(({ text }) => unitsOf(text))
      .map((text) => ({ text, stems: stemsOf(text), words: wordsOf(text).length }));
    const counts = new Map<string, number>();
    for (const { stems } of units) for (const key of stems) counts.set(key, (counts.get(key) ?? 0) + 1);
    const covered = new Set<string>();
    const chosen: string[] = [];
    let left = maxWords;
    for (;;) {
      const ratio = (unit: (typeof units)[number]): number => {
        if (unit.words === 0 || unit.words > left) return 0;
        let gain = 0;
        for (const key of unit.stems) {
          if (!covered.has(key)) gain += Math.log(1 + units.length / (counts.get(key) ?? 1));
        }
        return gain / unit.words;
      };
      const best = units.reduce<{ unit: (typeof units)[number] | null; ratio: number }>(
        (so, unit) => (ratio(unit) > so.ratio ? { unit, ratio: ratio(unit) } : so),
        { unit: null, ratio: 0 },
      );
      if (best.unit === null) return prose(chosen);
      left -= best.unit.words;
      for (const key of best.unit.stems) covered.add(key);
      chosen.push(best.unit.text);
    }
  };
}

/** The precision of the search for the largest token budget whose items fit the words. */
const BUDGET_STEP_TOKENS = 2;
/** No text has more tokens a word than this, including the overhead of items. */
const MAX_TOKENS_PER_WORD = 4;

function messagesOf(turns: readonly Turn[]): TranscriptMessage[] {
  return turns.map(({ role, speaker, text, at }, index) => ({
    seq: index + 1,
    role,
    at,
    text,
    ...(speaker === null ? {} : { author: speaker }),
  }));
}

function itemsMemory(items: readonly Kept[]): Memory {
  return { texts: items.map(({ text }) => text), items };
}

/** One call, with the largest token budget whose items fit the words. */
export const extractiveToTheWord: Method = (turns, maxWords) => {
  const messages = messagesOf(turns);
  let fits = 0;
  let exceeds = maxWords * MAX_TOKENS_PER_WORD;
  let best = itemsMemory([]);
  while (exceeds - fits > BUDGET_STEP_TOKENS) {
    const maxTokens = Math.floor((fits + exceeds) / 2);
    const memory = itemsMemory(summarizeExtractively({ previous: [], messages, maxTokens }));
    const words = memory.texts.reduce((sum, text) => sum + wordsOf(text).length, 0);
    if (words <= maxWords) [fits, best] = [maxTokens, memory];
    else exceeds = maxTokens;
  }
  return best;
};

/** Where an agent with the summarizer's tool can be reached. */
export interface AgentAddress {
  readonly url: string;
  readonly token?: string | undefined;
}

/** Where a service offers its own agent. */
export const AGENT_ROUTE = "/agents/summarizer/mcp";
const AGENT_TIMEOUT_MS = 120_000;
/** An item with fewer words says little. The tokens that an item costs in addition are spread over this many words. */
const WORDS_PER_ITEM = 15;
const MAX_ATTEMPTS = 4;
const DEFAULT_PAUSE_SECONDS = 5;

/**
 * One call of the agent over MCP, as the service makes it, with the token budget that corresponds to the words of this transcript. A call
 * that fails is repeated a few times; its cost counts as well.
 */
export function agentMethod({ url, token }: AgentAddress): Method {
  const client = createSummarizerClient({
    url,
    ...(token === undefined ? {} : { token }),
    fetch: (request) => fetch(request),
    timeoutMs: AGENT_TIMEOUT_MS,
    name: "threadkeep-eval",
  });
  return async (turns, maxWords) => {
    const messages = messagesOf(turns);
    const text = turns.map((turn) => turn.text).join("\n");
    const tokensPerWord =
      estimateTokens(text) / Math.max(1, wordsOf(text).length) + ITEM_OVERHEAD_TOKENS / WORDS_PER_ITEM;
    const maxTokens = Math.max(1, Math.floor(maxWords * tokensPerWord));
    let spent: SummarizerUsage | undefined;
    for (let attempt = 1; ; attempt += 1) {
      try {
        const { items, usage } = await client.summarize({ previous: [], messages, maxTokens });
        return { ...itemsMemory(items), usage: addUsage(spent, usage) };
      } catch (error) {
        if (!(error instanceof ProviderError) || attempt === MAX_ATTEMPTS) throw error;
        spent = addUsage(spent, error.usage);
        await sleep((error.retryAfterSeconds ?? DEFAULT_PAUSE_SECONDS) * 1_000);
      }
    }
  };
}
