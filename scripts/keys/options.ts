// The command line for keys.
import { createProgram, listOf, serviceUrl, wholeNumber } from "../program/command-line.ts";
import { ADMIN_KEY_HELP, JSON_HELP, URL_HELP } from "./admin-target.ts";

const DAY_MS = 86_400_000;
const MAX_DAYS = 3_650;
const MAX_GRACE_SECONDS = 2_592_000;

/** A request to the service. If `tenant` is null, the service decides. */
export type Command =
  | { readonly do: "create"; readonly tenant: string | null; readonly body: Readonly<Record<string, unknown>> }
  | { readonly do: "list"; readonly tenant: string | null }
  | {
      readonly do: "rotate";
      readonly tenant: string | null;
      readonly keyId: string;
      readonly graceSeconds: number | null;
    }
  | { readonly do: "revoke"; readonly tenant: string | null; readonly keyId: string }
  | { readonly do: "tenant"; readonly body: Readonly<Record<string, unknown>> }
  | { readonly do: "tenants" };

export interface KeysOptions {
  readonly command: Command;
  readonly isJson: boolean;
  readonly url: string | undefined;
}

/** @param now ms since 1970 */
export function keysProgram(run: (options: KeysOptions) => Promise<number>, now: () => number = Date.now) {
  const perform = async (command: Command, { json, url }: { json: boolean; url?: string | undefined }) => {
    process.exitCode = await run({ command, isJson: json, url });
  };
  const program = createProgram(
    "npm run keys --",
    "Makes and ends the API keys of a running Threadkeep, and the tenants that they belong to.",
  ).addHelpText(
    "after",
    `
A key is shown once, when it is made; the service keeps a keyed hash of it and nothing more.
${ADMIN_KEY_HELP}

Exit codes: 0 done; 1 refused, or no answer; 64 wrong usage.

Examples:
  npm run keys -- tenant acme --jurisdiction eu
  npm run keys -- create --tenant acme --name "back end"
  KEY=$(npm run --silent keys -- create --name ci --scopes memory:read --expires-in-days 30)`,
  );
  program
    .command("create")
    .description("Makes a new key, and prints only the key on standard output")
    .requiredOption("--name <text>", 'what the key is for, such as "back end"')
    .option("--tenant <name>", TENANT_HELP)
    .option(
      "--scopes <names>",
      "memory:read, memory:write, memory:erase, ops, summarizer, with commas between them (default: the three of memory)",
      listOf(String),
    )
    .option("--expires-in-days <n>", "days until it expires (default: never)", wholeNumber(1, MAX_DAYS))
    .option("--json", JSON_HELP, false)
    .option("--url <url>", URL_HELP, serviceUrl)
    .action(({ tenant = null, name, scopes, expiresInDays: days, ...options }) => {
      const expiry = days === undefined ? {} : { expiresAt: new Date(now() + days * DAY_MS).toISOString() };
      return perform({ do: "create", tenant, body: { name, ...(scopes && { scopes }), ...expiry } }, options);
    });
  program
    .command("list")
    .description("Lists the tenant's keys, newest first")
    .option("--tenant <name>", TENANT_HELP)
    .option("--json", JSON_HELP, false)
    .option("--url <url>", URL_HELP, serviceUrl)
    .action(({ tenant = null, ...options }) => perform({ do: "list", tenant }, options));
  program
    .command("rotate")
    .description("Replaces a key by a new one; both are valid until the grace period ends")
    .argument("<key-id>", "see list")
    .option("--tenant <name>", TENANT_HELP)
    .option(
      "--grace-seconds <n>",
      "how long the old key stays good (default: a day)",
      wholeNumber(0, MAX_GRACE_SECONDS),
    )
    .option("--json", JSON_HELP, false)
    .option("--url <url>", URL_HELP, serviceUrl)
    .action((keyId, { tenant = null, graceSeconds = null, ...options }) =>
      perform({ do: "rotate", tenant, keyId, graceSeconds }, options),
    );
  program
    .command("revoke")
    .description("Revokes a key, everywhere within a minute")
    .argument("<key-id>", "see list")
    .option("--tenant <name>", TENANT_HELP)
    .option("--json", JSON_HELP, false)
    .option("--url <url>", URL_HELP, serviceUrl)
    .action((keyId, { tenant = null, ...options }) => perform({ do: "revoke", tenant, keyId }, options));
  program
    .command("tenant")
    .description("Creates a tenant; its first key: create --tenant NAME")
    .argument("<name>", "such as acme")
    .option("--jurisdiction <name>", "where its data is stored permanently: eu or fedramp (default: no jurisdiction)")
    .option("--json", JSON_HELP, false)
    .option("--url <url>", URL_HELP, serviceUrl)
    .action((tenant, { jurisdiction, ...options }) =>
      perform({ do: "tenant", body: { tenant, ...(jurisdiction !== undefined && { jurisdiction }) } }, options),
    );
  program
    .command("tenants")
    .description("Lists the tenants")
    .option("--json", JSON_HELP, false)
    .option("--url <url>", URL_HELP, serviceUrl)
    .action((options) => perform({ do: "tenants" }, options));
  return program;
}

const TENANT_HELP =
  "whose keys they are; else THREADKEEP_API_TENANT, else, of the service that npm start runs here, its own";
