// npm run demo: a chat remembered end to end, in a terminal.
import path from "node:path";
import { ApiProblem, ServiceOutOfReach } from "./api.ts";
import { runDemo } from "./demo/run-demo.ts";
import { createScreen } from "./demo/screen.ts";
import { stateFolder } from "./dev/paths.ts";
import { noneOf, readCommandLine, readFolder } from "./program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "./program/run-program.ts";

const HELP = `npm run demo -- [OPTION…]     shows what Threadkeep does, with real parts, in under 30 s

It talks to the service that npm start runs here, or to the one at THREADKEEP_URL with THREADKEEP_API_KEY. If none runs, it
starts its own, and kills it midway.

  --own         start its own even if one runs
  --state DIR   where its own keeps its data (default: .threadkeep/demo)
  --help        this text

The exit code is 0 if every check held.
`;

const OPTIONS = {
  own: { type: "boolean", default: false },
  state: { type: "string", default: path.join(stateFolder, "demo") },
} as const;

const commandLine = readCommandLine(process.argv.slice(2), OPTIONS, (values, positionals) => {
  noneOf(positionals);
  return { ...values, state: readFolder("--state", values.state) };
});

await runProgram(commandLine, {
  help: HELP,
  hint: "npm run demo -- --help tells the options.",
  run: ({ own, state }) =>
    untilInterrupted(async (signal) => {
      const isGood = await runDemo(createScreen(process.stdout, process.env), {
        stateDirectory: stateFolder,
        ownStateDirectory: state,
        own,
        env: process.env,
        signal,
      });
      return isGood ? EXIT.ok : EXIT.failed;
    }),
  describe(error) {
    if (error instanceof ApiProblem) return error.message;
    if (!(error instanceof ServiceOutOfReach)) return null;
    return `${error.message}\nWhat the service says is in worker.log of its state directory.`;
  },
});
