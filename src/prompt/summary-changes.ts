import type { Item, SummaryChanges } from "../api/summary.ts";
import { sharedWords } from "./support.ts";

/** Compares two versions of a summary. */

/**
 * An item that cites the same message as another, and shares at least this part of its words, counts as the same
 * statement reworded.
 */
const MIN_REWORDED_SHARE = 0.5;

/**
 * Items are kept if both versions have them unchanged, and reworded if they cite the same message and share most words,
 * or differ in kind or status. The others are dropped or new. Few items cite the same message, so each is compared only
 * with those.
 */
export function compareItems(
  before: readonly Item[],
  after: readonly Item[],
): Omit<SummaryChanges, "version" | "from"> {
  const byWords = new Map<string, Item[]>();
  for (const item of before) byWords.set(sameWords(item), [...(byWords.get(sameWords(item)) ?? []), item]);
  const left = new Set(before);
  const kept: Item[] = [];
  const changed: Item[] = [];
  for (const item of after) {
    const same = byWords.get(sameWords(item))?.shift();
    if (same === undefined || !left.delete(same)) changed.push(item);
    else kept.push(item);
  }
  const citing = new Map<string, Item[]>();
  for (const item of left) {
    for (const source of sourcesOf(item)) citing.set(source, [...(citing.get(source) ?? []), item]);
  }
  const reworded: { before: Item; after: Item }[] = [];
  const added: Item[] = [];
  for (const item of changed) {
    const earlier = likest(item, new Set(sourcesOf(item).flatMap((source) => citing.get(source) ?? [])), left);
    if (earlier === null) added.push(item);
    else {
      left.delete(earlier);
      reworded.push({ before: earlier, after: item });
    }
  }
  return { kept, reworded, dropped: [...left], added };
}

function likest(item: Item, candidates: ReadonlySet<Item>, left: ReadonlySet<Item>): Item | null {
  let best: { readonly item: Item; readonly share: number } | null = null;
  for (const candidate of candidates) {
    if (!left.has(candidate)) continue;
    const share = Math.max(sharedWords(candidate.text, item.text), sharedWords(item.text, candidate.text));
    if (share >= MIN_REWORDED_SHARE && share > (best?.share ?? 0)) best = { item: candidate, share };
  }
  return best?.item ?? null;
}

function sameWords({ text, kind, status, sourceSession, sourceSeqs }: Item): string {
  return JSON.stringify([text, kind, status, sourceSession ?? null, sourceSeqs]);
}

function sourcesOf({ sourceSeqs, sourceSession }: Item): string[] {
  return sourceSeqs.map((seq) => `${seq} ${sourceSession ?? ""}`);
}
