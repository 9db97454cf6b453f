// Creates what an environment lacks in the account. Existing resources are left alone, and the plan is shown first. If
// a run fails, it can be run again.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { readJsonFile, writePrivateFile } from "../dev/files.ts";
import { StartError } from "../dev/start-error.ts";
import {
  findCertificate,
  findHyperdrive,
  findNamespace,
  type HyperdriveFound,
  listQueues,
  listSecrets,
  type RunWrangler,
  VERIFIED,
  wranglerFault,
} from "./account.ts";
import { type DatabaseCertificate, readCertificate } from "./database-certificate.ts";
import { readResources, type Resources, withId } from "./resources.ts";
import { isWorkerRole, workerAddress } from "./worker-address.ts";

export interface ProvisionOptions {
  environment: string;
  /** The wrangler.toml into which the ids of the Hyperdrive and of the KV namespace are written. */
  configFile: string;
  /** File for the generated keys, readable only by its owner. */
  secretsFile: string;
  /** Shows the commands for an empty account, without calling wrangler. */
  isDryRun: boolean;
  run: RunWrangler;
  /** DATABASE_URL and WORKER_PASSWORD, and secrets that are not generated. */
  env: Readonly<Record<string, string | undefined>>;
  print: (line: string) => void;
  /** Asks the person once, after the plan was shown. */
  confirm: () => Promise<boolean>;
}

interface Step {
  /** The command as it is shown, without secrets. */
  readonly shown: string;
  readonly run: () => Promise<void>;
}

interface Existing {
  readonly queues: ReadonlySet<string>;
  readonly hyperdrive: HyperdriveFound | null;
  /** Name of the authority's certificate in the account; null if it is not there yet. */
  readonly certificate: string | null;
  /** Id of the KV namespace; null if it is not there yet. */
  readonly copies: string | null;
  readonly secrets: ReadonlySet<string>;
}

const NOTHING: Existing = { queues: new Set(), hyperdrive: null, certificate: null, copies: null, secrets: new Set() };
/** Shown if DATABASE_URL is not known. */
const ANY_CERTIFICATE: DatabaseCertificate = { file: "CERTIFICATE.crt", name: "CERTIFICATE" };
const KEY_BYTES = 24;

