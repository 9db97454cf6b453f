// Runs the commands for failed jobs, from the options to the exit code.
import { z } from "zod";
import { type JobRetries, jobDropSchema, jobRetriesSchema, jobRetrySchema } from "../../src/api/failed-job.ts";
import { type Failure, failureSchema } from "../../src/api/job.ts";
import { AdminFault, type AdminSend, createAdminSend } from "../keys/admin-api.ts";
import { adminTargetOf, type TargetEnvironment } from "../keys/admin-target.ts";
import { EXIT } from "../program/run-program.ts";
import { showTable } from "../program/table.ts";
import type { Command, Filter, JobsOptions } from "./options.ts";

const PAGE_SIZE = 100;
const JOBS = "/v1/admin/jobs";

export interface JobsEnvironment extends TargetEnvironment {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/** What is printed: the answer itself or its lines, and whether everything succeeded. */
interface Told {
  readonly json: unknown;
  readonly lines: readonly string[];
  readonly isWhole: boolean;
}

/** Returns the exit code. */
export async function runJobs(options: JobsOptions, environment: JobsEnvironment): Promise<number> {
  try {
    const send = createAdminSend(adminTargetOf(options.url, environment));
    const { json, lines, isWhole } = await perform(options.command, send);
    const text = options.isJson ? JSON.stringify(json, null, 2) : lines.join("\n");
    environment.stdout.write(`${text}\n`);
    return isWhole ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (!(error instanceof AdminFault || error instanceof z.ZodError)) throw error;
    const strange = "The service answered, but not as Threadkeep does. Is --url right, and of this version?";
    environment.stderr.write(`${error instanceof AdminFault ? error.message : strange}\n`);
    return EXIT.failed;
  }
}

async function perform(command: Command, send: AdminSend): Promise<Told> {
  switch (command.do) {
    case "list":
      return toldList(await readAll(send, command.filter));
    case "retry": {
      const answer = await send("POST", `${JOBS}/${encodeURIComponent(command.jobId)}/retry`);
      const { jobId, outcome } = jobRetrySchema.parse(answer);
      return done(
        answer,
        outcome === "gone" ? `Job ${jobId} is no longer pending.` : `Job ${jobId} is tried again now.`,
      );
    }
    case "retry-all":
      return toldRetries(await retryAll(send, command.filter));
    case "drop": {
      const query = new URLSearchParams({ reason: command.reason });
      const answer = await send("DELETE", `${JOBS}/${encodeURIComponent(command.jobId)}?${query}`);
      const { jobId, outcome } = jobDropSchema.parse(answer);
      return done(answer, outcome === "gone" ? `Job ${jobId} is no longer pending.` : `Job ${jobId} is given up.`);
    }
  }
}

function done(json: unknown, line: string): Told {
  return { json, lines: [line], isWhole: true };
}

async function readAll(send: AdminSend, filter: Filter): Promise<Failure[]> {
  const page = z.object({ data: z.array(failureSchema), nextCursor: z.string().nullable() });
  const all: Failure[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const query = new URLSearchParams({ ...filter, limit: String(PAGE_SIZE), ...(cursor === "" ? {} : { cursor }) });
    const { data, nextCursor }: z.output<typeof page> = page.parse(await send("GET", `${JOBS}?${query}`));
    all.push(...data);
    cursor = nextCursor;
  }
  return all;
}

type Retries = Pick<JobRetries, "retried" | "gone" | "left">;

async function retryAll(send: AdminSend, filter: Filter): Promise<Retries> {
  const total: { retried: number; gone: number; left: JobRetries["left"] } = { retried: 0, gone: 0, left: [] };
  for (let cursor: string | null = ""; cursor !== null;) {
    const body = { ...filter, limit: PAGE_SIZE, ...(cursor === "" ? {} : { cursor }) };
    const answer: JobRetries = jobRetriesSchema.parse(await send("POST", `${JOBS}/retry`, body));
    total.retried += answer.retried;
    total.gone += answer.gone;
    total.left.push(...answer.left);
    cursor = answer.nextCursor;
  }
  return total;
}

function toldRetries({ retried, gone, left }: Retries): Told {
  const lines = [
    `${retried} tried again now, ${gone} no longer pending, ${left.length} left on the list.`,
    ...left.map(({ jobId, reason }) => `${jobId}: ${reason}`),
  ];
  return { json: { retried, gone, left }, lines, isWhole: left.length === 0 };
}

function toldList(failures: readonly Failure[]): Told {
  const rows = failures.map((failure) => [
    failure.jobId,
    failure.kind,
    failure.state,
    failure.tenant,
    failure.session === "" ? failure.owner : failure.session,
    String(failure.attempts),
    failure.firstFailedAt,
    failure.lastFailedAt,
    failure.firstError,
    failure.lastError,
  ]);
  const head = ["id", "kind", "state", "tenant", "of", "attempts", "first", "last", "first error", "last error"];
  const lines = failures.length === 0 ? ["No job fails."] : showTable(head, rows);
  return { json: failures, lines, isWhole: true };
}
