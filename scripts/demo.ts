// npm run demo: a chat remembered end to end, in a terminal.
import path from "node:path";
import { parseArgs } from "node:util";
import { ApiProblem, ServiceOutOfReach } from "./api.ts";
import { runDemo } from "./demo/run-demo.ts";
import { createScreen } from "./demo/screen.ts";
import { projectRoot } from "./dev/paths.ts";
import { StartError } from "./dev/start-error.ts";

const HELP = `npm run demo -- [OPTION…]     shows what Threadkeep does, with real parts, in under 30 s

It talks to the service that npm start runs here, or to the one at THREADKEEP_URL with THREADKEEP_API_KEY. If none runs, it
starts its own, and kills it midway.

  --own         start its own even if one runs
  --state DIR   where its own keeps its data (default: .threadkeep/demo)
  --help        this text

The exit code is 0 if every check held.
`;

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interruption.abort());

try {
  const { values } = parseArgs({
    options: {
      own: { type: "boolean", default: false },
      state: { type: "string", default: path.join(projectRoot, ".threadkeep", "demo") },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) console.log(HELP);
  else {
    const isGood = await runDemo(createScreen(process.stdout, process.env), {
      stateDirectory: path.join(projectRoot, ".threadkeep"),
      ownStateDirectory: values.state,
      own: values.own,
      env: process.env,
      signal: interruption.signal,
    });
    process.exitCode = isGood ? 0 : 1;
  }
} catch (error) {
  if (interruption.signal.aborted) process.exitCode = 130;
  else {
    const isExpected = error instanceof StartError || error instanceof ApiProblem || error instanceof ServiceOutOfReach;
    console.error(isExpected ? `\n${error.message}` : error);
    if (error instanceof ServiceOutOfReach)
      console.error("What the service says is in worker.log of its state directory.");
    process.exitCode = 1;
  }
}
