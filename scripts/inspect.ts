// npm run inspect: prints a link that opens the inspector of the local service, signed in. See `--help`.
import { existsSync, readFileSync } from "node:fs";
import { stateFolder, statePaths } from "./dev/paths.ts";
import { makeSignInLink } from "./dev/sign-in-link.ts";
import { StartError } from "./dev/start-error.ts";
import { createProgram, stateOption } from "./program/command-line.ts";
import { runProgram } from "./program/run-program.ts";

const program = createProgram(
  "npm run --silent inspect --",
  "Prints a link that opens the inspector, signed in. It works once, within 15 minutes.",
)
  .addOption(stateOption("the state of the running service", stateFolder))
  .addHelpText(
    "after",
    `
Examples:
  npm run --silent inspect
  curl -X POST https://memory.example/inspector/links -H "authorization: Bearer $THREADKEEP_ADMIN_KEY"

The second asks another deployment, with its admin key; the answer has the path of the link.`,
  )
  .action(async ({ state }) => {
    const { devJson } = statePaths(state);
    if (!existsSync(devJson)) throw new StartError(`No service runs with its state in ${state}. Start it: npm start`);
    console.log(await makeSignInLink(JSON.parse(readFileSync(devJson, "utf8"))));
  });

await runProgram(program);
