import { describe, expect, it } from "vitest";
import type { SessionSettings } from "../../src/api/session.ts";
import type { TenantSettings } from "../../src/api/tenant.ts";
import {
  chatOf,
  creationOf,
  deliver,
  freshRef,
  jobOf,
  letPass,
  pendingJobs,
  pipelineDeps,
  ring,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  turn,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

function tenant(rev: number, settings: SessionSettings = {}, summarization: "on" | "paused" = "on"): TenantSettings {
  return { rev, settings, summarization, isOverBudget: false };
}

function turns(from: number, count: number, words = 40) {
  return Array.from({ length: count }, (_, index) => turn(from + index, words));
}

async function budgetOf(ref: SessionRef, of?: TenantSettings): Promise<number> {
  const context = unwrap(await sessionAt(ref).context({ format: "threadkeep" }, of));
  if (!("tokens" in context)) throw new Error("expected the format threadkeep");
  return context.tokens.budget;
}

function rowOf(ref: SessionRef): Promise<{ tenant_rev: number; tenant_settings: string }> {
  return runInDurableObject(stubAt(ref), (_, state) =>
    state.storage.sql
      .exec<{ tenant_rev: number; tenant_settings: string }>("SELECT tenant_rev, tenant_settings FROM session")
      .one(),
  );
}

describe("a tenant's settings in its sessions", () => {
  it("apply to a session that sets nothing, and are overridden by what it sets", async () => {
    const settings = { maxTokens: 2_000, summaryMaxTokens: 300 };
    const [plain, own] = [freshRef(), freshRef()];
    unwrap(await sessionAt(plain).append({ messages: turns(1, 2) }, creationOf(plain), tenant(1, settings)));
    unwrap(
      await sessionAt(own).append({ messages: turns(1, 2) }, creationOf(own, { maxTokens: 900 }), tenant(1, settings)),
    );
    expect(await budgetOf(plain)).toBe(2_000);
    expect(await budgetOf(own)).toBe(900);
    expect(unwrap(await sessionAt(own).state()).settings).toMatchObject({ maxTokens: 900, summaryMaxTokens: 300 });
  });

  it("decide when a summary is due", async () => {
    const ref = freshRef();
    const due = tenant(1, { summarizeAfterTokens: 200, keepRecentTokens: 50 });
    unwrap(await withoutAlarm(ref, (session) => session.append({ messages: turns(1, 8) }, creationOf(ref), due)));
    expect(await jobOf(ref, "summarize")).toMatchObject({ throughSeq: 4 });
    const lenient = freshRef();
    const own = creationOf(lenient, { summarizeAfterTokens: 10_000 });
    unwrap(await sessionAt(lenient).append({ messages: turns(1, 8) }, own, due));
    expect(await pendingJobs(lenient)).toEqual([]);
  });

  it("reach a session with its next append when they change, and a context at once, without a write", async () => {
    const ref = await chatOf(2);
    expect(await budgetOf(ref)).toBe(16_000);
    expect(await budgetOf(ref, tenant(1, { maxTokens: 2_000 }))).toBe(2_000);
    expect(await rowOf(ref)).toMatchObject({ tenant_rev: 0 });
    unwrap(await sessionAt(ref).append({ messages: [turn(3)] }, null, tenant(1, { maxTokens: 2_000 })));
    expect(await rowOf(ref)).toEqual({ tenant_rev: 1, tenant_settings: '{"maxTokens":2000}' });
    expect(await budgetOf(ref)).toBe(2_000);
  });

  it("are not set back by an isolate with older ones, or none", async () => {
    const ref = await chatOf(2);
    unwrap(await sessionAt(ref).append({ messages: [turn(3)] }, null, tenant(3, { maxTokens: 3_000 })));
    unwrap(await sessionAt(ref).append({ messages: [turn(4)] }, null, tenant(2, { maxTokens: 2_000 })));
    unwrap(await sessionAt(ref).append({ messages: [turn(5)] }, null));
    expect(await budgetOf(ref, tenant(2, { maxTokens: 2_000 }))).toBe(3_000);
    expect(await rowOf(ref)).toMatchObject({ tenant_rev: 3 });
  });

  it("are gone from a session when the tenant removes them", async () => {
    const ref = await chatOf(2);
    unwrap(await sessionAt(ref).append({ messages: [turn(3)] }, null, tenant(1, { maxTokens: 2_000 })));
    unwrap(await sessionAt(ref).append({ messages: [turn(4)] }, null, tenant(2)));
    expect(await budgetOf(ref)).toBe(16_000);
  });

  it("are used by the alarm when there are no calls any more", async () => {
    const ref = freshRef();
    const strict = tenant(1, { expireAfterIdleSeconds: 60, summarizeAfterIdleSeconds: null });
    unwrap(await sessionAt(ref).append({ messages: turns(1, 2) }, creationOf(ref), strict));
    expect(unwrap(await sessionAt(ref).state()).expiresAt).not.toBeNull();
    await letPass(ref, 120_000);
    await until("the session expires", async () => {
      await ring(ref);
      const state = await sessionAt(ref).state();
      return !state.ok && state.fault.code === "session_expired";
    });
  });

  it("reach an existing session's alarm: an earlier one replaces the one that is set", async () => {
    const ref = await chatOf(12, { words: 120 });
    const alarm = (): Promise<number | null> => runInDurableObject(stubAt(ref), (_, state) => state.storage.getAlarm());
    const before = Number(await alarm());
    const sooner = tenant(1, { summarizeAfterIdleSeconds: 60 });
    unwrap(await sessionAt(ref).append({ messages: [said("more")] }, null, sooner));
    expect(await alarm()).toBeLessThan(before);
    expect(await alarm()).toBeLessThanOrEqual(Date.now() + 66_000);
  });

  it("that pause summaries stop them while appends and contexts continue, and they are made automatically afterwards", async () => {
    const ref = await chatOf(8);
    unwrap(await withoutAlarm(ref, (session) => session.summarize({ keepRecentTokens: 0 })));
    const job = await jobOf(ref, "summarize");
    let calls = 0;
    let current = tenant(1, {}, "paused");
    const parts = pipelineDeps({
      tenants: { read: async () => current, spend: async () => undefined, spendOnEmbeddings: async () => undefined },
      summarizer: {
        summarize: async () => {
          calls += 1;
          return { model: "test", items: [] };
        },
      },
    });
    expect(await deliver(job, parts)).toBe("acked");
    expect(calls).toBe(0);
    expect(await pendingJobs(ref)).toMatchObject([{ kind: "summarize", state: "pending", failures: 0, lease: null }]);
    unwrap(await sessionAt(ref).append({ messages: [turn(9)] }, null, current));
    expect(unwrap(await sessionAt(ref).context({}))).toMatchObject({ headSeq: 9, omitted: [], summaryPending: true });
    current = tenant(2);
    expect(await deliver(job, parts)).toBe("acked");
    expect(calls).toBe(1);
    expect(unwrap(await sessionAt(ref).state()).summary).toMatchObject({ throughSeq: 4 });
  });
});
