import { z } from "zod";
import {
  USER_BYTES_PER_DAY,
  USER_EXPORTS_PER_DAY,
  USER_MESSAGES_PER_DAY,
  USER_SESSIONS,
  USER_SESSIONS_PER_DAY,
  USER_SUMMARIZER_TOKENS_PER_DAY,
  USER_TOKENS_PER_DAY,
} from "./limits.ts";

/** A day in UTC. */
export const DAY_SECONDS = 86_400;

const perDaySchema = z.int().min(1).nullable().optional();

/** A bound that stands unless it is set otherwise. */
const ofUser = (usual: number, text: string) =>
  perDaySchema.describe(`${text}. ${usual.toLocaleString("en")} where it is left out; null: no bound`);

export const requestTierSchema = z.enum(["standard", "high"]);

/** What was taken of a day. */
export interface Taken {
  readonly messages: number;
  readonly tokens: number;
}

/** The day of a moment in UTC, such as 2026-11-22. */
export function dayName(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

export const NOTHING_TAKEN: Taken = { messages: 0, tokens: 0 };

/**
 * What each session of a tenant may take in a day (UTC), counted exactly, and what all of them may together, counted in batches: none is
 * refused before that is reached, and what is under way then goes beyond it. What is left out or null has no bound, but for what each user may: that has one until it is set to null.
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
      "Messages that come to all sessions together: appended, imported or forked. Once so many came, more are refused; what is on its way then still passes",
    ),
    tenantTokensPerDay: perDaySchema.describe("Their tokens, as estimated, and those that edits say anew"),
    userMessagesPerDay: ofUser(
      USER_MESSAGES_PER_DAY,
      "Messages that a user brings to all of their sessions together, by a token or a ticket: appended, edited, imported or forked; each change of a session's metadata or settings counts as one",
    ),
    userTokensPerDay: ofUser(USER_TOKENS_PER_DAY, "Their tokens, as estimated"),
    userBytesPerDay: ofUser(USER_BYTES_PER_DAY, "Their bytes, as stored"),
    userSummarizerTokensPerDay: ofUser(
      USER_SUMMARIZER_TOKENS_PER_DAY,
      "Tokens that models are to read because a user asks for a summary, or edits or erases what one covers, as estimated. Past that neither is done but erasing, and summaries of the user's sessions are extractive until the day is over",
    ),
    userSessionsPerDay: ofUser(USER_SESSIONS_PER_DAY, "Sessions that a user creates"),
    userExportsPerDay: ofUser(USER_EXPORTS_PER_DAY, "Exports that a user takes, of a session or of all of theirs"),
    userSessions: ofUser(USER_SESSIONS, "Sessions that a user has, past which they can create none"),
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
  name: z.enum([
    "messages",
    "tokens",
    "summaries",
    "tenant-messages",
    "tenant-tokens",
    "user-messages",
    "user-tokens",
    "user-bytes",
    "user-summarizer-tokens",
    "user-sessions",
    "user-exports",
  ]),
  limit: z.int(),
  remaining: z.int().min(0),
  resetSeconds: z.int().describe("Until the day is over"),
});
export type Quota = z.infer<typeof quotaSchema>;
