// The command line of the keys.
import { parseArgs } from "node:util";

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
  --scopes A,B           create: memory:read, memory:write, memory:erase, ops (the three of memory)
  --expires-in-days N    create: 1 to ${MAX_DAYS} (never)
  --grace-seconds N      rotate: how long the old key stays good, 0 to ${MAX_GRACE_SECONDS} (a day)
  --jurisdiction NAME    tenant: eu or fedramp, for good; by default none
  --json                 the service's answer as JSON on standard output
  --url URL              the service; else THREADKEEP_URL, else the one that npm start runs here (.threadkeep/dev.json)
  --help

The admin key is read from THREADKEEP_ADMIN_KEY, else, for the service that npm start runs here, from .threadkeep/dev.json: other users
of the machine can read a command line.

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

export type ParsedOptions = { readonly options: KeysOptions } | { readonly help: true } | { readonly fault: string };

class UsageFault extends Error {
  override readonly name = "UsageFault";
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
  help: { type: "boolean", short: "h", default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

/** What a command takes besides those that all take. */
const TAKES: Readonly<Record<Command["do"], readonly (keyof Values)[]>> = {
  create: ["tenant", "name", "scopes", "expires-in-days"],
  list: ["tenant"],
  rotate: ["tenant", "grace-seconds"],
  revoke: ["tenant"],
  tenant: ["jurisdiction"],
  tenants: [],
};
const ALWAYS: readonly (keyof Values)[] = ["json", "url", "help"];

/** @param now ms since 1970 */
export function parseOptions(args: readonly string[], now: number): ParsedOptions {
  try {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
    const [name, ...rest] = positionals;
    if (values.help === true || name === "help") return { help: true };
    if (name === undefined) throw new UsageFault("name a command");
    if (!isCommand(name)) throw new UsageFault(`there is no command ${JSON.stringify(name)}`);
    refuseForeign(name, values);
    const command = readCommand(name, values, rest, now);
    return { options: { command, isJson: values.json === true, url: values.url } };
  } catch (error) {
    if (error instanceof UsageFault || isParseArgsError(error)) return { fault: error.message };
    throw error;
  }
}

function isCommand(name: string): name is Command["do"] {
  return Object.hasOwn(TAKES, name);
}

function refuseForeign(command: Command["do"], values: Values): void {
  for (const option of Object.keys(OPTIONS)) {
    const isKnown = [...TAKES[command], ...ALWAYS].some((known) => known === option);
    if (!isKnown && Object.entries(values).some(([given]) => given === option)) {
      throw new UsageFault(`${command} takes no --${option}`);
    }
  }
}

function readCommand(name: Command["do"], values: Values, rest: readonly string[], now: number): Command {
  const tenant = values.tenant ?? null;
  switch (name) {
    case "create":
      none(rest);
      return { do: name, tenant, body: newKeyOf(values, now) };
    case "list":
      none(rest);
      return { do: name, tenant };
    case "rotate": {
      const grace = values["grace-seconds"];
      const graceSeconds = grace === undefined ? null : readNumber("--grace-seconds", grace, 0, MAX_GRACE_SECONDS);
      return { do: name, tenant, keyId: one(rest, "rotate needs the id of a key: see list"), graceSeconds };
    }
    case "revoke":
      return { do: name, tenant, keyId: one(rest, "revoke needs the id of a key: see list") };
    case "tenant":
      return { do: name, body: newTenantOf(one(rest, "tenant needs a name, such as acme"), values) };
    case "tenants":
      none(rest);
      return { do: name };
  }
}

function newKeyOf(values: Values, now: number): Record<string, unknown> {
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

function newTenantOf(tenant: string, { jurisdiction }: Values): Record<string, unknown> {
  return jurisdiction === undefined ? { tenant } : { tenant, jurisdiction };
}

function one(rest: readonly string[], fault: string): string {
  const [first, ...more] = rest;
  if (first === undefined) throw new UsageFault(fault);
  none(more);
  return first;
}

function none(rest: readonly string[]): void {
  if (rest.length > 0) throw new UsageFault(`unknown argument ${JSON.stringify(rest[0])}`);
}

function readNumber(name: string, text: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw new UsageFault(`${name} must be a whole number from ${min} to ${max}`);
  return value;
}

function isParseArgsError(error: unknown): error is Error {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    error.code.startsWith("ERR_PARSE_ARGS")
  );
}
