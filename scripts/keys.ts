// npm run keys -- COMMAND: makes, lists, rotates and revokes API keys. See `--help`.
import { stateFolder } from "./dev/paths.ts";
import { keysProgram } from "./keys/options.ts";
import { runKeys } from "./keys/run-keys.ts";
import { runProgram } from "./program/run-program.ts";

const { stdout, stderr, env } = process;
await runProgram(keysProgram((options) => runKeys(options, { stdout, stderr, env, stateDirectory: stateFolder })));
