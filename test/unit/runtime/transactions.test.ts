import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Disk, ObjectStorage } from "../../../simulation/object-storage.ts";
import type { TenantSettings } from "../../../src/api/tenant.ts";
import { editMessage } from "../../../src/session/erase/edit.ts";
import { eraseMessage, eraseSession } from "../../../src/session/erase/erase.ts";
import { appendMessages } from "../../../src/session/log/append.ts";
import { ChatSession } from "../../../src/session/object.ts";
import { ringAlarm } from "../../../src/session/outbox/alarm.ts";
import { endOfDay, startOfDay } from "../../../src/session/quota/day.ts";
import { TenantQuota } from "../../../src/session/quota/tenant-quota.ts";
import { UserQuota } from "../../../src/session/quota/user-quota.ts";
import { SearchIndex } from "../../../src/session/search/text-index.ts";
import { Transactions } from "../../../src/session/transactions.ts";
import type { Unit } from "../../../src/session/unit.ts";
import { EPOCH, NodeSession, NOON } from "./node-session.ts";
import { standIn } from "./stand-in.ts";

vi.mock("cloudflare:workers", () => import("../../../simulation/durable-object.ts"));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"], now: NOON });
});
afterEach(() => {
  vi.useRealTimers();
});

const HOUR_MS = 3_600_000;
const UNSEEN = new Error("as the test asked");

/** An object's transactions on the tables of a session, and their storage. */
function open(session: NodeSession): ReturnType<typeof openOn> {
  return openOn(session.disk);
}

async function openOn(disk: Disk): Promise<{ calls: Transactions; storage: ObjectStorage }> {
  const storage = new ObjectStorage(disk);
  let ready: unknown = null;
  const ctx = {
    storage,
    blockConcurrencyWhile: (body: () => unknown) => {
      ready = body();
    },
  };
  const untold = (): never => {
    throw new Error("nobody is told of what a unit test takes");
  };
  const quotas = { tenant: new TenantQuota(untold, () => undefined), user: new UserQuota(untold, () => undefined) };
  const calls = new Transactions(standIn(ctx), quotas);
  await ready;
  return { calls, storage };
}

async function opened(begun?: ConstructorParameters<typeof NodeSession>[0]) {
  const session = new NodeSession(begun);
  return { session, ...(await open(session)) };
}

/** A change that fails after it has written something. */
function failed(calls: Transactions, change: (unit: Unit) => void): void {
  const body = (unit: Unit): void => {
    change(unit);
    throw UNSEEN;
  };
  expect(() => calls.change(body)).toThrow(UNSEEN);
}

describe("the search index after a commit", () => {
  async function indexed() {
    const known = await opened();
    known.session.append([
      { id: "one", role: "user", content: "the heron waits" },
      { id: "two", role: "user", content: "the otter swims" },
    ]);
    known.session.search.catchUp();
    /** What a search finds first, in an object without a cache. */
    const find = (query: string): number | undefined => {
      const { sql, store } = known.session;
      const index = new SearchIndex({ sql, transactionSync: (body) => known.storage.transactionSync(body) });
      return index.search(query, { limit: 1, branch: store.branches.active(2) })[0]?.seq;
    };
    expect([find("heron"), find("otter")]).toEqual([1, 2]);
    return { ...known, find };
  }

  it("has the words that an edit added, and not those that it removed", async () => {
    const { calls, find } = await indexed();
    calls.change((unit) => editMessage(unit, "one", { content: "the ibis waits" }));
    expect([find("heron"), find("ibis")]).toEqual([undefined, 1]);
  });

  it("has no words of an erased message", async () => {
    const { calls, session } = await indexed();
    const words = (): number => session.sql.exec("SELECT term FROM search_vocabulary").toArray().length;
    const before = words();
    calls.change((unit) => eraseMessage(unit, "two"));
    // "the" is in the other message, too.
    expect(words()).toBe(before - 2);
  });

  it("is gone together with the log", async () => {
    const { calls, session } = await indexed();
    calls.change(eraseSession);
    expect(session.sql.exec("SELECT name FROM sqlite_master WHERE name LIKE 'search%'").toArray()).toEqual([]);
  });
});

