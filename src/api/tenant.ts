import { z } from "zod";
import { type SessionLimits, sessionLimitsSchema } from "./quota.ts";
import { type SessionSettings, sessionSettingsSchema } from "./session.ts";
import { type UsersMay, usersMaySchema } from "./users-may.ts";

/** A tenant's name begins the names of its objects: a slash in it would let one tenant's name be another's object. */
export const TENANT_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

export const tenantIdSchema = z.string().regex(TENANT_ID, {
  error: "must be 1 to 63 characters of a-z 0-9 - and not begin with -",
});

/** Where a tenant's objects must run and keep what they hold: Cloudflare's names. */
export const jurisdictionSchema = z.enum(["eu", "fedramp"]);
export type Jurisdiction = z.infer<typeof jurisdictionSchema>;

export const summarizationSchema = z.enum(["on", "paused"]);

/** What every session of a tenant goes by, as it travels to the session objects. */
export interface TenantSettings {
  /** Rises by one with each change, so that whoever holds a newer one knows. 0: nothing was ever set, or it is out of reach. */
  readonly rev: number;
  /** As set; a session's own come before them. */
  readonly settings: SessionSettings;
  readonly summarization: z.infer<typeof summarizationSchema>;
  /** Its models took today what they may take in a day. */
  readonly isOverBudget: boolean;
  /** What each session may take in a day; left out where there is no bound. */
  readonly limits?: SessionLimits;
  /** What is opened to users; left out where nothing is. */
  readonly usersMay?: UsersMay;
  /** What its sessions took today, where `limits` bound all of them together. */
  readonly takenToday?: TakenOfDay;
}

/** The settings of a tenant that never set any. */
export const UNSET_TENANT: TenantSettings = { rev: 0, settings: {}, summarization: "on", isOverBudget: false };

const tokensPerDaySchema = z.int().min(0).nullable();

/** What models took on one day (UTC). */
export const spentSchema = z.object({
  day: z.string().describe("Such as 2026-11-22"),
  inputTokens: z.int().min(0),
  outputTokens: z.int().min(0),
  costMicroDollars: z.int().min(0).describe("Millionths of a US dollar, as far as prices are set"),
  embeddings: z
    .object({
      inputTokens: z.int().min(0),
      costMicroDollars: z.int().min(0).describe("Millionths of a US dollar, as far as a price is set"),
    })
    .describe(
      "What vectors took, of messages, items and queries; not in the numbers beside it. Queries count within seconds",
    ),
});
export type Spent = z.infer<typeof spentSchema>;

/** What models took on each of the last days. */
export const spendingSchema = z
  .object({
    tenant: z.string(),
    days: z
      .array(spentSchema)
      .describe("Oldest first, today last; a day on which nothing was spent is told with zeros"),
  })
  .meta({ id: "Spending" });
export type Spending = z.infer<typeof spendingSchema>;

/** Somebody who has sessions in a tenant. */
export const listedUserSchema = z.object({ userId: z.string() }).meta({ id: "ListedUser" });
export type ListedUser = z.infer<typeof listedUserSchema>;

/** What sessions took on one day (UTC). */
export const takenSchema = z.object({
  day: z.string().describe("Such as 2026-11-22"),
  messages: z.int().min(0),
  tokens: z.int().min(0),
});
export type TakenOfDay = z.infer<typeof takenSchema>;

export const tenantPatchSchema = z
  .strictObject({
    settings: sessionSettingsSchema.optional().describe("Replaces all settings"),
    summarization: summarizationSchema
      .optional()
      .describe("`paused`: no session of the tenant begins a summary; appends and contexts go on"),
    summarizerTokensPerDay: tokensPerDaySchema
      .optional()
      .describe(
        "Tokens, in and out, that models may take for all of its sessions in a day (UTC), those of embeddings among them; past that summaries are extractive, and nothing is found by meaning that has no vector yet, until it is over. null: no bound",
      ),
    limits: sessionLimitsSchema.optional().describe("Replaces all limits"),
    usersMay: usersMaySchema.optional().describe("Replaces all that is opened to users; `{}` closes it again"),
  })
  .meta({ id: "TenantPatch" });
export type TenantPatch = z.infer<typeof tenantPatchSchema>;

export const newTenantSchema = z
  .strictObject({
    tenant: tenantIdSchema,
    jurisdiction: jurisdictionSchema
      .nullable()
      .default(null)
      .describe("Where its sessions stay, for good: objects cannot move. null: near whoever uses them first"),
    settings: sessionSettingsSchema.optional(),
  })
  .meta({ id: "NewTenant" });
export type NewTenant = z.output<typeof newTenantSchema>;

/** A tenant as the list of them has it. */
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
    createdAt: z.string().nullable().describe("null: it was never created, only used"),
    rev: z.int().min(0).describe("Rises by one with each change; 0 if there was none"),
    settings: sessionSettingsSchema.describe("As set"),
    effective: sessionSettingsSchema.describe(
      "With every default of the profile filled in: what a session gets that sets nothing of its own",
    ),
    summarization: summarizationSchema,
    summarizerTokensPerDay: tokensPerDaySchema,
    limits: sessionLimitsSchema,
    usersMay: usersMaySchema.describe("What is opened to its users, as set"),
    spentToday: spentSchema,
    takenToday: takenSchema.describe(
      "What its sessions took today, but for the last seconds; counted while `limits` bound all of them together",
    ),
    updatedAt: z.string().nullable().describe("When it last changed, null if never"),
  })
  .meta({ id: "Tenant" });
export type TenantState = z.infer<typeof tenantStateSchema>;
