// npm run jobs -- COMMAND: lists, retries and drops failed jobs. See `--help`.
import { stateFolder } from "./dev/paths.ts";
import { jobsProgram } from "./jobs/options.ts";
import { runJobs } from "./jobs/run-jobs.ts";
import { runProgram } from "./program/run-program.ts";

const { stdout, stderr, env } = process;
await runProgram(jobsProgram((options) => runJobs(options, { stdout, stderr, env, stateDirectory: stateFolder })));
