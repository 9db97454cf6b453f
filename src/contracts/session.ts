import { z } from "zod";
import { MAX_CONTEXT_TOKENS, MAX_METADATA_BYTES, MIN_CONTEXT_TOKENS } from "./limits.ts";
import { boundedJsonObject, idText } from "./text.ts";

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
export const userIdSchema = idText.refine((id) => id !== TENANT_OWNER, {
  error: `must not be "${TENANT_OWNER}"`,
});

export const metadataSchema = boundedJsonObject(MAX_METADATA_BYTES);
export type Metadata = z.infer<typeof metadataSchema>;

/** What a session may set for itself; what it leaves out comes from its profile. */
export const sessionSettingsSchema = z
  .strictObject({
    profile: z.enum(["chat", "agent"]).optional().describe("Which defaults apply"),
    maxTokens: z.int().min(MIN_CONTEXT_TOKENS).max(MAX_CONTEXT_TOKENS).optional(),
    summarizeAfterTokens: z
      .int()
      .min(100)
      .max(MAX_CONTEXT_TOKENS)
      .optional()
      .describe("Tokens beyond the summary that call for a new one"),
    keepRecentTokens: z
      .int()
      .min(0)
      .max(MAX_CONTEXT_TOKENS)
      .optional()
      .describe("Tokens at the end that stay word for word"),
    summaryMaxTokens: z.int().min(100).max(32_000).optional(),
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
}

const PROFILES = {
  chat: {
    profile: "chat",
    maxTokens: 16_000,
    summarizeAfterTokens: 12_000,
    keepRecentTokens: 4_000,
    summaryMaxTokens: 2_000,
  },
  // Summarizing seldom and deeply is cheaper for an agent: each new summary rewrites the provider's prompt cache.
  agent: {
    profile: "agent",
    maxTokens: 100_000,
    summarizeAfterTokens: 80_000,
    keepRecentTokens: 20_000,
    summaryMaxTokens: 4_000,
  },
} as const satisfies Record<string, ResolvedSettings>;

/**
 * A session's settings over the defaults of its profile. A session may set one of the two thresholds alone: the other then
 * follows, because a tail kept word for word that is as long as the threshold would leave nothing to summarize.
 */
export function resolveSettings(settings: SessionSettings): ResolvedSettings {
  const defaults = PROFILES[settings.profile ?? "chat"];
  const summarizeAfterTokens =
    settings.summarizeAfterTokens ?? Math.max(defaults.summarizeAfterTokens, 2 * (settings.keepRecentTokens ?? 0));
  return {
    profile: defaults.profile,
    maxTokens: settings.maxTokens ?? defaults.maxTokens,
    summarizeAfterTokens,
    keepRecentTokens:
      settings.keepRecentTokens ?? Math.min(defaults.keepRecentTokens, Math.floor(summarizeAfterTokens / 2)),
    summaryMaxTokens: settings.summaryMaxTokens ?? defaults.summaryMaxTokens,
  };
}

export const newSessionSchema = z
  .strictObject({
    id: sessionIdSchema.optional().describe("Yours; without it the server makes a ULID"),
    metadata: metadataSchema.optional(),
    settings: sessionSettingsSchema.optional(),
  })
  .meta({ id: "NewSession" });
export type NewSession = z.infer<typeof newSessionSchema>;

export const sessionPatchSchema = z
  .strictObject({
    metadata: metadataSchema.optional().describe("Replaces all metadata"),
    settings: sessionSettingsSchema.optional().describe("Replaces all settings"),
  })
  .meta({ id: "SessionPatch" });
export type SessionPatch = z.infer<typeof sessionPatchSchema>;

/** A session's state and counters. */
export const sessionStateSchema = z
  .object({
    id: z.string(),
    createdAt: z.string(),
    headSeq: z.int().min(0).describe("seq of the newest message, 0 if none"),
    messageTokens: z.int().describe("Estimated tokens of all messages"),
    messageBytes: z.int().describe("Stored bytes of all messages"),
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
    archived: z.boolean().describe("Everything that belongs in the archive is there"),
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
  })
  .meta({ id: "ListedSession" });
export type ListedSession = z.infer<typeof listedSessionSchema>;
