import { describe, expect, it } from "vitest";
import type { Failure } from "../../../src/api/job.ts";
import { MAX_LIVE_KEYS } from "../../../src/api/limits.ts";
import type { Metadata } from "../../../src/api/session.ts";
import { NOTHING_OF_USER } from "../../../src/api/user-quota.ts";
import { FAILURES_SCHEMA, FailedJobs } from "../../../src/control/failed-jobs.ts";
import { createLateWorkClient } from "../../../src/control/late-work-client.ts";
import { LateWorkStore } from "../../../src/control/late-work-store.ts";
import { OperationRuns, RUNS_SCHEMA } from "../../../src/control/operation-runs.ts";
import { DirectoryEntries } from "../../../src/directory/entries.ts";
import { DirectoryErasure, GRANT_REST_MS, lateErasure, toUserErasure } from "../../../src/directory/erasure.ts";
import { takeOffList } from "../../../src/directory/listing-client.ts";
import { UserDays } from "../../../src/directory/user-days.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { TenantKeys } from "../../../src/tenant/keys.ts";
import { TenantTaken } from "../../../src/tenant/taken.ts";
import { NodeSession, NOON } from "./node-session.ts";

const DAY_MS = 86_400_000;
const newSql = (): SqlStorage => new NodeSession().sql;

describe("a user's usage of a day", () => {
  const report = (teller: string, messages: number) => ({ ...NOTHING_OF_USER, teller, day: NOON, messages });

  it("is the sum of what each isolate reported last, however late a report comes", () => {
    const days = new UserDays(newSql());
    expect(days.note(report("a", 5)).total.messages).toBe(5);
    expect(days.note(report("b", 3)).total.messages).toBe(8);
    expect(days.note(report("a", 4))).toMatchObject({ total: { messages: 8 }, told: { messages: 5 } });
    expect(days.note(report("a", 9)).total.messages).toBe(12);
    days.charge({ ...NOTHING_OF_USER, messages: 100 }, NOON);
    expect(days.taken(NOON).messages).toBe(112);
    expect(days.taken(NOON + DAY_MS).messages).toBe(0);
  });
});

describe("a tenant's usage of a day", () => {
  it("is the sum of what each isolate reported last, however late a report comes", () => {
    const taken = new TenantTaken(newSql());
    const note = (teller: string, messages: number, tokens: number) =>
      taken.note({ teller, day: NOON, messages, tokens });
    expect(taken.on("2026-11-22")).toEqual({ messages: 0, tokens: 0 });
    note("a", 5, 50);
    expect(note("b", 1, 10).total).toEqual({ messages: 6, tokens: 60 });
    expect(note("a", 4, 60)).toEqual({ total: { messages: 6, tokens: 70 }, told: { messages: 5, tokens: 60 } });
    expect(taken.on("2026-11-22")).toEqual({ messages: 6, tokens: 70 });
    expect(taken.on("2026-11-21")).toEqual({ messages: 0, tokens: 0 });
  });
});

