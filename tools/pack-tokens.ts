/**
 * Makes `src/tokens/packed.ts`, the more common tokens of `o200k_base`: `node tools/pack-tokens.ts`. The same vocabulary
 * gives the same tokens; how well they compress depends on the version of Brotli in Node.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import ranks from "gpt-tokenizer/bpeRanks/o200k_base";
import {
  CAPITAL_FIRST,
  CAPITALS,
  HEADER_BYTES,
  type Marks,
  OTHER_MARKS,
  STEM_MARKS,
} from "../src/tokens/vocabulary.ts";

/** Tokens of lower rank than this are kept. Leaving tokens out makes an estimate higher, never lower. */
const KEPT_RANKS = 82_500;
/** The last class takes this share of the ranks, and classes of lower ranks a smaller share, because the order of common tokens matters most. */
const CLASS_SHARE = 0.4;
const FINER = 0.45;
/** More tokens of these scripts are kept, because their words consist of many tokens, so that leaving some out costs most. */
const DEEPER = /^ ?[\p{Script=Hangul}\p{Script=Devanagari}]+$/u;
const DEEPER_RANKS = 110_000;
const BYTES = 256;
/** Left out, because the tokenizer that the estimate is compared with finds no tokens with it. */
const BYTE_ORDER_MARK = "\u00ef\u00bb\u00bf";

/** A token as a string with one character for each byte. */
const bytesOf = (token: string | readonly number[]): string =>
  Buffer.from(typeof token === "string" ? Buffer.from(token) : token).toString("latin1");

/** The class of a rank, from 0. Of two overlapping pairs the one with the lower class is merged first. */
export function classOfRank(rank: number): number {
  const places = (at: number): number => (DEEPER_RANKS / at) ** FINER / (CLASS_SHARE * FINER);
  return Math.max(0, Math.floor(places(BYTES) - places(Math.max(BYTES, rank))));
}

/** The kept tokens with their ranks. */
export function keptTokens(): Map<string, number> {
  const kept = new Map<string, number>();
  for (const [rank, token] of ranks.slice(0, DEEPER_RANKS).entries()) {
    const isKept = rank < KEPT_RANKS || (typeof token === "string" && DEEPER.test(token));
    const bytes = bytesOf(token);
    if (isKept && bytes.length > 1 && !bytes.includes(BYTE_ORDER_MARK)) kept.set(bytes, rank);
  }
  return kept;
}

interface Row {
  readonly bytes: string;
  readonly spellings: number;
}

/** Rows sorted by byte. Each is a mark that says how many bytes it shares with the row before, followed by the others. */
function packRows(rows: readonly Row[], marks: Marks): string {
  let packed = "";
  let before = "";
  for (const { bytes } of rows) {
    let shared = 0;
    while (shared < marks.most && shared < bytes.length && bytes[shared] === before[shared]) shared += 1;
    const rest = bytes.slice(shared);
    const isMark = (byte: string): boolean =>
      byte.charCodeAt(0) >= marks.from && byte.charCodeAt(0) <= marks.from + marks.most;
    if (Array.from(rest).some(isMark)) throw new Error(`A mark in ${bytes}`);
    packed += String.fromCharCode(marks.from + shared) + rest;
    before = bytes;
  }
  return packed;
}

/** The spellings of a stem, in the order of their bits. */
function spellingsOf(stem: string): [number, string][] {
  const forms: [number, string][] = [[0, stem]];
  if (/^[a-z]/.test(stem)) {
    forms.push([CAPITAL_FIRST, stem.charAt(0).toUpperCase() + stem.slice(1)]);
    forms.push([CAPITALS, stem.replaceAll(/[a-z]/g, (letter) => letter.toUpperCase())]);
  }
  return forms.flatMap(([letters, form]): [number, string][] => [
    [2 * letters, form],
    [2 * letters + 1, ` ${form}`],
  ]);
}

const inOrder = (left: Row, right: Row): number => (left.bytes < right.bytes ? -1 : 1);

const stemOf = (token: string): string =>
  token.replace(/^ (?=.)/s, "").replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

/** The vocabulary in the form that `unpackVocabulary` reads, before compression. */
export function packVocabulary(): Buffer {
  const kept = keptTokens();
  const left = new Set(kept.keys());
  const stems: Row[] = [];
  const names = new Set([...left].map(stemOf));
  const classes = { stems: "", others: "" };
  for (const name of [...names].sort()) {
    let spellings = 0;
    for (const [spelling, token] of spellingsOf(name)) {
      if (!left.delete(token)) continue;
      spellings |= 1 << spelling;
      classes.stems += String.fromCharCode(classOfRank(kept.get(token) ?? 0));
    }
    if (spellings !== 0) stems.push({ bytes: name, spellings });
  }
  const others = [...left].map((bytes) => ({ bytes, spellings: 1 })).sort(inOrder);
  for (const { bytes } of others) classes.others += String.fromCharCode(classOfRank(kept.get(bytes) ?? 0));
  const parts = [
    packRows(stems, STEM_MARKS),
    packRows(others, OTHER_MARKS),
    stems.map(({ spellings }) => String.fromCharCode(spellings)).join(""),
    classes.stems + classes.others,
  ];
  const lengths = Buffer.alloc(HEADER_BYTES);
  for (const [index, part] of parts.slice(0, 3).entries()) lengths.writeUInt32LE(part.length, 4 * index);
  return Buffer.concat([lengths, Buffer.from(parts.join(""), "latin1")]);
}

function main(): void {
  const vocabulary = packVocabulary();
  const packed = brotliCompressSync(vocabulary, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: vocabulary.length,
    },
  });
  const text = `// Made by tools/pack-tokens.ts from the vocabulary of o200k_base.
export const PACKED =
  "${packed.toString("base64")}";
`;
  writeFileSync(new URL("../src/tokens/packed.ts", import.meta.url), text);
  console.log(`${keptTokens().size} tokens in ${packed.length} bytes`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
