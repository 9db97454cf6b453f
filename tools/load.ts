// npm run load: many live chats at once, and whether the promises held.
import { writeFileSync } from "node:fs";
import { createScreen } from "../scripts/demo/screen.ts";
import { EXIT, runProgram, untilInterrupted } from "../scripts/program/run-program.ts";
import { loadProgram } from "./load/options.ts";
import { showReport } from "./load/report.ts";
import { runLoad } from "./load/run-load.ts";

/** Without a terminal, in which a line can be replaced, progress is printed only this often. */
const SELDOM_MS = 30_000;

await runProgram(
  loadProgram((options) =>
    untilInterrupted(async (signal) => {
      const news = createScreen(process.stderr, process.env);
      const onStep = (text: string): void => news.line(text, "quiet");
      const onProgress = process.stderr.isTTY ? news.progress : seldom(news.line);
      const report = await runLoad(options, { signal, onStep, onProgress });
      if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
      console.log(`\n${showReport(report)}`);
      return report.held ? EXIT.ok : EXIT.failed;
    }),
  ),
);

function seldom(tell: (text: string) => void): (text: string) => void {
  let toldAt = performance.now();
  return (text) => {
    if (performance.now() - toldAt < SELDOM_MS) return;
    toldAt = performance.now();
    tell(text);
  };
}