describe("the failed jobs", () => {
  const failure = (jobId: string, at: number, more: Partial<Failure> = {}): Failure => ({
    jobId,
    kind: "archive",
    tenant: "acme",
    owner: "ada",
    session: "chat",
    state: "retrying",
    reason: "away",
    attempts: 3,
    firstError: "first",
    firstFailedAt: new Date(NOON).toISOString(),
    lastError: "last",
    lastFailedAt: new Date(at).toISOString(),
    ...more,
  });
  function listed(...failures: Failure[]) {
    const sql = newSql();
    sql.exec(FAILURES_SCHEMA);
    const jobs = new FailedJobs(sql);
    for (const one of failures) jobs.put(one);
    return { jobs, sql };
  }

  it.each([
    [{}, ["e", "d", "c", "b", "a"]],
    [{ tenant: "acme" }, ["d", "c", "b", "a"]],
    [{ user: "ada" }, ["e", "d", "a"]],
    [{ tenant: "acme", user: "ada" }, ["d", "a"]],
    [{ session: "other" }, ["d"]],
    [{ kind: "erase" }, ["c"]],
  ])("are listed by %j, the most recent failure first", (filter, ids) => {
    const { jobs } = listed(
      failure("a", NOON + 1),
      failure("b", NOON + 2, { owner: "bob" }),
      failure("c", NOON + 3, { owner: "-", kind: "erase" }),
      failure("d", NOON + 4, { session: "other" }),
      failure("e", NOON + 5, { tenant: "other" }),
    );
    expect(jobs.list(10, null, filter).map(({ jobId }) => jobId)).toEqual(ids);
  });

  it("are paged without a gap, even if several failed at one moment", () => {
    const { jobs } = listed(...["a", "b", "c", "d", "e"].map((id) => failure(id, id < "d" ? NOON : NOON + 1)));
    const seen: string[] = [];
    for (let after: { at: number; jobId: string } | null = null, more = true; more;) {
      const page: Failure[] = jobs.list(2, after);
      seen.push(...page.map(({ jobId }) => jobId));
      const last = page.at(-1);
      more = last !== undefined && page.length === 2;
      if (last !== undefined) after = { at: Date.parse(last.lastFailedAt), jobId: last.jobId };
    }
    expect(seen).toEqual(["e", "d", "c", "b", "a"]);
  });

  it("keep their first error", () => {
    const { jobs } = listed(
      failure("a", NOON),
      failure("a", NOON + 9, { firstError: "later", firstFailedAt: new Date(NOON + 9).toISOString() }),
    );
    expect(jobs.byId("a")).toMatchObject({ firstError: "first", firstFailedAt: new Date(NOON).toISOString() });
    jobs.put(failure("a", NOON + 9, { firstError: "earlier", firstFailedAt: new Date(NOON - 9).toISOString() }));
    expect(jobs.byId("a")).toMatchObject({ firstError: "earlier" });
  });

  it("leave the list as they were read, unless they failed again meanwhile", () => {
    const { jobs } = listed(failure("a", NOON), failure("b", NOON + 5));
    jobs.settle([failure("a", NOON), failure("b", NOON + 4)]);
    expect(jobs.list(9, null).map(({ jobId }) => jobId)).toEqual(["b"]);
  });

  it("of one user are removed alone", () => {
    const others = [failure("b", NOON, { owner: "bob" }), failure("c", NOON, { tenant: "other" })];
    const { jobs } = listed(failure("a", NOON), ...others);
    expect(jobs.deleteOfUser({ tenant: "acme", owner: "ada" })).toBe(false);
    expect(jobs.count()).toBe(2);
    expect(jobs.counts("acme")).toEqual([{ kind: "archive", state: "retrying", count: 1 }]);
    expect(jobs.counts(null)).toEqual([{ kind: "archive", state: "retrying", count: 2 }]);
    expect(jobs.oldestAt("nobody")).toBeNull();
    expect(jobs.oldestAt(null)).toBe(NOON);
  });

  it("count each tenant over its budget once, and not as failing", () => {
    const over = { reason: "summarizer over_budget" };
    const { jobs } = listed(
      failure("a", NOON, over),
      failure("b", NOON, over),
      failure("c", NOON),
      failure("d", NOON, { ...over, tenant: "other" }),
    );
    expect(jobs.health()).toEqual({ failedJobs: 1, tenantsOverBudget: 2 });
    jobs.delete("a");
    jobs.put(failure("b", NOON + 1));
    jobs.delete("nobody's");
    expect(jobs.health()).toEqual({ failedJobs: 2, tenantsOverBudget: 1 });
    jobs.settle([failure("c", NOON), failure("d", NOON)]);
    expect(jobs.health()).toEqual({ failedJobs: 1, tenantsOverBudget: 0 });
    expect(jobs.counts("other")).toEqual([]);
  });

  it("are found by hash and compared by name: no two users are mistaken for each other", () => {
    const { jobs, sql } = listed(failure("a", NOON), failure("b", NOON + 1, { owner: "bob", session: "other" }));
    const first = "(SELECT owner_key FROM failures WHERE job_id = 'a')";
    sql.exec(
      `UPDATE failures SET owner_key = ${first}, session_key = (SELECT session_key FROM failures WHERE job_id = 'a')`,
    );
    const of = (filter: object): string[] => jobs.list(9, null, filter).map(({ jobId }) => jobId);
    expect(of({ user: "ada" })).toEqual(["a"]);
    expect(of({ session: "chat" })).toEqual(["a"]);
  });

  it("are at most ten thousand, and the oldest are removed first", () => {
    const { jobs, sql } = listed();
    sql.exec(
      `INSERT INTO failures (job_id, first_failed_at, last_failed_at, tenant, owner_key, session_key, kind, failure)
       WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
       SELECT 'job-' || i, i, i, 'acme', 0, 0, 'archive', json_set(?, '$.jobId', 'job-' || i) FROM n`,
      JSON.stringify(failure("", NOON)),
    );
    const counted = [
      ["listed", "", ""],
      ["failing", "", ""],
      ["all", "archive", "retrying"],
      ["=acme", "archive", "retrying"],
    ] as const;
    for (const each of counted) sql.exec("INSERT INTO failure_tallies VALUES (?, ?, ?, 10000)", ...each);
    jobs.put(failure("new", NOON));
    jobs.put(failure("newer", NOON, { tenant: "other" }));
    expect(jobs.count()).toBe(10_000);
    expect(["job-1", "job-2", "job-3"].map((id) => jobs.byId(id)?.jobId)).toEqual([undefined, undefined, "job-3"]);
    expect(jobs.counts("acme")).toEqual([{ kind: "archive", state: "retrying", count: 9_999 }]);
  });
});

