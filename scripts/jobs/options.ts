// The command line for failed jobs.
import { ADMIN_KEY_HELP, JSON_HELP, URL_HELP } from "../keys/admin-target.ts";
import { createProgram, serviceUrl, UsageFault } from "../program/command-line.ts";

export type Filter = Readonly<Partial<Record<"tenant" | "user" | "session" | "kind", string>>>;

/** A request to the service. */
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

export function jobsProgram(run: (options: JobsOptions) => Promise<number>) {
  const perform = async (command: Command, { json, url }: { json: boolean; url?: string | undefined }) => {
    process.exitCode = await run({ command, isJson: json, url });
  };
  const program = createProgram(
    "npm run jobs --",
    "Background work of a running Threadkeep that failed three times or gave up: why, and what to do about it.",
  ).addHelpText(
    "after",
    `
${ADMIN_KEY_HELP}

Exit codes: 0 done; 1 refused, no answer, or some jobs could not be retried; 64 wrong usage.

Examples:
  npm run jobs -- list --kind archive
  npm run jobs -- retry --all --tenant acme
  npm run jobs -- drop JOB_ID --reason "its session was erased"`,
  );
  program
    .command("list")
    .description("Lists failed jobs, the most recent failure first")
    .option("--tenant <name>", "of this tenant")
    .option("--user <id>", "of this user")
    .option("--session <id>", "of this session")
    .option("--kind <kind>", KINDS)
    .option("--json", JSON_HELP, false)
    .option("--url <url>", URL_HELP, serviceUrl)
    .action(({ tenant, user, session, kind, ...options }) =>
      perform({ do: "list", filter: filterOf({ tenant, user, session, kind }) }, options),
    );
  program
    .command("retry")
    .description("Retries one job now, without waiting for its pause; or with --all every job that matches the filter")
    .argument("[job-id]", "see list")
    .option("--all", "all jobs that match the filter; without a filter, all jobs", false)
    .option("--tenant <name>", "with --all: only jobs of this tenant")
    .option("--user <id>", "with --all: of this user")
    .option("--session <id>", "with --all: only jobs of this session")
    .option("--kind <kind>", `with --all: ${KINDS}`)
    .option("--json", JSON_HELP, false)
    .option("--url <url>", URL_HELP, serviceUrl)
    .action((jobId, { all, tenant, user, session, kind, ...options }) => {
      const filter = filterOf({ tenant, user, session, kind });
      if (all) {
        if (jobId !== undefined) throw new UsageFault(`retry takes either --all or the job ${JSON.stringify(jobId)}`);
        return perform({ do: "retry-all", filter }, options);
      }
      if (Object.keys(filter).length > 0) {
        throw new UsageFault("a filter is for retry --all; one job is named by its id");
      }
      if (jobId === undefined) throw new UsageFault("retry needs the id of a job (see list), or --all");
      return perform({ do: "retry", jobId }, options);
    });
  program
    .command("drop")
    .description("Gives up one job; refused, with advice, for a job that a guarantee depends on")
    .argument("<job-id>", "see list")
    .requiredOption("--reason <text>", "why it is given up; it is kept in the audit, so name nobody")
    .option("--json", JSON_HELP, false)
    .option("--url <url>", URL_HELP, serviceUrl)
    .action((jobId, { reason, ...options }) => perform({ do: "drop", jobId, reason }, options));
  return program;
}

const KINDS = "such as summarize, archive, erase or erase-user";

function filterOf(given: Readonly<Record<keyof Filter, string | undefined>>): Filter {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
