import { z } from "zod";
import type { Failure } from "./job.ts";
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from "./limits.ts";
import { sessionIdSchema, userIdSchema } from "./session.ts";
import { tenantIdSchema } from "./tenant.ts";
import { idText, safeText } from "./text.ts";

/** Characters of a reason. One sentence is enough; it is stored in the audit log. */
const MAX_REASON_LENGTH = 200;
/** Characters of a cursor. The cursors that we return are shorter. */
const MAX_CURSOR_LENGTH = 1024;

/** Which failed jobs to select. A filter that is left out matches every job. */
export const failureFilterSchema = z.strictObject({
  tenant: tenantIdSchema.optional(),
  user: userIdSchema
    .optional()
    .describe("The user whose sessions the jobs belong to, in the given tenant, or in any tenant"),
  session: sessionIdSchema.optional(),
  kind: z
    .string()
    .regex(/^[a-z-]{1,40}$/, { error: "must be a kind of jobs as the list has it, such as archive" })
    .optional()
    .describe("A kind of job, such as summarize, archive, erase or erase-user"),
});
export type FailureFilter = z.infer<typeof failureFilterSchema>;

/** How many jobs of a kind are on the list of failed jobs, by state. */
export type FailureCount = Pick<Failure, "kind" | "state"> & { readonly count: number };

export const retryRequestSchema = failureFilterSchema
  .extend({
    limit: z.int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE).describe("How many jobs one call retries"),
    cursor: safeText.min(1).max(MAX_CURSOR_LENGTH).optional().describe("`nextCursor` of the previous call"),
  })
  .meta({ id: "RetryRequest" });
export type RetryRequest = z.output<typeof retryRequestSchema>;

/**
 * The result of retrying a job. `retried`: its object sends it again immediately. `gone`: it is no longer pending. In
 * both cases it is removed from the list.
 */
export const jobRetrySchema = z
  .object({ jobId: z.string(), outcome: z.enum(["retried", "gone"]).describe("gone: the job is no longer pending") })
  .meta({ id: "JobRetry" });
export type JobRetry = z.infer<typeof jobRetrySchema>;

export const jobRetriesSchema = z
  .object({
    retried: z.int().min(0).describe("Jobs that their sessions send again immediately"),
    gone: z.int().min(0).describe("Jobs that are no longer pending and were removed from the list"),
    left: z
      .array(z.object({ jobId: z.string(), reason: z.string() }))
      .describe("Jobs that stay on the list, each with the reason"),
    hasMore: z.boolean().describe("Whether more jobs match the filter: call again with nextCursor"),
    nextCursor: z.string().nullable(),
  })
  .meta({ id: "JobRetries" });
export type JobRetries = z.infer<typeof jobRetriesSchema>;

export const jobDropSchema = z
  .object({ jobId: z.string(), outcome: z.enum(["dropped", "gone"]).describe("gone: the job was no longer pending") })
  .meta({ id: "JobDrop" });
export type JobDrop = z.infer<typeof jobDropSchema>;

export const dropReasonSchema = safeText
  .min(1)
  .max(MAX_REASON_LENGTH)
  .describe(
    "Why, for people who read the audit log later. Do not name anybody: the text is kept after a user is erased",
  );

export const jobIdSchema = idText.describe("The job's id, from the list of failed jobs");
