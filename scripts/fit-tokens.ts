/**
 * Makes `src/memory/tokens/tables.ts`: `node scripts/fit-tokens.ts`, about three minutes, the same
 * bytes each time. The set and the sketch come from the vocabulary alone. The costs, some two
 * thousand small numbers, are fitted: an estimate is linear in them, so the loss over the samples is
 * convex, and steps down its slope find its least. A sample under its true count weighs hundreds of
 * times as much as one over it.
 */
import { writeFileSync } from "node:fs";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { packSet, unpackSet } from "../src/memory/tokens/sketch.ts";
import {
  ACCENTS,
  ALPHABETS,
  ASTRALS,
  CAPITALS,
  CLASSES,
  COST_UNIT,
  ENDS,
  FIRSTS,
  HANGULS,
  HIGH,
  IDEOGRAPHS,
  KANAS,
  LETTERS,
  LEVELED,
  LEVELS,
  LONE,
  MARKS,
  NOTHING,
  SYMBOLS,
  TEXT_TOKENS,
  walk,
} from "../src/memory/tokens/walk.ts";
import { hostileTexts } from "./hostile-text.ts";
import { type Group, languageGroups, lenders, naturalGroups, windows } from "./token-samples.ts";
import { singles, sketch } from "./token-vocabulary.ts";

const SEEDS = [1, 2, 3, 4, 5, 6];
const LENGTHS = [200, 300, 800];
const ROUNDS = 900;

/** How a kind of sample counts: its least ratio, and what being under and being over it cost. */
const KINDS = {
  natural: { least: 0.97, under: 400, over: 4 },
  language: { least: 0.98, under: 1_200, over: 0.08 },
  hostile: { least: 0.98, under: 400, over: 0.03 },
};
/** Over this ratio a sample is over. */
const AIM = 1.03;
/** Past this far under, the slope stays: a few hopeless samples must not outweigh all others. */
const UNDER_LIMIT = 0.05;

/** Weights of groups that need more than 400, or for hostile text 27. */
const WEIGHTS: Record<string, number> = {
  German: 800,
  English: 1_200,
  Arabic: 1_200,
  Markdown: 1_600,
  JavaScript: 800,
  "runs of one character": 200,
  whitespace: 200,
  "natural with garbage": 110,
  "capitals, no spaces, shuffled": 110,
  "few characters over and over": 400,
  "one group over and over": 400,
  "combining marks": 110,
  identifiers: 300,
};

interface Sample {
  kind: keyof typeof KINDS;
  truth: number;
  weight: number;
  classes: Uint16Array;
  counts: Float64Array;
}

const set = packSet(singles());
const tables = { costs: new Uint8Array(CLASSES), sketch: sketch(), singles: unpackSet(base64(set)) };

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function sampleOf(text: string, kind: Sample["kind"], weight: number): Sample {
  const tally = new Float64Array(CLASSES);
  walk(text, tables, tally);
  const classes = Uint16Array.from([...tally.keys()].filter((index) => index !== NOTHING && tally[index]! > 0));
  const counts = Float64Array.from(classes, (index) => tally[index]!);
  return { kind, truth: countTokens(text.toWellFormed()), weight, classes, counts };
}

function samplesOf({ name, texts }: Group, kind: Sample["kind"], weight: number, perText: number): Sample[] {
  return LENGTHS.flatMap((length) => {
    const found = windows(texts, length, Math.max(1, Math.ceil((perText * 200) / length)));
    return found.map((text) => sampleOf(text, kind, (WEIGHTS[name] ?? weight) / found.length));
  });
}

function allSamples(): Sample[] {
  const natural = naturalGroups();
  const lent = lenders(natural);
  return [
    ...natural.flatMap((group) => samplesOf(group, "natural", 400, Math.ceil(600 / group.texts.length))),
    ...samplesOf(languageGroups().fitted, "language", 3_000, 12),
    ...SEEDS.flatMap((seed) =>
      [...hostileTexts(seed, lent)].flatMap(([name, texts]) => samplesOf({ name, texts }, "hostile", 27, 8)),
    ),
  ];
}

/** Classes by which groups are known: the first, how many, and the bits of them that say so. */
const BY_KNOWN = [
  [LETTERS, 16, 15],
  [CAPITALS, 8, 7],
  [ACCENTS, 8, 3],
  [ALPHABETS, 8, 2],
  [ALPHABETS + 8 * LEVELS, 8, 7],
  [ALPHABETS + 16 * LEVELS, 8, 2],
  [ALPHABETS + 24 * LEVELS, 8, 7],
  [KANAS + 4 * LEVELS, 4, 3],
  [IDEOGRAPHS + 4 * LEVELS, 4, 3],
  [HANGULS + 4 * LEVELS, 4, 3],
  [HANGULS + 12 * LEVELS, 4, 3],
  [SYMBOLS, 32, 2],
  [ENDS, 8, 7],
] as const;