describe("the tables of a session", () => {
  it("that a change created are created again after it was rolled back", async () => {
    const disk = new Disk();
    const { calls } = await openOn(disk);
    const begin = ({ store }: Unit): void => {
      store.feed.insert({
        rev: 1,
        headSeq: 0,
        kind: "branched",
        seq: null,
        throughSeq: null,
        version: null,
        degraded: false,
      });
    };
    failed(calls, begin);
    expect(disk.isEmpty()).toBe(true);
    calls.change(begin);
    expect(calls.unit().store.feed.first()?.rev).toBe(1);
  });
});

describe("the alarm after a commit", () => {
  it("is set for the job that is due first, and not changed by one that is due later", async () => {
    const { calls, session } = await opened();
    const put = (id: string, at: number): void =>
      calls.change(({ store }) => {
        // It is read before the change: the value from then is outdated now.
        store.jobs.nextSendAt();
        store.jobs.put({ ...jobOf(session), id, nextSendAt: NOON + at });
      });
    put("first", 9_000);
    expect(session.disk.alarm).toBe(NOON + 9_000);
    put("second", 5_000);
    expect(session.disk.alarm).toBe(NOON + 5_000);
    put("second", 20_000);
    expect(session.disk.alarm).toBe(NOON + 5_000);
  });

  it("is set again if it should have rung already", async () => {
    const { calls, session } = await opened();
    const job = jobOf(session);
    const put = (at: number): void => calls.change(({ store }) => store.jobs.put({ ...job, nextSendAt: NOON + at }));
    put(1_000);
    vi.setSystemTime(NOON + 2_000);
    put(60_000);
    expect(session.disk.alarm).toBe(NOON + 60_000);
  });

  it("rings sooner after an append whose silence has an earlier end", async () => {
    const { calls, session } = await opened({ settings: { summarizeAfterIdleSeconds: 60, archiveMessages: true } });
    calls.change(({ store }) => store.jobs.put({ ...jobOf(session), nextSendAt: NOON + 5 * HOUR_MS }));
    calls.change((unit) => appendMessages(unit, [{ role: "user", content: "hello" }], undefined));
    expect(session.disk.alarm).toBeLessThan(NOON + HOUR_MS);
  });

  it("rings sooner after a change of settings that lets the session expire sooner", async () => {
    const { calls, session } = await opened();
    calls.change(({ store }) => store.jobs.put({ ...jobOf(session), nextSendAt: NOON + 5 * HOUR_MS }));
    calls.change(({ store }) => store.updateSession({}, { expireAfterIdleSeconds: 60 }));
    expect(session.disk.alarm).toBeLessThan(NOON + HOUR_MS);
  });

  it("is not considered set if setting it was rolled back", async () => {
    const { calls, session, storage } = await opened();
    const job = jobOf(session);
    calls.change(({ store }) => store.jobs.put({ ...job, nextSendAt: NOON + 9_000 }));
    const commit = storage.transactionSync.bind(storage);
    storage.transactionSync = (body) =>
      commit(() => {
        body();
        throw UNSEEN;
      });
    expect(() => calls.change(({ store }) => store.jobs.put({ ...job, nextSendAt: NOON + 5_000 }))).toThrow(UNSEEN);
    storage.transactionSync = commit;
    expect(session.disk.alarm).toBe(NOON + 9_000);
    calls.change(({ store }) => store.jobs.put({ ...job, nextSendAt: NOON + 5_000 }));
    expect(session.disk.alarm).toBe(NOON + 5_000);
  });

  it("is set again after it rang and found nothing due", async () => {
    const { calls, session } = await opened();
    const job = jobOf(session);
    calls.change(({ store }) => store.jobs.put({ ...job, nextSendAt: NOON + 1_000 }));
    calls.change(({ store }) => store.jobs.put({ ...job, nextSendAt: NOON + 60_000 }));
    vi.setSystemTime(NOON + 1_000);
    session.disk.alarm = null;
    await ringAlarm(calls, standIn({ OPERATIONS: {} }));
    expect(session.disk.alarm).toBe(NOON + 60_000);
  });

  it("is set when an object with a job starts without one", async () => {
    const session = new NodeSession();
    session.schedule("archive", { nextSendAt: NOON + 7_000 });
    await open(session);
    expect(session.disk.alarm).toBe(NOON + 7_000);
  });
});

