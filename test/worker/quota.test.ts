import { env, waitUntil } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/api/errors.ts";
import type { SessionLimits } from "../../src/api/quota.ts";
import { type TenantSettings, tenantStateSchema, UNSET_TENANT } from "../../src/api/tenant.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantClient } from "../../src/tenant/client.ts";
import {
  billed,
  creationOf,
  evictDurableObject,
  freshRef,
  letPass,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  turn,
  unwrap,
} from "../support/session.ts";
import { type JsonAnswer, sendAsAdmin } from "../support/worker-http.ts";

const DAY_MS = 86_400_000;

const revs = new Map<string, number>();

/** Equal limits have one rev, other limits a later one. */
function tenantWith(limits: SessionLimits): TenantSettings {
  const name = JSON.stringify(limits);
  const rev = revs.get(name) ?? revs.size + 1;
  revs.set(name, rev);
  return { ...UNSET_TENANT, rev, limits };
}

/** @param limits null: the tenant never set anything */
async function append(ref: SessionRef, limits: SessionLimits | null, ...ids: string[]): Promise<Outcome<unknown>> {
  const messages = ids.map((id) => said(`This is ${id}.`, id));
  return sessionAt(ref).append({ messages }, creationOf(ref), limits === null ? undefined : tenantWith(limits));
}

async function headOf(ref: SessionRef): Promise<number> {
  return unwrap(await sessionAt(ref).state()).headSeq;
}

async function rowsWritten(ref: SessionRef, limits: SessionLimits, id?: string): Promise<number> {
  const messages = [said("One more.", id)];
  const bill = await billed(ref, async (session) =>
    unwrap(await session.append({ messages }, null, tenantWith(limits))),
  );
  return bill.rows;
}

describe("a session's messages of a day", () => {
  const limits = { sessionMessagesPerDay: 3 };

  it("are counted exactly: an append past the limit is refused as a whole, and stores nothing", async () => {
    const ref = freshRef();
    unwrap(await append(ref, limits, "a", "b"));
    expect(await append(ref, limits, "c", "d")).toMatchObject({
      ok: false,
      fault: { code: "quota_exceeded", quota: { name: "messages", limit: 3, remaining: 1 } },
    });
    expect(await headOf(ref)).toBe(2);
    unwrap(await append(ref, limits, "c"));
    expect(await append(ref, limits, "d")).toMatchObject({ ok: false, fault: { code: "quota_exceeded" } });
    expect(await headOf(ref)).toBe(3);
  });

  it("are not used up by a repetition: a lost answer can be requested again even if nothing is left", async () => {
    const ref = freshRef();
    unwrap(await append(ref, limits, "a", "b", "c"));
    expect(unwrap(await append(ref, limits, "a", "b", "c"))).toMatchObject({ headSeq: 3 });
  });

  it("are still counted after an eviction", async () => {
    const ref = freshRef();
    unwrap(await append(ref, limits, "a", "b", "c"));
    await evictDurableObject(stubAt(ref));
    expect(await append(ref, limits, "d")).toMatchObject({ ok: false, fault: { code: "quota_exceeded" } });
  });

  it("are also limited if the caller brings no settings, as a frame on a socket does", async () => {
    const ref = freshRef();
    unwrap(await append(ref, limits, "a", "b", "c"));
    await evictDurableObject(stubAt(ref));
    expect(await sessionAt(ref).append({ messages: [said("d")] }, null)).toMatchObject({
      ok: false,
      fault: { code: "quota_exceeded" },
    });
  });

  it("have the full limit again on the next day", async () => {
    const ref = freshRef();
    unwrap(await append(ref, limits, "a", "b", "c"));
    await letPass(ref, DAY_MS);
    unwrap(await append(ref, limits, "d", "e", "f"));
    expect(await append(ref, limits, "g")).toMatchObject({ ok: false, fault: { code: "quota_exceeded" } });
    expect(await headOf(ref)).toBe(6);
  });

  it("are not limited without a limit, and by a new one from the next append on", async () => {
    const ref = freshRef();
    unwrap(await append(ref, null, "a", "b", "c", "d"));
    expect(await append(ref, limits, "e")).toMatchObject({ ok: false, fault: { code: "quota_exceeded" } });
    unwrap(await append(ref, { sessionMessagesPerDay: 5 }, "e"));
  });

  it("are still counted for a session that was erased and created again, until the day is over", async () => {
    const ref = freshRef();
    unwrap(await append(ref, limits, "a", "b"));
    unwrap(await sessionAt(ref).erase());
    unwrap(await append(ref, limits, "a"));
    expect(await append(ref, limits, "d")).toMatchObject({ ok: false, fault: { code: "quota_exceeded" } });
    await letPass(ref, DAY_MS);
    unwrap(await append(ref, limits, "d", "e", "f"));
  });

  it("cost no more rows than those of a session without limits", async () => {
    const ref = freshRef();
    const both = { sessionMessagesPerDay: 100, sessionTokensPerDay: 10_000 };
    unwrap(await append(ref, both, "a"));
    expect(await rowsWritten(ref, both, "b")).toBe(1);
    expect(await rowsWritten(ref, both)).toBe(1);
  });
});

