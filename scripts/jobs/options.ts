// The command line of the failed jobs.
import { ADMIN_KEY_HELP } from "../keys/admin-target.ts";
import { type CommandLine, noneOf, oneOf, readCommandLine, UsageFault, type Values } from "../program/command-line.ts";

export const HELP = `Usage: npm run jobs -- COMMAND [options]

Background work of a running Threadkeep that failed three times or gave up: why, and what to do about it.

Commands:
  list                 failed jobs, the last to fail first
  retry JOB_ID         has one tried again now, whatever pause it is in
  retry --all          all that the filter meets, page by page; without a filter, all there are
  drop JOB_ID          gives one up; what a promise rests on is refused, with what to do instead
  help                 this text

Options:
  --tenant NAME        list, retry --all: of this tenant
  --user ID            list, retry --all: of this user
  --session ID         list, retry --all: of this session
  --kind KIND          list, retry --all: such as summarize, archive, erase or erase-user
  --all                retry: many at once
  --reason TEXT        drop: why; it is kept in the audit, so name nobody
  --json               the service's answer as JSON on standard output
  --url URL            the service; else THREADKEEP_URL, else the one that npm start runs here (.threadkeep/dev.json)
  --help

${ADMIN_KEY_HELP}

Exit codes: 0 done; 1 refused, no answer, or some jobs could not be retried; 64 wrong usage.`;

export type Filter = Readonly<Partial<Record<"tenant" | "user" | "session" | "kind", string>>>;

/** What is asked of the service. */
export type Command =
  | { readonly do: "list"; readonly filter: Filter }
  | { readonly do: "retry"; readonly jobId: string }
  | { readonly do: "retry-all"; readonly filter: Filter }
  | { readonly do: "drop"; readonly jobId: string; readonly reason: string };

export interface JobsOptions {
  readonly command: Command;
  readonly isJson: boolean;
  readonly url: string | undefined;
}

const OPTIONS = {
  tenant: { type: "string" },
  user: { type: "string" },
  session: { type: "string" },
  kind: { type: "string" },
  all: { type: "boolean", default: false },
  reason: { type: "string" },
  json: { type: "boolean", default: false },
  url: { type: "string" },
} as const;

const FILTERS = ["tenant", "user", "session", "kind"] as const;

export function parseOptions(args: readonly string[]): CommandLine<JobsOptions> {
  return readCommandLine(args, OPTIONS, (values, [name, ...rest]) =>
    name === "help" ? "help" : { command: readCommand(name, values, rest), isJson: values.json, url: values.url },
  );
}

function readCommand(name: string | undefined, values: Values<typeof OPTIONS>, rest: readonly string[]): Command {
  const filter: Filter = Object.fromEntries(
    FILTERS.flatMap((key) => (values[key] === undefined ? [] : [[key, values[key]]])),
  );
  const isFiltered = Object.keys(filter).length > 0;
  if (name !== "drop" && values.reason !== undefined) throw new UsageFault("--reason is for drop");
  if (name !== "retry" && values.all === true) throw new UsageFault("--all is for retry");
  switch (name) {
    case "list":
      noneOf(rest);
      return { do: "list", filter };
    case "retry":
      if (values.all === true) {
        noneOf(rest);
        return { do: "retry-all", filter };
      }
      if (isFiltered) throw new UsageFault("a filter is for retry --all; one job is named by its id");
      return { do: "retry", jobId: oneOf(rest, "retry needs the id of a job (see list), or --all") };
    case "drop": {
      if (isFiltered) throw new UsageFault("drop takes one job at a time, by its id");
      const jobId = oneOf(rest, "drop needs the id of a job: see list");
      if (values.reason === undefined) throw new UsageFault("drop needs --reason: why it is given up");
      return { do: "drop", jobId, reason: values.reason };
    }
    case undefined:
      throw new UsageFault("name a command");
    default:
      throw new UsageFault(`there is no command ${JSON.stringify(name)}`);
  }
}
