/** What the tables of the token estimate take from the vocabulary of `o200k_base`. */
import ranks from "gpt-tokenizer/bpeRanks/o200k_base";
import {
  commonKey,
  lettersKey,
  pairKey,
  setBit,
  SKETCH_BITS,
  slotOf,
  STARTS,
  WORD_END,
} from "../src/memory/tokens/sketch.ts";
import * as is from "../src/memory/tokens/walk.ts";

/** How many groups of each kind the sketch holds: those of the most and commonest tokens. */
const QUOTAS = {
  latin: 11_500,
  accents: 4_000,
  capitals: 1_500,
  ends: 4_500,
  cyrillic: 1_700,
  arabic: 2_200,
  devanagari: 1_800,
  near: 600,
  far: 1_600,
  ideographs: 2_000,
  hangul: 1_100,
  kana: 420,
  marks: 420,
  symbols: 60,
};
type Kind = keyof typeof QUOTAS;

/** A token weighs about 1 / rank, as words by frequency do; the first few thousand weigh alike. */
const FLAT_RANKS = 3_000;
const COMMON_IDEOGRAPH_RANK = 22_000;
const COMMON_HANGUL_RANK = 20_000;

function blockOf(unit: number): number {
  if (unit > 0xffff) return is.SYMBOL;
  if (unit > 127) return is.blockOf(unit);
  const found = is.ascii[unit]!;
  return found === 1 || found === 2 ? is.LATIN : 0;
}

function lettersKind(token: string, unit: number, block: number): Kind {
  if (block === is.LATIN)
    return /^ ?[A-Z]{2}/.test(token) ? "capitals" : /^ ?[a-z]+$/i.test(token) ? "latin" : "accents";
  if (unit >= 0x400 && unit < 0x530) return "cyrillic";
  if (unit >= 0x600 && unit < 0x700) return "arabic";
  if (unit >= 0x900 && unit < 0x980) return "devanagari";
  return block === is.NEAR ? "near" : "far";
}

function pairKind(unit: number, block: number): Kind | null {
  if (block === is.IDEOGRAPH) return "ideographs";
  if (block === is.HANGUL) return "hangul";
  if (block === is.KANA) return "kana";
  if (block === is.SYMBOL && unit < 0x10000) return "symbols";
  return block === 0 && unit > 32 && unit < 127 ? "marks" : null;
}

/** The members of the set: characters that are one token, and starts of characters that are. */
export function singles(): number[] {
  const members = new Set<number>();
  for (const token of ranks) {
    if (token === undefined) continue;
    if (typeof token === "string") {
      const unit = token.codePointAt(0)!;
      const isOne = token.length === (unit > 0xffff ? 2 : 1);
      if (isOne && unit > 127 && unit < STARTS && blockOf(unit) !== is.LATIN) members.add(unit);
      continue;
    }
    // The first bytes of a character, without the last six bits of it.
    const [first = 0, second = 0, third = 0] = token;
    let start = -1;
    if (token.length === 2 && first >> 4 === 14) start = ((first & 15) << 6) | (second & 63);
    if (token.length === 3 && first >> 3 === 30) start = ((first & 7) << 12) | ((second & 63) << 6) | (third & 63);
    if (start >= 0 && start < 0x800) members.add(STARTS + start);
  }
  return [...members];
}

/** The sketch: a bit for each group that the quotas let in. */
export function sketch(): Uint8Array {
  const bits = new Uint8Array(SKETCH_BITS / 8);
  const weights = new Map<Kind, Map<number, number>>();
  const add = (kind: Kind, key: number, weight: number): void => {
    const keys = weights.get(kind) ?? new Map<number, number>();
    weights.set(kind, keys.set(key, (keys.get(key) ?? 0) + weight));
  };
  for (const [rank, token] of ranks.entries()) {
    if (typeof token !== "string") continue;
    const weight = 1 / (rank + FLAT_RANKS);
    const units = Array.from(token, (character) => character.codePointAt(0)!);
    const isWord = units[0] === 32;
    let key = 0;
    let place = 0; // in a run of letters
    let block = 0;
    for (const [index, unit] of units.entries()) {
      const blockBefore = block;
      block = blockOf(unit);
      if (block !== blockBefore) [key, place] = [0, 0];
      if (block === is.LATIN || block === is.NEAR || block === is.FAR) {
        key = lettersKey(key, block === is.LATIN && unit < 128 && place === 0 ? unit | 32 : unit, block === is.LATIN);
        place++;
        const isWhole = place >= (block === is.LATIN ? 5 : 3);
        // A token that starts no word tells little of how words start.
        if (place > 1) add(lettersKind(token, unit, block), key, weight * (isWord ? 1 : isWhole ? 0.5 : 0.3));
        const isEnd = index === units.length - 1 && (isWord || place >= 4);
        if (block === is.LATIN && isEnd) add("ends", lettersKey(key, WORD_END, true), weight);
      } else if (index > 0 && !(isWord && index === 1)) {
        const kind = pairKind(unit, block);
        const previous = units[index - 1]!;
        const isSame = previous === unit && (kind === "marks" || kind === "symbols");
        if (kind !== null && !isSame) add(kind, pairKey(previous, unit), weight);
      }
      const isCommon =
        (block === is.IDEOGRAPH && rank < COMMON_IDEOGRAPH_RANK) || (block === is.HANGUL && rank < COMMON_HANGUL_RANK);
      if (units.length === 1 && isCommon) setBit(bits, slotOf(commonKey(unit)));
    }
  }
  for (const [kind, keys] of weights) {
    const best = [...keys].toSorted((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, QUOTAS[kind]);
    for (const [key] of best) setBit(bits, slotOf(key));
  }
  return bits;
}
