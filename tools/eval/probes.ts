// Finds questions that a chat itself asks: moments at which a user comes back to something that was said long before.
import type { NewMessage } from "../../src/api/message.ts";
import { messageText } from "../../src/prompt/message-text.ts";
import { salientWords, type SalientWord } from "../../src/prompt/support.ts";
import { stemsOf } from "./stems.ts";

/** A moment of a chat at which something from long before is wanted. */
export interface Probe {
  /** `taken up`: the user's turn is about the same as an earlier turn. `fact`: it repeats a number or a name. */
  readonly kind: "taken up" | "fact";
  /** The seq of the user's turn. The prompt just before it is examined. */
  readonly seq: number;
  /** The words of the turn. A fact is left out of its own query, which would otherwise find itself. */
  readonly query: string;
  /** Earlier turns. Any one of them is a hit. */
  readonly evidence: readonly number[];
  /** The number or name; null for a turn that takes up another. */
  readonly word: SalientWord | null;
}

/** Anything more recent is in the prompt in any case. */
export const MIN_GAP_TURNS = 20;
/** If a word occurs in more turns than this, it does not point to any single one. */
const MAX_EARLIER_TURNS = 3;
/** A single shared word may be chance, and so may be several common ones: a word that two turns contain counts half. */
const MIN_SHARED_STEMS = 2;
/** A query of fewer words does not ask for anything in particular. */
const MIN_QUERY_STEMS = 3;
/** Longer turns are pasted text, in which every word is rare. */
const MAX_TURN_STEMS = 150;
/** The longest query that a context accepts. */
const MAX_QUERY_CHARACTERS = 2_000;

/** Returns at most `limit` probes of each kind, spread evenly over the chat. */
export function makeProbes(messages: readonly NewMessage[], limit: number): Probe[] {
  const texts = messages.map(({ content }) => messageText(content));
  const stems = texts.map(stemsOf);
  const words = texts.map((text) => new Map(salientWords(text).map((word) => [keyOf(word), word])));
  const saidBefore = { stems: new Places(), words: new Places() };
  const found: Probe[] = [];
  for (const [at, { role }] of messages.entries()) {
    const seq = at + 1;
    const said = { text: texts[at] ?? "", stems: stems[at] ?? new Set<string>(), words: words[at] ?? new Map() };
    if (role === "user" && said.stems.size <= MAX_TURN_STEMS) {
      const fact = factOf(seq, said, saidBefore.words);
      const takenUp = takenUpBy(seq, said, saidBefore.stems);
      for (const probe of [fact, takenUp]) if (probe !== null) found.push(probe);
    }
    saidBefore.stems.add(said.stems, seq);
    saidBefore.words.add(said.words.keys(), seq);
  }
  return (["taken up", "fact"] as const).flatMap((kind) =>
    spread(
      found.filter((probe) => probe.kind === kind),
      limit,
    ),
  );
}

interface Said {
  readonly text: string;
  readonly stems: ReadonlySet<string>;
  readonly words: ReadonlyMap<string, SalientWord>;
}

/** The turns that contain each word, oldest first. */
class Places {
  readonly #turns = new Map<string, number[]>();

  add(words: Iterable<string>, seq: number): void {
    for (const word of words) {
      const turns = this.#turns.get(word);
      if (turns === undefined) this.#turns.set(word, [seq]);
      else turns.push(seq);
    }
  }

  /** The turns that contain a word, if they are few and all from long before; else none. */
  longBefore(word: string, seq: number): readonly number[] {
    const turns = this.#turns.get(word) ?? [];
    const last = turns.at(-1);
    return last === undefined || turns.length > MAX_EARLIER_TURNS || seq - last < MIN_GAP_TURNS ? [] : [...turns];
  }
}

/** The rarest fact that the turn repeats. */
function factOf(seq: number, { text, words }: Said, before: Places): Probe | null {
  let best: { word: SalientWord; evidence: readonly number[] } | null = null;
  for (const [key, word] of words) {
    const evidence = before.longBefore(key, seq);
    if (evidence.length > 0 && (best === null || evidence.length < best.evidence.length)) best = { word, evidence };
  }
  if (best === null) return null;
  const query = without(text, best.word.text).slice(0, MAX_QUERY_CHARACTERS);
  return stemsOf(query).size < MIN_QUERY_STEMS ? null : { kind: "fact", seq, query, ...best };
}

/** The earlier turn that shares the most otherwise rare words with this one. */
function takenUpBy(seq: number, { text, stems }: Said, before: Places): Probe | null {
  const shared = new Map<number, number>();
  for (const stem of stems) {
    const turns = before.longBefore(stem, seq);
    for (const turn of turns) shared.set(turn, (shared.get(turn) ?? 0) + 1 / turns.length);
  }
  let best: { turn: number; weight: number } | null = null;
  for (const [turn, weight] of shared) {
    if (weight >= MIN_SHARED_STEMS && (best === null || weight > best.weight)) best = { turn, weight };
  }
  if (best === null || stems.size < MIN_QUERY_STEMS) return null;
  return { kind: "taken up", seq, query: text.slice(0, MAX_QUERY_CHARACTERS), evidence: [best.turn], word: null };
}

function keyOf({ kind, text }: SalientWord): string {
  return `${kind} ${text.toLowerCase()}`;
}

/** The text without all occurrences of a word. */
function without(text: string, word: string): string {
  return text.normalize("NFKC").replaceAll(new RegExp(word.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"), "giu"), " ");
}

function spread<T>(values: readonly T[], limit: number): T[] {
  if (values.length <= limit) return [...values];
  return Array.from({ length: limit }, (_, at) => values[Math.floor((at * values.length) / limit)] as T);
}