describe("late work", () => {
  it("is as old as the oldest job, until it is done or nobody reports it any more", () => {
    const store = new LateWorkStore(newSql());
    store.note({ jobId: "a", kind: "archive", scheduledAt: NOON - 5 }, NOON);
    store.note({ jobId: "b", kind: "archive", scheduledAt: NOON - 9 }, NOON + 1);
    expect(store.oldestScheduledAt(NOON + 1)).toBe(NOON - 9);
    store.settle("b");
    expect(store.oldestScheduledAt(NOON + 1)).toBe(NOON - 5);
    expect(store.oldestScheduledAt(NOON + 900_000)).toBeNull();
  });

  it("is reported once in ten seconds, and at once if it is older than what was reported", async () => {
    let now = NOON;
    const told: string[] = [];
    const client = createLateWorkClient(createLog({ write: () => undefined }), () => now);
    const operations = {
      getByName: () => ({ noteLate: async ({ jobId }: { jobId: string }) => void told.push(jobId) }),
    };
    const note = (jobId: string, scheduledAt: number) =>
      client.note(operations, { jobId, kind: "archive", scheduledAt });
    await note("a", 100);
    await note("same", 100);
    await note("younger", 101);
    await note("older", 99);
    await client.note(operations, null);
    now += 9_999;
    await note("early", 100);
    now += 1;
    await note("later", 500);
    expect(told).toEqual(["a", "older", "later"]);
  });
});