describe("a change that fails", () => {
  it("keeps nothing in the cache of what was read during it", async () => {
    const { calls, session } = await opened();
    failed(calls, (unit) => {
      unit.store.updateSession({ topic: "herons" }, {});
      expect(unit.session.metadata).toEqual({ topic: "herons" });
    });
    expect(calls.unit().session.metadata).toEqual({});
    expect(session.row.metadata).toEqual({});
  });

  it("informs no socket, and does nothing that was to be done after the commit", async () => {
    const { calls } = await opened();
    const told: string[] = [];
    calls.onCommit(() => told.push("socket"));
    const change = (unit: Unit): void => {
      unit.whenCommitted(() => told.push("afterwards"));
      told.push("changed");
    };
    failed(calls, change);
    expect(told).toEqual(["changed"]);
    calls.change(change);
    expect(told).toEqual(["changed", "changed", "afterwards", "socket"]);
  });
});

describe("a unit", () => {
  it("reads its session's current state after each write", async () => {
    const { calls } = await opened();
    calls.change((unit) => {
      expect(unit.session.metadata).toEqual({});
      unit.store.updateSession({ topic: "herons" }, {});
      expect(unit.session.metadata).toEqual({ topic: "herons" });
    });
    expect(calls.unit().session.metadata).toEqual({ topic: "herons" });
  });

  it("uses the tenant's settings that its caller brought, if they are newer", async () => {
    const { calls } = await opened();
    const tenant: TenantSettings = {
      rev: 3,
      settings: { expireAfterIdleSeconds: 60 },
      summarization: "on",
      isOverBudget: false,
    };
    expect(calls.unit(tenant).session.tenantRev).toBe(3);
    expect(calls.unit().session.tenantRev).toBe(0);
  });

  it("refuses an expired session, and one that is not complete yet", async () => {
    const { calls, session } = await opened();
    expect(calls.readSession(() => "read")).toEqual({ ok: true, value: "read" });
    session.store.setCopying({ kind: "fork", until: NOON, sourceChanges: null });
    const again = (await open(session)).calls;
    expect(again.readSession(() => "read")).toMatchObject({ ok: false, fault: { code: "session_not_ready" } });
    session.store.setCopying(null);
    session.store.expire(NOON);
    const late = (await open(session)).calls;
    expect(late.readSession(() => "read")).toMatchObject({ ok: false, fault: { code: "session_expired" } });
  });
});

describe("a consumer's call", () => {
  it("changes nothing for a job of an ended epoch, or for no job", async () => {
    const { calls, session } = await opened();
    const { id } = session.schedule("archive");
    const done = (jobId: string, epoch: string): string => calls.forJob(jobId, epoch, "over", () => "done");
    expect([done(id, EPOCH), done(id, "another"), done("none", EPOCH)]).toEqual(["done", "over", "over"]);
  });

  it("counts what a model used, even if the job is over", async () => {
    const { calls, session } = await opened();
    expect(calls.forPaidJob("none", EPOCH, 7, "over", () => "done")).toBe("over");
    expect(session.store.spent.on(startOfDay(NOON)).summarizerTokens).toBe(7);
  });
});

