import { describe, expect, it } from "vitest";
import type { SessionSettings, SessionState } from "../../src/api/session.ts";
import { creationOf, listed, said, sessionAt, type SessionRef, storedText, unwrap } from "../support/session.ts";
import { freshTenant, tenants, userOf } from "../support/worker-user.ts";

/** The operator's settings for every session of the tenant. */
const OPERATORS = {
  maxTokens: 8_000,
  summarizeAfterTokens: 20_000,
  keepRecentTokens: 2_000,
  summaryMaxTokens: 1_000,
  summarizerTokensPerDay: 5_000,
  archiveMessages: true,
} as const;

/** Settings that cost more. */
const LOOSE: SessionSettings = {
  summaryMaxTokens: 32_000,
  summarizeAfterTokens: 100,
  keepRecentTokens: 0,
  summarizerTokensPerDay: null,
  archiveMessages: false,
};

const refusal = (placeOf: (name: string) => string = (name) => `/settings/${name}`) => ({
  status: 403,
  body: {
    code: "setting_not_allowed",
    detail: expect.stringContaining("let your back end set them"),
    errors: ["summarizeAfterTokens", "summaryMaxTokens", "summarizerTokensPerDay", "archiveMessages"].map((name) => ({
      path: placeOf(name),
      detail: expect.stringContaining("when a user sets it"),
    })),
  },
});

async function strictTenant(): Promise<string> {
  const tenant = freshTenant();
  await tenants.update(tenant, { settings: OPERATORS });
  return tenant;
}

async function chatOfAda(): Promise<SessionRef> {
  const ref = { tenant: await strictTenant(), owner: "ada", session: crypto.randomUUID() };
  unwrap(await sessionAt(ref).append({ messages: [said("Hello.")] }, creationOf(ref), await tenants.read(ref.tenant)));
  return ref;
}

const heldBy = async (ref: SessionRef): Promise<SessionSettings> =>
  unwrap(await sessionAt(ref).state(await tenants.read(ref.tenant))).settings;