/** @throws {StartError} that says what was done, what failed, and that it can be run again */
export async function provision(options: ProvisionOptions): Promise<void> {
  const { environment, isDryRun, print } = options;
  const resources = readResources(options.configFile, environment);
  const certificate = readCertificate(options.env["DATABASE_URL"], resources.hyperdrive.name);
  const existing = isDryRun ? NOTHING : await readAccount(options.run, resources, certificate);
  const steps = planSteps(options, resources, existing, certificate);
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

async function readAccount(
  run: RunWrangler,
  resources: Resources,
  certificate: DatabaseCertificate | null,
): Promise<Existing> {
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
  const copies = await findNamespace(run, resources.copies.name);
  if (resources.copies.id !== null && resources.copies.id !== copies) {
    throw new StartError(
      `wrangler.toml has the KV namespace ${resources.copies.id}, but ${resources.copies.name} in this account is ${copies ?? "missing"}. ` +
        "Is it the right account (npx wrangler whoami)? Else put 32 zeros in place of the id.",
    );
  }
  return {
    queues,
    copies,
    hyperdrive,
    certificate:
      certificate === null || hyperdrive?.isVerified === true ? null : await findCertificate(run, certificate.name),
    secrets: await listSecrets(run, resources.environment),
  };
}

function describeExisting(resources: Resources, existing: Existing): string[] {
  const { hyperdrive, queues, copies, secrets } = existing;
  return [
    ...resources.queues.filter((name) => queues.has(name)).map((name) => `  exists: queue ${name}`),
    ...(hyperdrive === null ? [] : [`  exists: Hyperdrive ${resources.hyperdrive.name} (${hyperdrive.id})`]),
    ...(copies === null ? [] : [`  exists: KV namespace ${resources.copies.name} (${copies})`]),
    ...resources.secrets.filter(({ name }) => secrets.has(name)).map(({ name }) => `  exists: secret ${name}`),
  ];
}

function planSteps(
  options: ProvisionOptions,
  resources: Resources,
  existing: Existing,
  certificate: DatabaseCertificate | null,
): Step[] {
  return [
    ...resources.queues
      .filter((name) => !existing.queues.has(name))
      .map((name) => ["queues", "create", name])
      .map((args) => wranglerStep(options, args, args)),
    ...hyperdriveSteps(options, resources, existing, certificate),
    ...namespaceSteps(options, resources, existing.copies),
    ...secretSteps(options, resources, existing.secrets),
  ];
}

/**
 * Makes a step. `args` may be a function, because some arguments are known only after earlier steps. `shown` are the
 * arguments without secrets.
 */
function wranglerStep(
  { run }: ProvisionOptions,
  args: readonly string[] | (() => Promise<readonly string[]>),
  shown: readonly string[],
): Step {
  return {
    shown: `wrangler ${shown.join(" ")}`,
    run: async () => {
      const { code, output } = await run(typeof args === "function" ? await args() : args);
      if (code !== 0) throw wranglerFault(shown, output);
    },
  };
}

function hyperdriveSteps(
  options: ProvisionOptions,
  resources: Resources,
  { hyperdrive: found, certificate: kept }: Existing,
  given: DatabaseCertificate | null,
): Step[] {
  const { name, id } = resources.hyperdrive;
  const steps: Step[] = [];
  const needsCertificate = found === null || !found.isVerified;
  const certificate = given ?? ANY_CERTIFICATE;
  if (needsCertificate && kept === null) {
    const args = ["cert", "upload", "certificate-authority", "--ca-cert", certificate.file, "--name", certificate.name];
    steps.push(wranglerStep(options, args, args));
  }
  const verified = (certificateId: string): string[] => ["--ca-certificate-id", certificateId, "--sslmode", VERIFIED];
  const shownId = kept ?? `ID_OF_${certificate.name}`;
  if (found === null) {
    const address = workerAddress(options.env["DATABASE_URL"], options.env["WORKER_PASSWORD"]);
    if (address === null && !options.isDryRun) {
      throw new StartError(
        `${name} has no Hyperdrive yet: set DATABASE_URL and WORKER_PASSWORD as for npm run migrate, and run this again.`,
      );
    }
    const args = (text: string, certificateId: string): string[] => {
      const limits = ["--caching-disabled", ...verified(certificateId), "--no-update-config"];
      return ["hyperdrive", "create", name, ...limits, "--connection-string", text];
    };
    const whole = async (): Promise<string[]> => args(address ?? "", await certificateIdOf(options, certificate, kept));
    steps.push(wranglerStep(options, whole, args(withoutPassword(address), shownId)));
  } else {
    if (found.isCached) {
      const args = ["hyperdrive", "update", found.id, "--caching-disabled"];
      steps.push(wranglerStep(options, args, args));
    }
    if (!found.isVerified) {
      if (given === null) {
        throw new StartError(
          `The Hyperdrive ${name} does not check whether the database is the right one: set DATABASE_URL as for npm run migrate, ` +
            "which names the certificate, and run this again.",
        );
      }
      const args = (certificateId: string): string[] => ["hyperdrive", "update", found.id, ...verified(certificateId)];
      const whole = async (): Promise<string[]> => args(await certificateIdOf(options, certificate, kept));
      steps.push(wranglerStep(options, whole, args(shownId)));
    }
  }
  if (id === null) {
    steps.push({ shown: `write the id of ${name} into wrangler.toml`, run: () => writeHyperdriveId(options, name) });
  }
  return steps;
}

function namespaceSteps(options: ProvisionOptions, { copies }: Resources, found: string | null): Step[] {
  const args = ["kv", "namespace", "create", copies.name, "--no-update-config"];
  const create = found === null ? [wranglerStep(options, args, args)] : [];
  if (copies.id !== null) return create;
  const run = async (): Promise<void> => {
    const made = await findNamespace(options.run, copies.name);
    if (made === null)
      throw new StartError(`wrangler kv namespace list does not show ${copies.name} yet: wait a little.`);
    writeId(options, "kv_namespaces", made);
  };
  return [...create, { shown: `write the id of ${copies.name} into wrangler.toml`, run }];
}

/** The id of the certificate, which existed or was uploaded by an earlier step. */
async function certificateIdOf(
  { run }: ProvisionOptions,
  { name }: DatabaseCertificate,
  kept: string | null,
): Promise<string> {
  const id = kept ?? (await findCertificate(run, name));
  if (id === null) throw new StartError(`wrangler cert list does not show ${name} yet: wait a little.`);
  return id;
}

function withoutPassword(address: string | null): string {
  const url = new URL(address ?? "postgres://threadkeep_worker:@HOST:5432/postgres");
  url.password = "…";
  return decodeURIComponent(url.href);
}

async function writeHyperdriveId(options: ProvisionOptions, name: string): Promise<void> {
  const made = await findHyperdrive(options.run, name);
  if (made === null) throw new StartError(`wrangler hyperdrive list does not show ${name} yet: wait a little.`);
  writeId(options, "hyperdrive", made.id);
}

function writeId(
  { configFile, environment }: ProvisionOptions,
  table: "hyperdrive" | "kv_namespaces",
  id: string,
): void {
  writeFileSync(configFile, withId(readFileSync(configFile, "utf8"), environment, { table, id }));
}

/**
 * All secrets in one request, so that no version of the Worker has only some of them; and on standard input, so that
 * `ps` does not show them.
 */
function secretSteps(options: ProvisionOptions, resources: Resources, existing: ReadonlySet<string>): Step[] {
  const { env, environment, isDryRun, secretsFile, run, print } = options;
  const open = resources.secrets.filter(({ name }) => !existing.has(name));
  const lacking = open.filter((secret) => secret.isRequired && !secret.isGenerated && !env[secret.name]);
  if (lacking.length > 0 && !isDryRun) {
    const names = lacking.map(({ name }) => name).join(", ");
    throw new StartError(`${names}: give it in the environment of this command, since only you know it.`);
  }
  // A generated key that is in this process's environment most likely belongs to another deployment, so it is not used.
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
        // Stored before they are uploaded: a key that only Cloudflare has could not be read again.
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
