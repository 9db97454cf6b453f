// What a memory is measured by. All but the share of words are means or shares between 0 and 1.
import { isSupported } from "../../src/prompt/support.ts";
import type { Turn } from "./questioned-chats.ts";
import { stemsOf, wordsOf } from "./stems.ts";

/** An item as a summarizer gave it, its sources counted from 1 within what it was given. */
export interface Kept {
  readonly text: string;
  readonly sourceSeqs: readonly number[];
}

/** An item of whose stems so many stand in another one tells nothing of its own. */
const DUPLICATE_SHARE = 0.8;

/** The share of an answer's stems that a memory holds. */
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

/** Items that rest on what they cite, as the service checks it before it keeps one. */
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

/** Items that another one says as well. Of two that say the same, one counts. */
export function countDuplicates(items: readonly Kept[]): number {
  const all = items.map(({ text }) => stemsOf(text));
  return all.filter((stems, place) =>
    all.some((others, other) => {
      const isFirst = others.size > stems.size || (others.size === stems.size && other < place);
      return other !== place && isFirst && stems.size > 0 && retention(stems, others) >= DUPLICATE_SHARE;
    }),
  ).length;
}
