import { describe, expect, it, vi } from "vitest";
import { Disk, ObjectStorage } from "../../../simulation/object-storage.ts";
import { type AlertNotice, EMPTY_ALERT_BOOK } from "../../../src/api/alert.ts";
import { ARCHIVE_AWAY_ID, type Failure } from "../../../src/api/job.ts";
import { userBoundsOf } from "../../../src/api/user-quota.ts";
import { ArchiveUnreachable } from "../../../src/archive/database.ts";
import { AlertStore } from "../../../src/control/alert-store.ts";
import { createOperationsClient } from "../../../src/control/client.ts";
import { Operations } from "../../../src/control/operations.ts";
import { createOutageClient } from "../../../src/control/outage-client.ts";
import { AuditKey } from "../../../src/directory/audit-key.ts";
import { createDirectoryClient } from "../../../src/directory/client.ts";
import { Directory } from "../../../src/directory/directory.ts";
import { Owners } from "../../../src/directory/owners.ts";
import { archiveBatch } from "../../../src/pipeline/archive.ts";
import type { PipelineDeps } from "../../../src/pipeline/delivery.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { createTenantClient } from "../../../src/tenant/client.ts";
import { Tenant } from "../../../src/tenant/tenant.ts";
import { NOON } from "./node-session.ts";
import { standIn } from "./stand-in.ts";

vi.mock("cloudflare:workers", () => import("../../../simulation/durable-object.ts"));

const DAY_MS = 86_400_000;
const ref = (session: string) => ({ tenant: "acme", owner: "ada", session });

/** An object with storage of its own. */
function made<O>(Kind: new (ctx: DurableObjectState, env: never) => O, env: object = {}): { object: O; disk: Disk } {
  const disk = new Disk();
  const storage = new ObjectStorage(disk);
  const ctx = { storage, id: {}, blockConcurrencyWhile: (body: () => unknown) => body(), waitUntil: () => undefined };
  return { object: new Kind(standIn(ctx), standIn<never>(env)), disk };
}

