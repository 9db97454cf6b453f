import { env } from "cloudflare:workers";
import { type SQL, sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import type { SessionSettings } from "../../src/api/session.ts";
import { withDatabase } from "../../src/archive/database.ts";
import { withinTenant } from "../../src/archive/reach.ts";
import {
  archivedTexts,
  beside,
  chatOf,
  continuationOf,
  creationOf,
  deliver,
  epochOf,
  freshRef,
  isExpired,
  itemsOf,
  jobOf,
  letPass,
  listed,
  pendingJobs,
  pipelineDeps,
  quoting,
  request,
  ring,
  runInDurableObject,
  said,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  storedText,
  stubAt,
  takeAlarm,
  turn,
  until,
  untilExpired,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

const HOUR_MS = 3_600_000;
const EXPIRING: SessionSettings = { expireAfterIdleSeconds: 3_600, summarizeAfterIdleSeconds: null };

/** A listed chat that is silent for longer than its settings allow. */
async function silentChat(turns = 12, settings: SessionSettings = EXPIRING): Promise<SessionRef> {
  const ref = await chatOf(turns, { settings });
  const grant = await pipelineDeps().directory.register(ref, Date.now(), {});
  unwrap(await sessionAt(ref).create({ ...creationOf(ref), ...grant }));
  await letPass(ref, 2 * HOUR_MS);
  return ref;
}

function pendingKinds(ref: SessionRef): Promise<unknown[]> {
  return pendingJobs(ref).then((jobs) => jobs.map(({ kind }) => kind).toSorted());
}

/** The alarm rings, and only the test delivers what it sends. */
async function scheduleExpiry(ref: SessionRef) {
  await runInDurableObject(stubAt(ref), async (session, state) => {
    await session.alarm();
    await state.storage.deleteAlarm();
  });
  return jobOf(ref, "expire");
}

async function onArchive({ tenant }: SessionRef, query: SQL): Promise<unknown[]> {
  const { rows } = await withDatabase(env.HYPERDRIVE.connectionString, (database) =>
    withinTenant(database, tenant, (transaction) => transaction.execute(query)),
  );
  return rows;
}

describe("expiry", () => {
  it("is off by default: years of silence change nothing", async () => {
    const ref = await chatOf(6);
    expect(unwrap(await sessionAt(ref).state()).expiresAt).toBeNull();
    await letPass(ref, 1_000 * 24 * HOUR_MS);
    await ring(ref);
    expect(await pendingKinds(ref)).toEqual([]);
    expect(unwrap(await sessionAt(ref).message("turn-1")).seq).toBe(1);
  });

  it("has a date at the earliest, which each append postpones", async () => {
    const ref = await chatOf(2, { settings: EXPIRING });
    const expiresAt = async (): Promise<number> => Date.parse(unwrap(await sessionAt(ref).state()).expiresAt ?? "");
    const first = await expiresAt();
    expect(first).toBeGreaterThan(Date.now() + HOUR_MS - 60_000);
    expect(first).toBeLessThan(Date.now() + 1.1 * HOUR_MS + 1);
    await letPass(ref, HOUR_MS / 2);
    unwrap(await sessionAt(ref).append({ messages: [said("more")] }, null));
    expect(await expiresAt()).toBeGreaterThanOrEqual(first);
  });

  it("leaves a tombstone that answers every request with 410, and nothing that was said", async () => {
    const ref = await silentChat();
    await untilExpired(ref);
    const expired = { status: 410, body: { code: "session_expired" } };
    const path = `/sessions/${ref.session}`;
    for (const [method, rest, body] of [
      ["GET", "", undefined],
      ["PATCH", "", { metadata: {} }],
      ["GET", "/messages", undefined],
      ["POST", "/messages", { messages: [said("x")] }],
      ["GET", "/messages/turn-1", undefined],
      ["DELETE", "/messages/turn-1", undefined],
      ["GET", "/context", undefined],
      ["POST", "/search", { query: "invoice" }],
      ["GET", "/summaries", undefined],
      ["POST", "/summarize", {}],
      ["POST", "/fork", {}],
      ["GET", "/export", undefined],
    ] as const) {
      expect(await request(method, path + rest, body), `${method} ${rest}`).toMatchObject(expired);
    }
    expect(await request("POST", "/sessions", { id: ref.session })).toMatchObject(expired);
    expect(await storedText(ref)).not.toContain("invoice");
    expect((await archivedTexts(await epochOf(ref))).join("\n")).toContain("invoice");
  });

  it("is shown in the list with its date", async () => {
    const ref = await silentChat(2);
    expect((await listed(ref)).get(ref.session)).not.toHaveProperty("expiredAt");
    await untilExpired(ref);
    const entry = (await listed(ref)).get(ref.session);
    expect(Date.parse(entry?.expiredAt ?? "")).toBeGreaterThan(Date.now() - 60_000);
  });

  it("waits for a summary of every message, and for the archive to confirm it", async () => {
    const ref = await silentChat();
    const job = await scheduleExpiry(ref);
    const step = () => withoutAlarm(ref, (session) => session.confirmExpiry(job.jobId, job.epoch, "expire"));
    await withoutAlarm(ref, (session) => session.stepExpiry(job.jobId, job.epoch));
    expect(await step()).toBe(false);
    expect(await pendingKinds(ref)).toEqual(["expire", "summarize"]);
    const summarize = await jobOf(ref, "summarize");
    expect(summarize.throughSeq).toBe(12);
    const call = await sessionAt(ref).beginSummary(summarize.jobId, summarize.epoch);
    if (call.next !== "call") throw new Error("expected a call");
    const answer = quoting(call.request);
    await withoutAlarm(ref, (session) => session.saveAnswer(summarize.jobId, summarize.epoch, call.lease, answer));
    expect(await step()).toBe(false);
    expect(unwrap(await sessionAt(ref).state())).toMatchObject({ summary: { throughSeq: 12 }, archived: false });
    await deliver(await jobOf(ref, "archive"));
    expect(await step()).toBe(true);
    expect(await isExpired(ref)).toBe(true);
  });

  it.each([
    ["lost", sql`delete from sessions where session = `],
    ["set back to an earlier revision of", sql`update sessions set rev = rev - 1 where session = `],
  ])("first sends everything again if a restored archive has %s the session", async (_, setBack) => {
    const ref = await silentChat();
    const job = await scheduleExpiry(ref);
    await withoutAlarm(ref, (session) => session.stepExpiry(job.jobId, job.epoch));
    // Only the test sends. Otherwise the session could expire before its archive is set back, or send everything at once.
    for (const kind of ["summarize", "archive"] as const) {
      await deliver(await jobOf(ref, kind));
      await takeAlarm(ref);
    }
    expect(unwrap(await sessionAt(ref).state())).toMatchObject({ summary: { throughSeq: 12 }, archived: true });
    const epoch = await epochOf(ref);
    await onArchive(ref, sql`${setBack}${ref.session}`);
    await deliver(job);
    await takeAlarm(ref);
    expect(await isExpired(ref)).toBe(false);
    expect(await pendingKinds(ref)).toEqual(["archive", "expire"]);
    await untilExpired(ref);
    expect((await archivedTexts(epoch)).join("\n")).toContain("invoice");
    expect(await onArchive(ref, sql`select session from sessions where epoch = ${epoch}`)).toHaveLength(1);
  });

  it("does not happen while the summary is a fallback summary", async () => {
    const ref = await silentChat(2);
    const job = await scheduleExpiry(ref);
    await deliver(job);
    await ring(ref);
    await until("summarized and archived", async () => {
      const { summary, archived } = unwrap(await sessionAt(ref).state());
      return summary?.throughSeq === 2 && archived;
    });
    await runInDurableObject(stubAt(ref), (_, state) => {
      state.storage.sql.exec("UPDATE summaries SET degraded = 1");
    });
    await deliver(job);
    expect(await isExpired(ref)).toBe(false);
    await runInDurableObject(stubAt(ref), (_, state) => {
      state.storage.sql.exec("UPDATE summaries SET degraded = 0");
    });
    await deliver(job);
    expect(await isExpired(ref)).toBe(true);
  });

  it("does not happen before the carried items have arrived", async () => {
    const source = await chatOf(12);
    const ref = beside(source);
    const origin = unwrap(await sessionAt(source).beginContinuation(ref.session));
    unwrap(await withoutAlarm(ref, (session) => session.create(creationOf(ref, EXPIRING), undefined, origin)));
    await letPass(ref, 2 * HOUR_MS);
    await runInDurableObject(stubAt(ref), (_, state) => {
      state.storage.sql.exec("UPDATE jobs SET next_send_at = ?", Date.now() + HOUR_MS);
    });
    const job = await scheduleExpiry(ref);
    const step = () => withoutAlarm(ref, (session) => session.confirmExpiry(job.jobId, job.epoch, "expire"));
    expect(await step()).toBe(false);
    const { jobId, epoch } = await jobOf(ref, "restore");
    await withoutAlarm(ref, async (session) => {
      const lease = (await session.nextCarryOver(jobId, epoch))?.lease ?? "";
      return session.carryOver(jobId, epoch, lease, null);
    });
    expect(await step()).toBe(true);
  });

  it("is cancelled by an append that comes in between, and the list drops its date", async () => {
    const ref = await silentChat(2);
    const job = await scheduleExpiry(ref);
    const { sessions } = pipelineDeps();
    let steps = 0;
    const overtaken = pipelineDeps({
      sessions: {
        get: (at) =>
          new Proxy(sessions.get(at), {
            get: (target, name) => {
              if (name !== "stepExpiry") return Reflect.get(target, name);
              return async () => {
                steps += 1;
                unwrap(await sessionAt(ref).append({ messages: [said("wait", "late")] }, null));
                return { step: "expire", at: Date.now() };
              };
            },
          }),
      },
    });
    await deliver(job, overtaken);
    expect(steps).toBe(1);
    // The list says that it expired, and the object still has a job to correct that.
    expect(await pendingKinds(ref)).toContain("expire");
    await deliver(job);
    expect(unwrap(await sessionAt(ref).message("late")).seq).toBe(3);
    expect((await listed(ref)).get(ref.session)).not.toHaveProperty("expiredAt");
    expect(await pendingKinds(ref)).not.toContain("expire");
    // An alarm that rings too early checks, and is set again.
    await ring(ref);
    const alarm = await runInDurableObject(stubAt(ref), (_, state) => state.storage.getAlarm());
    expect(alarm).toBeGreaterThan(Date.now() + HOUR_MS - 60_000);
  });

  it("waits while the list knows a later decision, as after a clock went back, and happens once that time is over", async () => {
    const ref = freshRef();
    const { directory, sessions } = pipelineDeps();
    const grant = await directory.register(ref, Date.now(), {});
    unwrap(await sessionAt(ref).create({ ...creationOf(ref, EXPIRING), ...grant }));
    await letPass(ref, 2 * HOUR_MS);
    const job = await scheduleExpiry(ref);
    expect(await directory.setExpired(ref, false, Date.now() + HOUR_MS, grant.grantedAt)).toBe(true);
    expect(await deliver(job)).toBe("acked");
    expect(await isExpired(ref)).toBe(false);
    expect((await listed(ref)).get(ref.session)).not.toHaveProperty("expiredAt");
    const caughtUp = pipelineDeps({
      sessions: {
        get: (at) =>
          new Proxy(sessions.get(at), {
            get: (target, name) => {
              if (name !== "stepExpiry") return Reflect.get(target, name);
              return async () => ({ step: "expire", at: Date.now() + 2 * HOUR_MS, grantedAt: grant.grantedAt });
            },
          }),
      },
    });
    await deliver(job, caughtUp);
    expect(await isExpired(ref)).toBe(true);
    expect((await listed(ref)).get(ref.session)).toHaveProperty("expiredAt");
  });

  it("is not undone by late deliveries of any kind", async () => {
    const ref = await silentChat();
    const { jobId, epoch } = await scheduleSummary(ref);
    const step = await sessionAt(ref).beginSummary(jobId, epoch);
    if (step.next !== "call") throw new Error("expected a call");
    await runInDurableObject(stubAt(ref), (_, state) => {
      state.storage.sql.exec("UPDATE jobs SET lease_until = 0");
    });
    await untilExpired(ref);
    const late = { v: 1, ...ref, epoch, throughSeq: 8, jobId, sends: 1 } as const;
    for (const kind of ["summarize", "archive", "expire", "fork", "restore"] as const) {
      expect(await deliver({ ...late, kind }), kind).toBe("acked");
    }
    expect(await sessionAt(ref).saveAnswer(jobId, epoch, step.lease, quoting(step.request))).toMatchObject({
      next: "done",
    });
    expect(await isExpired(ref)).toBe(true);
    expect(await storedText(ref)).not.toContain("invoice");
    expect((await listed(ref)).get(ref.session)).toHaveProperty("expiredAt");
    expect(await pendingKinds(ref)).toEqual([]);
  });
});

describe("an expired session", () => {
  it("is erased like any other, including the archive, and then its id is free", async () => {
    const ref = await silentChat();
    await untilExpired(ref);
    const epoch = await epochOf(ref);
    expect(await request("DELETE", `/sessions/${ref.session}`)).toMatchObject({ status: 202 });
    expect(await request("GET", `/sessions/${ref.session}`)).toMatchObject({ status: 404 });
    expect((await listed(ref)).has(ref.session)).toBe(false);
    const anew = await request("POST", `/sessions/${ref.session}/messages`, {
      messages: [said("a new beginning", "n")],
    });
    expect(anew).toMatchObject({ status: 201, body: { headSeq: 1 } });
    expect((await listed(ref)).get(ref.session)).not.toHaveProperty("expiredAt");
    await until("the archive forgets", async () => (await archivedTexts(epoch)).length === 0);
    await until("nothing is pending", async () => (await pendingJobs(ref)).length === 0);
    expect(unwrap(await sessionAt(ref).message("n")).content).toBe("a new beginning");
  });

  it("gives its summary, from the archive, to a continuation", async () => {
    const ref = await silentChat();
    await untilExpired(ref);
    const before = await archivedTexts(await epochOf(ref));
    const copy = await continuationOf(ref);
    const items = await itemsOf(copy);
    expect(items.map(({ text }) => text).toSorted()).toEqual(before.toSorted());
    expect(new Set(items.map(({ sourceSession }) => sourceSession))).toEqual(new Set([ref.session]));
    expect(unwrap(await sessionAt(copy).state()).origin).toMatchObject({ throughSeq: 12, state: "done" });
    expect(await isExpired(ref)).toBe(true);
    unwrap(await sessionAt(ref).erase());
    await until("what was lent is taken back", async () => (await itemsOf(copy)).length === 0);
  });

  it("cannot be continued while PostgreSQL is unavailable, and can afterwards", async () => {
    const ref = await silentChat(6);
    await untilExpired(ref);
    const copy = beside(ref);
    const origin = unwrap(await sessionAt(ref).beginContinuation(copy.session));
    unwrap(await withoutAlarm(copy, (session) => session.create(creationOf(copy), undefined, origin)));
    const job = await jobOf(copy, "restore");
    const away = pipelineDeps({
      withDatabase: async () => {
        throw Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
      },
    });
    // Its object retries; the queue's own retries are for deliveries that do not reach the object.
    expect(await deliver(job, away)).toBe("acked");
    await takeAlarm(copy);
    expect(await pendingJobs(copy)).toMatchObject([
      { kind: "restore", failures: 1, last_error: "restore: ECONNREFUSED" },
    ]);
    expect(unwrap(await sessionAt(copy).state()).origin).toMatchObject({ state: "pending" });
    expect(await deliver(job)).toBe("acked");
    expect((await itemsOf(copy)).length).toBeGreaterThan(0);
  });

  it("expires even if nothing was ever said in it", async () => {
    const ref = freshRef();
    unwrap(await sessionAt(ref).create(creationOf(ref, EXPIRING)));
    await letPass(ref, 2 * HOUR_MS);
    await untilExpired(ref);
    expect(await sessionAt(ref).append({ messages: [turn(1)] }, creationOf(ref))).toMatchObject({
      fault: { code: "session_expired" },
    });
  });
});
