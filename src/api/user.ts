import { z } from "zod";
import { failureSchema } from "./job.ts";
import { listedSessionSchema, sessionIdSchema, userIdSchema } from "./session.ts";
import { itemSchema } from "./summary.ts";
import { isoTime } from "./text.ts";
import { endLineSchema, itemLineSchema, messageLineSchema, sessionLineSchema, summaryLineSchema } from "./transfer.ts";

/** A user of a tenant, by the parts of the names of the Durable Objects that hold their data. */
export interface UserRef {
  readonly tenant: string;
  readonly owner: string;
}

const count = z.int().min(0);

/** What a search of every place found of an erased user. */
const erasureFindingsSchema = z
  .object({
    checkedAt: isoTime,
    sessions: count.describe("Session objects that still hold data"),
    directory: count.describe("Sessions in the user's directory whose erasure is not confirmed"),
    archive: count.describe("Rows in PostgreSQL"),
    failedJobs: count.describe("Failed jobs on the operators' list"),
  })
  .meta({ id: "ErasureFindings" });
export type ErasureFindings = z.infer<typeof erasureFindingsSchema>;

export const userErasureSchema = z
  .object({
    userId: z.string(),
    state: z
      .enum(["erasing", "erased"])
      .describe(
        "erasing: new writes are refused, and existing data is being erased; erased: a search of every place found nothing",
      ),
    sessions: count.describe("How many sessions the user had"),
    erased: count.describe("How many of them are erased, confirmed by the session object and the archive"),
    startedAt: isoTime.describe("From this time on, writes in the user's name are refused"),
    finishedAt: isoTime.optional(),
    returnsAt: isoTime
      .optional()
      .describe("About when the id may be used again, after a last search. Until then late writes are refused"),
    found: erasureFindingsSchema.optional().describe("What the last search found; everything found is erased again"),
    lastError: z
      .string()
      .optional()
      .describe("Why the erasure does not proceed at the moment. It is retried automatically"),
  })
  .meta({ id: "UserErasure" });
export type UserErasure = z.infer<typeof userErasureSchema>;

export const USER_FORMAT = "threadkeep-user";
export const USER_FORMAT_VERSION = 1;

const userLineSchema = z.strictObject({
  type: z.literal("user"),
  format: z.literal(USER_FORMAT),
  formatVersion: z.literal(USER_FORMAT_VERSION),
  userId: userIdSchema,
  exportedAt: isoTime,
});

export const unavailableLineSchema = z
  .strictObject({
    type: z.literal("unavailable"),
    id: sessionIdSchema,
    createdAt: isoTime,
    metadata: listedSessionSchema.shape.metadata,
    code: z.enum(["session_not_found", "session_expired", "session_not_ready"]),
    items: z
      .array(itemSchema)
      .optional()
      .describe(
        "For an expired session: the items that the archive holds. Missing if PostgreSQL cannot be reached: export again",
      ),
  })
  .describe(
    "Takes the place of a session, or of the rest of it, that was erased during the export, has expired, or is still being copied. `metadata` is empty if the beginning of the session was on an earlier page",
  );

const failureLineSchema = failureSchema.extend({ type: z.literal("failure") }).meta({ id: "FailureLine" });

const userNextLineSchema = z
  .strictObject({
    type: z.literal("user-next"),
    cursor: z.string().describe("Send it as `cursor` to get the lines that come next"),
  })
  .describe("The last line of a page, if there are more");

const userEndLineSchema = z.strictObject({
  type: z.literal("user-end"),
  sessions: count.describe("How many sessions are complete in this export, over all its pages"),
  unavailable: count,
  failures: count,
});

/**
 * A line of a user's export as JSON Lines: first the user, then the lines of each session's own export, then the failed
 * background jobs, and an end line with the counts. Each page but the last ends with a line `user-next`.
 */
export const userTransferLineSchema = z.discriminatedUnion("type", [
  userLineSchema,
  sessionLineSchema,
  messageLineSchema,
  summaryLineSchema,
  itemLineSchema,
  endLineSchema,
  unavailableLineSchema,
  failureLineSchema,
  userNextLineSchema,
  userEndLineSchema,
]);
export type UserTransferLine = z.infer<typeof userTransferLineSchema>;
