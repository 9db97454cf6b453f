// npm run fuzz: seeded interleavings of everything that runs at once. `--help` tells the rest.
import { PLANTED_BUGS, SHOWS_AT } from "../test/support/simulation/planted-bugs.ts";
import { describeFailure, type SeedRange, TestBench } from "../test/support/simulation/test-bench.ts";
import { noneOf, readCommandLine, readNumber } from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const HELP = `npm run fuzz -- --seeds N        seeded interleavings over session, queue and archive; every promise is checked after every step
npm run fuzz -- --seed S         one seed again; a failure is cut down to the steps that it needs
npm run fuzz -- --planted        finds each planted bug, and tells after how many seeds
npm run fuzz -- --planted --known   begins for each at the seed where it is known to show
  --from S      the first seed (1)
  --steps N     steps a seed (200)
  --bug NAME    with a bug planted in the code under test: ${Object.keys(PLANTED_BUGS).join(", ")}
  --seconds N   stop after so long, however many seeds are left`;

/** A planted bug that takes more seeds than this counts as missed. */
const MAX_SEEDS_A_BUG = 200;
const PROGRESS_EVERY_MS = 10_000;

const MAX_NUMBER = 999_999_999;

const OPTIONS = {
  seeds: { type: "string", default: "100" },
  seed: { type: "string" },
  from: { type: "string", default: "1" },
  steps: { type: "string", default: "200" },
  seconds: { type: "string" },
  bug: { type: "string" },
  planted: { type: "boolean", default: false },
  known: { type: "boolean", default: false },
} as const;

interface FuzzOptions {
  readonly range: SeedRange;
  readonly seconds: number;
  /** Looks for each planted bug. */
  readonly isPlanted: boolean;
  /** Begins for each at the seed where it is known to show. */
  readonly isKnown: boolean;
}

const commandLine = readCommandLine(process.argv.slice(2), OPTIONS, (values, positionals): FuzzOptions => {
  noneOf(positionals);
  const read = (name: "seeds" | "seed" | "from" | "steps" | "seconds", text: string): number =>
    readNumber(`--${name}`, text, 0, MAX_NUMBER);
  const { seeds, seed, from, steps, seconds, bug, planted, known } = values;
  return {
    range: {
      from: seed === undefined ? read("from", from) : read("seed", seed),
      count: seed === undefined ? read("seeds", seeds) : 1,
      steps: read("steps", steps),
      bug,
    },
    seconds: seconds === undefined ? Number.POSITIVE_INFINITY : read("seconds", seconds),
    isPlanted: planted,
    isKnown: known,
  };
});

await runProgram(commandLine, { help: HELP, hint: "npm run fuzz -- --help tells the options.", run });

async function run({ range, seconds, isPlanted, isKnown }: FuzzOptions): Promise<number> {
  const { from, steps } = range;
  const fromOf = (bug: string): number => (isKnown ? (SHOWS_AT[bug] ?? from) : from);
  const bench = await TestBench.open();
  try {
    const isGood = await (isPlanted ? findPlantedBugs(bench, fromOf, steps) : runSeeds(bench, range, seconds));
    return isGood ? EXIT.ok : EXIT.failed;
  } finally {
    await bench.close();
  }
}

/** Returns whether all seeds kept all promises. */
async function runSeeds(bench: TestBench, range: SeedRange, seconds: number): Promise<boolean> {
  const startedAt = performance.now();
  let toldAt = startedAt;
  const search = await bench.search(range, (done) => {
    const now = performance.now();
    if (now - toldAt > PROGRESS_EVERY_MS) {
      toldAt = now;
      console.log(`${done} of ${range.count} seeds, ${((now - startedAt) / done).toFixed(0)} ms each`);
    }
    return now - startedAt < seconds * 1_000;
  });
  const took = (performance.now() - startedAt) / 1_000;
  if (search.failure !== null) {
    console.log(`Seed ${search.failure.script.seed}: ${search.failure.run.violation?.message}\nCutting it down …\n`);
    console.log(describeFailure(await bench.shrink(search.failure, range.bug), range));
  }
  console.log(
    `${search.seeds} seeds of ${range.steps} steps from ${range.from} in ${took.toFixed(1)} s: ` +
      (search.failure === null ? "every promise held" : "a promise is broken"),
  );
  return search.failure === null;
}

/** Returns whether all planted bugs were caught. */
async function findPlantedBugs(bench: TestBench, fromOf: (bug: string) => number, steps: number): Promise<boolean> {
  let missed = 0;
  for (const bug of Object.keys(PLANTED_BUGS)) {
    const startedAt = performance.now();
    const { seeds, failure } = await bench.search({ from: fromOf(bug), count: MAX_SEEDS_A_BUG, steps, bug });
    const took = `${((performance.now() - startedAt) / 1_000).toFixed(1)} s`;
    if (failure === null) missed += 1;
    const found = failure === null ? "MISSED" : `caught by seed ${failure.script.seed}`;
    const message = failure?.run.violation?.message.split("\n")[0]?.slice(0, 120) ?? "";
    console.log(`${bug.padEnd(42)} ${found} after ${seeds} seeds, ${took}  ${message}`);
  }
  console.log(
    `${Object.keys(PLANTED_BUGS).length - missed} of ${Object.keys(PLANTED_BUGS).length} planted bugs caught`,
  );
  return missed === 0;
}
