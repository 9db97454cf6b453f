// Asks wrangler what exists in the account. Only reads, changes nothing.
import { StartError } from "../dev/start-error.ts";
import type { WranglerOptions, WranglerRun } from "./run-wrangler.ts";
import { fieldOf, parseJson } from "./wrangler-json.ts";

export type RunWrangler = (args: readonly string[], options?: WranglerOptions) => Promise<WranglerRun>;

/** How wrangler words Cloudflare's error 10007: the Worker was never deployed, and so has no secrets. */
const NO_SUCH_WORKER = /\b10007\b|\bWorker "[^"]*"(?: \(env: [\w-]+\))? not found/;
/** No account has more queues than this many pages list. */
const MAX_PAGES = 100;
const ID = /^[0-9a-f]{32}$/;
/** The TLS mode in which the database's certificate must be signed by the authority and name the host. */
export const VERIFIED = "verify-full";

export interface HyperdriveFound {
  readonly id: string;
  readonly isCached: boolean;
  readonly user: string;
  /** Whether Hyperdrive verifies the identity of the database. */
  readonly isVerified: boolean;
}

export async function listQueues(run: RunWrangler): Promise<Set<string>> {
  const names = new Set<string>();
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const rows = tableRows(await read(run, ["queues", "list", "--page", String(page)]));
    const fresh = rows.map(([, name]) => name ?? "").filter((name) => !names.has(name));
    if (fresh.length === 0) break;
    for (const name of fresh) names.add(name);
  }
  return names;
}

/** Null if there is none of that name. */
export async function findHyperdrive(run: RunWrangler, name: string): Promise<HyperdriveFound | null> {
  const rows = tableRows(await read(run, ["hyperdrive", "list"]));
  const id = rows.find((row) => row[1] === name)?.[0];
  if (id === undefined) return null;
  const config = parseJson(await read(run, ["hyperdrive", "get", id]));
  const caching = fieldOf(config, "caching");
  const user = fieldOf(fieldOf(config, "origin"), "user");
  return {
    id,
    isCached: fieldOf(caching, "disabled") !== true,
    user: typeof user === "string" ? user : "",
    isVerified: fieldOf(fieldOf(config, "mtls"), "sslmode") === VERIFIED,
  };
}

/** The id of a KV namespace in the account; null if there is none of that name. */
export async function findNamespace(run: RunWrangler, name: string): Promise<string | null> {
  const args = ["kv", "namespace", "list"];
  const output = await read(run, args);
  const namespaces = parseJson(output);
  if (!Array.isArray(namespaces)) throw wranglerFault(args, output);
  const id = fieldOf(
    namespaces.find((each) => fieldOf(each, "title") === name),
    "id",
  );
  return typeof id === "string" ? id : null;
}

/** The id of a certificate in the account; null if there is none of that name. */
export async function findCertificate(run: RunWrangler, name: string): Promise<string | null> {
  const output = await read(run, ["cert", "list"]);
  const blocks = output.split(/^(?=ID: )/m);
  const found = blocks.find((block) => block.split("\n").some((line) => line.trim() === `Name: ${name}`));
  return /^ID: (\S+)/.exec(found ?? "")?.[1] ?? null;
}

export async function listSecrets(run: RunWrangler, environment: string): Promise<Set<string>> {
  const args = ["secret", "list", "--env", environment, "--format", "json"];
  const { code, output } = await run(args);
  if (code !== 0) {
    if (NO_SUCH_WORKER.test(output)) return new Set();
    throw wranglerFault(args, output);
  }
  const secrets = parseJson(output);
  if (!Array.isArray(secrets)) throw wranglerFault(args, output);
  return new Set(secrets.map((secret) => String(fieldOf(secret, "name"))));
}

export function wranglerFault(args: readonly string[], output: string): StartError {
  return new StartError(
    `wrangler ${args.join(" ")} failed:\n${output.trim() || "it said nothing; is wrangler installed (npm ci)?"}\n` +
      "Log in with npx wrangler login, or set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID.",
  );
}

async function read(run: RunWrangler, args: readonly string[]): Promise<string> {
  const { code, output } = await run(args);
  if (code !== 0) throw wranglerFault(args, output);
  return output;
}

/** The cells of a table in wrangler's output. Rows are recognized by their first column, an id. */
function tableRows(output: string): string[][] {
  return output
    .split("\n")
    .map((line) =>
      line
        .split("│")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .filter(([id]) => id !== undefined && ID.test(id));
}
