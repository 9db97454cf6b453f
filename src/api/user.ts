import { z } from "zod";
import { failureSchema } from "./job.ts";
import { listedSessionSchema, sessionIdSchema, userIdSchema } from "./session.ts";
import { itemSchema } from "./summary.ts";
import { isoTime } from "./text.ts";
import { endLineSchema, itemLineSchema, messageLineSchema, sessionLineSchema, summaryLineSchema } from "./transfer.ts";

/** A user of a tenant, as the objects that keep what is theirs are named. */
export interface UserRef {
  readonly tenant: string;
  readonly owner: string;
}

const count = z.int().min(0);

/** What a look at every place found of a user who was erased. */
export const erasureFindingsSchema = z
  .object({
    checkedAt: isoTime,
    sessions: count.describe("Session objects that still hold something"),
    directory: count.describe("Entries in the list of sessions that were not confirmed"),
    archive: count.describe("Rows in PostgreSQL"),
    failedJobs: count.describe("Failed jobs that operators see"),
  })
  .meta({ id: "ErasureFindings" });
export type ErasureFindings = z.infer<typeof erasureFindingsSchema>;

export const userErasureSchema = z
  .object({
    userId: z.string(),
    state: z
      .enum(["erasing", "erased"])
      .describe(
        "erasing: nothing more is taken in, and what there is goes; erased: a look at every place found nothing",
      ),
    sessions: count.describe("Sessions that were known of the user"),
    erased: count.describe("Sessions whose object holds nothing any more, and the archive has confirmed it"),
    startedAt: isoTime.describe("From here on nothing is taken in in the user's name"),
    finishedAt: isoTime.optional(),
    returnsAt: isoTime
      .optional()
      .describe("About when the id may be used anew, after a last look: until then a late write is refused"),
    found: erasureFindingsSchema.optional().describe("What the last look found; anything found is erased again"),
    lastError: z.string().optional().describe("Why it does not go on at the moment; it is tried again by itself"),
  })
  .meta({ id: "UserErasure" });
export type UserErasure = z.infer<typeof userErasureSchema>;

export const USER_FORMAT = "threadkeep-user";
export const USER_FORMAT_VERSION = 1;

export const userLineSchema = z.strictObject({
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
      .describe("What the archive holds of one that expired; missing if PostgreSQL is out of reach: export again"),
  })
  .describe("In the place of a session, or of the rest of one: erased meanwhile, expired, or still being copied");

export const failureLineSchema = failureSchema.extend({ type: z.literal("failure") }).meta({ id: "FailureLine" });

export const userEndLineSchema = z.strictObject({
  type: z.literal("user-end"),
  sessions: count.describe("Sessions that are here whole"),
  unavailable: count,
  failures: count,
});

/** A user as JSON Lines: a head, each session as its own export gives it, what failed in the background, and an end that counts. */
export const userTransferLineSchema = z.discriminatedUnion("type", [
  userLineSchema,
  sessionLineSchema,
  messageLineSchema,
  summaryLineSchema,
  itemLineSchema,
  endLineSchema,
  unavailableLineSchema,
  failureLineSchema,
  userEndLineSchema,
]);
export type UserTransferLine = z.infer<typeof userTransferLineSchema>;
