// npm run fuzz: seeded interleavings of everything that runs concurrently.
import { randomInt } from "node:crypto";
import { Option } from "@commander-js/extra-typings";
import { readJsonFile, writePrivateFile } from "../scripts/dev/files.ts";
import { createProgram, listOf, outputFile, UsageFault, wholeNumber } from "../scripts/program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "../scripts/program/run-program.ts";
import { FOUND_LATE, PLANTED_BUGS } from "../simulation/planted-bugs.ts";
import { SEED_DEADLINE_MS, type SeedRange, TestBench } from "../simulation/test-bench.ts";

/** A planted bug that is not found within this many seeds counts as missed. */
const MAX_SEEDS_A_BUG = 200;
const PROGRESS_EVERY_MS = 10_000;

const MAX_NUMBER = 999_999_999;
const MAX_WORKERS = 64;
const MAX_DEADLINE_S = 86_400;

interface FuzzOptions {
  /** Null if the seeds were listed. */
  readonly from: number | null;
  readonly range: SeedRange;
  readonly seconds: number;
  readonly least: number;
  readonly workers: number;
  readonly progressFile: string | null;
  /** The planted bugs to look for; null: none. */
  readonly planted: readonly string[] | null;
}

const number = wholeNumber(0, MAX_NUMBER);

const program = createProgram(
  "npm run fuzz --",
  "Runs the seeded simulation of sessions, queues and archive, and checks every promise after every step.",
)
  .option("--seeds <n>", "number of seeds", number, 100)
  .option("--seed <n,…>", "run these seeds; a failure is reduced to the steps that it needs", listOf(number))
  .option("--from <n>", 'the first seed, or "fresh" for a random one, which is printed', firstSeed, 1)
  .option("--steps <n>", "steps a seed", number, 200)
  .option("--planted", "look for each planted bug, and report after how many seeds it is found", false)
  .addOption(
    new Option("--bug <name>", "plant this bug in the code under test; with --planted, look for this bug only").choices(
      Object.keys(PLANTED_BUGS),
    ),
  )
  .option(
    "--some <n>",
    "with --planted: a random choice of this many bugs that few seeds find",
    wholeNumber(1, MAX_NUMBER),
  )
  .option("--workers <n>", "threads that run seeds in parallel", wholeNumber(1, MAX_WORKERS), 1)
  .option("--seconds <n>", "stop after this many seconds, even if seeds are left", number)
  .option("--least <n>", "do not stop before this many seeds are done", number, 0)
  .option(
    "--deadline <n>",
    "seconds of processor time after which a seed counts as broken if it has not ended",
    wholeNumber(1, MAX_DEADLINE_S),
    SEED_DEADLINE_MS / 1_000,
  )
  .option("--continue <file>", "store the progress in this file, and continue from there the next time", outputFile)
  .addHelpText(
    "after",
    `
Examples:
  npm run fuzz -- --seeds 1000 --workers 2
  npm run fuzz -- --seed 4711
  npm run fuzz -- --planted --some 3`,
  )
  .action(async ({ seeds, seed: listed, from: named, bug, planted, some, continue: progressFile = null, ...given }) => {
    if (progressFile !== null && (listed !== undefined || planted || named === "fresh")) {
      throw new UsageFault("--continue can only be combined with --seeds and --from");
    }
    const count = planted ? MAX_SEEDS_A_BUG : seeds;
    const first = named === "fresh" ? randomInt(1, MAX_NUMBER - count) : named;
    const bugs = bug === undefined ? Object.keys(PLANTED_BUGS) : [bug];
    const early = bugs.filter((name) => !FOUND_LATE.has(name));
    process.exitCode = await run({
      from: listed === undefined ? first : null,
      range: {
        seeds: listed ?? numbersFrom(first, count),
        steps: given.steps,
        bug,
        deadlineMs: given.deadline * 1_000,
      },
      seconds: given.seconds ?? Number.POSITIVE_INFINITY,
      least: given.least,
      workers: given.workers,
      progressFile,
      planted: planted ? (some === undefined ? bugs : someOf(early, some)) : null,
    });
  });

await runProgram(program);

function firstSeed(text: string): number | "fresh" {
  return text === "fresh" ? text : number(text);
}

async function run(options: FuzzOptions): Promise<number> {
  return untilInterrupted(async (signal) => {
    const bench = await TestBench.open(options.workers);
    try {
      const isGood = await (options.planted === null
        ? runSeeds(bench, options, signal)
        : findPlantedBugs(bench, options.planted, options, signal));
      return isGood ? EXIT.ok : EXIT.failed;
    } finally {
      await bench.close();
    }
  });
}

