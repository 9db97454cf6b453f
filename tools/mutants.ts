import { createProgram, wholeNumber } from "../scripts/program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "../scripts/program/run-program.ts";
// npm run mutants: plants bugs one by one in a copy of the source, and reports which of them the tests notice.
import { MUTANTS } from "../test/mutants/list.ts";
import { type Mutant, plant } from "./mutants/mutant.ts";
import { runTests } from "./mutants/run-tests.ts";
import { ScratchCopy } from "./mutants/scratch-copy.ts";

/** The smallest share of the bugs that tests must notice. */
const MIN_NOTICED = 0.95;

interface MutantsOptions {
  readonly words: readonly string[];
  readonly copies: number;
  readonly isList: boolean;
}

const program = createProgram(
  "npm run mutants --",
  "Plants each bug of test/mutants in a copy of the source, runs the tests that should notice it, and reports which do.",
)
  .argument("[words...]", "only bugs whose name, file or tests contain one of these words")
  .option("--copies <n>", "number of bugs that are tried in parallel", wholeNumber(1, 16), 2)
  .option("--list", "list the bugs without running them", false)
  .addHelpText(
    "after",
    `
Examples:
  npm run mutants
  npm run mutants -- --list outbox`,
  )
  .action(async (words, { copies, list }) => {
    process.exitCode = await untilInterrupted((signal) => run({ words, copies, isList: list }, signal));
  });

await runProgram(program);

async function run({ words, copies, isList }: MutantsOptions, signal: AbortSignal): Promise<number> {
  const chosen = MUTANTS.filter((mutant) => words.length === 0 || words.some((word) => isAbout(mutant, word)));
  if (isList) {
    for (const { file, name } of chosen) console.log(`${file}: ${name}`);
    return EXIT.ok;
  }
  if (chosen.length === 0) {
    console.error(`No bug has ${words.join(" or ")} in its name, file or tests. See: npm run mutants -- --list`);
    return EXIT.usage;
  }
  const scratch = Array.from({ length: Math.min(copies, chosen.length) }, () => new ScratchCopy());
  try {
    return (await areTestsSound(chosen, scratch)) ? await plantAll(chosen, scratch, signal) : EXIT.failed;
  } finally {
    for (const copy of scratch) copy.remove();
  }
}

function isAbout({ name, file, tests }: Mutant, word: string): boolean {
  return [name, file, ...tests].some((text) => text.includes(word));
}

/** A test that fails in any case notices nothing. */
async function areTestsSound(chosen: readonly Mutant[], [copy]: readonly ScratchCopy[]): Promise<boolean> {
  const tests = [...new Set(chosen.flatMap((mutant) => mutant.tests))];
  if (copy === undefined) return false;
  const counts = await runTests(copy.directory, tests);
  if (counts !== null && counts.failed === 0 && counts.passed > 0) {
    console.log(`${counts.passed} tests pass without a bug; ${chosen.length} bugs to plant`);
    return true;
  }
  for (const name of counts?.failures ?? ["The tests took too long"]) console.error(`fails without any bug: ${name}`);
  console.error(`The tests fail without any bug. Fix them first: npx vitest run ${tests.join(" ")}`);
  return false;
}

async function plantAll(
  chosen: readonly Mutant[],
  scratch: readonly ScratchCopy[],
  signal: AbortSignal,
): Promise<number> {
  const waiting = [...chosen];
  const unnoticed: Mutant[] = [];
  let done = 0;
  const work = async (copy: ScratchCopy): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined && !signal.aborted; next = waiting.shift()) {
      const startedAt = performance.now();
      const isNoticed = await isNoticedIn(copy, next);
      done += 1;
      if (!isNoticed) unnoticed.push(next);
      const took = ((performance.now() - startedAt) / 1_000).toFixed(0);
      console.log(
        `${done}/${chosen.length} ${isNoticed ? "noticed " : "SURVIVES"} ${next.file}: ${next.name} (${took} s)`,
      );
    }
  };
  await Promise.all(scratch.map(work));
  return report(done, unnoticed);
}

async function isNoticedIn(copy: ScratchCopy, mutant: Mutant): Promise<boolean> {
  const source = copy.read(mutant.file);
  const planted = plant(source, mutant);
  if (planted === null) throw new Error(`${mutant.file} does not contain this exactly once: ${mutant.replace}`);
  copy.write(mutant.file, planted);
  try {
    const counts = await runTests(copy.directory, mutant.tests);
    return counts === null || counts.failed > 0;
  } finally {
    copy.write(mutant.file, source);
  }
}

function report(done: number, unnoticed: readonly Mutant[]): number {
  for (const { file, name, survives } of unnoticed) {
    console.log(`not noticed: ${file}: ${name}${survives === undefined ? "" : ` (accepted: ${survives})`}`);
  }
  const noticed = done - unnoticed.length;
  console.log(`${noticed} of ${done} bugs noticed (${done === 0 ? 0 : Math.round((100 * noticed) / done)} %)`);
  const isAccepted = unnoticed.every(({ survives }) => survives !== undefined);
  return isAccepted && noticed >= MIN_NOTICED * done ? EXIT.ok : EXIT.failed;
}
