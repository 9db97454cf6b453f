// Makes what an environment needs and lacks. What exists is left; what is about to be done is shown first; a run that failed in the
// middle is run again.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { readJsonFile, writePrivateFile } from "../dev/files.ts";
import { StartError } from "../dev/start-error.ts";
import {
  findHyperdrive,
  type HyperdriveFound,
  listQueues,
  listSecrets,
  type RunWrangler,
  wranglerFault,
} from "./account.ts";
import { readResources, type Resources, withHyperdriveId } from "./resources.ts";
import { isWorkerRole, workerAddress } from "./worker-address.ts";

export interface ProvisionOptions {
  environment: string;
  /** wrangler.toml, which gets the id of the Hyperdrive. */
  configFile: string;
  /** Where keys that were made are left, for their owner alone. */
  secretsFile: string;
  /** Shows the commands of an empty account, and asks wrangler nothing. */
  isDryRun: boolean;
  run: RunWrangler;
  /** DATABASE_URL and WORKER_PASSWORD, and secrets that are not generated. */
  env: Readonly<Record<string, string | undefined>>;
  print: (line: string) => void;
  /** Asked once, after the plan was shown. */
  confirm: () => Promise<boolean>;
}

interface Step {
  /** As it is shown, without secrets. */
  readonly shown: string;
  readonly run: () => Promise<void>;
}

interface Existing {
  readonly queues: ReadonlySet<string>;
  readonly hyperdrive: HyperdriveFound | null;
  readonly secrets: ReadonlySet<string>;
}

const NOTHING: Existing = { queues: new Set(), hyperdrive: null, secrets: new Set() };
const KEY_BYTES = 24;

/** @throws StartError that says what was done, what failed, and that it can be run again. */
export async function provision(options: ProvisionOptions): Promise<void> {
  const { environment, isDryRun, print } = options;
  const resources = readResources(options.configFile, environment);
  const existing = isDryRun ? NOTHING : await readAccount(options.run, resources);
  const steps = planSteps(options, resources, existing);
  for (const line of describeExisting(resources, existing)) print(line);
  for (const { shown } of steps) print(`  ${shown}`);
  if (isDryRun) {
    print("Nothing was done or asked: these are the commands for an account that has none of it. What exists is left.");
    return;
  }
  if (steps.length === 0) {
    print(`${environment} has all that it needs.`);
    return;
  }
  if (!(await options.confirm())) throw new StartError("Nothing was done.");
  for (const [index, { shown, run }] of steps.entries()) {
    print(`${index + 1}/${steps.length} ${shown}`);
    try {
      await run();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new StartError(
        `${reason}\nStopped at step ${index + 1} of ${steps.length}. What was made stays: mend this, run it again, and it goes on from here.`,
        { cause: error },
      );
    }
  }
  print(`${environment} has all that it needs.`);
}

async function readAccount(run: RunWrangler, resources: Resources): Promise<Existing> {
  const queues = await listQueues(run);
  const hyperdrive = await findHyperdrive(run, resources.hyperdrive.name);
  const { id, name } = resources.hyperdrive;
  if (id !== null && id !== hyperdrive?.id) {
    throw new StartError(
      `wrangler.toml has the Hyperdrive ${id}, but ${name} in this account is ${hyperdrive?.id ?? "missing"}. ` +
        "Is it the right account (npx wrangler whoami)? Else put 32 zeros in place of the id.",
    );
  }
  if (hyperdrive !== null && !isWorkerRole(hyperdrive.user)) {
    throw new StartError(
      `The Hyperdrive ${name} connects as "${hyperdrive.user}", which may do more than the Worker needs. ` +
        `Delete it (npx wrangler hyperdrive delete ${hyperdrive.id}), put 32 zeros in place of its id, and run this again.`,
    );
  }
  return { queues, hyperdrive, secrets: await listSecrets(run, resources.environment) };
}

function describeExisting(resources: Resources, existing: Existing): string[] {
  const { hyperdrive, queues, secrets } = existing;
  return [
    ...resources.queues.filter((name) => queues.has(name)).map((name) => `  exists: queue ${name}`),
    ...(hyperdrive === null ? [] : [`  exists: Hyperdrive ${resources.hyperdrive.name} (${hyperdrive.id})`]),
    ...resources.secrets.filter(({ name }) => secrets.has(name)).map(({ name }) => `  exists: secret ${name}`),
  ];
}

function planSteps(options: ProvisionOptions, resources: Resources, existing: Existing): Step[] {
  return [
    ...resources.queues
      .filter((name) => !existing.queues.has(name))
      .map((name) => wranglerStep(options, ["queues", "create", name])),
    ...hyperdriveSteps(options, resources, existing.hyperdrive),
    ...secretSteps(options, resources, existing.secrets),
  ];
}

