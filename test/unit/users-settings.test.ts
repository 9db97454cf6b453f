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
  it("may be tighter, and hold", () => {
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

  it("may say what holds anyway", () => {
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
    // What was set while it was allowed holds no more once it is looser than what the tenant says now.
    expect(held({ byUser })).toEqual(held({}));
  });

  it("may turn no archive on, which costs as well", () => {
    expect(pathsOf({ archiveMessages: true }, {}, {})).toEqual(["archiveMessages"]);
  });

  it("are all decided about: one that is added to the contract has to be placed here", () => {
    for (const name of Object.keys(sessionSettingsSchema.shape)) {
      const value = name === "profile" ? "agent" : name === "archiveMessages" ? false : 999_999_999;
      expect(pathsOf({ [name]: value })).toEqual([name]);
    }
  });

  it("stand beside those of the back end: what a user sets anew takes back nothing of them", () => {
    const own = { maxTokens: 2_000, archiveMessages: true };
    const first = settingsByUser(own, { maxTokens: 1_000 }, TENANT);
    expect(held(first).maxTokens).toBe(1_000);
    const second = settingsByUser(first, {}, TENANT);
    expect(held(second)).toMatchObject({ maxTokens: 2_000, archiveMessages: true });
    expect(pathsOf({ maxTokens: 3_000 }, first)).toEqual(["maxTokens"]);
  });

  it("follow their tenant, which may tighten later what they left alone or said as it was", () => {
    const byUser = { maxTokens: 4_000, archiveMessages: true, summarizeAfterTokens: 6_000 };
    const own = settingsByUser({}, byUser, TENANT);
    const now = { ...TENANT, maxTokens: 1_000, archiveMessages: false, summarizeAfterTokens: 7_000 };
    expect(held(own, now)).toMatchObject({ maxTokens: 1_000, archiveMessages: false, summarizeAfterTokens: 7_000 });
  });

  it("draw no threshold after them: a smaller budget makes no summary sooner", () => {
    const byUser = { maxTokens: 256 };
    expect(pathsOf(byUser, {}, {})).toEqual([]);
    expect(held({ byUser }, {})).toEqual({ ...resolveSettings({}), maxTokens: 256 });
  });

  it("may be what they like where the tenant opened them", () => {
    const open = { ...TENANT, usersMay: { set: ["summarizeAfterTokens" as const] } };
    const byUser = { summarizeAfterTokens: 3_000 };
    expect(pathsOf(byUser, {}, open)).toEqual([]);
    expect(held({ byUser }, open).summarizeAfterTokens).toBe(3_000);
    expect(pathsOf({ ...byUser, archiveMessages: false }, {}, open)).toEqual(["archiveMessages"]);
    const all = { ...TENANT, usersMay: { set: "all" as const } };
    expect(pathsOf({ archiveMessages: false, maxTokens: 1_000_000 }, {}, all)).toEqual([]);
    // And hold no more once it is closed again.
    expect(held({ byUser }, TENANT)).toEqual(held({}));
  });

  it("go into a file as far as they hold", () => {
    const settings = { archiveMessages: true, byUser: { maxTokens: 4_000, summaryMaxTokens: 9_000 } };
    expect(plainSettings({ settings, tenantSettings: TENANT })).toEqual({ archiveMessages: true, maxTokens: 4_000 });
  });
});
