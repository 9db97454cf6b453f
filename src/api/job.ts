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

/** A queue body: a wake-up signal. It carries references alone; the consumer reads the truth anew. */
export const jobMessageSchema = z.object({
  v: z.literal(1),
  kind: jobKindSchema,
  tenant: z.string().min(1),
  owner: z.string().min(1),
  session: z.string().min(1),
  epoch: z.string().min(1),
  throughSeq: z.int().min(0),
  jobId: z.string().min(1),
  /** How often it was sent, this time included. */
  sends: z.int().min(1),
  /** A `traceparent`: which request called for it. A hint for logs alone: one that is odd is no reason to refuse the work. */
  trace: z.string().max(64).optional().catch(undefined),
});
export type JobMessage = z.infer<typeof jobMessageSchema>;

/** The work of erasing a user. It names no session: the user's directory knows them all. */
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
      .describe("owed: waiting or running; failed: gave up, and an operator can see it"),
    throughSeq: z.int().min(0),
    attempts: z.int().min(0),
    createdAt: z.string(),
    lastError: z.string().optional(),
  })
  .meta({ id: "Job" });
export type Job = z.infer<typeof jobSchema>;

export const summarizeRequestSchema = z
  .strictObject({
    waitMs: z.int().min(0).max(MAX_WAIT_MS).optional().describe("Wait this long for the summary"),
    keepRecentTokens: z
      .int()
      .min(0)
      .max(MAX_CONTEXT_TOKENS)
      .optional()
      .describe("Tokens at the end that stay word for word; by default the session's setting"),
    fromScratch: z.boolean().optional().describe("Summarize the whole log anew, not from the last summary"),
  })
  .meta({ id: "SummarizeRequest" });
export type SummarizeRequest = z.infer<typeof summarizeRequestSchema>;

export const failureStateSchema = z
  .enum(["retrying", "failed", "undelivered", "unknown", "set-aside", "away"])
  .describe(
    "retrying: it goes on by itself, after pauses; failed: it gave up until somebody asks or the session goes on; undelivered: the queue gave a message up, and the session sends another; unknown: no consumer here understands it; set-aside: PostgreSQL refuses rows of it, which its session alone holds, and all else is archived. A retry sends the session anew; they leave the list when they are edited, erased or taken; away: deliveries of many sessions found a part of the service out of reach, and attempts counts them. They come again by themselves",
  );

/** What the list calls the rows of one epoch of a session that PostgreSQL refuses: no job owes them any more. */
export function setAsideIdOf(epoch: string): string {
  return `set-aside-${epoch}`;
}

/** A failure as the Operations object indexes it and operators read it. */
export const failureSchema = z
  .object({
    jobId: z.string(),
    kind: z.string(),
    tenant: z.string(),
    owner: z.string(),
    session: z.string(),
    state: failureStateSchema,
    reason: z.string().describe("Why it is on the list"),
    attempts: z.int(),
    firstError: z.string().describe("What went wrong first: an outage often begins with another error"),
    firstFailedAt: z.string(),
    lastError: z.string(),
    lastFailedAt: z.string(),
  })
  .meta({ id: "Failure" });
export type Failure = z.infer<typeof failureSchema>;

/** Deliveries that found a part of the service away. */
export interface Outage {
  /** What the list of failures calls it: there is one entry for each part. */
  readonly id: string;
  /** The kind of job that waits for it. */
  readonly kind: JobKind;
  readonly reason: string;
  readonly deliveries: number;
  /** ms since 1970 */
  readonly at: number;
}

/** What the list calls the work that waits for PostgreSQL. */
export const ARCHIVE_AWAY_ID = "archive-away";

/** The entry of an outage, after one more word of it. It is of nobody's session. */
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
