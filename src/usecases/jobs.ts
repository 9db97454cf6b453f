import { ThreadkeepError, unwrap } from "../api/errors.ts";
import type { FailureFilter, JobDrop, JobRetries, JobRetry, RetryRequest } from "../api/failed-job.ts";
import type { Failure } from "../api/job.ts";
import type { Page } from "../api/page.ts";
import { pageOf, type PageQuery, readCursor, timedCursorSchema } from "./paging.ts";
import type { RequestContext, Deps } from "./request-context.ts";
import { useCase } from "./use-case.ts";

type ListQuery = FailureFilter & PageQuery;

/** Background work that keeps failing, newest first. */
export const listFailures = useCase(
  {
    action: "listFailedJobs",
    isSessionless: true,
    tell: (_page, { tenant = null }) => ({ tenant }),
  },
  async (call: RequestContext, query: ListQuery): Promise<Page<Failure>> => readPage(call, query),
);

/** Has one failed job tried again now. One that is no longer pending is taken off the list. */
export const retryFailure = useCase(
  {
    action: "retryFailedJob",
    isSessionless: true,
    tell: ({ failure }) => toldOf(failure),
  },
  async (call: RequestContext, jobId: string): Promise<{ failure: Failure; outcome: JobRetry["outcome"] }> => {
    const failure = await findFailure(call, jobId);
    const outcome = await retryJob(call.parts, failure);
    if (outcome === "nothing-known") throw new ThreadkeepError({ code: "job_not_retryable", detail: NOTHING_KNOWN });
    if (outcome === "by-itself") throw new ThreadkeepError({ code: "job_not_retryable", detail: BY_ITSELF });
    await call.parts.operations.settle([failure]);
    return { failure, outcome };
  },
);

/** Has a page of failed jobs tried again now. Whatever cannot be stays on the list, and holds up none of the others. */
export const retryFailures = useCase(
  {
    action: "retryFailedJobs",
    isSessionless: true,
    tell: ({ retried }, { tenant = null, session, kind }) => ({
      tenant,
      ...(session === undefined ? {} : { session }),
      details: { retried, ...(kind === undefined ? {} : { kind }) },
    }),
  },
  async (call: RequestContext, request: RetryRequest): Promise<JobRetries> => {
    const { data, hasMore, nextCursor } = await readPage(call, request);
    const outcomes = await Promise.all(
      data.map((failure) => retryJob(call.parts, failure).catch(() => "away" as const)),
    );
    const those = (...among: (typeof outcomes)[number][]): Failure[] =>
      data.filter((_, at) => among.some((outcome) => outcome === outcomes[at]));
    const left = [
      ...those("nothing-known").map(({ jobId }) => ({ jobId, reason: NOTHING_KNOWN })),
      ...those("by-itself").map(({ jobId }) => ({ jobId, reason: BY_ITSELF })),
      ...those("away").map(({ jobId }) => ({ jobId, reason: OUT_OF_REACH })),
    ];
    await call.parts.operations.settle(those("retried", "gone"));
    return { retried: those("retried").length, gone: those("gone").length, left, hasMore, nextCursor };
  },
);

/**
 * Gives one failed job up and takes it off the list. A job that a promise rests on is refused. What no consumer here understands is
 * taken off the list alone: its object goes on sending it.
 */
export const dropFailure = useCase(
  {
    action: "dropFailedJob",
    isSessionless: true,
    tell: ({ failure }, _jobId, reason) => {
      const { details, ...subject } = toldOf(failure);
      return { ...subject, details: { ...details, reason } };
    },
  },
  async (
    call: RequestContext,
    jobId: string,
    _reason: string,
  ): Promise<{ failure: Failure; outcome: JobDrop["outcome"] }> => {
    const failure = await findFailure(call, jobId);
    // What was set aside is told no more; it stays in its session, and marked in PostgreSQL.
    const isListedAlone = ["unknown", "set-aside", "away"].includes(failure.state);
    const isPending = isListedAlone || (await giveUp(call.parts, failure));
    await call.parts.operations.settle([failure]);
    return { failure, outcome: isPending ? "dropped" : "gone" };
  },
);

/** What the objects are reached by that owe the work. */
export type RetryDeps = Pick<Deps, "sessions" | "users">;

/**
 * Makes the work due that a failure is of, in the object that keeps it, which sends it at once. Idempotent. The list is left as it is.
 * Of rows that were set aside no job is scheduled: their session is sent to the archive anew.
 * @returns `gone` if it is no longer pending; `nothing-known` if the failure names no object; `by-itself` if many sessions wait, and their work goes
 * on without anybody. Rejects if the object is out of reach.
 */
export async function retryJob(
  { sessions, users }: RetryDeps,
  { tenant, owner, session, kind, jobId, state }: Failure,
): Promise<JobRetry["outcome"] | "nothing-known" | "by-itself"> {
  if (state === "away") return "by-itself";
  if (tenant === "" || owner === "") return "nothing-known";
  if (state === "set-aside") {
    const sent = await sessions.get({ tenant, owner, session }).resyncArchive(0);
    return sent === "scheduled" ? "retried" : "gone";
  }
  if (session === "" && kind !== "erase-user") return "nothing-known";
  const isPending = await (session === ""
    ? users.retryErasure({ tenant, owner }, jobId)
    : sessions.get({ tenant, owner, session }).retryJob(jobId));
  return isPending ? "retried" : "gone";
}

const NOTHING_KNOWN =
  "The job was written by another version of the service, and does not say whose work it is. Deploy that version, or drop the job: whoever keeps the work sends it again.";
const BY_ITSELF =
  "The entry stands for all sessions that wait for a part of the service. Mend that part: their work goes on by itself within minutes, and the entry goes.";
const OUT_OF_REACH = "Its object is out of reach just now. Ask again in a moment.";
const ERASURE_NEEDED =
  "A user who asked to be erased would be kept. Mend what the error names and retry the job. Nothing was changed.";

/** @returns false if it was no longer pending */
async function giveUp({ sessions, users }: RetryDeps, failure: Failure): Promise<boolean> {
  const { tenant, owner, session, jobId, kind } = failure;
  if (session !== "") return unwrap(await sessions.get({ tenant, owner, session }).dropJob(jobId));
  const erasure = await users.readErasure({ tenant, owner });
  if (erasure === null || erasure.state === "erased") return false;
  throw new ThreadkeepError({ code: "job_needed", detail: ERASURE_NEEDED, facts: { kind } });
}

async function findFailure(call: RequestContext, jobId: string): Promise<Failure> {
  const failure = await call.parts.operations.find(jobId);
  if (failure !== null) return failure;
  throw new ThreadkeepError({
    code: "job_not_found",
    detail: `No failed job is called ${jobId}: it went well, was retried or dropped, or never failed. GET /v1/admin/jobs lists those there are.`,
  });
}

function toldOf({ tenant, session, jobId, kind }: Failure) {
  return { tenant: tenant === "" ? null : tenant, ...(session === "" ? {} : { session }), details: { jobId, kind } };
}

async function readPage(call: RequestContext, { limit, cursor, ...filter }: ListQuery): Promise<Page<Failure>> {
  const last = readCursor(timedCursorSchema, cursor);
  const after = last === null ? null : { at: last[0], jobId: last[1] };
  const failures = await call.parts.operations.list(limit + 1, after, filter);
  return pageOf(failures, limit, ({ lastFailedAt, jobId }) => [Date.parse(lastFailedAt), jobId]);
}