describe("a tenant's keys", () => {
  const issued = (keys: TenantKeys, expiresAt: number | null = null, now = NOON): string => {
    const outcome = keys.issue(
      { name: "k", scopes: ["memory:read"], expiresAt: expiresAt === null ? null : new Date(expiresAt).toISOString() },
      now,
    );
    if (!outcome.ok) throw new Error(outcome.fault.code);
    return outcome.value.state.id;
  };
  const endOf = (keys: TenantKeys, id: string): string | null | undefined =>
    keys.list(200, null, NOON).find((key) => key.id === id)?.expiresAt;

  it("are at most a hundred valid ones", () => {
    const keys = new TenantKeys(newSql());
    const ids = Array.from({ length: MAX_LIVE_KEYS }, () => issued(keys));
    expect(() => issued(keys)).toThrow("too_many_keys");
    keys.revoke(ids[0] ?? "", NOON);
    issued(keys);
    expect(() => issued(keys)).toThrow("too_many_keys");
  });

  it.each([
    ["never ends", null, 60, NOON + 60_000],
    ["ends later", NOON + 90_000, 60, NOON + 60_000],
    ["ends before the grace is over", NOON + 30_000, 60, NOON + 30_000],
    ["is to stop at once", null, 0, NOON],
  ])("have one successor: the old one that %s ends in time", (_, expiresAt, grace, end) => {
    const keys = new TenantKeys(newSql());
    const id = issued(keys, expiresAt);
    const rotated = keys.rotate(id, grace, NOON);
    expect(endOf(keys, id)).toBe(new Date(end).toISOString());
    const endsAt = expiresAt === null ? null : new Date(expiresAt).toISOString();
    expect(rotated).toMatchObject({ ok: true, value: { state: { expiresAt: endsAt, scopes: ["memory:read"] } } });
    expect(keys.rotate(id, grace, NOON)).toMatchObject({
      ok: false,
      fault: { code: "key_rotated" },
    });
  });

  it("are valid until they expire or are revoked, and not in that moment", () => {
    const keys = new TenantKeys(newSql());
    const id = issued(keys, NOON + 10);
    const live = (now: number): string[] => (keys.hashes(now)?.live ?? []).map((key) => key.id);
    expect(live(NOON + 9)).toEqual([id]);
    expect(live(NOON + 10)).toEqual([]);
    expect(keys.rotate(id, 60, NOON + 10)).toMatchObject({ ok: false, fault: { code: "key_not_live" } });
    const before = keys.hashes(NOON)?.rev ?? 0;
    expect(keys.revoke(id, NOON)).toMatchObject({ ok: true, value: { status: "revoked" } });
    expect(live(NOON)).toEqual([]);
    expect(keys.hashes(NOON)?.rev).toBe(before + 1);
  });

  it("say when they were last used, to within a minute", () => {
    const keys = new TenantKeys(newSql());
    const id = issued(keys);
    const usedAt = (): string | null | undefined => keys.list(1, null, NOON)[0]?.lastUsedAt;
    keys.noteUse(id, NOON);
    keys.noteUse(id, NOON + 59_999);
    expect(usedAt()).toBe(new Date(NOON).toISOString());
    keys.noteUse(id, NOON + 60_000);
    expect(usedAt()).toBe(new Date(NOON + 60_000).toISOString());
    keys.noteUse(id, NOON - 5);
    expect(usedAt()).toBe(new Date(NOON + 60_000).toISOString());
  });
});

describe("runs of operations", () => {
  const REQUEST = { op: "verify", dryRun: false, sliceSize: 10 } as const;
  const NEWS = {
    progress: { done: 1, failed: 0, total: null },
    report: { counts: { sound: 1 }, failures: [], findings: [], notes: [] },
  };
  function newRuns(): OperationRuns {
    const sql = newSql();
    sql.exec(RUNS_SCHEMA);
    return new OperationRuns(sql);
  }

  it("that have ended do not change", () => {
    const runs = newRuns();
    expect(runs.begin("a", REQUEST, "queued", NOON).created).toBe(true);
    expect(runs.begin("a", REQUEST, "running", NOON)).toMatchObject({ created: false, run: { status: "running" } });
    expect(runs.progress("a", NEWS, NOON)).toBe("running");
    expect(runs.finish("a", "cancelled", null, NOON)?.status).toBe("cancelled");
    expect(runs.finish("a", "complete", null, NOON + 1)).toMatchObject({
      status: "cancelled",
      finishedAt: new Date(NOON).toISOString(),
    });
    expect(runs.progress("a", NEWS, NOON + 1)).toBe("cancelled");
    expect(runs.begin("a", REQUEST, "running", NOON + 2).run.status).toBe("cancelled");
    expect(runs.finish("unknown", "complete", null, NOON)).toBeNull();
  });

  it("are counted by result, except dry runs", () => {
    const runs = newRuns();
    for (const id of ["a", "b"]) {
      runs.begin(id, REQUEST, "running", NOON);
      runs.finish(id, "complete", null, NOON + 5);
    }
    runs.begin("dry", { ...REQUEST, dryRun: true }, "running", NOON);
    expect(runs.tallies()).toEqual([{ op: "verify", status: "complete", count: 2, lastEndedAt: NOON + 5 }]);
    runs.begin("c", REQUEST, "queued", NOON);
    expect(runs.tallies()).toHaveLength(2);
  });

  it("forget an erased user, and nobody else", () => {
    const runs = newRuns();
    const named = (user: string | null, tenant = "acme") => ({ tenant, user, session: "s", reason: "r" });
    const report = {
      ...NEWS.report,
      failures: [named("ada"), named("bob"), named(null), named("ada", "other")],
      notes: ["note"],
    };
    runs.begin("of-all", REQUEST, "running", NOON);
    runs.progress("of-all", { ...NEWS, report }, NOON);
    runs.begin("of-ada", { ...REQUEST, tenant: "acme", user: "ada" }, "running", NOON + 1);
    runs.progress("of-ada", { ...NEWS, report }, NOON);
    expect(runs.forgetUser({ tenant: "acme", owner: "ada" }, "", NOON)).toBeNull();
    expect(runs.byId("of-all")?.report).toMatchObject({
      failures: [named("bob"), named(null), named("ada", "other")],
      notes: ["note"],
    });
    expect(runs.byId("of-ada")).not.toHaveProperty("user");
    expect(runs.byId("of-ada")?.report.notes).toEqual([]);
  });

  it("are listed newest first, page by page", () => {
    const runs = newRuns();
    for (const [at, id] of ["a", "b", "c"].entries()) runs.begin(id, REQUEST, "running", at < 2 ? NOON : NOON + 1);
    expect(runs.list(2, null).map(({ id }) => id)).toEqual(["c", "b"]);
    expect(runs.list(2, { at: NOON, id: "b" }).map(({ id }) => id)).toEqual(["a"]);
  });
});

