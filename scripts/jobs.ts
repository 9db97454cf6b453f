import path from "node:path";
// npm run jobs -- COMMAND: lists, retries and drops failed jobs. `help` tells the rest.
import { projectRoot } from "./dev/paths.ts";
import { HELP, parseOptions } from "./jobs/options.ts";
import { EXIT, runJobs } from "./jobs/run-jobs.ts";

const parsed = parseOptions(process.argv.slice(2));
if ("help" in parsed) console.log(HELP);
else if ("fault" in parsed) {
  console.error(`${parsed.fault}\nnpm run jobs -- help tells the commands.`);
  process.exitCode = EXIT.usage;
} else {
  const { stdout, stderr, env } = process;
  process.exitCode = await runJobs(parsed.options, {
    stdout,
    stderr,
    env,
    stateDirectory: path.join(projectRoot, ".threadkeep"),
  });
}
