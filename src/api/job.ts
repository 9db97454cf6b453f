import { z } from "zod";
import { MAX_CONTEXT_TOKENS, MAX_WAIT_MS } from "./limits.ts";

export const jobKindSchema = z.enum([
  "summarize",
  "archive",
  "erase",
  "erase-copies",
  "expire",
  "fork",
  "restore",
  "embed",
  "list",
]);
export type JobKind = z.infer<typeof jobKindSchema>;

/**
 * The body of a queue message. It is only a wake-up call: it contains ids, and the consumer reads the current state
 * itself.
 */
export const jobMessageSchema = z.object({
  v: z.literal(1),
  kind: jobKindSchema,
  tenant: z.string().min(1),
  owner: z.string().min(1),
  session: z.string().min(1),
  epoch: z.string().min(1),
  throughSeq: z.int().min(0),
  jobId: z.string().min(1),
  /** How many times the job was sent, including this time. */
  sends: z.int().min(1),
  /**
   * The `traceparent` of the request that scheduled the job. It is used for logs only, so a malformed value is ignored.
   */
  trace: z.string().max(64).optional().catch(undefined),
});
export type JobMessage = z.infer<typeof jobMessageSchema>;

/** The job that erases a user. It names no session, because the user's directory lists them all. */
export const userJobMessageSchema = z.object({
  v: z.literal(1),
  kind: z.literal("erase-user"),
  tenant: z.string().min(1),
  owner: z.string().min(1),
  jobId: z.string().min(1),
  trace: z.string().max(64).optional().catch(undefined),
});
export type UserJobMessage = z.infer<typeof userJobMessageSchema>;

/** A job as clients and operators see it. */
export const jobSchema = z
  .object({
    id: z.string(),
    kind: jobKindSchema,
    state: z
      .enum(["pending", "done", "failed"])
      .describe("pending: waiting or running; failed: it gave up, and operators see it on the list of failed jobs"),
    throughSeq: z.int().min(0),
    attempts: z.int().min(0),
    createdAt: z.string(),
    lastError: z.string().optional(),
  })
  .meta({ id: "Job" });
export type Job = z.infer<typeof jobSchema>;

export const summarizeRequestSchema = z
  .strictObject({
    waitMs: z.int().min(0).max(MAX_WAIT_MS).optional().describe("Wait up to this many milliseconds for the summary"),
    keepRecentTokens: z
      .int()
      .min(0)
      .max(MAX_CONTEXT_TOKENS)
      .optional()
      .describe("How many tokens of the newest messages to leave out of the summary; by default the session's setting"),
    fromScratch: z
      .boolean()
      .optional()
      .describe("Make the summary from the whole log instead of from the previous summary"),
  })
  .meta({ id: "SummarizeRequest" });
export type SummarizeRequest = z.infer<typeof summarizeRequestSchema>;

const failureStateSchema = z
  .enum(["retrying", "failed", "undelivered", "unknown", "set-aside", "away"])
  .describe(
    "retrying: it is retried automatically, with pauses. failed: it gave up, until somebody retries it or the session changes. undelivered: the queue gave up a message, and the session sends another. unknown: no consumer of this version understands it. set-aside: PostgreSQL refuses some rows of the session, which now exist in its object only; everything else is archived. A retry sends the session again, and the entry is removed once these rows are edited, erased or accepted. away: a component could not be reached, which delayed deliveries of many sessions (`attempts` counts them); they are repeated automatically",
  );

/**
 * The id, on the list of failed jobs, of the rows of one epoch that PostgreSQL refuses. They belong to no job any more.
 */
export function setAsideIdOf(epoch: string): string {
  return `set-aside-${epoch}`;
}

/** An entry of the list of failed jobs, as the Operations object stores it and operators read it. */
export const failureSchema = z
  .object({
    jobId: z.string(),
    kind: z.string(),
    tenant: z.string(),
    owner: z.string(),
    session: z.string(),
    state: failureStateSchema,
    reason: z.string().describe("Why the job is on the list"),
    attempts: z.int(),
    firstError: z.string().describe("The first error. An outage often begins with another error than the last one"),
    firstFailedAt: z.string(),
    lastError: z.string(),
    lastFailedAt: z.string(),
  })
  .meta({ id: "Failure" });
export type Failure = z.infer<typeof failureSchema>;

/** Deliveries that failed because a component could not be reached. */
export interface Outage {
  /** The id of the entry on the list of failed jobs: one for each component. */
  readonly id: string;
  /** The kind of job that waits for the component. */
  readonly kind: JobKind;
  readonly reason: string;
  readonly deliveries: number;
  /** ms since 1970 */
  readonly at: number;
}

/** The id, on the list of failed jobs, of the work that waits for PostgreSQL. */
export const ARCHIVE_AWAY_ID = "archive-away";

/** The entry of an outage, updated with one more report. It belongs to no session. */
export function asFailure({ id, kind, reason, deliveries, at }: Outage, before: Failure | null): Failure {
  const now = new Date(at).toISOString();
  return {
    jobId: id,
    kind,
    tenant: "",
    owner: "",
    session: "",
    state: "away",
    reason,
    attempts: (before?.attempts ?? 0) + deliveries,
    firstError: reason,
    firstFailedAt: now,
    lastError: reason,
    lastFailedAt: now,
  };
}
