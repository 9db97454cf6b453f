import { createProgram } from "../scripts/program/command-line.ts";
import { EXIT, runProgram } from "../scripts/program/run-program.ts";
// npm test: the checks and all tests.
import { describeCheck, runChecks } from "./check/steps.ts";
import { runAllTests, runVitest } from "./check/vitest-run.ts";

const program = createProgram("npm test --", "Runs the checks (format, lint, types, imports and more) and all tests.")
  .argument("[filter...]", "run only tests whose file names match, without the checks; options of vitest are passed on")
  .allowUnknownOption()
  .addHelpText(
    "after",
    `
Examples:
  npm test
  npm test -- promise-05
  npm test -- --project unit     one of unit, worker, system, fuzz, crash`,
  )
  .action(run);

await runProgram(program);

async function run(args: readonly string[]): Promise<void> {
  const isWhole = args.length === 0;
  const checking = isWhole ? runChecks((result) => console.log(describeCheck(result))) : Promise.resolve([]);
  const tests = isWhole ? await runAllTests(checking) : await runVitest([...args]);
  const checks = await checking;
  for (const name of tests.skipped) console.log(`skipped: ${name}`);
  for (const name of tests.failures) console.log(`failed: ${name}`);
  const failedChecks = checks.filter((check) => !check.passed);
  for (const check of failedChecks) console.log(`failed check: ${check.name} (see above, or: npm run check)`);
  const failed = tests.failed + failedChecks.length;
  const passed = tests.passed + checks.length - failedChecks.length;
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? EXIT.failed : EXIT.ok;
}
