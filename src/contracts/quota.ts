import { z } from "zod";

/** A day in UTC. */
export const DAY_SECONDS = 86_400;

const perDaySchema = z.int().min(1).nullable().optional();

export const requestTierSchema = z.enum(["standard", "high"]);

/**
 * What each session of a tenant may take in a day (UTC), counted exactly, and what all of them may together, leased by them in parts. What
 * is left out or null has no bound.
 */
export const sessionLimitsSchema = z
  .strictObject({
    sessionMessagesPerDay: perDaySchema.describe("Messages appended to one session"),
    sessionTokensPerDay: perDaySchema.describe(
      "Tokens of the messages appended to one session, as estimated, and those that edits say anew",
    ),
    sessionSummariesPerDay: perDaySchema.describe(
      "Summaries of one session, past which none can be had by hand; those that a chat calls for by its length are still made",
    ),
    tenantMessagesPerDay: perDaySchema.describe(
      "Messages that come to all sessions together: appended, imported or forked",
    ),
    tenantTokensPerDay: perDaySchema.describe("Their tokens, as estimated"),
    requestTier: requestTierSchema
      .optional()
      .describe(
        "Requests that pass at the edge in 10 seconds, by key and by tenant: `high` lets ten times as many pass. What one user may send is the same in both",
      ),
  })
  .meta({ id: "SessionLimits" });
export type SessionLimits = z.infer<typeof sessionLimitsSchema>;

/** An exact bound, and what of it is left until it is there anew. */
export const quotaSchema = z.object({
  name: z.enum(["messages", "tokens", "summaries", "tenant-messages", "tenant-tokens"]),
  limit: z.int(),
  remaining: z.int().min(0),
  resetSeconds: z.int().describe("Until the day is over"),
});
export type Quota = z.infer<typeof quotaSchema>;
