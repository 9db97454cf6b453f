import { z } from "zod";
import {
  MAX_CONTEXT_TOKENS,
  MAX_IDLE_SECONDS,
  MAX_METADATA_BYTES,
  MAX_SUMMARY_TOKENS,
  MIN_CONTEXT_TOKENS,
  MIN_EXPIRE_AFTER_SECONDS,
  MIN_SUMMARIZE_AFTER_IDLE_SECONDS,
  MIN_THRESHOLD_TOKENS,
} from "./limits.ts";
import { seqSchema } from "./message.ts";
import { boundedJsonObject, foreignIdText, idText } from "./text.ts";

/** What names a session everywhere: made from the principal, never from a body. */
export interface SessionRef {
  readonly tenant: string;
  /** A user's id, or `-` for a session that belongs to the tenant alone. */
  readonly owner: string;
  readonly session: string;
}

/** The owner of sessions that belong to the tenant alone. */
export const TENANT_OWNER = "-";

export const sessionIdSchema = idText;
export const userIdSchema = foreignIdText.refine((id) => id !== TENANT_OWNER, {
  error: `must not be "${TENANT_OWNER}"`,
});

/** What names an owner's objects. The one place that escapes a user's id, which may have any characters; a tenant's has none that part names. */
export function ownerName({ tenant, owner }: Pick<SessionRef, "tenant" | "owner">): string {
  return `${tenant}/${encodeURIComponent(owner)}`;
}

/** What names a session's object. */
export function sessionName(ref: SessionRef): string {
  return `${ownerName(ref)}/${ref.session}`;
}

export const metadataSchema = boundedJsonObject(MAX_METADATA_BYTES);
export type Metadata = z.infer<typeof metadataSchema>;

/** What a session may set for itself; what it leaves out comes from its profile. */
export const sessionSettingsSchema = z
  .strictObject({
    profile: z.enum(["chat", "agent"]).optional().describe("Which defaults apply"),
    maxTokens: z.int().min(MIN_CONTEXT_TOKENS).max(MAX_CONTEXT_TOKENS).optional(),
    summarizeAfterTokens: z
      .int()
      .min(MIN_THRESHOLD_TOKENS)
      .max(MAX_CONTEXT_TOKENS)
      .optional()
      .describe(
        "Tokens beyond the summary that call for a new one, by default three quarters of maxTokens (four fifths for agents). It comes sooner where a context of maxTokens would leave messages out",
      ),
    keepRecentTokens: z
      .int()
      .min(0)
      .max(MAX_CONTEXT_TOKENS)
      .optional()
      .describe(
        "Tokens at the end that stay word for word, by default a quarter of maxTokens (a fifth for agents), and at most half of summarizeAfterTokens",
      ),
    summaryMaxTokens: z.int().min(MIN_THRESHOLD_TOKENS).max(MAX_SUMMARY_TOKENS).optional(),
    summarizerTokensPerDay: z
      .int()
      .min(0)
      .nullable()
      .optional()
      .describe(
        "Tokens, in and out, that models may take for the session's summaries in a day (UTC); past that they are extractive until it is over. null: no bound",
      ),
    summarizeAfterIdleSeconds: z
      .int()
      .min(MIN_SUMMARIZE_AFTER_IDLE_SECONDS)
      .max(MAX_IDLE_SECONDS)
      .nullable()
      .optional()
      .describe("Silence after which all but the last messages are summarized, if they are worth it; null: never"),
    expireAfterIdleSeconds: z
      .int()
      .min(MIN_EXPIRE_AFTER_SECONDS)
      .max(MAX_IDLE_SECONDS)
      .nullable()
      .optional()
      .describe(
        "Silence after which the session expires: its summary stays in the archive, its messages go; null: never",
      ),
    archiveMessages: z
      .boolean()
      .optional()
      .describe(
        "Whether the messages go to PostgreSQL as well as the summaries: with each summary, and once the session was silent for summarizeAfterIdleSeconds. Until then the archive lacks what was said last. Set to true later, all that was said so far follows; set to false, the messages are erased from the archive. They stay there when the session expires",
      ),
  })
  .refine(
    (settings) =>
      settings.keepRecentTokens === undefined ||
      settings.summarizeAfterTokens === undefined ||
      settings.keepRecentTokens < settings.summarizeAfterTokens,
    { path: ["keepRecentTokens"], error: "must be less than summarizeAfterTokens" },
  )
  .meta({ id: "SessionSettings" });
export type SessionSettings = z.infer<typeof sessionSettingsSchema>;