function wranglerStep({ run }: ProvisionOptions, args: readonly string[], shown: readonly string[] = args): Step {
  return {
    shown: `wrangler ${shown.join(" ")}`,
    run: async () => {
      const { code, output } = await run(args);
      if (code !== 0) throw wranglerFault(shown, output);
    },
  };
}

function hyperdriveSteps(options: ProvisionOptions, resources: Resources, found: HyperdriveFound | null): Step[] {
  const { name, id } = resources.hyperdrive;
  const steps: Step[] = [];
  if (found === null) {
    const address = workerAddress(options.env["DATABASE_URL"], options.env["WORKER_PASSWORD"]);
    if (address === null && !options.isDryRun) {
      throw new StartError(
        `${name} has no Hyperdrive yet: set DATABASE_URL and WORKER_PASSWORD as for npm run migrate, and run this again.`,
      );
    }
    const args = (text: string): string[] => {
      const limits = ["--caching-disabled", "--sslmode", "require", "--no-update-config"];
      return ["hyperdrive", "create", name, ...limits, "--connection-string", text];
    };
    steps.push(wranglerStep(options, args(address ?? ""), args(withoutPassword(address))));
  } else if (found.isCached) {
    steps.push(wranglerStep(options, ["hyperdrive", "update", found.id, "--caching-disabled"]));
  }
  if (id === null) {
    steps.push({ shown: `write the id of ${name} into wrangler.toml`, run: () => writeId(options, name) });
  }
  return steps;
}

function withoutPassword(address: string | null): string {
  const url = new URL(address ?? "postgres://threadkeep_worker:@HOST:5432/postgres");
  url.password = "…";
  return decodeURIComponent(url.href);
}

async function writeId({ run, configFile, environment }: ProvisionOptions, name: string): Promise<void> {
  const made = await findHyperdrive(run, name);
  if (made === null) throw new StartError(`wrangler hyperdrive list does not show ${name} yet: wait a little.`);
  writeFileSync(configFile, withHyperdriveId(readFileSync(configFile, "utf8"), environment, made.id));
}

/** In one request, so that no version of the Worker has half of them; on standard input, so that `ps` does not show them. */
function secretSteps(options: ProvisionOptions, resources: Resources, existing: ReadonlySet<string>): Step[] {
  const { env, environment, isDryRun, secretsFile, run, print } = options;
  const open = resources.secrets.filter(({ name }) => !existing.has(name));
  const lacking = open.filter((secret) => secret.isRequired && !secret.isGenerated && !env[secret.name]);
  if (lacking.length > 0 && !isDryRun) {
    const names = lacking.map(({ name }) => name).join(", ");
    throw new StartError(`${names}: give it in the environment of this command, since only you know it.`);
  }
  // A key of our own that stands in this environment is most likely that of another deployment.
  const wanted = open.filter(({ name, isRequired }) => isRequired || (env[name] ?? "") !== "");
  if (wanted.length === 0) return [];
  const names = wanted.map(({ name, isGenerated }) => (isGenerated ? `${name} (made)` : name)).join(", ");
  const args = ["secret", "bulk", "--env", environment];
  return [
    {
      shown: `wrangler ${args.join(" ")}   with ${names} on its standard input`,
      run: async () => {
        const kept = readKept(secretsFile);
        const made = wanted.filter(({ isGenerated }) => isGenerated).map(({ name }) => name);
        const generated = Object.fromEntries(made.map((name) => [name, kept[name] ?? generateKey(name)]));
        const given = Object.fromEntries(wanted.map(({ name }) => [name, generated[name] ?? env[name] ?? ""]));
        // Kept first: a key that Cloudflare has and nobody else would have to be made anew.
        if (made.length > 0) writePrivateFile(secretsFile, `${JSON.stringify({ ...kept, ...generated }, null, 2)}\n`);
        const { code, output } = await run(args, { input: JSON.stringify(given) });
        if (code !== 0) throw wranglerFault(args, output);
        if (made.length > 0)
          print(`The keys are in ${secretsFile}: keep them where you keep secrets, then delete the file.`);
      },
    },
  ];
}

function readKept(file: string): Record<string, string> {
  const kept = existsSync(file) ? readJsonFile(file) : {};
  if (typeof kept !== "object" || kept === null) throw new StartError(`${file} is no JSON object: move it away.`);
  return Object.fromEntries(Object.entries(kept).map(([name, value]) => [name, String(value)]));
}

function generateKey(name: string): string {
  return `${name === "THREADKEEP_ADMIN_KEY" ? "tk_admin_" : "tk_"}${randomBytes(KEY_BYTES).toString("base64url")}`;
}
