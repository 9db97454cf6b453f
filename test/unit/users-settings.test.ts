import { describe, expect, it } from "vitest";
import { ThreadkeepError } from "../../src/api/errors.ts";
import { resolveSettings, type SessionSettings, sessionSettingsSchema } from "../../src/api/session.ts";
import {
  type OwnSettings,
  plainSettings,
  settingsByUser,
  settingsOf,
  type TenantTerms,
} from "../../src/session/sqlite/settings.ts";

const TENANT: TenantTerms = {
  maxTokens: 8_000,
  summarizeAfterTokens: 6_000,
  keepRecentTokens: 2_000,
  summaryMaxTokens: 1_000,
  summarizerTokensPerDay: 5_000,
  summarizeAfterIdleSeconds: 1_800,
  expireAfterIdleSeconds: 86_400,
  archiveMessages: true,
};

const held = (settings: OwnSettings, tenantSettings: TenantTerms = TENANT) => settingsOf({ settings, tenantSettings });

function pathsOf(byUser: SessionSettings, own: OwnSettings = {}, tenant: TenantTerms = TENANT): string[] {
  try {
    settingsByUser(own, byUser, tenant);
    return [];
  } catch (error) {
    if (!(error instanceof ThreadkeepError)) throw error;
    expect(error.fault.code).toBe("setting_not_allowed");
    return (error.fault.errors ?? []).map(({ path }) => path.replace("/settings/", ""));
  }
}

describe("a user's settings", () => {
  it("may be stricter, and then apply", () => {
    const byUser = {
      maxTokens: 4_000,
      keepRecentTokens: 0,
      summaryMaxTokens: 500,
      summarizerTokensPerDay: 0,
      expireAfterIdleSeconds: 3_600,
    };
    expect(pathsOf(byUser)).toEqual([]);
    expect(held({ byUser })).toEqual({ ...held({}), ...byUser });
  });

  it("may repeat what applies anyway", () => {
    const { profile: _profile, ...resolved } = held({});
    expect(pathsOf(resolved)).toEqual([]);
    expect(held({ byUser: resolved })).toEqual(held({}));
  });

  it.each<SessionSettings>([
    { profile: "agent" },
    { maxTokens: 8_001 },
    { summarizeAfterTokens: 5_999 },
    { summarizeAfterTokens: 6_001 },
    { keepRecentTokens: 2_001 },
    { summaryMaxTokens: 1_001 },
    { summarizerTokensPerDay: 5_001 },
    { summarizerTokensPerDay: null },
    { summarizeAfterIdleSeconds: 10 },
    { summarizeAfterIdleSeconds: null },
    { expireAfterIdleSeconds: 86_401 },
    { expireAfterIdleSeconds: null },
    { archiveMessages: false },
  ])("may not loosen what the operator pays for: %j", (byUser) => {
    expect(pathsOf(byUser)).toEqual(Object.keys(byUser));
    // A setting that was made while it was allowed is ignored once it is less strict than the tenant's.
    expect(held({ byUser })).toEqual(held({}));
  });

  it("may not turn on the archive, which also costs", () => {
    expect(pathsOf({ archiveMessages: true }, {}, {})).toEqual(["archiveMessages"]);
  });

  it("are all classified: a new setting of the contract has to be added here", () => {
    for (const name of Object.keys(sessionSettingsSchema.shape)) {
      const value = name === "profile" ? "agent" : name === "archiveMessages" ? false : 999_999_999;
      expect(pathsOf({ [name]: value })).toEqual([name]);
    }
  });

  it("are separate from those of the back end: a user's change takes back nothing of them", () => {
    const own = { maxTokens: 2_000, archiveMessages: true };
    const first = settingsByUser(own, { maxTokens: 1_000 }, TENANT);
    expect(held(first).maxTokens).toBe(1_000);
    const second = settingsByUser(first, {}, TENANT);
    expect(held(second)).toMatchObject({ maxTokens: 2_000, archiveMessages: true });
    expect(pathsOf({ maxTokens: 3_000 }, first)).toEqual(["maxTokens"]);
  });

  it("follow their tenant, which may later restrict what they left unset or repeated", () => {
    const byUser = { maxTokens: 4_000, archiveMessages: true, summarizeAfterTokens: 6_000 };
    const own = settingsByUser({}, byUser, TENANT);
    const now = { ...TENANT, maxTokens: 1_000, archiveMessages: false, summarizeAfterTokens: 7_000 };
    expect(held(own, now)).toMatchObject({ maxTokens: 1_000, archiveMessages: false, summarizeAfterTokens: 7_000 });
  });

  it("do not change thresholds: a smaller budget makes no summary due earlier", () => {
    const byUser = { maxTokens: 256 };
    expect(pathsOf(byUser, {}, {})).toEqual([]);
    expect(held({ byUser }, {})).toEqual({ ...resolveSettings({}), maxTokens: 256 });
  });

  it("may be anything if the tenant allows it", () => {
    const open = { ...TENANT, usersMay: { set: ["summarizeAfterTokens" as const] } };
    const byUser = { summarizeAfterTokens: 3_000 };
    expect(pathsOf(byUser, {}, open)).toEqual([]);
    expect(held({ byUser }, open).summarizeAfterTokens).toBe(3_000);
    expect(pathsOf({ ...byUser, archiveMessages: false }, {}, open)).toEqual(["archiveMessages"]);
    const all = { ...TENANT, usersMay: { set: "all" as const } };
    expect(pathsOf({ archiveMessages: false, maxTokens: 1_000_000 }, {}, all)).toEqual([]);
    // And they are ignored once the tenant forbids it again.
    expect(held({ byUser }, TENANT)).toEqual(held({}));
  });

  it("are exported as far as they apply", () => {
    const settings = { archiveMessages: true, byUser: { maxTokens: 4_000, summaryMaxTokens: 9_000 } };
    expect(plainSettings({ settings, tenantSettings: TENANT })).toEqual({ archiveMessages: true, maxTokens: 4_000 });
  });
});