describe("a failed job that is over", () => {
  const failure = (jobId: string): Failure => ({
    jobId,
    kind: "summarize",
    ...ref("chat"),
    state: "retrying",
    reason: "timeout",
    attempts: 1,
    firstError: "timeout",
    firstFailedAt: new Date(NOON).toISOString(),
    lastError: "timeout",
    lastFailedAt: new Date(NOON).toISOString(),
  });

  it("is not listed by a report that arrives late, and is remembered for an hour", async () => {
    vi.useFakeTimers({ now: NOON, toFake: ["Date"] });
    try {
      const { object } = made(Operations);
      const listed = async (): Promise<string[]> => (await object.list(9, null)).map(({ jobId }) => jobId);
      await object.report([failure("one"), failure("two")]);
      await object.end("one");
      await object.end("never listed");
      await object.report([failure("one"), failure("never listed")]);
      expect(await listed()).toEqual(["two"]);
      // It made progress, and failed again.
      await object.clear("two");
      await object.report([failure("two")]);
      expect(await listed()).toEqual(["two"]);
      vi.setSystemTime(NOON + 3_600_001);
      await object.end("another");
      await object.report([failure("one")]);
      expect(await listed()).toEqual(["two", "one"]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("the state of alerts", () => {
  const digest = (id: string): AlertNotice => ({
    v: 1,
    id,
    at: "",
    type: "digest",
    status: "ok",
    standing: [],
    started: 0,
    ended: 0,
  });
  const started = (id: string): AlertNotice => {
    const alert = { id, kind: "postgres-away", startedAt: "", since: "", lastSeenAt: "", detail: "" } as const;
    return { v: 1, id, at: "", type: "alert.started", alert: { ...alert, measures: {}, runbook: "" } };
  };
  const newStore = (): AlertStore => new AlertStore(standIn(new ObjectStorage(new Disk())));

  it("is stored once for overlapping checks: the later one reports nothing", () => {
    const store = newStore();
    expect(store.saveBook({ ...EMPTY_ALERT_BOOK, rev: 1 }, [started("a")], NOON)).toBe(true);
    expect(store.saveBook({ ...EMPTY_ALERT_BOOK, rev: 1 }, [started("b")], NOON)).toBe(false);
    expect(store.saveBook({ ...EMPTY_ALERT_BOOK, rev: 3 }, [started("c")], NOON)).toBe(false);
    expect(store.readBook().rev).toBe(1);
    expect(store.takeNotices(9, NOON).map(({ notice }) => notice.id)).toEqual(["a"]);
  });

  it("keeps a notice for a week", () => {
    const store = newStore();
    store.saveBook({ ...EMPTY_ALERT_BOOK, rev: 1 }, [started("a")], NOON);
    store.saveBook({ ...EMPTY_ALERT_BOOK, rev: 2 }, [started("b")], NOON + 7 * DAY_MS);
    expect(store.countPending()).toBe(2);
    store.saveBook({ ...EMPTY_ALERT_BOOK, rev: 3 }, [], NOON + 7 * DAY_MS + 1);
    expect(store.countPending()).toBe(1);
  });

  it("keeps only the newest digest, and sends no notice twice at once", () => {
    const store = newStore();
    store.saveBook({ ...EMPTY_ALERT_BOOK, rev: 1 }, [digest("a")], NOON);
    store.saveBook({ ...EMPTY_ALERT_BOOK, rev: 2 }, [digest("b")], NOON);
    expect(store.takeNotices(9, NOON)).toMatchObject([{ notice: { id: "b" }, attempts: 1 }]);
    expect(store.takeNotices(9, NOON)).toEqual([]);
    expect(store.takeNotices(9, NOON + DAY_MS)).toMatchObject([{ notice: { id: "b" }, attempts: 2 }]);
  });
});

describe("the key of the audit", () => {
  it("exists until it is destroyed, and then never again", () => {
    const key = new AuditKey(standIn(new ObjectStorage(new Disk())));
    expect([key.nameOf("ada", false), key.isThere()]).toEqual([null, false]);
    const name = key.nameOf("ada", true);
    expect(name).toMatch(/^[0-9a-f]{32}$/);
    expect([key.nameOf("ada", false), key.isThere()]).toEqual([name, true]);
    key.destroy();
    expect([key.nameOf("ada", true), key.isThere()]).toEqual([null, false]);
  });
});

describe("a directory", () => {
  const newDirectory = () => made(Directory).object;

  it("creates no audit key for an erased user, however late the event comes", async () => {
    const [known, erased] = [newDirectory(), newDirectory()];
    await erased.beginErasure({ tenant: "acme", owner: "ada" });
    expect(await known.auditName("ada", true)).toMatch(/^[0-9a-f]{32}$/);
    expect(await erased.auditName("ada", true)).toBeNull();
    expect(await erased.standing(null)).toMatchObject({ hasAuditKey: false, erasure: "erasing" });
  });

  it("accepts as many sessions of a user as allowed, and those that exist already", async () => {
    const directory = newDirectory();
    const byUser = { bounds: { ...userBoundsOf(undefined), sessions: 2, sessionsPerDay: null } };
    const register = (session: string) => directory.register(ref(session), NOON, {}, null, byUser);
    expect([await register("a"), await register("b")]).toMatchObject([{ ok: true }, { ok: true }]);
    expect(await register("c")).toMatchObject({ ok: false, fault: { code: "too_many_sessions" } });
    expect(await register("a")).toMatchObject({ ok: true });
    expect(await directory.register(ref("c"), NOON, {})).toMatchObject({ ok: true });
  });

  it("returns a page of the list, and says whether there is more", async () => {
    const directory = newDirectory();
    for (const session of ["a", "b", "c", "d"]) await directory.register(ref(session), NOON, {});
    const client = createDirectoryClient(standIn({ getByName: () => directory }));
    const pages: string[][] = [];
    let cursor: Parameters<typeof client.list>[2]["cursor"] = null;
    do {
      const page: Awaited<ReturnType<typeof client.list>> = await client.list("acme", "ada", {
        limit: 2,
        cursor,
        metadata: {},
      });
      pages.push(page.data.map(({ id }) => id));
      expect(page.hasMore).toBe(page.next !== null);
      cursor = page.next;
    } while (cursor !== null && pages.length < 9);
    expect(pages).toEqual([
      ["d", "c"],
      ["b", "a"],
    ]);
  });
});

describe("the list of owners", () => {
  it("overwrites a name before its row is deleted", async () => {
    const { object: owners, disk } = made(Owners, {
      OPERATIONS: { getByName: () => ({ noteUse: async () => undefined }) },
    });
    await owners.note("acme", "ada", "token-a");
    await owners.note("acme", "bob", "token-b");
    disk.database.exec(`
      CREATE TABLE deleted (owner TEXT);
      CREATE TRIGGER seen BEFORE DELETE ON owners BEGIN INSERT INTO deleted VALUES (trim(old.owner)); END;
    `);
    await owners.forget("token-a");
    expect(disk.read("SELECT owner FROM deleted")).toEqual([{ owner: "" }]);
    expect((await owners.list(0, 9)).map(({ owner }) => owner)).toEqual(["bob"]);
  });
});

describe("how operations ended", () => {
  it("are reported for all operations, and to no tenant", async () => {
    const { object: operations } = made(Operations);
    await operations.beginRun("a", { op: "verify", dryRun: false, sliceSize: 10 }, "running");
    expect((await operations.stats(null)).runs).toMatchObject([{ op: "verify", status: "running", count: 1 }]);
    expect((await operations.stats("acme")).runs).toEqual([]);
  });
});

describe("a tenant", () => {
  const newTenant = () => made(Tenant, { THREADKEEP_ADMIN_KEY: "a secret of the tests" }).object;

  it("remembers that it freed its users of a limit, which is different from not setting it", async () => {
    const tenant = newTenant();
    const limits = { userMessagesPerDay: null, sessionMessagesPerDay: null, sessionTokensPerDay: 5 };
    expect((await tenant.update({ limits })).limits).toEqual({ userMessagesPerDay: null, sessionTokensPerDay: 5 });
    expect((await tenant.update({ limits: {} })).limits).toEqual({});
  });

  it("has a budget until it is removed", async () => {
    const tenant = newTenant();
    const budgetAfter = async (patch: Parameters<Tenant["update"]>[0]) =>
      (await tenant.update(patch)).summarizerTokensPerDay;
    expect(await budgetAfter({ summarizerTokensPerDay: 5 })).toBe(5);
    expect(await budgetAfter({ summarization: "paused" })).toBe(5);
    expect(await budgetAfter({ summarizerTokensPerDay: 0 })).toBe(0);
    expect(await budgetAfter({ summarizerTokensPerDay: null })).toBeNull();
  });

  it.each([
    [100, 99, false],
    [100, 100, true],
    [0, 0, true],
    [null, 1_000_000, false],
  ])("with a budget of %s tokens has used it up with %i: %s", async (budget, spent, isOverBudget) => {
    const tenant = newTenant();
    await tenant.update({ summarizerTokensPerDay: budget });
    await tenant.spend({ inputTokens: spent, outputTokens: 0 });
    const client = createTenantClient(standIn({ getByName: () => tenant }), {
      keepAlive: () => undefined,
      log: createLog({ write: () => undefined }),
    });
    expect(await client.read("acme")).toMatchObject({ isOverBudget });
  });
});

describe("an outage of PostgreSQL, with a hundred thousand waiting sessions", () => {
  const SESSIONS = 100_000;
  const BATCH = 50;
  const ISOLATES = 20;

  it("is one entry on the list, wakes no session, and disappears afterwards; requests are answered at once", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: NOON });
    try {
      const { object } = made(Operations);
      let told = 0;
      const operations = createOperationsClient(
        standIn({
          getByName: () =>
            new Proxy(object, {
              get: (target, name) => {
                const value: unknown = Reflect.get(target, name);
                if (typeof value !== "function") return value;
                return (...given: unknown[]) => {
                  told += 1;
                  return Reflect.apply(value, target, given);
                };
              },
            }),
        }),
      );
      const log = createLog({ write: () => undefined });
      let isAway = true;
      let confirmed = 0;
      const session = {
        readArchiveDelta: async () => {
          if (isAway) throw new Error("a session is woken for nothing");
          return { rev: 1, version: 0, messageSeq: 0, bytes: 1, hasFailed: false };
        },
        confirmArchived: async () => {
          confirmed += 1;
          return false;
        },
      };
      const isolates = Array.from({ length: ISOLATES }, () =>
        standIn<PipelineDeps>({
          sessions: { get: () => session },
          operations,
          archiveOutage: createOutageClient(operations, { id: ARCHIVE_AWAY_ID, kind: "archive" }, log),
          withDatabase: async () => {
            if (isAway) throw new ArchiveUnreachable("PostgreSQL did not take the connection");
            return Array.from({ length: BATCH }, () => "applied");
          },
          log,
        }),
      );
      const job = {
        v: 1,
        kind: "archive",
        ...ref("chat"),
        epoch: "epoch",
        throughSeq: 2,
        jobId: "job",
        sends: 1,
      } as const;
      const round = async (attempts: number): Promise<Set<string>> => {
        const verdicts = new Set<string>();
        for (let batch = 0; batch < SESSIONS / BATCH; batch += 1) {
          const parts = isolates[batch % ISOLATES];
          if (parts === undefined) throw new Error("no isolate");
          const deliveries = Array.from({ length: BATCH }, () => ({ job, attempts }));
          for (const { verdict } of await archiveBatch(deliveries, parts)) verdicts.add(verdict);
          // All of them are delivered within two minutes, by their pauses.
          vi.setSystemTime(Date.now() + 60);
        }
        return verdicts;
      };
      expect(await round(1)).toEqual(new Set(["retry"]));
      expect(told).toBeLessThanOrEqual(ISOLATES * (120 / 10 + 1));
      const startedAt = performance.now();
      expect(await operations.readHealth()).toMatchObject({ failedJobs: 1 });
      const [entry, ...others] = await operations.list(20, null);
      await operations.clearUser({ tenant: "acme", owner: "ada" });
      expect(performance.now() - startedAt).toBeLessThan(1_000);
      expect(others).toEqual([]);
      expect(entry).toMatchObject({ jobId: ARCHIVE_AWAY_ID, state: "away", reason: "archive: ArchiveUnreachable" });
      expect(entry?.attempts).toBeGreaterThan(SESSIONS / 2);
      isAway = false;
      expect(await round(2)).toEqual(new Set(["ack"]));
      expect(confirmed).toBe(SESSIONS);
      expect(await operations.list(20, null)).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });

  it("is forgotten when nobody reports it any more", async () => {
    const { object } = made(Operations);
    const outage = { id: ARCHIVE_AWAY_ID, kind: "archive", reason: "away", deliveries: 3 } as const;
    await object.noteOutage({ ...outage, at: Date.now() });
    await object.noteOutage({ ...outage, at: Date.now() });
    expect(await object.find(ARCHIVE_AWAY_ID)).toMatchObject({ attempts: 6 });
    expect(await object.readHealth()).toMatchObject({ failedJobs: 1 });
    await object.noteOutage({ ...outage, at: Date.now() - 900_001 });
    expect(await object.readHealth()).toMatchObject({ failedJobs: 0 });
  });
});
