// The command line of the operations.
import { OPERATION_NAMES, type OperationName } from "../../src/contracts/operation-run.ts";
import { ADMIN_KEY_HELP } from "../keys/admin-target.ts";
import {
  type CommandLine,
  noneOf,
  oneOf,
  readCommandLine,
  readNumber,
  UsageFault,
  type Values,
} from "../program/command-line.ts";

/** What each does, in a line. */
const ABOUT: Readonly<Record<OperationName, string>> = {
  summarize: "owes summaries: of one session, or of those that lag",
  rebuild: "owes summaries from the whole log: a model is paid for all of it again",
  retry: "sends failed jobs again (--kind KIND: jobs of this kind alone)",
  "erase-user": "erases a user everywhere, and waits for the look that finds nothing",
  "export-user": "counts what an export of a user holds, and says where to fetch it",
  expire: "has sessions hear of their tenant's settings, and expire if they are due",
  reindex: "makes the full-text index anew, where there is one",
  verify: "proves what is stored, in the objects and against PostgreSQL, and says what mends it",
  archive: "sends PostgreSQL anew what it lacks, all of it after a restore, and takes out what no object knows",
};

/** What cannot be taken back, or costs a model's work: it is tried first, and asked about. */
const GRAVE: ReadonlySet<OperationName> = new Set(["rebuild", "erase-user", "expire"]);

const WIDTH = 13;
const MAX_SLICE_SIZE = 500;

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
  --slice-size N    sessions in one step, 1 to ${MAX_SLICE_SIZE} (${MAX_SLICE_SIZE}): fewer go easier on what stands behind
  --id ID           names the run: given again, it is not begun twice
  --json            the service's answer as JSON on standard output
  --url URL         the service; else THREADKEEP_URL, else the one that npm start runs here (.threadkeep/dev.json)
  --help

${ADMIN_KEY_HELP}

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
} as const;

type Given = Values<typeof OPTIONS>;

/** What a run is asked with; to look at one takes none of it. */
const OF_A_START: readonly (keyof Given)[] = [
  "tenant",
  "user",
  "session",
  "kind",
  "dry-run",
  "yes",
  "slice-size",
  "id",
];

export function parseOptions(args: readonly string[]): CommandLine<OpsOptions> {
  return readCommandLine(args, OPTIONS, (values, [name, ...rest]) => {
    if (name === "help") return "help";
    if (name === undefined) throw new UsageFault("name an operation");
    const { yes, wait, json, url } = values;
    return { command: readCommand(name, rest, values), isSure: yes, waits: wait, isJson: json, url };
  });
}

function readCommand(name: string, rest: readonly string[], values: Given): Command {
  const op = OPERATION_NAMES.find((known) => known === name);
  if (op !== undefined) {
    noneOf(rest);
    return startOf(op, values);
  }
  if (name !== "list" && name !== "show" && name !== "cancel") {
    throw new UsageFault(`there is no operation ${JSON.stringify(name)}`);
  }
  const foreign = OF_A_START.find((option) => values[option] !== undefined && values[option] !== false);
  if (foreign !== undefined) throw new UsageFault(`${name} takes no --${foreign}`);
  if (name === "list") {
    noneOf(rest);
    return { do: "list" };
  }
  return { do: name, id: oneOf(rest, `${name} needs the id of a run: see list`) };
}

function startOf(op: OperationName, values: Given): Command {
  const { tenant, user, session, kind, id } = values;
  const given = Object.entries({ id, tenant, user, session, kind }).filter(([, value]) => value !== undefined);
  const size = values["slice-size"];
  const isDryRun = values["dry-run"];
  return {
    do: "start",
    op,
    body: {
      op,
      ...Object.fromEntries(given),
      ...(isDryRun ? { dryRun: true } : {}),
      ...(size === undefined ? {} : { sliceSize: readNumber("--slice-size", size, 1, MAX_SLICE_SIZE) }),
    },
    isDryRun,
    isGrave: GRAVE.has(op) && !isDryRun,
  };
}
