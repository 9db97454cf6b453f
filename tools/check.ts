import { createProgram } from "../scripts/program/command-line.ts";
import { EXIT, runProgram } from "../scripts/program/run-program.ts";
// npm run check: everything that a commit has to pass except the tests.
import { describeCheck, runChecks } from "./check/steps.ts";

const program = createProgram(
  "npm run check --",
  "Checks types, format, lint, import rules, dead code, documents, words and the deployable bundle; about a minute.",
).action(async () => {
  const results = await runChecks((result) => console.log(describeCheck(result)));
  const failed = results.filter((result) => !result.passed).length;
  console.log(`${results.length - failed} checks passed, ${failed} failed`);
  process.exitCode = failed > 0 ? EXIT.failed : EXIT.ok;
});

await runProgram(program);
