// The program behind npm run peers: compares Threadkeep with other chat memories.
import { writeFileSync } from "node:fs";
import { EXIT, untilInterrupted } from "../../../scripts/program/run-program.ts";
import { drawChart } from "./chart.ts";
import type { PeersOptions } from "./options.ts";
import { showReport } from "./report.ts";
import { runPeers } from "./run-peers.ts";

/** Returns the exit code. */
export function main(options: PeersOptions): Promise<number> {
  return untilInterrupted(async (signal) => {
    const report = await runPeers(options, { signal, onStep: (text) => console.error(text) });
    if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
    if (options.svgFile !== undefined) writeFileSync(options.svgFile, drawChart(report));
    console.log(`\n${showReport(report)}`);
    return report.faults.length === 0 && report.rows.length > 0 ? EXIT.ok : EXIT.failed;
  });
}
