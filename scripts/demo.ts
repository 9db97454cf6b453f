// npm run demo: shows in a terminal how a chat is remembered, from end to end.
import path from "node:path";
import { ApiProblem, ServiceOutOfReach } from "./api.ts";
import { runDemo } from "./demo/run-demo.ts";
import { createScreen } from "./demo/screen.ts";
import { stateFolder } from "./dev/paths.ts";
import { createProgram, stateOption } from "./program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "./program/run-program.ts";

const program = createProgram("npm run demo --", "Shows what Threadkeep does, with real parts, in under 30 s.")
  .option("--own", "start its own service even if one is running", false)
  .addOption(stateOption("where its own keeps its data", path.join(stateFolder, "demo"), ".threadkeep/demo"))
  .addHelpText(
    "after",
    `
It talks to the service that npm start runs here, or to the one at THREADKEEP_URL with THREADKEEP_API_KEY. If none runs,
it starts its own, and kills it midway. The exit code is 0 if every check held.

Examples:
  npm run demo
  npm run demo -- --own`,
  )
  .action(async ({ own, state }) => {
    process.exitCode = await untilInterrupted(async (signal) => {
      const isGood = await runDemo(createScreen(process.stdout, process.env), {
        stateDirectory: stateFolder,
        ownStateDirectory: state,
        own,
        env: process.env,
        signal,
      });
      return isGood ? EXIT.ok : EXIT.failed;
    });
  });

await runProgram(program, (error) => {
  if (error instanceof ApiProblem) return error.message;
  if (!(error instanceof ServiceOutOfReach)) return null;
  return `${error.message}\nWhat the service says is in worker.log of its state directory.`;
});
