import { type FieldFault, ThreadkeepError } from "../../api/errors.ts";
import type { TokenCount } from "../../api/message.ts";
import type { SessionLimits } from "../../api/quota.ts";
import { type ResolvedSettings, resolveSettings, type SessionSettings } from "../../api/session.ts";
import type { TenantSettings } from "../../api/tenant.ts";
import type { UsersMay } from "../../api/users-may.ts";
import type { SessionRow } from "./rows.ts";

/**
 * What a session stores of its tenant's settings. Its alarm and the frames on its sockets need them, and no request
 * brings them along there. `limits` and `usersMay` are stored among the settings, since no setting has these names.
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
 * A session's own settings. `byUser`, which is not the name of a setting, holds those that the session's user set. They
 * take effect only where they are tighter than what the back end and the tenant set, or where the tenant opened a
 * setting to its users. This is decided each time that the settings are read.
 */
export interface OwnSettings extends SessionSettings {
  readonly byUser?: SessionSettings;
}

/**
 * What a user may do with a setting that the tenant did not open to users. `lower`: only lower it, since a lower value
 * costs less; null (no limit) costs most. `same`: not change it at all, since either direction may cost more: an
 * earlier summary costs a model call, a later one makes longer prompts; archiving costs storage, and not archiving
 * loses messages.
 */
const USERS_MAY = {
  profile: "same",
  maxTokens: "lower",
  summarizeAfterTokens: "same",
  // Recent messages that are kept verbatim are sent again with the next prompt and make the next summary due earlier.
  keepRecentTokens: "lower",
  summaryMaxTokens: "lower",
  summarizerTokensPerDay: "lower",
  summarizeAfterIdleSeconds: "same",
  expireAfterIdleSeconds: "lower",
  archiveMessages: "same",
} as const satisfies Record<keyof ResolvedSettings, "lower" | "same">;

const SETTING_NAMES = Object.keys(USERS_MAY) as readonly (keyof ResolvedSettings)[];

/**
 * The settings in effect: the session's own, else the tenant's, else the defaults; and the user's where they are
 * tighter or opened to users.
 */
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
 * The token budget for which summaries are made: the one that the back end set, even where the user set a smaller one
 * (unless the tenant opened this setting to users).
 * Each summary is a model call that the operator pays for, so a user's smaller budget must not cause more of them; a
 * context for it lists what it omitted.
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

/**
 * The settings in effect, written as if the back end had set all of them. Exports use this: a file does not tell who
 * set what.
 */
export function plainSettings(session: Pick<SessionRow, "settings" | "tenantSettings">): SessionSettings {
  const { byUser, ...own } = session.settings;
  if (byUser === undefined) return own;
  const resolved = settingsOf(session);
  const held = SETTING_NAMES.filter((name) => byUser[name] !== undefined && byUser[name] === resolved[name]);
  return { ...own, ...Object.fromEntries(held.map((name) => [name, byUser[name]])) };
}

/**
 * The session's settings after its user changed theirs.
 * @param byUser all settings that the user sets from now on
 * @param placeOf where in the request a setting stands, as a JSON pointer, for the error
 * @throws ThreadkeepError `setting_not_allowed` if one of them is looser than what is in effect without it
 */
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

/** Splits a user's settings into those that the tenant opened to its users (`free`) and the others (`bound`). */
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
      "A user may only make a session's settings tighter. Leave out the settings that errors lists, let your back end set them with its key, or ask the operator to open them to users (usersMay.set of the tenant). Nothing was changed.",
    errors,
  });
}

/**
 * The session with the tenant's settings that a request brought, if they are newer than the stored ones. Does not
 * write.
 */
export function withTenant(session: SessionRow, tenant: TenantSettings | undefined): SessionRow {
  if (tenant === undefined || tenant.rev <= session.tenantRev) return session;
  return { ...session, tenantRev: tenant.rev, tenantSettings: termsOf(tenant) };
}