/** Returns whether all promises held for all seeds. */
async function runSeeds(bench: TestBench, options: FuzzOptions, signal: AbortSignal): Promise<boolean> {
  const { from, range, seconds, least, progressFile } = options;
  const before = progressFile === null ? 0 : readProgress(progressFile, options);
  const seeds = range.seeds.slice(before);
  const startedAt = performance.now();
  let toldAt = startedAt;
  console.log(`${seeds.length} seeds of ${range.steps} steps${from === null ? "" : ` from ${from + before}`}`);
  const search = await bench.search({ ...range, seeds }, (done, sure) => {
    const now = performance.now();
    if (now - toldAt > PROGRESS_EVERY_MS) {
      toldAt = now;
      console.log(describeProgress(done, seeds.length, now - startedAt));
      if (progressFile !== null) writeProgress(progressFile, options, before + sure);
    }
    return !signal.aborted && (now - startedAt < seconds * 1_000 || done < least);
  });
  const took = (performance.now() - startedAt) / 1_000;
  const { failure, done } = search;
  if (failure !== null) {
    if (!failure.isEndless) console.log(`Seed ${failure.seed}: ${failure.violation}\nReducing it …\n`);
    console.log(await bench.describe(failure, range));
  }
  console.log(
    `${done} seeds of ${range.steps} steps${from === null ? "" : ` from ${from + before}`} in ${took.toFixed(1)} s: ` +
      (failure === null ? "every promise held" : "a promise is broken"),
  );
  if (failure === null && progressFile !== null) writeProgress(progressFile, options, before + done);
  const left = seeds.length - done;
  if (failure === null && from !== null && left > 0) {
    const again = progressFile === null ? `--from ${from + done} --seeds ${left}` : "with the same options";
    console.log(`${left} seeds are left. Continue with: npm run fuzz -- ${again}`);
  }
  return failure === null;
}

function describeProgress(done: number, seeds: number, tookMs: number): string {
  const minutesLeft = ((seeds - done) * tookMs) / done / 60_000;
  return `${done} of ${seeds} seeds, ${(tookMs / done).toFixed(0)} ms each, about ${Math.ceil(minutesLeft)} min left`;
}

/** Which search a progress file belongs to. */
function searchOf({ from, range }: FuzzOptions): object {
  return { from, seeds: range.seeds.length, steps: range.steps, bug: range.bug ?? null };
}

/** How many seeds are done, counted from the first. */
function readProgress(file: string, options: FuzzOptions): number {
  const known = readJsonFile(file);
  if (known === undefined) return 0;
  if (typeof known === "object" && known !== null && "done" in known && typeof known.done === "number") {
    const { done, ...search } = known;
    if (JSON.stringify(search) === JSON.stringify(searchOf(options))) return done;
  }
  throw new UsageFault(
    `${file} belongs to another search: ${JSON.stringify(known)}. Remove it, or use the same options.`,
  );
}

function writeProgress(file: string, options: FuzzOptions, done: number): void {
  writePrivateFile(file, `${JSON.stringify({ ...searchOf(options), done })}\n`);
}

/** Returns whether no bug was missed. A bug that there was no time for is reported, but does not count as missed. */
async function findPlantedBugs(
  bench: TestBench,
  bugs: readonly string[],
  { range, seconds }: FuzzOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const count = { caught: 0, missed: 0, unfinished: 0 };
  const startedAt = performance.now();
  for (const [index, bug] of bugs.entries()) {
    const bugStartedAt = performance.now();
    // A bug that is hard to find must not use up the time of the others.
    const shareMs = (seconds * 1_000 - (bugStartedAt - startedAt)) / (bugs.length - index);
    // If nothing was found at all, the run would say nothing: the last bug is looked for until it is found or missed.
    const isNeeded = index === bugs.length - 1 && count.caught === 0;
    const isInTime = (): boolean => !signal.aborted && (isNeeded || performance.now() - bugStartedAt < shareMs);
    const { done, failure } = isInTime() ? await bench.search({ ...range, bug }, isInTime) : { done: 0, failure: null };
    const took = `${((performance.now() - bugStartedAt) / 1_000).toFixed(1)} s`;
    const state = failure !== null ? "caught" : done === range.seeds.length ? "missed" : "unfinished";
    count[state] += 1;
    const found = {
      caught: `caught by seed ${failure?.seed}`,
      missed: "MISSED",
      unfinished: "not finished in time",
    }[state];
    const message = failure?.violation.split("\n")[0]?.slice(0, 120) ?? "";
    console.log(`${bug.padEnd(42)} ${found} after ${done} seeds, ${took}  ${message}`);
  }
  const unfinished = count.unfinished === 0 ? "" : `, ${count.unfinished} not finished in time`;
  console.log(`${count.caught} of ${bugs.length} planted bugs caught, ${count.missed} missed${unfinished}`);
  return count.missed === 0;
}

function numbersFrom(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => from + at);
}

function someOf<T>(list: readonly T[], count: number): T[] {
  const left = [...list];
  return Array.from({ length: Math.min(count, left.length) }, () => left.splice(randomInt(left.length), 1)).flat();
}