/** Settings with every default filled in. */
export interface ResolvedSettings {
  readonly profile: "chat" | "agent";
  readonly maxTokens: number;
  readonly summarizeAfterTokens: number;
  readonly keepRecentTokens: number;
  readonly summaryMaxTokens: number;
  readonly summarizerTokensPerDay: number | null;
  readonly summarizeAfterIdleSeconds: number | null;
  readonly expireAfterIdleSeconds: number | null;
  readonly archiveMessages: boolean;
}

const PROFILES = {
  chat: {
    profile: "chat",
    maxTokens: 16_000,
    summarizeAfterTokens: 12_000,
    keepRecentTokens: 4_000,
    summaryMaxTokens: 2_000,
    summarizerTokensPerDay: null,
    summarizeAfterIdleSeconds: 1_800,
    expireAfterIdleSeconds: null,
    archiveMessages: false,
  },
  // Summarizing seldom and deeply is cheaper for an agent: each new summary rewrites the provider's prompt cache.
  agent: {
    profile: "agent",
    maxTokens: 100_000,
    summarizeAfterTokens: 80_000,
    keepRecentTokens: 20_000,
    summaryMaxTokens: 4_000,
    summarizerTokensPerDay: null,
    summarizeAfterIdleSeconds: 1_800,
    expireAfterIdleSeconds: null,
    archiveMessages: false,
  },
} as const satisfies Record<string, ResolvedSettings>;

/** Of a budget a summary whose size nobody set takes no more than this share, which leaves room for all that is not summarized yet. */
const SUMMARY_SHARE = 1 / 8;

/**
 * A session's settings over its tenant's, over the defaults of the profile. What is not set follows from the budget, in the proportions
 * of the profile: a threshold that was right for a larger one would let messages fall out of the context before a summary is due. One of
 * the two thresholds may be set alone, or each by another of them: the tail that is kept word for word then follows, because one as
 * long as the threshold would leave nothing to summarize.
 */
export function resolveSettings(session: SessionSettings, tenant: SessionSettings = {}): ResolvedSettings {
  const set = { ...tenant, ...session };
  const defaults = PROFILES[set.profile ?? "chat"];
  const maxTokens = set.maxTokens ?? defaults.maxTokens;
  const ofBudget = (tokens: number): number => Math.floor((tokens * maxTokens) / defaults.maxTokens);
  const summarizeAfterTokens =
    set.summarizeAfterTokens ??
    Math.max(MIN_THRESHOLD_TOKENS, ofBudget(defaults.summarizeAfterTokens), 2 * (set.keepRecentTokens ?? 0));
  const keepRecentTokens = set.keepRecentTokens ?? ofBudget(defaults.keepRecentTokens);
  const { summarizeAfterIdleSeconds, expireAfterIdleSeconds } = set;
  return {
    profile: defaults.profile,
    maxTokens,
    summarizeAfterTokens,
    keepRecentTokens:
      set.keepRecentTokens !== undefined && keepRecentTokens < summarizeAfterTokens
        ? keepRecentTokens
        : Math.min(keepRecentTokens, Math.floor(summarizeAfterTokens / 2)),
    summaryMaxTokens:
      set.summaryMaxTokens ??
      Math.min(defaults.summaryMaxTokens, Math.max(MIN_THRESHOLD_TOKENS, Math.floor(maxTokens * SUMMARY_SHARE))),
    summarizerTokensPerDay: set.summarizerTokensPerDay ?? defaults.summarizerTokensPerDay,
    summarizeAfterIdleSeconds:
      summarizeAfterIdleSeconds === undefined ? defaults.summarizeAfterIdleSeconds : summarizeAfterIdleSeconds,
    expireAfterIdleSeconds:
      expireAfterIdleSeconds === undefined ? defaults.expireAfterIdleSeconds : expireAfterIdleSeconds,
    archiveMessages: set.archiveMessages ?? defaults.archiveMessages,
  };
}

export const newSessionSchema = z
  .strictObject({
    id: sessionIdSchema.optional().describe("Yours; without it the server makes a ULID"),
    metadata: metadataSchema.optional(),
    settings: sessionSettingsSchema.optional(),
    continueFrom: sessionIdSchema
      .optional()
      .describe(
        "Another of your sessions, which may have expired: what its summary holds is carried over in the background, and erased along with it",
      ),
    seedFromUser: z
      .literal(true)
      .optional()
      .describe(
        "Begin with the user's current facts and preferences from all of their sessions, carried over in the background; erased along with where they came from. For sessions of a user only.",
      ),
  })
  .refine((session) => session.continueFrom === undefined || session.seedFromUser === undefined, {
    path: ["seedFromUser"],
    error: "cannot stand beside continueFrom: choose one",
  })
  .meta({ id: "NewSession" });
