// The command line of the operations.
import { parseArgs } from "node:util";
import { OPERATION_NAMES, type OperationName } from "../../src/contracts/operation-run.ts";

/** What each does, in a line. */
const ABOUT: Readonly<Record<OperationName, string>> = {
  summarize: "owes summaries: of one session, or of those that lag",
  rebuild: "owes summaries from the whole log: a model is paid for all of it again",
  retry: "sends failed jobs again (--kind KIND: jobs of this kind alone)",
  "erase-user": "erases a user everywhere, and waits for the look that finds nothing",
  "export-user": "counts what an export of a user holds, and says where to fetch it",
  expire: "has sessions hear of their tenant's settings, and expire if they are due",
  reindex: "makes the full-text index anew, where there is one",
};

/** What cannot be taken back, or costs a model's work: it is tried first, and asked about. */
const GRAVE: ReadonlySet<OperationName> = new Set(["rebuild", "erase-user", "expire"]);

const WIDTH = 13;

export const HELP = `Usage: npm run ops -- OPERATION [options]

Has something done to many sessions of a running Threadkeep, in the background: it goes on when this program ends. docs/operations.md
tells more of each operation.

Operations:
${OPERATION_NAMES.map((name) => `  ${name.padEnd(WIDTH)}${ABOUT[name]}`).join("\n")}

Runs:
  list         the newest of them
  show ID      how far one is, and its report
  cancel ID    no further step is begun; what was done stays done
  help         this text

Which sessions:
  --tenant NAME     of this tenant; nothing named: of all
  --user ID         of this user of the tenant
  --session ID      this one: the user's, or without --user the tenant's own
  --kind KIND       retry: jobs of this kind

Options:
  --dry-run         tells what would be done, and does nothing
  --yes             asks no question: ${[...GRAVE].join(", ")} are tried first, and asked about
  --wait            follows the run until it is over
  --slice-size N    sessions in one step, 1 to 500 (500): fewer go easier on what stands behind
  --id ID           names the run: given again, it is not begun twice
  --json            the service's answer as JSON on standard output
  --url URL         the service; else THREADKEEP_URL, else the one that npm start runs here (.threadkeep/dev.json)
  --help

The admin key is read from THREADKEEP_ADMIN_KEY, else, for the service that npm start runs here, from .threadkeep/dev.json: other users
of the machine can read a command line.

Exit codes: 0 done, or begun; 1 refused, no answer, or with --wait a run that failed, was cancelled, or could not do all; 64 wrong usage.`;

export type Command =
  | {
      readonly do: "start";
      readonly op: OperationName;
      readonly body: Readonly<Record<string, unknown>>;
      readonly isDryRun: boolean;
      /** Asked about, unless `isSure`. */
      readonly isGrave: boolean;
    }
  | { readonly do: "list" }
  | { readonly do: "show"; readonly id: string }
  | { readonly do: "cancel"; readonly id: string };

export interface OpsOptions {
  readonly command: Command;
  readonly isSure: boolean;
  readonly waits: boolean;
  readonly isJson: boolean;
  readonly url: string | undefined;
}

export type ParsedOptions = { readonly options: OpsOptions } | { readonly help: true } | { readonly fault: string };

class UsageFault extends Error {
  override readonly name = "UsageFault";
}

const OPTIONS = {
  tenant: { type: "string" },
  user: { type: "string" },
  session: { type: "string" },
  kind: { type: "string" },
  "dry-run": { type: "boolean", default: false },
  yes: { type: "boolean", default: false },
  wait: { type: "boolean", default: false },
  "slice-size": { type: "string" },
  id: { type: "string" },
  json: { type: "boolean", default: false },
  url: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

/** What a run is asked with; to look at one takes none of it. */
const OF_A_START: readonly (keyof Values)[] = [
  "tenant",
  "user",
  "session",
  "kind",
  "dry-run",
  "yes",
  "slice-size",
  "id",
];

export function parseOptions(args: readonly string[]): ParsedOptions {
  try {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
    const [name, ...rest] = positionals;
    if (values.help === true || name === "help") return { help: true };
    if (name === undefined) throw new UsageFault("name an operation");
    const command = readCommand(name, rest, values);
    const { yes = false, wait = false, json = false, url } = values;
    return { options: { command, isSure: yes, waits: wait, isJson: json, url } };
  } catch (error) {
    if (error instanceof UsageFault || isParseArgsError(error)) return { fault: error.message };
    throw error;
  }
}

function readCommand(name: string, rest: readonly string[], values: Values): Command {
  const op = OPERATION_NAMES.find((known) => known === name);
  if (op !== undefined) {
    none(rest);
    return startOf(op, values);
  }
  if (name !== "list" && name !== "show" && name !== "cancel") {
    throw new UsageFault(`there is no operation ${JSON.stringify(name)}`);
  }
  const foreign = OF_A_START.find((option) => values[option] !== undefined && values[option] !== false);
  if (foreign !== undefined) throw new UsageFault(`${name} takes no --${foreign}`);
  if (name === "list") {
    none(rest);
    return { do: "list" };
  }
  const [id, ...more] = rest;
  if (id === undefined) throw new UsageFault(`${name} needs the id of a run: see list`);
  none(more);
  return { do: name, id };
}

function startOf(op: OperationName, values: Values): Command {
  const { tenant, user, session, kind, id } = values;
  const given = Object.entries({ id, tenant, user, session, kind }).filter(([, value]) => value !== undefined);
  const size = values["slice-size"];
  const isDryRun = values["dry-run"] === true;
  return {
    do: "start",
    op,
    body: {
      op,
      ...Object.fromEntries(given),
      ...(isDryRun ? { dryRun: true } : {}),
      ...(size === undefined ? {} : { sliceSize: readSize(size) }),
    },
    isDryRun,
    isGrave: GRAVE.has(op) && !isDryRun,
  };
}

function readSize(text: string): number {
  const value = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (value < 1 || value > 500) throw new UsageFault("--slice-size must be a whole number from 1 to 500");
  return value;
}

function none(rest: readonly string[]): void {
  if (rest.length > 0) throw new UsageFault(`unknown argument ${JSON.stringify(rest[0])}`);
}

function isParseArgsError(error: unknown): error is Error {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    error.code.startsWith("ERR_PARSE_ARGS")
  );
}