/** The most that a class costs, in tokens: the bytes of its unit, up to the next of these classes. */
const MOST = [
  [NOTHING, 0],
  [MARKS, 1],
  [HIGH, 2],
  [LONE, 3],
  [LETTERS, 1],
  [ACCENTS, 2],
  [ALPHABETS, 2],
  [ALPHABETS + 16 * LEVELS, 3],
  [ALPHABETS + 32 * LEVELS, 2],
  [ALPHABETS + 36 * LEVELS, 3],
  [SYMBOLS, 2],
  [SYMBOLS + 16 * LEVELS, 3],
  [FIRSTS, 1],
  [CLASSES, 0],
] as const;
const most = new Float64Array(CLASSES);
for (const [index, [first, tokens]] of MOST.entries()) most.fill(tokens, first, MOST[index + 1]?.[0]);

/**
 * The costs of steps, all 0 or more. A class of levels costs at each what the level above it does,
 * and a step. Knowing a group less never makes a class cheaper: the estimate of a part, which knows
 * less of what was before, must not fall under what the part takes in the whole. For the same
 * reason half a surrogate pair costs as much as any pair. `sources` says whose cost each class has.
 */
function costsOf(steps: Float64Array): { costs: Float64Array; sources: Uint16Array } {
  const costs = steps.slice();
  const sources = Uint16Array.from(costs.keys());
  for (let last = CLASSES - 1; last >= LEVELED; last -= LEVELS) {
    for (let index = last - 1; index > last - LEVELS; index--) costs[index]! += costs[index + 1]!;
  }
  for (const index of costs.keys()) costs[index] = Math.min(costs[index]!, most[index]!);
  const raise = (index: number, least: number): void => {
    if (costs[index]! >= costs[least]!) return;
    costs[index] = costs[least]!;
    sources[index] = sources[least]!;
  };
  for (const [first, count, bits] of BY_KNOWN) {
    for (let known = count - 1; known >= 0; known--) {
      for (let bit = 1; bit <= bits; bit <<= 1) {
        if ((bits & bit) === 0 || (known & bit) !== 0) continue;
        const [less, more] = [first + known * LEVELS, first + (known | bit) * LEVELS];
        for (let level = 0; level < LEVELS; level++) raise(less + level, more + level);
      }
    }
  }
  costs[LONE] = costs.subarray(ASTRALS, FIRSTS).reduce((left, right) => Math.max(left, right), costs[LONE]!);
  sources[LONE] = NOTHING;
  return { costs, sources };
}

/** How the loss changes with each cost. */
function slopesOf(samples: readonly Sample[], { costs, sources }: ReturnType<typeof costsOf>): Float64Array {
  const slopes = new Float64Array(CLASSES);
  for (const { kind, truth, weight, classes, counts } of samples) {
    let estimate = TEXT_TOKENS;
    for (let index = 0; index < classes.length; index++) estimate += counts[index]! * costs[classes[index]!]!;
    const ratio = estimate / truth;
    const { least, under, over } = KINDS[kind];
    let slope = 0;
    if (ratio > AIM) slope = 2 * over * (ratio - AIM);
    else if (ratio < least) slope = -2 * under * Math.min(least - ratio, UNDER_LIMIT);
    if (slope === 0) continue;
    slope *= weight / truth;
    for (let index = 0; index < classes.length; index++) slopes[sources[classes[index]!]!]! += slope * counts[index]!;
  }
  for (let first = LEVELED; first < CLASSES; first += LEVELS) {
    for (let index = first + 1; index < first + LEVELS; index++) slopes[index]! += slopes[index - 1]!;
  }
  return slopes;
}

/** Adam (Kingma and Ba, 2014), kept at 0 or more. */
function fit(samples: readonly Sample[]): Float64Array {
  const steps = new Float64Array(CLASSES);
  for (const index of steps.keys()) {
    if (index === NOTHING) continue;
    const isTop = (index - LEVELED) % LEVELS === LEVELS - 1;
    steps[index] = index < LEVELED ? 0.6 : isTop ? 0.4 : 0.05;
  }
  const means = new Float64Array(CLASSES);
  const squares = new Float64Array(CLASSES);
  for (let round = 1; round <= ROUNDS; round++) {
    const slopes = slopesOf(samples, costsOf(steps));
    const rate = 0.03 * (1 - round / ROUNDS) + 0.0005;
    for (const [index, slope] of slopes.entries()) {
      means[index] = 0.9 * means[index]! + 0.1 * slope;
      squares[index] = 0.99 * squares[index]! + 0.01 * slope * slope;
      const spread = Math.sqrt(squares[index]! / (1 - 0.99 ** round)) + 1e-6;
      if (index !== NOTHING)
        steps[index] = Math.max(0, steps[index]! - (rate * means[index]!) / (1 - 0.9 ** round) / spread);
    }
  }
  return costsOf(steps).costs;
}

const fitted = fit(allSamples());
const costs = Uint8Array.from(fitted, (cost) => Math.min(255, Math.ceil(cost * COST_UNIT - 0.3)));
writeFileSync(
  new URL("../src/memory/tokens/tables.ts", import.meta.url),
  `// Made by scripts/fit-tokens.ts. The first two come from the vocabulary, the costs from a fit.

/** Characters that are one token and starts of such: gaps, see \`unpackSet\`. */
export const SINGLES =
  "${base64(set)}";

/** Bits by the hash of a group of units that stands inside common tokens. */
export const SKETCH =
  "${base64(tables.sketch)}";

/** A byte a class, in the order of \`classes.ts\`. */
export const COSTS =
  "${base64(costs)}";
`,
);
