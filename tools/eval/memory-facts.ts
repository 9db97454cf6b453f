// The figures by which memories are compared. All except the share of words are means or shares between 0 and 1.
import { isSupported } from "../../src/prompt/support.ts";
import type { Turn } from "./questioned-chats.ts";
import { stemsOf, wordsOf } from "./stems.ts";

/** An item as a summarizer gave it, with sources counted from 1 within its input. */
export interface Kept {
  readonly text: string;
  readonly sourceSeqs: readonly number[];
}

/** An item is redundant if this share of its stems occurs in another item. */
const DUPLICATE_SHARE = 0.8;

/** The share of an answer's stems that a memory contains. */
export function retention(answer: ReadonlySet<string>, memory: ReadonlySet<string>): number {
  let found = 0;
  for (const stem of answer) if (memory.has(stem)) found += 1;
  return found / answer.size;
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? Number.NaN : values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function wordCount(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + wordsOf(text).length, 0);
}

/** Counts the items that their sources support, by the rule with which the service checks items. */
export function countSupported(items: readonly Kept[], turns: readonly Turn[]): number {
  return items.filter(({ text, sourceSeqs }) => {
    const sources = sourceSeqs.flatMap((seq) => turns[seq - 1] ?? []);
    return (
      sources.length > 0 &&
      isSupported(
        text,
        sources.map((turn) => `${turn.speaker ?? ""} ${turn.text}`),
      )
    );
  }).length;
}

/** Counts the items that repeat another item. Of two equal items one counts. */
export function countDuplicates(items: readonly Kept[]): number {
  const all = items.map(({ text }) => stemsOf(text));
  return all.filter((stems, place) =>
    all.some((others, other) => {
      const isFirst = others.size > stems.size || (others.size === stems.size && other < place);
      return other !== place && isFirst && stems.size > 0 && retention(stems, others) >= DUPLICATE_SHARE;
    }),
  ).length;
}
