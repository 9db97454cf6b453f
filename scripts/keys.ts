import path from "node:path";
// npm run keys -- COMMAND: makes, lists, rotates and revokes API keys. `help` tells the rest.
import { projectRoot } from "./dev/paths.ts";
import { HELP, parseOptions } from "./keys/options.ts";
import { EXIT, runKeys } from "./keys/run-keys.ts";

const parsed = parseOptions(process.argv.slice(2), Date.now());
if ("help" in parsed) console.log(HELP);
else if ("fault" in parsed) {
  console.error(`${parsed.fault}\nnpm run keys -- help tells the commands.`);
  process.exitCode = EXIT.usage;
} else {
  const { stdout, stderr, env } = process;
  process.exitCode = await runKeys(parsed.options, {
    stdout,
    stderr,
    env,
    stateDirectory: path.join(projectRoot, ".threadkeep"),
  });
}
