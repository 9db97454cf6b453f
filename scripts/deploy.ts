// npm run deploy: uploads a new version, and checks it before it gets traffic. See `--help`.
import { setTimeout as sleep } from "node:timers/promises";
import { InvalidArgumentError } from "@commander-js/extra-typings";
import { unstable_readConfig as readConfig } from "wrangler";
import { askVersion } from "./deploy/ask-version.ts";
import { wranglerToml } from "./deploy/check-environment.ts";
import { deployAtOnce, rollOut } from "./deploy/roll-out.ts";
import { runWrangler } from "./deploy/run-wrangler.ts";
import { createProgram, listOf, readVariable, UsageFault, wholeNumber } from "./program/command-line.ts";
import { runProgram } from "./program/run-program.ts";

const DEFAULT_STEPS = [10, 50];
const DEFAULT_PAUSE_SECONDS = 60;
const MAX_PAUSE_SECONDS = 3_600;

const program = createProgram("npm run deploy --", "Deploys, after npm run deploy:check -- --env NAME.")
  .requiredOption("--env <name>", "the environment: staging or production")
  .option("--url <url>", "address of the environment (default: THREADKEEP_URL)", readOrigin)
  .option(
    "--steps <n,…>",
    "parts of the traffic in percent, one after the other; 100 follows",
    listOf(wholeNumber(1, 99)),
    DEFAULT_STEPS,
  )
  .option(
    "--pause <seconds>",
    "how long each part is watched",
    wholeNumber(0, MAX_PAUSE_SECONDS),
    DEFAULT_PAUSE_SECONDS,
  )
  .option(
    "--at-once",
    "deploy to all traffic at once: for the first version, or one that changes classes of Durable Objects",
    false,
  )
  .addHelpText(
    "after",
    `
The new version is asked at /readyz while no traffic goes to it, and after each step. When it is not ready, all traffic
goes to the version before it again, and what it lacks is told.

Example:
  npm run deploy -- --env staging --url https://threadkeep-staging.SUBDOMAIN.workers.dev`,
  )
  .action(async ({ env: environment, url: named, steps, pause, atOnce }) => {
    const worker = readWorkerName(environment);
    const url = named ?? readVariable("THREADKEEP_URL", process.env["THREADKEEP_URL"] ?? "", readOrigin);
    await (atOnce ? deployAtOnce : rollOut)({
      environment,
      steps,
      run: runWrangler,
      ask: (version) => askVersion(url, worker, version),
      pause: () => sleep(pause * 1_000),
      print: (line) => console.log(line),
    });
  });

await runProgram(program);

function readWorkerName(environment: string): string {
  const known = readConfig({ config: wranglerToml }, { hideWarnings: true }).definedEnvironments ?? [];
  if (!known.includes(environment)) throw new UsageFault(`Say which environment: --env ${known.join(" or --env ")}.`);
  return readConfig({ config: wranglerToml, env: environment }, { hideWarnings: true }).name ?? "";
}

function readOrigin(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) return url.origin;
  throw new InvalidArgumentError(
    "Say where the environment answers: --url https://threadkeep-staging.SUBDOMAIN.workers.dev",
  );
}
