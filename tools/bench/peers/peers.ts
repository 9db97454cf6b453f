// Threadkeep beside other memories of chats: the program behind npm run peers.
import { writeFileSync } from "node:fs";
import { EXIT, runProgram, untilInterrupted } from "../../../scripts/program/run-program.ts";
import { drawChart } from "./chart.ts";
import { HELP, parseOptions } from "./options.ts";
import { showReport } from "./report.ts";
import { runPeers } from "./run-peers.ts";

export async function main(args: readonly string[]): Promise<void> {
  await runProgram(parseOptions(args), {
    help: HELP,
    hint: "npm run peers -- --help tells the options.",
    run: (options) =>
      untilInterrupted(async (signal) => {
        const report = await runPeers(options, { signal, onStep: (text) => console.error(text) });
        if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
        if (options.svgFile !== undefined) writeFileSync(options.svgFile, drawChart(report));
        console.log(`\n${showReport(report)}`);
        return report.faults.length === 0 && report.rows.length > 0 ? EXIT.ok : EXIT.failed;
      }),
  });
}
