// npm run deploy: a new version, looked at before traffic goes to it. `--help` tells the rest.
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { unstable_readConfig as readConfig } from "wrangler";
import { askVersion } from "./deploy/ask-version.ts";
import { wranglerToml } from "./deploy/check-environment.ts";
import { deployAtOnce, rollOut } from "./deploy/roll-out.ts";
import { runWrangler } from "./deploy/run-wrangler.ts";
import { describeError, StartError } from "./dev/start-error.ts";

const DEFAULT_STEPS = "10,50";
const DEFAULT_PAUSE_SECONDS = 60;

const HELP = `npm run deploy -- --env NAME --url https://… [OPTION…]   deploys, after npm run deploy:check -- --env NAME

  --env NAME      staging or production
  --url URL       where the environment answers (default: THREADKEEP_URL)
  --steps LIST    parts of the traffic in percent, with commas between them (default: ${DEFAULT_STEPS}); 100 follows
  --pause N       seconds that each part is watched for (default: ${DEFAULT_PAUSE_SECONDS})
  --at-once       to all traffic at once: the first version, and one that changes the classes of objects
  --help          this text

The new version is asked at /readyz while no traffic goes to it, and after each step. When it is not ready, all traffic goes to the
version before it again, and what it lacks is told.`;

try {
  const { values } = parseArgs({
    options: {
      env: { type: "string" },
      url: { type: "string" },
      steps: { type: "string", default: DEFAULT_STEPS },
      pause: { type: "string", default: String(DEFAULT_PAUSE_SECONDS) },
      "at-once": { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) console.log(HELP);
  else {
    const environment = values.env ?? "";
    const url = readUrl(values.url ?? process.env["THREADKEEP_URL"] ?? "");
    const worker = readWorkerName(environment);
    const pauseMs = readNumber(values.pause, "--pause", 0, 3_600) * 1_000;
    await (values["at-once"] === true ? deployAtOnce : rollOut)({
      environment,
      steps: values.steps
        .split(",")
        .filter((step) => step !== "")
        .map((step) => readNumber(step, "--steps", 1, 99)),
      run: runWrangler,
      ask: (version) => askVersion(url, worker, version),
      pause: () => sleep(pauseMs),
      print: (line) => console.log(line),
    });
  }
} catch (error) {
  console.error(error instanceof StartError ? `\n${error.message}\n` : `${describeError(error)}\n\n${HELP}`);
  process.exitCode = 1;
}

function readWorkerName(environment: string): string {
  const known = readConfig({ config: wranglerToml }, { hideWarnings: true }).definedEnvironments ?? [];
  if (!known.includes(environment)) throw new StartError(`Say which environment: --env ${known.join(" or --env ")}.`);
  return readConfig({ config: wranglerToml, env: environment }, { hideWarnings: true }).name ?? "";
}

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new StartError("Say where the environment answers: --url https://threadkeep-staging.SUBDOMAIN.workers.dev");
  }
  return url.origin;
}

function readNumber(text: string, option: string, min: number, max: number): number {
  const number = Number(text);
  if (text.trim() === "" || !Number.isInteger(number) || number < min || number > max) {
    throw new StartError(`${option} takes whole numbers from ${min} to ${max}, not "${text}".`);
  }
  return number;
}