it("the tokens of a session in a day are counted as appended, and an edit returns none", async () => {
  const ref = freshRef();
  unwrap(await append(ref, null, "a"));
  const { messageTokens: each } = unwrap(await sessionAt(ref).state());
  const limits = { sessionTokensPerDay: 2 * each };
  unwrap(await sessionAt(ref).editMessage("a", { content: "." }));
  unwrap(await append(ref, limits, "b"));
  expect(await append(ref, limits, "c")).toMatchObject({
    ok: false,
    fault: { quota: { name: "tokens", limit: 2 * each, remaining: 0 } },
  });
});

it("requested summaries end at the day's limit, and the chat continues", async () => {
  const ref = freshRef();
  const tenant = tenantWith({ sessionSummariesPerDay: 1 });
  const messages = Array.from({ length: 8 }, (_, index) => turn(index + 1));
  unwrap(await sessionAt(ref).append({ messages }, creationOf(ref), tenant));
  const first = unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
  expect(first.summary?.version).toBe(1);
  unwrap(await sessionAt(ref).append({ messages: [turn(9), turn(10)] }, null, tenant));
  expect(await sessionAt(ref).summarize({ keepRecentTokens: 0 })).toMatchObject({
    ok: false,
    fault: { code: "quota_exceeded", quota: { name: "summaries", limit: 1 } },
  });
  unwrap(await sessionAt(ref).append({ messages: [turn(11)] }, null, tenant));
  expect(unwrap(await sessionAt(ref).state()).headSeq).toBe(11);
});

describe("a tenant's limits", () => {
  const admin = (method: string, tenant: string, body?: unknown): Promise<JsonAnswer> =>
    sendAsAdmin(method, `/v1/admin/tenants/${tenant}`, body);
  const freshTenant = (): string => `t-${crypto.randomUUID()}`;
  const read = ({ body }: JsonAnswer) => tenantStateSchema.parse(body);

  it("are set by the operator, replaced as a whole, kept next to all else, and removed", async () => {
    const tenant = freshTenant();
    const limits = { sessionMessagesPerDay: 50, sessionTokensPerDay: null };
    expect(read(await admin("PATCH", tenant, { limits })).limits).toEqual({ sessionMessagesPerDay: 50 });
    expect(read(await admin("PATCH", tenant, { summarization: "paused" }))).toMatchObject({
      rev: 2,
      limits: { sessionMessagesPerDay: 50 },
    });
    const client = createTenantClient(env.TENANT, { keepAlive: waitUntil, log: createLog({ write: () => undefined }) });
    expect(await client.read(tenant)).toMatchObject({ limits: { sessionMessagesPerDay: 50 } });
    expect(read(await admin("PATCH", tenant, { limits: {} }))).toMatchObject({ rev: 3, limits: {} });
    expect(read(await admin("PATCH", tenant, { limits: {} }))).toMatchObject({ rev: 3, limits: {} });
  });

  it("are refused if they make no sense, and nothing changes", async () => {
    const tenant = freshTenant();
    for (const limits of [
      { sessionMessagesPerDay: 0 },
      { sessionMessagesPerDay: -1 },
      { sessionMessagesPerDay: 1.5 },
      { sessionMessagesPerDay: "100" },
      { messagesPerDay: 5 },
      [],
      null,
    ]) {
      expect((await admin("PATCH", tenant, { limits })).status, JSON.stringify(limits)).toBe(422);
    }
    expect(read(await admin("GET", tenant))).toMatchObject({ rev: 0, limits: {} });
  });
});
