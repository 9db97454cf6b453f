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

/** Seconds of a day. Days are in UTC. */
export const DAY_SECONDS = 86_400;

const perDaySchema = z.int().min(1).nullable().optional();

/** The schema of a limit that has a default for every user. */
const ofUser = (usual: number, text: string) =>
  perDaySchema.describe(`${text}. ${usual.toLocaleString("en")} where it is left out; null: no bound`);

const requestTierSchema = z.enum(["standard", "high"]);

/** What a session or a tenant has added on one day. */
export interface Taken {
  readonly messages: number;
  readonly tokens: number;
}

/** The UTC day of a time in ms since 1970, such as 2026-11-22. */
export function dayName(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

export const NOTHING_TAKEN: Taken = { messages: 0, tokens: 0 };

/**
 * Daily limits of a tenant (UTC). Limits of one session are counted exactly. Limits of all sessions together are
 * counted in batches, so they can be exceeded by what is in progress when they are reached. A limit that is left out or
 * null does not apply, except for the limits of users, which have defaults unless they are set to null.
 */
export const sessionLimitsSchema = z
  .strictObject({
    sessionMessagesPerDay: perDaySchema.describe("Messages that may be appended to one session"),
    sessionTokensPerDay: perDaySchema.describe(
      "Estimated tokens that may be appended to one session, including those of edited messages",
    ),
    sessionSummariesPerDay: perDaySchema.describe(
      "Summaries of one session. Beyond this no summary can be requested, but automatic summaries are still made",
    ),
    tenantMessagesPerDay: perDaySchema.describe(
      "Messages that all sessions together may receive: appended, imported or forked. Once the limit is reached more are refused, except for those in progress",
    ),
    tenantTokensPerDay: perDaySchema.describe("Estimated tokens of these messages, including those of edited messages"),
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
        "Which rate limits apply to requests per 10 seconds, by key and by tenant: `high` allows ten times as many. The limit of a single user is the same in both",
      ),
  })
  .meta({ id: "SessionLimits" });
export type SessionLimits = z.infer<typeof sessionLimitsSchema>;

/** An exactly counted limit, and how much of it is left until it is reset. */
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
  resetSeconds: z.int().describe("Seconds until the end of the UTC day"),
});
export type Quota = z.infer<typeof quotaSchema>;
