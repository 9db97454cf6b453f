// npm run provision: creates in a Cloudflare account what an environment needs. See `--help`.
import path from "node:path";
import { createInterface } from "node:readline/promises";
import { wranglerToml } from "./deploy/check-environment.ts";
import { provision } from "./deploy/provision.ts";
import { runWrangler } from "./deploy/run-wrangler.ts";
import { makeFolder } from "./dev/folders.ts";
import { stateFolder } from "./dev/paths.ts";
import { StartError } from "./dev/start-error.ts";
import { createProgram } from "./program/command-line.ts";
import { runProgram } from "./program/run-program.ts";

const program = createProgram(
  "npm run provision --",
  "Makes what an environment of wrangler.toml needs, by wrangler: queues, the Hyperdrive, a KV namespace and secrets.",
)
  .requiredOption("--env <name>", "the environment: staging or production")
  .option("--dry-run", "show the commands for an empty account; needs no login", false)
  .option("--yes", "do not ask for confirmation", false)
  .addHelpText(
    "after",
    `
The Hyperdrive is without caching, as the role threadkeep_worker, with the database's certificate checked. Its id and
that of the KV namespace, which holds the copies of tenants, are written into wrangler.toml. What exists is left as it is, so it may be run again at any time, also after it stopped in
the middle.

Environment:
  DATABASE_URL, WORKER_PASSWORD   as for npm run migrate; needed as long as there is no Hyperdrive.
                                  DATABASE_URL ends in ?sslmode=verify-full&sslrootcert=FILE
  THREADKEEP_MODEL_API_KEY …      secrets that are not made here (see docs/configuration.md), where they are wanted

Keys that are made are left in .threadkeep/NAME-secrets.json, for you alone. While wrangler makes the Hyperdrive, other
users of this machine can see the password of the database in the list of processes: use a machine of your own.

Example:
  npm run provision -- --env staging --dry-run`,
  )
  .action(({ env, dryRun, yes }) => run(env, dryRun, yes));

await runProgram(program);

async function run(environment: string, isDryRun: boolean, isConfirmed: boolean): Promise<void> {
  const directory = stateFolder;
  makeFolder(directory);
  await provision({
    environment,
    configFile: wranglerToml,
    secretsFile: path.join(directory, `${environment}-secrets.json`),
    isDryRun,
    run: runWrangler,
    env: process.env,
    print: (line) => console.log(line),
    confirm: async () => isConfirmed || askYes("Do this? (yes/no) "),
  });
}

async function askYes(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new StartError("There is no terminal to ask at: look at the plan, then add --yes.");
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await lines.question(question)).trim() === "yes";
  } finally {
    lines.close();
  }
}