describe("a user cannot make settings less strict than the operator's", () => {
  it("when a session is created, alone or from another", async () => {
    const ref = await chatOfAda();
    const ada = userOf(ref.tenant, "ada");
    const id = crypto.randomUUID();
    for (const more of [{}, { continueFrom: ref.session }, { seedFromUser: true }]) {
      expect(await ada.send("POST", "/sessions", { id, settings: LOOSE, ...more })).toMatchObject(refusal());
    }
    const created = { ...ref, session: id };
    expect(await storedText(created)).toBe("");
    expect((await listed(created)).has(id)).toBe(false);
    const { body } = await ada.send<SessionState>("POST", "/sessions", { id, settings: { maxTokens: 4_000 } });
    expect(body.settings).toMatchObject({ ...OPERATORS, maxTokens: 4_000 });
  });

  it("when its settings are replaced", async () => {
    const ref = await chatOfAda();
    const ada = userOf(ref.tenant, "ada");
    const path = `/sessions/${ref.session}`;
    const before = await heldBy(ref);
    expect(before).toMatchObject(OPERATORS);
    expect(await ada.send("PATCH", path, { settings: LOOSE })).toMatchObject(refusal());
    expect(await heldBy(ref)).toEqual(before);
    const tighter = { settings: { maxTokens: 4_000, summarizerTokensPerDay: 100 } };
    expect(await ada.send("PATCH", path, tighter)).toMatchObject({ status: 200 });
    expect(await heldBy(ref)).toEqual({ ...before, ...tighter.settings });
    // A user may withdraw their own settings.
    expect(await ada.send("PATCH", path, { settings: {} })).toMatchObject({ status: 200 });
    expect(await heldBy(ref)).toEqual(before);
  });

  it("by leaving out what a back end set for the session", async () => {
    const ref = await chatOfAda();
    const ada = userOf(ref.tenant, "ada");
    const path = `/sessions/${ref.session}`;
    unwrap(await sessionAt(ref).update({ settings: { maxTokens: 1_000, summarizerTokensPerDay: 0 } }));
    expect(await ada.send("PATCH", path, { settings: {} })).toMatchObject({ status: 200 });
    expect(await heldBy(ref)).toMatchObject({ maxTokens: 1_000, summarizerTokensPerDay: 0 });
    expect(await ada.send("PATCH", path, { settings: { maxTokens: 2_000 } })).toMatchObject({
      body: { errors: [{ path: "/settings/maxTokens", detail: "may not be above 1000, when a user sets it" }] },
    });
  });

  it("when a session is forked", async () => {
    const ref = await chatOfAda();
    const ada = userOf(ref.tenant, "ada");
    const path = `/sessions/${ref.session}/fork`;
    const fork = { ...ref, session: crypto.randomUUID() };
    expect(await ada.send("POST", path, { id: fork.session, settings: LOOSE })).toMatchObject(refusal());
    expect(await storedText(fork)).toBe("");
    const body = { id: fork.session, settings: { maxTokens: 4_000 } };
    expect([201, 202]).toContain((await ada.send("POST", path, body)).status);
    expect(await heldBy(fork)).toMatchObject({ ...OPERATORS, maxTokens: 4_000 });
    const again = { ...ref, session: crypto.randomUUID() };
    expect([201, 202]).toContain(
      (await ada.send("POST", `/sessions/${fork.session}/fork`, { id: again.session })).status,
    );
    expect(await heldBy(again)).toMatchObject({ maxTokens: 4_000 });
    expect(await ada.send("PATCH", `/sessions/${again.session}`, { settings: { maxTokens: 8_001 } })).toMatchObject({
      status: 403,
    });
  });

  it("when a session is imported", async () => {
    const ref = { tenant: await strictTenant(), owner: "ada", session: crypto.randomUUID() };
    const file = (settings: SessionSettings): string => {
      const head = { type: "session", format: "threadkeep-session", formatVersion: 1, id: ref.session, settings };
      const end = { type: "end", messages: 0, summaries: 0, items: 0, complete: true };
      const lines = [{ ...head, createdAt: "2026-11-22T09:30:00.000Z", metadata: {} }, end];
      return lines.map((line) => JSON.stringify(line)).join("\n");
    };
    const ada = userOf(ref.tenant, "ada");
    expect(await ada.send("POST", "/import", file(LOOSE))).toMatchObject(refusal(() => "line 1"));
    expect(await storedText(ref)).toBe("");
    expect(await ada.send("POST", "/import", file({ maxTokens: 4_000 }))).toMatchObject({ status: 201 });
    expect(await heldBy(ref)).toMatchObject({ ...OPERATORS, maxTokens: 4_000 });
  });

  it("by a file with dates in the future, which would postpone expiry", async () => {
    const tenant = freshTenant();
    await tenants.update(tenant, { settings: { expireAfterIdleSeconds: 3_600 } });
    const ref = { tenant, owner: "ada", session: crypto.randomUUID() };
    const late = "9999-01-01T00:00:00.000Z";
    const head = { type: "session", format: "threadkeep-session", formatVersion: 1, id: ref.session, metadata: {} };
    const spoken = { type: "message", seq: 1, id: "m", role: "user", content: "Hello.", editedAt: late };
    const end = { type: "end", messages: 1, summaries: 0, items: 0, complete: true };
    const lines = [{ ...head, settings: {}, createdAt: late }, { ...spoken, createdAt: late }, end];
    const file = lines.map((line) => JSON.stringify(line)).join("\n");
    expect(await userOf(tenant, "ada").send("POST", "/import", file)).toMatchObject({ status: 201 });
    const { createdAt, expiresAt } = unwrap(await sessionAt(ref).state(await tenants.read(tenant)));
    expect(Date.parse(createdAt)).toBeLessThanOrEqual(Date.now());
    expect(Date.parse(expiresAt ?? late)).toBeLessThan(Date.now() + 2 * 3_600_000);
  });

  it("by a setting that equalled the operator's, once the operator becomes stricter", async () => {
    const ref = await chatOfAda();
    const settings = { maxTokens: 6_000, archiveMessages: true, summarizeAfterTokens: 20_000 };
    expect(await userOf(ref.tenant, "ada").send("PATCH", `/sessions/${ref.session}`, { settings })).toMatchObject({
      status: 200,
    });
    await tenants.update(ref.tenant, {
      settings: { ...OPERATORS, maxTokens: 3_000, archiveMessages: false, summarizeAfterTokens: 30_000 },
    });
    expect(await heldBy(ref)).toMatchObject({ maxTokens: 3_000, archiveMessages: false, summarizeAfterTokens: 30_000 });
  });
});

describe("settings are changed by whoever may", () => {
  it("a back end sets anything for a user, and removes what the user set", async () => {
    const ref = await chatOfAda();
    const path = `/sessions/${ref.session}`;
    expect(await userOf(ref.tenant, "ada").send("PATCH", path, { settings: { maxTokens: 500 } })).toMatchObject({
      status: 200,
    });
    const scopes = ["memory:read", "memory:write"] as const;
    const backEnd = userOf(ref.tenant, "ada", {
      authenticate: async () => ({ kind: "tenant-key", id: "key:1", tenant: ref.tenant, owner: "ada", scopes }),
    });
    expect(await backEnd.send("PATCH", path, { settings: LOOSE })).toMatchObject({ status: 200 });
    expect(await heldBy(ref)).toMatchObject({ ...LOOSE, maxTokens: OPERATORS.maxTokens });
  });

  it("a user sets what the tenant allows, as long as it does", async () => {
    const ref = await chatOfAda();
    const path = `/sessions/${ref.session}`;
    await tenants.update(ref.tenant, { usersMay: { set: ["archiveMessages"] } });
    const ada = userOf(ref.tenant, "ada");
    expect(await ada.send("PATCH", path, { settings: { archiveMessages: false } })).toMatchObject({ status: 200 });
    expect(await heldBy(ref)).toMatchObject({ archiveMessages: false });
    expect(await ada.send("PATCH", path, { settings: { maxTokens: 9_000 } })).toMatchObject({ status: 403 });
    await tenants.update(ref.tenant, { usersMay: {} });
    expect(await heldBy(ref)).toMatchObject({ archiveMessages: true });
  });
});