export type NewSession = z.infer<typeof newSessionSchema>;

export const forkRequestSchema = z
  .strictObject({
    id: sessionIdSchema.optional().describe("Of the new session; without it the server makes a ULID"),
    throughSeq: seqSchema.optional().describe("The last message that it takes along; by default the newest"),
    metadata: metadataSchema.optional().describe("By default that of the session it comes from"),
    settings: sessionSettingsSchema.optional().describe("By default those of the session it comes from"),
  })
  .meta({ id: "ForkRequest" });
export type ForkRequest = z.infer<typeof forkRequestSchema>;

/** Where a session came from. What is erased there is erased in it as well. */
export const originSchema = z
  .object({
    session: z.string(),
    kind: z
      .enum(["fork", "continuation"])
      .describe("fork: it took the messages along; continuation: what the summary held"),
    throughSeq: z.int().min(0).describe("The last message there that it rests on; 0 if none"),
    state: z
      .enum(["pending", "done", "lost"])
      .describe("pending: it is being copied; lost: it was erased before it could be copied"),
  })
  .meta({ id: "Origin" });
export type Origin = z.infer<typeof originSchema>;

export const sessionPatchSchema = z
  .strictObject({
    metadata: metadataSchema.optional().describe("Replaces all metadata"),
    settings: sessionSettingsSchema.optional().describe("Replaces all settings"),
  })
  .meta({ id: "SessionPatch" });
export type SessionPatch = z.infer<typeof sessionPatchSchema>;

/** Which branch is to be the active one. */
export const branchRequestSchema = z
  .strictObject({
    headSeq: seqSchema.describe(
      "The message that the branch ends with: as a rule the last of another branch. Any message may be named; what follows it is then off the branch",
    ),
    expectedHeadSeq: z
      .int()
      .min(0)
      .optional()
      .describe("Refuse with head_seq_mismatch unless the newest message of the active branch is this one"),
  })
  .meta({ id: "BranchRequest" });
export type BranchRequest = z.infer<typeof branchRequestSchema>;

/** A session's state and counters. */
export const sessionStateSchema = z
  .object({
    id: z.string(),
    createdAt: z.string(),
    headSeq: z.int().min(0).describe("seq of the newest message of the active branch, 0 if none"),
    lastSeq: z.int().min(0).describe("seq of the newest message, on whichever branch; 0 if none"),
    messageTokens: z.int().describe("Estimated tokens of all messages, on whichever branch, as they are now"),
    messageBytes: z
      .int()
      .describe(
        "Bytes of what all messages say as JSON, on whichever branch, as they are now; a file counts with each message that has it, though it is stored once",
      ),
    summary: z
      .object({
        version: z.int(),
        throughSeq: z.int(),
        tokens: z.int(),
        items: z.int(),
        createdAt: z.string(),
      })
      .nullable(),
    summaryPending: z.boolean().describe("A summary is being made"),
    vectorsPending: z
      .literal(true)
      .optional()
      .describe("What users said, or what the summary says of it, is still to get vectors, where embeddings are on"),
    archived: z
      .boolean()
      .describe("Everything that belongs in the archive is there, but for what `archiveSetAside` counts"),
    archiveSetAside: z
      .int()
      .min(1)
      .optional()
      .describe(
        "Rows of the session that PostgreSQL refuses for what they hold: operators see them among the failed jobs, and the session does not expire",
      ),
    status: z
      .enum(["active", "copying"])
      .describe("copying: a fork or an import that is not whole yet; all but this answers session_not_ready"),
    origin: originSchema.nullable(),
    expiresAt: z
      .string()
      .nullable()
      .describe("When it expires if nothing more is said, at the earliest; null if it does not expire"),
    metadata: z.record(z.string(), z.unknown()),
    settings: sessionSettingsSchema.describe("With every default filled in"),
  })
  .meta({ id: "Session" });
export type SessionState = z.infer<typeof sessionStateSchema>;

/** A session as the list shows it. */
export const listedSessionSchema = z
  .object({
    id: z.string(),
    createdAt: z.string(),
    metadata: z.record(z.string(), z.unknown()),
    expiredAt: z
      .string()
      .optional()
      .describe("It expired then: its id answers 410, and a new session may continue from it"),
  })
  .meta({ id: "ListedSession" });
export type ListedSession = z.infer<typeof listedSessionSchema>;
