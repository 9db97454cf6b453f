import { type FieldFault, ThreadkeepError } from "../../api/errors.ts";
import type { TokenCount } from "../../api/message.ts";
import type { SessionLimits } from "../../api/quota.ts";
import { type ResolvedSettings, resolveSettings, type SessionSettings } from "../../api/session.ts";
import type { TenantSettings } from "../../api/tenant.ts";
import type { UsersMay } from "../../api/users-may.ts";
import type { SessionRow } from "./rows.ts";

/**
 * What a session keeps of its tenant's settings, for its alarm and for frames on its sockets, which bring none along. The limits, and
 * what is opened to users, stand among them, under names that no setting has.
 */
export interface TenantTerms extends SessionSettings {
  readonly limits?: SessionLimits;
  readonly usersMay?: UsersMay;
}

export function termsOf({
  settings,
  limits,
  usersMay,
}: Pick<TenantSettings, "settings" | "limits" | "usersMay">): TenantTerms {
  return {
    ...settings,
    ...(limits === undefined ? {} : { limits }),
    ...(usersMay === undefined ? {} : { usersMay }),
  };
}

/**
 * A session's own settings. What its user set stands apart, under a name that no setting has: it holds only as far as it is tighter than
 * what the back end and the tenant say, today or later.
 */
export interface OwnSettings extends SessionSettings {
  readonly byUser?: SessionSettings;
}

/**
 * What a user may do with a setting. `lower`: a lower value costs less, and null, which is no bound, most. `same`: each change of it may
 * cost, one way or the other. A summary comes sooner, or prompts grow longer until it does; messages are archived, or are not.
 */
const USERS_MAY = {
  profile: "same",
  maxTokens: "lower",
  summarizeAfterTokens: "same",
  // As much as is kept word for word comes again in the next prompt, and brings the next summary nearer.
  keepRecentTokens: "lower",
  summaryMaxTokens: "lower",
  summarizerTokensPerDay: "lower",
  summarizeAfterIdleSeconds: "same",
  expireAfterIdleSeconds: "lower",
  archiveMessages: "same",
} as const satisfies Record<keyof ResolvedSettings, "lower" | "same">;

const SETTING_NAMES = Object.keys(USERS_MAY) as readonly (keyof ResolvedSettings)[];

/** The settings that hold for a session: its own over its tenant's, over the defaults, and its user's where they are tighter. */
export function settingsOf(session: Pick<SessionRow, "settings" | "tenantSettings">): ResolvedSettings {
  const { byUser, ...own } = session.settings;
  const { usersMay, ...tenant } = session.tenantSettings;
  if (byUser === undefined) return resolveSettings(own, tenant);
  const { free, bound } = apart(byUser, usersMay?.set);
  const base = resolveSettings({ ...own, ...free }, tenant);
  const tighter = SETTING_NAMES.filter((name) => bound[name] !== undefined && isTighter(name, bound[name], base[name]));
  return { ...base, ...Object.fromEntries(tighter.map((name) => [name, bound[name]])) };
}

/**
 * The budget whose contexts summaries keep whole: what a back end set. A user who takes less room has no more summaries made, since each is
 * a call of a model that the operator pays for; a context says what it left out.
 */
export function summarizedBudgetOf({
  settings,
  tenantSettings,
}: Pick<SessionRow, "settings" | "tenantSettings">): TokenCount {
  const { byUser, ...own } = settings;
  const { usersMay, ...tenant } = tenantSettings;
  const { free } = apart(byUser ?? {}, usersMay?.set);
  return resolveSettings({ ...own, ...free }, tenant).maxTokens;
}

/** The same as settings that a back end may set: for a file, which tells nobody who set what. */
export function plainSettings(session: Pick<SessionRow, "settings" | "tenantSettings">): SessionSettings {
  const { byUser, ...own } = session.settings;
  if (byUser === undefined) return own;
  const resolved = settingsOf(session);
  const held = SETTING_NAMES.filter((name) => byUser[name] !== undefined && byUser[name] === resolved[name]);
  return { ...own, ...Object.fromEntries(held.map((name) => [name, byUser[name]])) };
}

/** The settings of a session as its user changes them. Throws `setting_not_allowed` where that would loosen what holds without them. */
export function settingsByUser(
  { byUser: _before, ...own }: OwnSettings,
  byUser: SessionSettings,
  { usersMay, ...tenant }: TenantTerms,
  placeOf: (name: keyof SessionSettings) => string = (name) => `/settings/${name}`,
): OwnSettings {
  const { free, bound } = apart(byUser, usersMay?.set);
  const base = resolveSettings({ ...own, ...free }, tenant);
  const errors = SETTING_NAMES.flatMap((name): FieldFault[] => {
    const value = bound[name];
    if (value === undefined || value === base[name] || isTighter(name, value, base[name])) return [];
    const held = JSON.stringify(base[name]);
    const detail = USERS_MAY[name] === "lower" ? `may not be above ${held}` : `must stay ${held}, or be left out`;
    return [{ path: placeOf(name), detail: `${detail}, when a user sets it` }];
  });
  if (errors.length > 0) throw looseSettings(errors);
  return { ...own, byUser };
}

/** Those that the tenant opened to its users, and the others. */
function apart(
  byUser: SessionSettings,
  maySet: UsersMay["set"] = [],
): { readonly free: SessionSettings; readonly bound: SessionSettings } {
  const isFree = (name: string): boolean => maySet === "all" || maySet.some((opened) => opened === name);
  const entries = Object.entries(byUser);
  return {
    free: Object.fromEntries(entries.filter(([name]) => isFree(name))),
    bound: Object.fromEntries(entries.filter(([name]) => !isFree(name))),
  };
}

function isTighter(
  name: keyof ResolvedSettings,
  value: SessionSettings[keyof SessionSettings],
  held: ResolvedSettings[keyof ResolvedSettings],
): boolean {
  return USERS_MAY[name] === "lower" && sizeOf(value) < sizeOf(held);
}

function sizeOf(value: unknown): number {
  return typeof value === "number" ? value : Number.POSITIVE_INFINITY;
}

function looseSettings(errors: readonly FieldFault[]): ThreadkeepError {
  return new ThreadkeepError({
    code: "setting_not_allowed",
    detail:
      "A user may only tighten what a session costs. Leave out what errors lists, let your back end set it with its key, or ask the operator to open it (usersMay.set of the tenant). Nothing was changed.",
    errors,
  });
}

/** The session as its tenant's settings of now have it, without a write. */
export function withTenant(session: SessionRow, tenant: TenantSettings | undefined): SessionRow {
  if (tenant === undefined || tenant.rev <= session.tenantRev) return session;
  return { ...session, tenantRev: tenant.rev, tenantSettings: termsOf(tenant) };
}
