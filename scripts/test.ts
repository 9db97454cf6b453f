import { describeCheck, runChecks } from "./check/steps.ts";
import { runAllTests, runVitest } from "./check/vitest-run.ts";

const HELP = `npm test                       the checks (format, lint, types, imports) and all tests
npm test -- FILTER…            the tests whose file names match, without the checks
npm test -- --project NAME     one of unit, worker, system, fuzz, crash; other options of vitest pass through, too`;

const args = process.argv.slice(2);
if (args.includes("--help")) {
  console.log(HELP);
} else {
  const isWhole = args.length === 0;
  const checking = isWhole ? runChecks((result) => console.log(describeCheck(result))) : Promise.resolve([]);
  const tests = isWhole ? await runAllTests(checking) : await runVitest(args);
  const checks = await checking;
  for (const name of tests.skipped) console.log(`skipped: ${name}`);
  for (const name of tests.failures) console.log(`failed: ${name}`);
  const failedChecks = checks.filter((check) => !check.passed);
  for (const check of failedChecks) console.log(`failed check: ${check.name} (see above, or: npm run check)`);
  const failed = tests.failed + failedChecks.length;
  const passed = tests.passed + checks.length - failedChecks.length;
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}
