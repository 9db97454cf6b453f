// The command line of the operations.
import { OPERATION_NAMES, type OperationName } from "../../src/api/operation-run.ts";
import { ADMIN_KEY_HELP, JSON_HELP, URL_HELP } from "../keys/admin-target.ts";
import { createProgram, serviceUrl, wholeNumber } from "../program/command-line.ts";

/** The help text of each operation. */
const ABOUT: Readonly<Record<OperationName, string>> = {
  summarize: "Schedules summaries: of one session, or of all that are due",
  rebuild: "Schedules new summaries of whole logs; a model is paid for all of it again",
  retry: "Sends failed jobs again",
  "erase-user": "Erases a user everywhere, and waits until a check finds nothing left",
  "export-user":
    "Counts what an export of a user contains, and says where to fetch it; npm run export writes it to a file",
  expire: "Applies their tenant's settings to sessions, and expires those that are due",
  reindex: "Rebuilds the full-text index of sessions that have one",
  verify: "Checks stored sessions, and PostgreSQL against them, and says what repairs each problem",
  archive: "Sends PostgreSQL what it lacks (after a restore, everything), and deletes what no session knows",
};

/** Operations that cannot be undone, or that pay a model: they are dry-run first, and the person must confirm. */
const GRAVE: ReadonlySet<OperationName> = new Set(["rebuild", "erase-user", "expire"]);

const MAX_SLICE_SIZE = 500;

export type Command =
  | {
      readonly do: "start";
      readonly op: OperationName;
      readonly body: Readonly<Record<string, unknown>>;
      readonly isDryRun: boolean;
      /** Whether the person must confirm, unless `isSure`. */
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

export function opsProgram(run: (options: OpsOptions) => Promise<number>) {
  const program = createProgram(
    "npm run ops --",
    "Has something done to many sessions of a running Threadkeep.",
  ).addHelpText(
    "after",
    `
It is done in the background, and goes on when this program ends. docs/operations.md tells more of each operation.
${[...GRAVE].join(", ")} are tried first, and asked about.
${ADMIN_KEY_HELP}

Exit codes: 0 done, or begun; 1 refused, no answer, or with --wait a run that failed, was cancelled, or could not do all;
64 wrong usage.

Examples:
  npm run ops -- verify --wait
  npm run ops -- erase-user --tenant acme --user ada --dry-run
  npm run ops -- retry --kind archive`,
  );
  for (const op of OPERATION_NAMES) {
    program
      .command(op)
      .description(ABOUT[op])
      .option("--tenant <name>", "only this tenant (default: all tenants)")
      .option("--user <id>", "only this user of the tenant")
      .option("--session <id>", "only this session of the user, or without --user of the tenant itself")
      .option("--dry-run", "show what would be done, without doing it", false)
      .option("--yes", "ask no question", false)
      .option("--wait", "follow the run until it is over", false)
      .option(
        "--slice-size <n>",
        `sessions in one step (default: ${MAX_SLICE_SIZE}): fewer go easier on what stands behind`,
        wholeNumber(1, MAX_SLICE_SIZE),
      )
      .option("--id <id>", "an id for the run; a run with the same id is not started twice")
      .option("--json", JSON_HELP, false)
      .option("--url <url>", URL_HELP, serviceUrl)
      .option("--kind <kind>", "retry: only jobs of this kind")
      .action(async ({ tenant, user, session, kind, id, dryRun, sliceSize, yes, wait, json, url }) => {
        const asked = { id, tenant, user, session, kind, dryRun: dryRun || undefined, sliceSize };
        const body = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
        process.exitCode = await run({
          command: { do: "start", op, body: { op, ...body }, isDryRun: dryRun, isGrave: GRAVE.has(op) && !dryRun },
          isSure: yes,
          waits: wait,
          isJson: json,
          url,
        });
      });
  }
  const look = async (command: Command, { wait = false, json, url }: LookOptions): Promise<void> => {
    process.exitCode = await run({ command, isSure: false, waits: wait, isJson: json, url });
  };
  program
    .command("list")
    .description("The newest runs")
    .option("--json", JSON_HELP, false)
    .option("--url <url>", URL_HELP, serviceUrl)
    .action((options) => look({ do: "list" }, options));
  for (const [name, about] of [
    ["show", "How far a run is, and its report"],
    ["cancel", "Begin no further step of a run; what was done stays done"],
  ] as const) {
    program
      .command(name)
      .description(about)
      .argument("<id>", "of a run: see list")
      .option("--wait", "follow the run until it is over", false)
      .option("--json", JSON_HELP, false)
      .option("--url <url>", URL_HELP, serviceUrl)
      .action((id, options) => look({ do: name, id }, options));
  }
  return program;
}

interface LookOptions {
  readonly wait?: boolean;
  readonly json: boolean;
  readonly url?: string | undefined;
}