describe("the list of sessions", () => {
  function newEntries() {
    const sql = new ListSql().sql;
    const entries = new DirectoryEntries(sql);
    entries.make();
    return { entries, sql };
  }
  /** A database of its own, because a session's has a table of the same name. */
  class ListSql {
    readonly sql: SqlStorage;
    constructor() {
      const session = new NodeSession();
      session.sql.exec("DROP TABLE session");
      this.sql = session.sql;
    }
  }

  it("is paged newest first, without a gap if several sessions were created at once", () => {
    const { entries } = newEntries();
    for (const id of ["a", "b", "c"]) entries.grant(id, NOON, { topic: id === "b" ? "x" : "y" }, false, null, NOON);
    entries.grant("d", NOON + 1, {}, false, null, NOON);
    entries.grant("arriving", NOON + 2, {}, true, null, NOON);
    const ids = (query: Partial<Parameters<DirectoryEntries["list"]>[0]>): string[] =>
      entries.list({ limit: 2, after: null, metadata: {}, ...query }).entries.map(({ id }) => id);
    expect(ids({})).toEqual(["d", "c"]);
    expect(ids({ after: { createdAt: NOON, session: "c" } })).toEqual(["b", "a"]);
    expect(ids({ after: { createdAt: NOON, session: "a" } })).toEqual([]);
    expect(ids({ metadata: { topic: "x" } })).toEqual(["b"]);
    // A name that every object has is in no session's metadata.
    expect(ids({ metadata: { ["__proto__"]: "{}" } })).toEqual([]);
    expect(entries.count(3)).toBe(3);
  });

  it("removes an entry with the grant that it was created with, and not with a later one", () => {
    const { entries } = newEntries();
    const first = entries.grant("a", NOON, {}, false, null, NOON);
    const later = entries.grant("a", NOON, {}, false, null, NOON + 1);
    expect(later.grantedAt).toBeGreaterThan(first.grantedAt);
    expect(entries.remove("a", first.grantedAt, false, NOON + 2)).toEqual({
      state: "held",
      until: later.grantedAt + GRANT_REST_MS,
    });
    expect(entries.remove("a", first.grantedAt, false, NOON + 1 + GRANT_REST_MS)).toEqual({
      state: "spent",
      grantedAt: later.grantedAt,
    });
    expect(entries.has("a")).toBe(true);
    expect(entries.remove("a", later.grantedAt, false, NOON + 1 + GRANT_REST_MS)).toEqual({ state: "gone" });
    expect(entries.has("a")).toBe(false);
    expect(entries.grant("a", NOON, {}, false, null, NOON).grantedAt).toBeGreaterThan(later.grantedAt);
  });

  it("keeps an entry that an earlier grant holds, until its object was asked whether that grant led to an epoch", () => {
    const { entries } = newEntries();
    entries.grant("a", NOON, {}, false, null, NOON);
    const earlier = entries.grant("a", NOON, {}, false, null, NOON + 1);
    const { grantedAt } = entries.grant("a", NOON, {}, false, null, NOON + 2);
    const past = NOON + 3 + GRANT_REST_MS;
    expect(entries.remove("a", grantedAt, false, NOON + 3)).toMatchObject({ state: "held" });
    expect(entries.remove("a", grantedAt, false, past)).toEqual({ state: "spent", grantedAt });
    entries.renew("a", { v: "of the epoch that came" }, earlier.grantedAt);
    entries.relist("a", { v: "of the epoch that came" });
    expect(entries.list({ limit: 1, after: null, metadata: {} }).entries).toMatchObject([{ id: "a" }]);
    // The same removal, delivered again.
    expect(entries.remove("a", grantedAt, false, past)).toEqual({ state: "spent", grantedAt: grantedAt + 1 });
    expect(entries.remove("a", grantedAt + 1, true, past)).toEqual({ state: "gone" });
    expect(entries.has("a")).toBe(false);
  });

  it("keeps a change of metadata that arrives before the epoch that it belongs to", () => {
    const { entries } = newEntries();
    entries.grant("a", NOON, { v: "of an epoch before" }, false, null, NOON);
    const { grantedAt } = entries.grant("a", NOON, {}, false, null, NOON + 1);
    const metadata = (): unknown => entries.list({ limit: 1, after: null, metadata: {} }).entries[0]?.metadata;
    entries.setMetadata("a", { v: "changed" }, { grantedAt, rev: 1 });
    entries.renew("a", { v: "as it began" }, grantedAt);
    expect(metadata()).toEqual({ v: "changed" });
    const again = entries.grant("a", NOON, {}, false, null, NOON + 2);
    entries.renew("a", { v: "as the next began" }, again.grantedAt);
    expect(metadata()).toEqual({ v: "as the next began" });
  });

  it("keeps the later of two changes of metadata that cross on their way, also if they are repeated", () => {
    const { entries } = newEntries();
    const { grantedAt } = entries.grant("a", NOON, { v: "1" }, false, null, NOON);
    const metadata = (): unknown => entries.list({ limit: 1, after: null, metadata: {} }).entries[0]?.metadata;
    const changes = [
      { v: "first", rev: 1 },
      { v: "second", rev: 2 },
      { v: "tenth", rev: 10 },
    ];
    for (const { v, rev } of [...changes.toReversed(), ...changes]) {
      entries.setMetadata("a", { v }, { grantedAt, rev });
      expect(metadata()).toEqual({ v: "tenth" });
    }
    // The same epoch has recorded a later grant meanwhile.
    entries.grant("a", NOON, {}, false, null, NOON + 5);
    entries.setMetadata("a", { v: "eleventh" }, { grantedAt: NOON + 5, rev: 11 });
    entries.setMetadata("a", { v: "tenth" }, { grantedAt, rev: 10 });
    expect(metadata()).toEqual({ v: "eleventh" });
    // A new epoch counts its changes from the beginning.
    const { grantedAt: anew } = entries.grant("a", NOON, {}, false, null, NOON + 9);
    entries.renew("a", { v: "new" }, anew);
    entries.setMetadata("a", { v: "twelfth" }, { grantedAt: NOON + 5, rev: 12 });
    expect(metadata()).toEqual({ v: "new" });
    entries.setMetadata("a", { v: "newer" }, { grantedAt: anew, rev: 1 });
    expect(metadata()).toEqual({ v: "newer" });
  });

  it("accepts metadata and expiry of the listed epoch, and of no earlier one", () => {
    const { entries } = newEntries();
    const { grantedAt } = entries.grant("a", NOON, { v: "1" }, false, null, NOON);
    const metadata = (): unknown => entries.list({ limit: 1, after: null, metadata: {} }).entries[0]?.metadata;
    entries.setMetadata("a", { v: "old" }, { grantedAt: grantedAt - 1, rev: 9 });
    expect(metadata()).toEqual({ v: "1" });
    entries.setMetadata("a", { v: "2" }, { grantedAt, rev: 1 });
    expect(metadata()).toEqual({ v: "2" });
    expect(entries.setExpired("a", true, NOON + 10, grantedAt)).toBe(true);
    expect(entries.setExpired("a", false, NOON + 5, grantedAt)).toBe(false);
    expect(entries.list({ limit: 1, after: null, metadata: {} }).entries[0]).toHaveProperty("expiredAt");
  });

  it("keeps an expiry that arrives before its epoch, and none of an earlier epoch", () => {
    const { entries } = newEntries();
    const { grantedAt: first } = entries.grant("a", NOON, { v: "1" }, false, null, NOON);
    const { grantedAt: second } = entries.grant("a", NOON, { v: "1" }, false, null, NOON + 1);
    const entry = () => entries.list({ limit: 1, after: null, metadata: {} }).entries[0];
    // Decided after the second grant, in an epoch that had not recorded that grant.
    entries.setExpired("a", true, NOON + 5, first);
    entries.renew("a", { v: "2" }, second);
    expect(entry()).toMatchObject({ metadata: { v: "2" } });
    expect(entry()).not.toHaveProperty("expiredAt");
    const { grantedAt: third } = entries.grant("a", NOON, {}, false, null, NOON + 10);
    entries.setExpired("a", true, NOON + 20, third);
    entries.renew("a", { v: "3" }, third);
    expect(entry()).toMatchObject({ metadata: { v: "3" }, expiredAt: new Date(NOON + 20).toISOString() });
  });

  it("follows an existing epoch if its creator is gone and the epoch before it had expired", async () => {
    const { entries } = newEntries();
    const ref = { tenant: "acme", owner: "ada", session: "a" };
    const { grantedAt: first } = entries.grant("a", NOON, { v: "1" }, false, null, NOON);
    entries.setExpired("a", true, NOON + 1, first);
    const { grantedAt: begunBy } = entries.grant("a", NOON, {}, false, null, NOON + 5);
    const directory = {
      remove: async () => entries.remove("a", first, false, NOON + 6),
      renew: async (_: unknown, metadata: Metadata, word: number) => entries.renew("a", metadata, word),
      relist: async (_: unknown, metadata: Metadata) => entries.relist("a", metadata),
    };
    const living = { metadata: { v: "2" }, isListed: true, begunBy };
    expect(await takeOffList(directory, ref, first, async () => living)).toBeNull();
    const [entry] = entries.list({ limit: 1, after: null, metadata: {} }).entries;
    expect(entry).toMatchObject({ metadata: { v: "2" } });
    expect(entry).not.toHaveProperty("expiredAt");
  });

  it("of an erased user is searched again until nothing is left, and not before late grants have become invalid", () => {
    const { entries, sql } = newEntries();
    entries.grant("a", NOON, {}, false, null, NOON);
    const erasure = new DirectoryErasure(sql);
    erasure.begin({ tenant: "acme", owner: "ada" }, "job", NOON);
    const row = () => {
      const found = erasure.row();
      if (found === null) throw new Error("the erasure is not there");
      return found;
    };
    const step = (now: number) => erasure.next(row(), now, 0.5, now);
    expect(step(NOON)).toEqual({ next: "wipe", sessions: ["a"] });
    erasure.noteWiped(row(), ["a"], NOON);
    expect(step(NOON + 1)).toBeNull();
    expect(row().nextSendAt).toBe(NOON + GRANT_REST_MS);
    expect(step(NOON + GRANT_REST_MS)).toEqual({ next: "look", sessions: ["a"] });
    erasure.noteLooked(row(), [["a", "nothing"]], NOON + GRANT_REST_MS);
    expect(step(NOON + GRANT_REST_MS + 1)).toEqual({ next: "places" });
    expect(toUserErasure(row(), erasure.unconfirmed())).toMatchObject({ state: "erasing", sessions: 1, erased: 1 });
    const clean = { checkedAt: "", sessions: 0, directory: 0, archive: 0, failedJobs: 0 };
    for (const place of ["sessions", "directory", "archive", "failedJobs"]) {
      expect(erasure.conclude(row(), { ...clean, [place]: 1 }, 0.5, NOON).finishedAt, place).toBeNull();
    }
    expect(erasure.conclude(row(), clean, 0.5, NOON).finishedAt).toBe(NOON);
  });

  it.each([
    [3, 120_000, true],
    [2, 120_000, false],
    [3, 119_999, false],
  ])("of an erased user is late after %i sends in %i ms: %s", (unanswered, ms, isLate) => {
    const { sql } = newEntries();
    const erasure = new DirectoryErasure(sql);
    erasure.begin({ tenant: "acme", owner: "ada" }, "job", NOON);
    const row = erasure.row();
    expect(row !== null && lateErasure({ ...row, unanswered }, NOON + ms) !== null).toBe(isLate);
  });
});
