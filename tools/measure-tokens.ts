// node scripts/run.mjs measure-tokens: compares `estimateTokens` with the true `o200k_base` counts.
import { readFileSync } from "node:fs";
import { basename, extname } from "node:path";
import { fileURLToPath } from "node:url";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { createProgram, inputFile, wholeNumber } from "../scripts/program/command-line.ts";
import { EXIT, runProgram } from "../scripts/program/run-program.ts";
import { estimateTokens } from "../src/tokens/estimate.ts";
import { hostileTexts } from "./hostile-text.ts";
import { joinTexts } from "./token-joins.ts";
import { allLanguages, type Group, lenders, naturalGroups, windows } from "./token-samples.ts";

/** The limits, as estimate divided by true count. */
export const LEAST_RATIO = 0.95;
export const MOST_MEAN = 1.15;

const LENGTHS = [200, 500, 2_000];
const UNITS_PER_GROUP = 300_000;
const SEED = 90_210;
const MAX_SEED = 999_999_999;
const JOINS = 300;
const MAX_JOINS = 100_000;

export interface Row {
  name: string;
  samples: number;
  /** Estimate divided by true count: the minimum, the first percentile, the mean, the maximum. */
  min: number;
  low: number;
  mean: number;
  max: number;
  /** How many samples are more than 5 % too low. */
  under: number;
  /** The sample with the lowest ratio. */
  worst: string;
}

export function measure(name: string, samples: readonly string[]): Row {
  let worst = "";
  const ratios: number[] = [];
  let min = Infinity;
  for (const sample of samples) {
    // A window may cut a surrogate pair, which the true tokenizer reads as U+FFFD.
    const ratio = estimateTokens(sample) / countTokens(sample.toWellFormed());
    ratios.push(ratio);
    if (ratio < min) [min, worst] = [ratio, sample];
  }
  ratios.sort((left, right) => left - right);
  return {
    name,
    samples: ratios.length,
    min,
    low: ratios[Math.floor(ratios.length / 100)] ?? NaN,
    mean: ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length,
    max: ratios.at(-1) ?? NaN,
    under: ratios.filter((ratio) => ratio < LEAST_RATIO).length,
    worst,
  };
}

/** Millions of UTF-16 code units a second. */
export function speed(text: string): number {
  const large = text.repeat(Math.ceil(4e6 / text.length));
  let best = 0;
  for (let round = 0; round < 8; round++) {
    const start = performance.now();
    estimateTokens(large);
    best = Math.max(best, large.length / (performance.now() - start) / 1000);
  }
  return best;
}

function strings(value: unknown): string[] {
  if (typeof value === "string") return value.length > 20 ? [value] : [];
  if (value === null || typeof value !== "object") return [];
  return Object.values(value).flatMap(strings);
}

function fileGroup(path: string): Group {
  const content = readFileSync(path, "utf8");
  const ending = extname(path);
  const parsed: unknown[] =
    ending === ".jsonl"
      ? content
          .split("\n")
          .filter(Boolean)
          .map((line): unknown => JSON.parse(line))
      : ending === ".json"
        ? [JSON.parse(content)]
        : [];
  const texts = parsed.length > 0 ? parsed.map((value) => strings(value).join("\n")) : [content];
  return { name: basename(path), texts };
}

/** Returns whether all limits are met. */
function measureAll(files: readonly string[], seed: number, joins: number): boolean {
  const natural = [...naturalGroups(), ...files.map(fileGroup)];
  const made = [...hostileTexts(seed, lenders(natural)), ...joinTexts(seed, joins)];
  const hostile = made.map(([name, texts]) => ({ name, texts }));
  const missed: string[] = [];
  const sums = new Map<string, { ratios: number; samples: number }>();
  for (const length of LENGTHS) {
    console.log(`\nWindows of ${length} characters: estimate divided by true o200k_base count`);
    console.log(`${"group".padEnd(34)} samples     min      1%    mean     max  under ${LEAST_RATIO}`);
    for (const group of [...natural, allLanguages(), ...hostile]) {
      const most = Math.ceil(UNITS_PER_GROUP / length / group.texts.length);
      const row = measure(group.name, windows(group.texts, length, Math.max(4, most)));
      if (row.samples === 0) continue;
      const numbers = [row.min, row.low, row.mean, row.max].map((ratio) => ratio.toFixed(3).padStart(8));
      const share = ((100 * row.under) / row.samples).toFixed(2);
      console.log(
        `${row.name.padEnd(34)} ${String(row.samples).padStart(7)}${numbers.join("")}  ${row.under} (${share} %)`,
      );
      if (row.under > 0)
        missed.push(`${row.name}, ${length} characters: ${row.under} under, lowest ${row.min.toFixed(3)}`);
      const sum = sums.get(row.name) ?? { ratios: 0, samples: 0 };
      const samples = sum.samples + row.samples;
      sums.set(row.name, { ratios: sum.ratios + row.mean * row.samples, samples });
    }
  }
  console.log("\nMean over all windows");
  for (const { name } of natural) {
    const { ratios, samples } = sums.get(name) ?? { ratios: NaN, samples: 1 };
    console.log(`${name.padEnd(34)} ${(ratios / samples).toFixed(3).padStart(7)}`);
    if (ratios / samples > MOST_MEAN) missed.push(`${name}: mean ${(ratios / samples).toFixed(3)}`);
  }
  console.log("\nSpeed, million UTF-16 code units a second");
  for (const { name, texts } of natural) {
    console.log(`${name.padEnd(34)} ${speed(texts.join("\n")).toFixed(0).padStart(7)}`);
  }
  console.log(missed.length === 0 ? "\nAll limits are met." : `\nLimits that are not met:\n${missed.join("\n")}`);
  return missed.length === 0;
}

const program = createProgram(
  "node scripts/run.mjs measure-tokens",
  "Compares the token estimate with the true counts of o200k_base, one row for each group of texts.",
)
  .argument(
    "[files...]",
    ".json, .jsonl or plain text; each file is one more natural group",
    (text, before: string[] = []) => [...before, inputFile(text)],
  )
  .option("--seed <n>", "seed of the hostile text", wholeNumber(0, MAX_SEED), SEED)
  .option("--joins <n>", "repeated words made of tokens, for each of eight kinds", wholeNumber(1, MAX_JOINS), JOINS)
  .addHelpText(
    "after",
    `
The exit code is 1 if a sample is more than 5 % too low, or the mean of a natural group more than 15 % too high.

Example:
  node scripts/run.mjs measure-tokens --joins 30000`,
  )
  .action((files = [], { seed, joins }) => {
    process.exitCode = measureAll(files, seed, joins) ? EXIT.ok : EXIT.failed;
  });

if (process.argv[1] === fileURLToPath(import.meta.url)) await runProgram(program);