describe("a request that waits for a job", () => {
  it.each<[string, (unit: Unit, id: string) => void]>([
    ["is done", ({ store }, id) => store.jobs.delete(id)],
    [
      "is given up",
      ({ store }, id) => {
        const job = store.jobs.byId(id);
        if (job !== null) store.jobs.put({ ...job, state: "failed" });
      },
    ],
    ["is gone with its session", (unit) => void eraseSession(unit)],
  ])("is answered when it %s", async (_, change) => {
    const { calls, session } = await opened();
    const { id } = session.schedule("summarize");
    let answers = 0;
    const waiting = calls.waiters.ended(id, HOUR_MS).then(() => (answers += 1));
    failed(calls, (unit) => change(unit, id));
    await Promise.resolve();
    expect(answers).toBe(0);
    calls.change((unit) => change(unit, id));
    // It is answered within the same turn: no time passes in this test, so a request that waits for time would wait for ever.
    await Promise.race([waiting, new Promise(setImmediate)]);
    expect(answers).toBe(1);
  });
});

describe("an object that is emptied", () => {
  it("knows no session any more, and keeps what was spent on its day until that day is over", async () => {
    const { calls, session } = await opened();
    calls.change(({ store }) => store.spent.add(startOfDay(NOON), { summaries: 1 }));
    await calls.vanish();
    expect(calls.unit().row).toBeNull();
    expect(calls.unit().store.spent.on(startOfDay(NOON))).toMatchObject({ summaries: 1 });
    expect(session.disk.alarm).toBe(endOfDay(startOfDay(NOON)));
  });

  it("is not written to by a later call", async () => {
    const { calls } = await opened();
    await calls.vanish();
    const body = vi.fn<() => void>();
    calls.changeIfLeft(body);
    expect(body).not.toHaveBeenCalled();
  });
});

describe("a slice of an erasure", () => {
  it("that failed is tried again after a minute, and not sooner", async () => {
    const session = new NodeSession();
    session.say(2);
    session.sql.exec("INSERT INTO erasing (one, through_seq, erased_at) VALUES (1, 2, ?)", NOON);
    const isErasing = (): boolean => session.sql.exec("SELECT 1 FROM erasing").toArray().length > 0;
    const { calls, storage } = await open(session);
    storage.begin({ kind: "disk", statements: 0 }, Number.POSITIVE_INFINITY);
    calls.eraseSlice();
    storage.end();
    calls.eraseSlice();
    expect(isErasing()).toBe(true);
    vi.setSystemTime(NOON + 60_000);
    calls.eraseSlice();
    expect(isErasing()).toBe(false);
  });
});

describe("the cache of a store", () => {
  it("forgets the newest version when another one is stored", () => {
    const { store, ...session } = summarized();
    const branch = store.branches.active(3);
    expect(store.summaries.shownAt(branch)?.version).toBe(1);
    session.land(2);
    expect(store.summaries.shownAt(branch)?.version).toBe(2);
  });

  it("forgets that there is no instruction when a message is pinned", () => {
    const { store } = summarized();
    const pinned = (): number[] => [...store.messages.instructions(store.branches.active(3), 3)].map(({ seq }) => seq);
    expect(pinned()).toEqual([]);
    store.messageWriter.pin(2, true);
    expect(pinned()).toEqual([2]);
  });
});

function summarized() {
  const session = new NodeSession();
  session.say(3);
  session.summarize(1, 1);
  return { store: session.store, land: (version: number) => session.summarize(version, 2) };
}

describe("the creation grant", () => {
  it("is recorded even if the request is refused", async () => {
    const session = new NodeSession();
    session.store.expire(NOON);
    const ctx = {
      storage: new ObjectStorage(session.disk),
      id: {},
      blockConcurrencyWhile: (body: () => unknown) => body(),
      waitUntil: () => undefined,
      getWebSockets: () => [],
      setWebSocketAutoResponse: () => undefined,
    };
    const object = new ChatSession(standIn(ctx), standIn({}), () => null);
    const ref = { tenant: "acme", owner: "ada", session: "chat" };
    expect(await object.create({ ref, createdAt: NOON, grantedAt: NOON + 1 })).toMatchObject({ ok: false });
    expect(session.row.grantedAt).toBe(NOON + 1);
  });
});

/** A job that is in no table yet. */
function jobOf(session: NodeSession) {
  const job = session.schedule("archive");
  session.store.jobs.delete(job.id);
  return job;
}
