import { z } from "zod";
import { type SessionLimits, sessionLimitsSchema } from "./quota.ts";
import { type SessionSettings, sessionSettingsSchema } from "./session.ts";
import { type UsersMay, usersMaySchema } from "./users-may.ts";

/**
 * The form of a tenant's id. The names of its objects begin with it: if it could contain a slash, the objects of two
 * tenants could have the same name.
 */
export const TENANT_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

export const tenantIdSchema = z.string().regex(TENANT_ID, {
  error: "must be 1 to 63 characters of a-z 0-9 - and not begin with -",
});

/** Where a tenant's objects must run and store their data, by Cloudflare's names. */
export const jurisdictionSchema = z.enum(["eu", "fedramp"]);
export type Jurisdiction = z.infer<typeof jurisdictionSchema>;

const summarizationSchema = z.enum(["on", "paused"]);

/** The settings that apply to every session of a tenant, as they are passed to session objects. */
export interface TenantSettings {
  /**
   * Rises by one with each change, so that the newer of two copies can be told. 0: nothing was ever set, or the
   * settings cannot be reached.
   */
  readonly rev: number;
  /** As set by the tenant. A session's own settings take precedence. */
  readonly settings: SessionSettings;
  readonly summarization: z.infer<typeof summarizationSchema>;
  /** Whether the tenant's models have used up their budget of the day. */
  readonly isOverBudget: boolean;
  /** Daily limits; left out if there are none. */
  readonly limits?: SessionLimits;
  /** What users are permitted beyond the default; left out if nothing. */
  readonly usersMay?: UsersMay;
  /** What the tenant's sessions received today, if `limits` bound all of them together. */
  readonly takenToday?: TakenOfDay;
}

/** The settings of a tenant that never set any. */
export const UNSET_TENANT: TenantSettings = { rev: 0, settings: {}, summarization: "on", isOverBudget: false };

const tokensPerDaySchema = z.int().min(0).nullable();

/** What models used on one day (UTC). */
const spentSchema = z.object({
  day: z.string().describe("A day such as 2026-11-22"),
  inputTokens: z.int().min(0),
  outputTokens: z.int().min(0),
  costMicroDollars: z.int().min(0).describe("Millionths of a US dollar, as far as prices are configured"),
  embeddings: z
    .object({
      inputTokens: z.int().min(0),
      costMicroDollars: z.int().min(0).describe("Millionths of a US dollar, as far as a price is configured"),
    })
    .describe(
      "What embeddings of messages, items and queries used. Not included in the fields beside it. Queries are counted with a delay of seconds",
    ),
});
export type Spent = z.infer<typeof spentSchema>;

/** What models used on each of the last days. */
export const spendingSchema = z
  .object({
    tenant: z.string(),
    days: z.array(spentSchema).describe("Oldest first, today last. A day without spending has zeros"),
  })
  .meta({ id: "Spending" });
export type Spending = z.infer<typeof spendingSchema>;

/** A user who has sessions in a tenant. */
export const listedUserSchema = z.object({ userId: z.string() }).meta({ id: "ListedUser" });
export type ListedUser = z.infer<typeof listedUserSchema>;

/** What sessions received on one day (UTC). */
const takenSchema = z.object({
  day: z.string().describe("A day such as 2026-11-22"),
  messages: z.int().min(0),
  tokens: z.int().min(0),
});
export type TakenOfDay = z.infer<typeof takenSchema>;

export const tenantPatchSchema = z
  .strictObject({
    settings: sessionSettingsSchema.optional().describe("Replaces all settings"),
    summarization: summarizationSchema
      .optional()
      .describe("`paused`: no session of the tenant starts a summary; appends and contexts continue to work"),
    summarizerTokensPerDay: tokensPerDaySchema
      .optional()
      .describe(
        "Tokens, input and output, embeddings included, that models may use for all of the tenant's sessions in a day (UTC). Beyond that, until the day ends, summaries are extractive, and messages without a vector are not found by meaning. null: no limit",
      ),
    limits: sessionLimitsSchema.optional().describe("Replaces all limits"),
    usersMay: usersMaySchema.optional().describe("Replaces all permissions of users; `{}` removes them"),
  })
  .meta({ id: "TenantPatch" });
export type TenantPatch = z.infer<typeof tenantPatchSchema>;

export const newTenantSchema = z
  .strictObject({
    tenant: tenantIdSchema,
    jurisdiction: jurisdictionSchema
      .nullable()
      .default(null)
      .describe(
        "Where its sessions are stored. This can never be changed, because objects cannot be moved. null: near the caller that uses a session first",
      ),
    settings: sessionSettingsSchema.optional(),
  })
  .meta({ id: "NewTenant" });
export type NewTenant = z.output<typeof newTenantSchema>;

/** A tenant in the list of tenants. */
export const listedTenantSchema = z
  .object({
    tenant: z.string(),
    jurisdiction: jurisdictionSchema.nullable(),
    createdAt: z.string(),
  })
  .meta({ id: "ListedTenant" });
export type ListedTenant = z.infer<typeof listedTenantSchema>;

/** A tenant's settings, as an operator reads them. */
export const tenantStateSchema = z
  .object({
    tenant: z.string(),
    jurisdiction: jurisdictionSchema.nullable().describe("Fixed at creation"),
    createdAt: z.string().nullable().describe("null: the tenant was never created explicitly, only used"),
    rev: z.int().min(0).describe("Rises by one with each change; 0 if there was none"),
    settings: sessionSettingsSchema.describe("As set by the tenant"),
    effective: sessionSettingsSchema.describe(
      "With every default of the profile filled in: what a session without settings of its own gets",
    ),
    summarization: summarizationSchema,
    summarizerTokensPerDay: tokensPerDaySchema,
    limits: sessionLimitsSchema,
    usersMay: usersMaySchema.describe("What users are permitted beyond the default, as set"),
    spentToday: spentSchema,
    takenToday: takenSchema.describe(
      "What its sessions received today, with a delay of some seconds. Counted only while `limits` bound all sessions together",
    ),
    updatedAt: z.string().nullable().describe("When it last changed; null if never"),
  })
  .meta({ id: "Tenant" });
export type TenantState = z.infer<typeof tenantStateSchema>;
