import { describeCheck, runChecks } from "./check/steps.ts";

const results = await runChecks((result) => console.log(describeCheck(result)));
const failed = results.filter((result) => !result.passed).length;
console.log(`${results.length - failed} checks passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
