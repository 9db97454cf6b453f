// The command line of the keys.
import {
  type CommandLine,
  noneOf,
  oneOf,
  readCommandLine,
  readNumber,
  UsageFault,
  type Values,
} from "../program/command-line.ts";
import { ADMIN_KEY_HELP } from "./admin-target.ts";

const DAY_MS = 86_400_000;
const MAX_DAYS = 3_650;
const MAX_GRACE_SECONDS = 2_592_000;

export const HELP = `Usage: npm run keys -- COMMAND [options]

Makes and ends the API keys of a running Threadkeep, and the tenants that they belong to. A key is shown once, when it is made; the
service keeps a keyed hash of it and nothing more.

Commands:
  create               a new key, alone on standard output: KEY=$(npm run --silent keys -- create --name ci)
  list                 the tenant's keys, newest first
  rotate KEY_ID        a new key in the place of another; both are good until the grace is over
  revoke KEY_ID        ends a key, everywhere within a minute
  tenant NAME          creates a tenant; for its first key: create --tenant NAME
  tenants              the tenants that were created
  help                 this text

Options:
  --tenant NAME          whose keys they are; else THREADKEEP_API_TENANT, else, of the service that npm start runs here, its own
  --name TEXT            create: what the key is for
  --scopes A,B           create: memory:read, memory:write, memory:erase, ops, summarizer (the three of memory)
  --expires-in-days N    create: 1 to ${MAX_DAYS} (never)
  --grace-seconds N      rotate: how long the old key stays good, 0 to ${MAX_GRACE_SECONDS} (a day)
  --jurisdiction NAME    tenant: eu or fedramp, for good; by default none
  --json                 the service's answer as JSON on standard output
  --url URL              the service; else THREADKEEP_URL, else the one that npm start runs here (.threadkeep/dev.json)
  --help

${ADMIN_KEY_HELP}

Exit codes: 0 done; 1 refused, or no answer; 64 wrong usage.`;

/** What is asked of the service. A tenant of null is left to the service that is meant. */
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

const OPTIONS = {
  tenant: { type: "string" },
  name: { type: "string" },
  scopes: { type: "string" },
  "expires-in-days": { type: "string" },
  "grace-seconds": { type: "string" },
  jurisdiction: { type: "string" },
  json: { type: "boolean", default: false },
  url: { type: "string" },
} as const;

type Given = Values<typeof OPTIONS>;

/** What a command takes besides those that all take. */
const TAKES: Readonly<Record<Command["do"], readonly (keyof Given)[]>> = {
  create: ["tenant", "name", "scopes", "expires-in-days"],
  list: ["tenant"],
  rotate: ["tenant", "grace-seconds"],
  revoke: ["tenant"],
  tenant: ["jurisdiction"],
  tenants: [],
};
const ALWAYS: readonly (keyof Given)[] = ["json", "url"];

/** @param now ms since 1970 */
export function parseOptions(args: readonly string[], now: number): CommandLine<KeysOptions> {
  return readCommandLine(args, OPTIONS, (values, [name, ...rest]) => {
    if (name === "help") return "help";
    if (name === undefined) throw new UsageFault("name a command");
    if (!isCommand(name)) throw new UsageFault(`there is no command ${JSON.stringify(name)}`);
    refuseForeign(name, values);
    return { command: readCommand(name, values, rest, now), isJson: values.json, url: values.url };
  });
}

function isCommand(name: string): name is Command["do"] {
  return Object.hasOwn(TAKES, name);
}

function refuseForeign(command: Command["do"], values: Given): void {
  for (const option of Object.keys(OPTIONS)) {
    const isKnown = [...TAKES[command], ...ALWAYS].some((known) => known === option);
    if (!isKnown && Object.entries(values).some(([given]) => given === option)) {
      throw new UsageFault(`${command} takes no --${option}`);
    }
  }
}

function readCommand(name: Command["do"], values: Given, rest: readonly string[], now: number): Command {
  const tenant = values.tenant ?? null;
  switch (name) {
    case "create":
      noneOf(rest);
      return { do: name, tenant, body: newKeyOf(values, now) };
    case "list":
      noneOf(rest);
      return { do: name, tenant };
    case "rotate": {
      const grace = values["grace-seconds"];
      const graceSeconds = grace === undefined ? null : readNumber("--grace-seconds", grace, 0, MAX_GRACE_SECONDS);
      return { do: name, tenant, keyId: oneOf(rest, "rotate needs the id of a key: see list"), graceSeconds };
    }
    case "revoke":
      return { do: name, tenant, keyId: oneOf(rest, "revoke needs the id of a key: see list") };
    case "tenant":
      return { do: name, body: newTenantOf(oneOf(rest, "tenant needs a name, such as acme"), values) };
    case "tenants":
      noneOf(rest);
      return { do: name };
  }
}

function newKeyOf(values: Given, now: number): Record<string, unknown> {
  if (values.name === undefined) throw new UsageFault('create needs --name: what the key is for, such as "back end"');
  const days = values["expires-in-days"];
  return {
    name: values.name,
    ...(values.scopes === undefined ? {} : { scopes: values.scopes.split(",").map((scope) => scope.trim()) }),
    ...(days === undefined
      ? {}
      : { expiresAt: new Date(now + readNumber("--expires-in-days", days, 1, MAX_DAYS) * DAY_MS).toISOString() }),
  };
}

function newTenantOf(tenant: string, { jurisdiction }: Given): Record<string, unknown> {
  return jurisdiction === undefined ? { tenant } : { tenant, jurisdiction };
}
