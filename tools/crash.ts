// npm run crash: kill -9 under load, and whether the service still keeps what it told its clients.
import { writeFileSync } from "node:fs";
import { EXIT, runProgram, untilInterrupted } from "../scripts/program/run-program.ts";
import { crashProgram } from "./crash/options.ts";
import { describeKill, showReport } from "./crash/report.ts";
import { runCrash } from "./crash/run-crash.ts";

await runProgram(
  crashProgram((options) =>
    untilInterrupted(async (signal) => {
      console.log(`seed ${options.seed}`);
      const report = await runCrash(options, {
        signal,
        onKill: (result, number) => console.log(`kill ${number} of ${options.kills}: ${describeKill(result)}`),
        onStep: (text) => console.log(text),
      });
      if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
      console.log(`\n${showReport(report)}`);
      return report.fault === null ? EXIT.ok : EXIT.failed;
    }),
  ),
);
