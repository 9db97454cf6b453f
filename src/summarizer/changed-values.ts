/**
 * Finds facts whose value has changed: "150 commits are merged", and later "165 commits are merged". The newest value
 * is kept with a note of what it replaced, and cites the messages of both. This happens only if the words leave little
 * doubt: the same speaker, the same names, nearly the same words, and another number.
 */
import { MAX_ITEM_TEXT_LENGTH, MAX_SOURCES_PER_ITEM } from "../api/limits.ts";
import type { ProposedItem } from "../api/summarizer.ts";
import type { Item } from "../api/summary.ts";
import { itemTokens } from "../prompt/items.ts";
import { NAME_WEIGHT, termsOf } from "./terms.ts";

/** Share of the words of each statement, numbers excluded, that both must contain. */
const SAME_FACT_SHARE = 0.6;
const MIN_SHARED_WORDS = 2;
/** Old values that are noted. In a fact with more numbers it would not be clear which one replaced which. */
const MAX_OLD_VALUES = 2;

const NUMBER = /[$€£]?\p{N}+(?:[.,:/-]\p{N}+)*\s?%?/gu;
const SPEAKER = /^([^:]{1,64}): /;
const BEFORE = / \(before: [^)]*\)/;

export interface Fact {
  readonly speaker: string;
  readonly values: readonly string[];
  readonly words: ReadonlyMap<string, number>;
  readonly names: string;
}

/** Parses a text of the form "speaker: statement". Null if it contains no number, or too many. */
export function factIn(text: string): Fact | null {
  const speaker = SPEAKER.exec(text)?.[1] ?? "";
  const said = text.replace(SPEAKER, "").replace(BEFORE, "");
  const values = [...said.matchAll(NUMBER)].map(([value]) => value.trim());
  if (values.length === 0 || values.length > MAX_OLD_VALUES) return null;
  const words = termsOf(said).filter(({ key }) => !/\p{N}/u.test(key));
  const names = words.filter(({ weight }) => weight >= NAME_WEIGHT).map(({ key }) => key);
  return {
    speaker,
    values,
    words: new Map(words.map(({ key, weight }) => [key, weight])),
    names: names.toSorted().join(" "),
  };
}

function shares(one: Fact, other: Fact): boolean {
  let all = 0;
  let shared = 0;
  let count = 0;
  for (const [key, weight] of one.words) {
    all += weight;
    if (!other.words.has(key)) continue;
    shared += weight;
    count += 1;
  }
  return count >= MIN_SHARED_WORDS && shared >= all * SAME_FACT_SHARE;
}

/** The values that a later statement replaces; none if it is about something else, or repeats them. */
export function replacedValues(now: Fact, then: Fact): string[] {
  if (!isSameFact(now, then) || now.values.every((value) => then.values.includes(value))) return [];
  return then.values.filter((value) => !now.values.includes(value));
}

/** The note behind a value that replaced others. */
export function tellBefore(values: readonly string[]): string {
  return ` (before: ${values.join(", ")})`;
}

function isSameFact(one: Fact, other: Fact): boolean {
  return one.speaker === other.speaker && one.names === other.names && shares(one, other) && shares(other, one);
}

/**
 * Merges an item with the earlier one that it replaces; null if that would take more tokens than both, or if no value
 * changed.
 */
function replacing<Kind extends ProposedItem>(item: Kind, now: Fact, earlier: ProposedItem, then: Fact): Kind | null {
  const old = replacedValues(now, then);
  if (old.length === 0) return null;
  const text = `${item.text.replace(BEFORE, "")}${tellBefore(old)}`;
  const sourceSeqs = [...new Set([...earlier.sourceSeqs, ...item.sourceSeqs])].toSorted((a, b) => a - b);
  if (text.length > MAX_ITEM_TEXT_LENGTH || sourceSeqs.length > MAX_SOURCES_PER_ITEM) return null;
  const both = { ...item, text, sourceSeqs, ...(earlier.id === undefined ? {} : { id: earlier.id }) };
  return itemTokens(both) <= itemTokens(item) + itemTokens(earlier) ? both : null;
}

/**
 * Joins earlier and new items, without those whose value a later one replaces.
 *
 * @param earlier the items so far, with their ids; items carried over from other sessions stay unchanged
 */
export function withNewestValues(earlier: readonly Item[], fresh: readonly ProposedItem[]): ProposedItem[] {
  const items: (ProposedItem | null)[] = [...earlier, ...fresh];
  const facts = items.map((item) =>
    item === null || item.kind === "question" || item.status === "superseded" || "sourceSession" in item
      ? null
      : factIn(item.text),
  );
  for (let later = earlier.length; later < items.length; later += 1) {
    const now = facts[later];
    if (now === undefined || now === null) continue;
    for (let place = later - 1; place >= 0; place -= 1) {
      const [item, before, then] = [items[later], items[place], facts[place]];
      if (
        item === null ||
        item === undefined ||
        before === null ||
        before === undefined ||
        then === null ||
        then === undefined
      )
        continue;
      const both = replacing(item, now, before, then);
      if (both === null) continue;
      items[later] = both;
      items[place] = null;
      break;
    }
  }
  return items.filter((item) => item !== null);
}
