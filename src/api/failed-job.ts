import { z } from "zod";
import type { Failure } from "./job.ts";
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from "./limits.ts";
import { sessionIdSchema, userIdSchema } from "./session.ts";
import { tenantIdSchema } from "./tenant.ts";
import { idText, safeText } from "./text.ts";

/** A sentence, not a report: it is kept with the audit. */
const MAX_REASON_LENGTH = 200;
/** Ours is shorter. */
const MAX_CURSOR_LENGTH = 1024;

/** Which failed jobs are meant. What is left out is not asked of a job. */
export const failureFilterSchema = z.strictObject({
  tenant: tenantIdSchema.optional(),
  user: userIdSchema.optional().describe("The user whose sessions they are of; with a tenant, or of any"),
  session: sessionIdSchema.optional(),
  kind: z
    .string()
    .regex(/^[a-z-]{1,40}$/, { error: "must be a kind of jobs as the list has it, such as archive" })
    .optional()
    .describe("Such as summarize, archive, erase or erase-user"),
});
export type FailureFilter = z.infer<typeof failureFilterSchema>;

/** How many jobs of a kind fail, and in which way. */
export type FailureCount = Pick<Failure, "kind" | "state"> & { readonly count: number };

export const retryRequestSchema = failureFilterSchema
  .extend({
    limit: z.int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE).describe("Jobs in one call"),
    cursor: safeText.min(1).max(MAX_CURSOR_LENGTH).optional().describe("The nextCursor of the call before"),
  })
  .meta({ id: "RetryRequest" });
export type RetryRequest = z.output<typeof retryRequestSchema>;

/**
 * What became of a job that was to be retried. `retried`: its object sends it at once; `gone`: it is no longer pending. Either way it is
 * off the list.
 */
export const jobRetrySchema = z
  .object({ jobId: z.string(), outcome: z.enum(["retried", "gone"]).describe("gone: it is no longer pending") })
  .meta({ id: "JobRetry" });
export type JobRetry = z.infer<typeof jobRetrySchema>;

export const jobRetriesSchema = z
  .object({
    retried: z.int().min(0).describe("Jobs that their sessions send at once"),
    gone: z.int().min(0).describe("Jobs that are no longer pending, and are off the list"),
    left: z
      .array(z.object({ jobId: z.string(), reason: z.string() }))
      .describe("Jobs that stay on the list, each with the reason"),
    hasMore: z.boolean().describe("Whether the filter meets more jobs: ask again with nextCursor"),
    nextCursor: z.string().nullable(),
  })
  .meta({ id: "JobRetries" });
export type JobRetries = z.infer<typeof jobRetriesSchema>;

export const jobDropSchema = z
  .object({ jobId: z.string(), outcome: z.enum(["dropped", "gone"]).describe("gone: it was no longer pending") })
  .meta({ id: "JobDrop" });
export type JobDrop = z.infer<typeof jobDropSchema>;

export const dropReasonSchema = safeText
  .min(1)
  .max(MAX_REASON_LENGTH)
  .describe("Why, for those who read the audit later. Name nobody in it: it outlives the erasure of a user");

export const jobIdSchema = idText.describe("The job's id, as the list has it");
