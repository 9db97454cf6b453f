// npm run keys -- COMMAND: makes, lists, rotates and revokes API keys. `help` tells the rest.
import { stateFolder } from "./dev/paths.ts";
import { HELP, parseOptions } from "./keys/options.ts";
import { runKeys } from "./keys/run-keys.ts";
import { runProgram } from "./program/run-program.ts";

const { stdout, stderr, env } = process;
await runProgram(parseOptions(process.argv.slice(2), Date.now()), {
  help: HELP,
  hint: "npm run keys -- help tells the commands.",
  run: (options) => runKeys(options, { stdout, stderr, env, stateDirectory: stateFolder }),
});
