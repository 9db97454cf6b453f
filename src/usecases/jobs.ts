import { ThreadkeepError, unwrap } from "../api/errors.ts";
import type { FailureFilter, JobDrop, JobRetries, JobRetry, RetryRequest } from "../api/failed-job.ts";
import type { Failure } from "../api/job.ts";
import type { Page } from "../api/page.ts";
import { pageOf, type PageQuery, readCursor, timedCursorSchema } from "./paging.ts";
import type { RequestContext, Deps } from "./request-context.ts";
import { useCase } from "./use-case.ts";

type ListQuery = FailureFilter & PageQuery;

/** The failed jobs, newest first. */
export const listFailures = useCase(
  {
    action: "listFailedJobs",
    isSessionless: true,
    tell: (_page, { tenant = null }) => ({ tenant }),
  },
  async (call: RequestContext, query: ListQuery): Promise<Page<Failure>> => readPage(call, query),
);

/** Retries one failed job immediately. A job that is no longer pending is removed from the list. */
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

/**
 * Retries a page of failed jobs immediately. Jobs that cannot be retried stay on the list and do not affect the others.
 */
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
 * Gives up one failed job and removes it from the list. A job that is required, such as an erasure, is refused. A job
 * that this version does not understand is only removed from the list: its object continues to send it.
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
    // These entries are only removed from the list. Rows that were set aside stay in the session's object, and marked
    // in PostgreSQL.
    const isListedAlone = ["unknown", "set-aside", "away"].includes(failure.state);
    const isPending = isListedAlone || (await giveUp(call.parts, failure));
    await call.parts.operations.settle([failure]);
    return { failure, outcome: isPending ? "dropped" : "gone" };
  },
);

/** The clients of the objects that keep jobs. */
export type RetryDeps = Pick<Deps, "sessions" | "users">;

/**
 * Makes the object that keeps a failed job send it immediately. Idempotent. It does not change the list of failed jobs.
 * For rows that were set aside there is no job: their session is sent to the archive once more.
 * @returns `gone` if the job is no longer pending; `nothing-known` if the entry names no object; `by-itself` if the
 * entry stands for many sessions, which are retried automatically. Rejects if the object cannot be reached.
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
  "The job was written by another version of the service and does not say which session it belongs to. Deploy that version, or drop the job: its session will send it again.";
const BY_ITSELF =
  "This entry stands for all sessions that wait for a component of the service. Repair that component: their jobs then continue automatically within minutes, and the entry is removed.";
const OUT_OF_REACH = "Its session cannot be reached at the moment. Try again in a few seconds.";
const ERASURE_NEEDED =
  "Without this job the user would not be erased. Fix what the error names, then retry the job. Nothing was changed.";

/** @returns false if the job was no longer pending */
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
    detail: `There is no failed job ${jobId}: it succeeded, was retried or dropped, or never failed. GET /v1/admin/jobs lists all failed jobs.`,
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
