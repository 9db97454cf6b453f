// npm run deploy: a new version, looked at before traffic goes to it. `--help` tells the rest.
import { setTimeout as sleep } from "node:timers/promises";
import { unstable_readConfig as readConfig } from "wrangler";
import { askVersion } from "./deploy/ask-version.ts";
import { wranglerToml } from "./deploy/check-environment.ts";
import { deployAtOnce, rollOut } from "./deploy/roll-out.ts";
import { runWrangler } from "./deploy/run-wrangler.ts";
import { noneOf, readCommandLine, readNumber, UsageFault } from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const DEFAULT_STEPS = "10,50";
const DEFAULT_PAUSE_SECONDS = 60;
const MAX_PAUSE_SECONDS = 3_600;

const HELP = `npm run deploy -- --env NAME --url https://… [OPTION…]   deploys, after npm run deploy:check -- --env NAME

  --env NAME      staging or production
  --url URL       where the environment answers (default: THREADKEEP_URL)
  --steps LIST    parts of the traffic in percent, with commas between them (default: ${DEFAULT_STEPS}); 100 follows
  --pause N       seconds that each part is watched for (default: ${DEFAULT_PAUSE_SECONDS})
  --at-once       to all traffic at once: the first version, and one that changes the classes of objects
  --help          this text

The new version is asked at /readyz while no traffic goes to it, and after each step. When it is not ready, all traffic goes to the
version before it again, and what it lacks is told.`;

const OPTIONS = {
  env: { type: "string", default: "" },
  url: { type: "string" },
  steps: { type: "string", default: DEFAULT_STEPS },
  pause: { type: "string", default: String(DEFAULT_PAUSE_SECONDS) },
  "at-once": { type: "boolean", default: false },
} as const;

const commandLine = readCommandLine(process.argv.slice(2), OPTIONS, (values, positionals) => {
  noneOf(positionals);
  const steps = values.steps.split(",").filter((step) => step !== "");
  return {
    environment: values.env,
    url: readUrl(values.url ?? process.env["THREADKEEP_URL"] ?? ""),
    worker: readWorkerName(values.env),
    steps: steps.map((step) => readNumber("--steps", step, 1, 99)),
    pauseMs: readNumber("--pause", values.pause, 0, MAX_PAUSE_SECONDS) * 1_000,
    isAtOnce: values["at-once"],
  };
});

await runProgram(commandLine, {
  help: HELP,
  hint: "npm run deploy -- --help tells the options.",
  run: async ({ environment, url, worker, steps, pauseMs, isAtOnce }) => {
    await (isAtOnce ? deployAtOnce : rollOut)({
      environment,
      steps,
      run: runWrangler,
      ask: (version) => askVersion(url, worker, version),
      pause: () => sleep(pauseMs),
      print: (line) => console.log(line),
    });
    return EXIT.ok;
  },
});

function readWorkerName(environment: string): string {
  const known = readConfig({ config: wranglerToml }, { hideWarnings: true }).definedEnvironments ?? [];
  if (!known.includes(environment)) throw new UsageFault(`Say which environment: --env ${known.join(" or --env ")}.`);
  return readConfig({ config: wranglerToml, env: environment }, { hideWarnings: true }).name ?? "";
}

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new UsageFault("Say where the environment answers: --url https://threadkeep-staging.SUBDOMAIN.workers.dev");
  }
  return url.origin;
}
