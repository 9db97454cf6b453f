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

/** Identifies a session. It is made from the principal and the path, never from a request body. */
export interface SessionRef {
  readonly tenant: string;
  /** A user's id, or `-` for a session that belongs to the tenant itself. */
  readonly owner: string;
  readonly session: string;
}

/** The owner of sessions that belong to the tenant itself. */
export const TENANT_OWNER = "-";

export const sessionIdSchema = idText;
export const userIdSchema = foreignIdText.refine((id) => id !== TENANT_OWNER, {
  error: `must not be "${TENANT_OWNER}"`,
});

/**
 * The name of an owner's Durable Objects. User ids may contain any character, so they are percent-encoded here; a
 * tenant's id cannot contain the separator.
 */
export function ownerName({ tenant, owner }: Pick<SessionRef, "tenant" | "owner">): string {
  return `${tenant}/${encodeURIComponent(owner)}`;
}

/** The name of a session's Durable Object. */
export function sessionName(ref: SessionRef): string {
  return `${ownerName(ref)}/${ref.session}`;
}

export const metadataSchema = boundedJsonObject(MAX_METADATA_BYTES);
export type Metadata = z.infer<typeof metadataSchema>;

/** The settings that a session may set. Those that it leaves out come from the tenant, then from its profile. */
export const sessionSettingsSchema = z
  .strictObject({
    profile: z.enum(["chat", "agent"]).optional().describe("Which default values apply"),
    maxTokens: z.int().min(MIN_CONTEXT_TOKENS).max(MAX_CONTEXT_TOKENS).optional(),
    summarizeAfterTokens: z
      .int()
      .min(MIN_THRESHOLD_TOKENS)
      .max(MAX_CONTEXT_TOKENS)
      .optional()
      .describe(
        "A new summary is made once this many tokens follow the last one. By default three quarters of maxTokens (four fifths with the profile `agent`). It is made earlier if a context of maxTokens would have to leave out messages",
      ),
    keepRecentTokens: z
      .int()
      .min(0)
      .max(MAX_CONTEXT_TOKENS)
      .optional()
      .describe(
        "How many tokens of the newest messages are not summarized. By default a quarter of maxTokens (a fifth with the profile `agent`), and at most half of summarizeAfterTokens",
      ),
    summaryMaxTokens: z.int().min(MIN_THRESHOLD_TOKENS).max(MAX_SUMMARY_TOKENS).optional(),
    summarizerTokensPerDay: z
      .int()
      .min(0)
      .nullable()
      .optional()
      .describe(
        "Tokens, input and output, that models may use for the session's summaries in a day (UTC). Beyond that summaries are extractive until the day ends. null: no limit",
      ),
    summarizeAfterIdleSeconds: z
      .int()
      .min(MIN_SUMMARIZE_AFTER_IDLE_SECONDS)
      .max(MAX_IDLE_SECONDS)
      .nullable()
      .optional()
      .describe(
        "After this long without a message, everything but the newest messages is summarized, if there is enough of it; null: never",
      ),
    expireAfterIdleSeconds: z
      .int()
      .min(MIN_EXPIRE_AFTER_SECONDS)
      .max(MAX_IDLE_SECONDS)
      .nullable()
      .optional()
      .describe(
        "After this long without a message the session expires: its summary stays in the archive, its messages are deleted; null: never",
      ),
    archiveMessages: z
      .boolean()
      .optional()
      .describe(
        "Whether messages are copied to PostgreSQL too, not only summaries. They are copied with each summary, and once the session was idle for summarizeAfterIdleSeconds; until then the archive lacks the newest messages. If you set it to true later, all earlier messages are copied; if you set it to false, the messages are erased from the archive. When the session expires they stay in the archive",
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
  // For an agent, fewer and larger summaries are cheaper: each new summary invalidates the provider's prompt cache.
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

/**
 * The largest share of the budget that a summary gets by default. The rest is for everything that is not summarized
 * yet.
 */
const SUMMARY_SHARE = 1 / 8;

/**
 * Merges a session's settings with its tenant's and the defaults of the profile, in this order of precedence.
 * Thresholds that are not set are derived from `maxTokens` in the proportions of the profile. Absolute defaults would
 * be wrong: with a smaller budget, messages would drop out of the context before a summary is due. `keepRecentTokens`
 * is kept below `summarizeAfterTokens`, also when only one of them is set, or one by the session and the other by the
 * tenant, because otherwise there would be nothing to summarize.
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
    id: sessionIdSchema.optional().describe("An id of your choice; if left out, the server makes a ULID"),
    metadata: metadataSchema.optional(),
    settings: sessionSettingsSchema.optional(),
    continueFrom: sessionIdSchema
      .optional()
      .describe(
        "Id of another session of yours, which may have expired. The items of its summary are carried over in the background. If they are erased there, they are erased here too",
      ),
    seedFromUser: z
      .literal(true)
      .optional()
      .describe(
        "Start with the user's current facts and preferences from all of their sessions. They are carried over in the background. If they are erased at their source, they are erased here too. Only for sessions of a user",
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
    id: sessionIdSchema.optional().describe("Id of the new session; if left out, the server makes a ULID"),
    throughSeq: seqSchema.optional().describe("The last message to copy; by default the newest"),
    metadata: metadataSchema.optional().describe("By default the metadata of the forked session"),
    settings: sessionSettingsSchema.optional().describe("By default the settings of the forked session"),
  })
  .meta({ id: "ForkRequest" });
export type ForkRequest = z.infer<typeof forkRequestSchema>;

/** Where a session came from. Messages that are erased there are erased here as well. */
const originSchema = z
  .object({
    session: z.string(),
    kind: z
      .enum(["fork", "continuation"])
      .describe("fork: the messages were copied; continuation: the items of the summary were carried over"),
    throughSeq: z.int().min(0).describe("The last message of the other session that was used; 0 if none"),
    state: z
      .enum(["pending", "done", "lost"])
      .describe("pending: copying is in progress; lost: the other session was erased before it could be copied"),
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

/** Which branch to make the active one. */
export const branchRequestSchema = z
  .strictObject({
    headSeq: seqSchema.describe(
      "The last message of the branch to activate, usually the newest message of another branch. Any message can be named; the messages that follow it are then no longer on the active branch",
    ),
    expectedHeadSeq: z
      .int()
      .min(0)
      .optional()
      .describe("Refuse with head_seq_mismatch unless this is the newest message of the active branch"),
  })
  .meta({ id: "BranchRequest" });
export type BranchRequest = z.infer<typeof branchRequestSchema>;

/** A session's state and counters. */
export const sessionStateSchema = z
  .object({
    id: z.string(),
    createdAt: z.string(),
    headSeq: z.int().min(0).describe("seq of the newest message of the active branch; 0 if none"),
    lastSeq: z.int().min(0).describe("seq of the newest message on any branch; 0 if none"),
    messageTokens: z.int().describe("Estimated tokens of all messages on all branches"),
    messageBytes: z
      .int()
      .describe(
        "Bytes of the content of all messages on all branches, as JSON. A file counts with each message that contains it, although it is stored once",
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
    summaryPending: z.boolean().describe("Whether a summary is being made"),
    vectorsPending: z
      .literal(true)
      .optional()
      .describe("Present if embeddings are on and some messages of users or summary items have no vectors yet"),
    archived: z
      .boolean()
      .describe(
        "Whether everything that belongs in the archive is stored there, except for the rows that `archiveSetAside` counts",
      ),
    archiveSetAside: z
      .int()
      .min(1)
      .optional()
      .describe(
        "How many rows of the session PostgreSQL refuses because of their content. Operators see them among the failed jobs. Until they are resolved the session does not expire",
      ),
    status: z
      .enum(["active", "copying"])
      .describe(
        "copying: a fork or an import is not complete yet. Every request but this one answers session_not_ready",
      ),
    origin: originSchema.nullable(),
    expiresAt: z
      .string()
      .nullable()
      .describe("The earliest time at which it expires if nothing more is said; null if it does not expire"),
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
      .describe("When it expired. Requests for it answer 410, and a new session may continue from it"),
  })
  .meta({ id: "ListedSession" });
export type ListedSession = z.infer<typeof listedSessionSchema>;
