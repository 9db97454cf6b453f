import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { RawAuditEvent } from "../../src/api/audit.ts";
import type { Failure } from "../../src/api/job.ts";
import type { Metadata } from "../../src/api/session.ts";
import { userTransferLineSchema } from "../../src/api/user.ts";
import { createOperationsClient } from "../../src/control/client.ts";
import { FailedJobs, FAILURES_SCHEMA } from "../../src/control/failed-jobs.ts";
import { OperationRuns } from "../../src/control/operation-runs.ts";
import { DirectoryEntries } from "../../src/directory/entries.ts";
import { SessionStore } from "../../src/session/store.ts";
import {
  creationOf,
  freshRef,
  request,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  unwrap,
} from "../support/session.ts";

/** Whatever grows with a session, a user or a deployment is read in pieces, so that never all of it is in memory at once. */

interface Counted {
  /** Rows read from tables and indexes. */
  rows: number;
  /** The most rows that one statement returned. */
  widest: number;
  /** Statements that returned more than one row. */
  many: string[];
}

/** Runs a body on the storage of an object, and counts what its statements read. */
function counting<T>(
  storage: SqlStorage,
  body: (sql: SqlStorage) => T,
): { readonly result: T; readonly read: Counted } {
  const read: Counted = { rows: 0, widest: 0, many: [] };
  const sql = new Proxy(storage, {
    get: (target, name) => {
      if (name !== "exec") return Reflect.get(target, name, target);
      return (query: string, ...values: unknown[]) => {
        const cursor = target.exec(query, ...values);
        const toArray = cursor.toArray.bind(cursor);
        Object.defineProperty(cursor, "toArray", {
          value: () => {
            const rows = toArray();
            read.rows += cursor.rowsRead;
            read.widest = Math.max(read.widest, rows.length);
            if (rows.length > 1) read.many.push(query);
            return rows;
          },
        });
        return cursor;
      };
    },
  });
  return { result: body(sql), read };
}

function failureOf(tenant: string, owner: string, at: number): Failure {
  const failedAt = new Date(Date.UTC(2026, 0, 1) + at * 1_000).toISOString();
  return {
    jobId: crypto.randomUUID(),
    kind: "summarize",
    tenant,
    owner,
    session: `s${at}`,
    state: "retrying",
    reason: "timeout",
    attempts: 3,
    firstError: "timeout",
    lastError: "timeout",
    firstFailedAt: failedAt,
    lastFailedAt: failedAt,
  };
}

function eventOf({ tenant, owner, session }: SessionRef): RawAuditEvent {
  return {
    id: crypto.randomUUID(),
    at: new Date().toISOString(),
    tenant,
    owner,
    actor: { kind: "tenant-key", id: "key:7Qm2xVb9LcTa" },
    session,
    action: "appendMessages",
    result: "ok",
    requestId: null,
    from: null,
    details: { fromSeq: 1, throughSeq: 1 },
  };
}

describe("an owner's sessions by their metadata", () => {
  const SESSIONS = 3_000;

  async function listed(metadata: Metadata, limit: number) {
    const stub = env.DIRECTORY.get(env.DIRECTORY.newUniqueId());
    return runInDurableObject(stub, (_, state) => {
      new DirectoryEntries(state.storage.sql).make();
      state.storage.sql.exec(
        `INSERT INTO sessions (session, created_at, metadata)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${SESSIONS})
         SELECT printf('s%05d', i), i, json_object('topic', CASE i % 10 WHEN 0 THEN 'boats' ELSE 'trains' END) FROM n`,
      );
      return counting(state.storage.sql, (sql) =>
        new DirectoryEntries(sql).list({ limit, after: null, metadata: { topic: String(metadata["topic"]) } }),
      );
    });
  }

  it("are read only as far as the page needs", async () => {
    const { result, read } = await listed({ topic: "boats" }, 20);
    expect(result.entries.map(({ id }) => id)).toEqual(
      Array.from({ length: 20 }, (_, index) => `s${String(SESSIONS - 10 * index).padStart(5, "0")}`),
    );
    expect(result.scanEnd).toBeNull();
    expect(read.rows).toBeLessThanOrEqual(1_000);
    expect(read.widest).toBeLessThanOrEqual(250);
  });

  it("are never all in memory at once, even if none matches", async () => {
    const { result, read } = await listed({ topic: "planes" }, 20);
    expect(result).toEqual({ entries: [], scanEnd: null });
    expect(read.widest).toBeLessThanOrEqual(250);
  });
});

describe("audit events of a session", () => {
  it("are read some at a time, oldest first, until all are sent", async () => {
    const ref = freshRef();
    unwrap(await sessionAt(ref).append({ messages: [said("hello")] }, creationOf(ref)));
    await runInDurableObject(stubAt(ref), async (_, { storage }) => {
      await storage.deleteAlarm();
      const { audit } = new SessionStore(storage.sql);
      expect(audit.nextSendAt()).toBeNull();
      for (let at = 1; at <= 120; at += 1) audit.schedule(`range-${at}`, [eventOf(ref)], at);
      const { result, read } = counting(storage.sql, (sql) => new SessionStore(sql).audit.due(Date.now()));
      expect(result.map(({ id }) => id)).toEqual(Array.from({ length: 50 }, (_value, index) => `range-${index + 1}`));
      expect(read.widest).toBe(50);
    });
    // The instance knows which tables there were before.
    await evictDurableObject(stubAt(ref));
    const pending = await runInDurableObject(stubAt(ref), async (session, { storage }) => {
      const left: unknown[] = [];
      for (let alarms = 0; alarms < 3; alarms += 1) {
        await session.alarm();
        left.push(storage.sql.exec("SELECT count(*) AS pending FROM pending_audits").one()["pending"]);
      }
      return left;
    });
    expect(pending).toEqual([70, 20, 0]);
  });
});

describe("a small session", () => {
  function sizeOf(ref: SessionRef) {
    return runInDurableObject(stubAt(ref), (_, { storage: { sql } }) => ({
      tables: sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'").toArray().length,
      bytes: sql.databaseSize,
    }));
  }

  it("has no table as long as it was only read, and eight pages after its first message", async () => {
    const ref = freshRef();
    expect(await sessionAt(ref).context({})).toMatchObject({ ok: false, fault: { code: "session_not_found" } });
    expect(await sizeOf(ref)).toMatchObject({ tables: 0 });
    unwrap(await sessionAt(ref).append({ messages: [said("hello")] }, creationOf(ref)));
    unwrap(await sessionAt(ref).context({}));
    expect((await sizeOf(ref)).bytes).toBeLessThanOrEqual(8 * 4_096);
  });
});

describe("the failed jobs of a user", () => {
  it("are forgotten in pieces, without those of others", async () => {
    const stub = env.OPERATIONS.get(env.OPERATIONS.newUniqueId());
    await runInDurableObject(stub, (_, { storage }) => {
      storage.sql.exec(FAILURES_SCHEMA);
      const all = new FailedJobs(storage.sql);
      for (let at = 0; at < 150; at += 1) all.put(failureOf("test", "ada", at));
      all.put(failureOf("test", "bob", 1));
      all.put(failureOf("other", "ada", 1));
      const ada = { tenant: "test", owner: "ada" };
      expect(all.countOfUser(ada, null)).toMatchObject({ count: 40, next: { at: expect.any(Number) } });
      let pieces = 1;
      for (; all.deleteOfUser(ada); pieces += 1) expect(all.countOfUser(ada, null).count).toBeGreaterThan(0);
      expect(pieces).toBe(4);
      expect(all.countOfUser(ada, null)).toEqual({ count: 0, next: null });
      expect(all.list(10, null).map(({ tenant, owner }) => `${tenant}/${owner}`)).toEqual(
        expect.arrayContaining(["test/bob", "other/ada"]),
      );
    });
  });

  it("are all in the user's export, page by page", async () => {
    const user = `u-${crypto.randomUUID()}`;
    const operations = createOperationsClient(env.OPERATIONS);
    const failures = Array.from({ length: 230 }, (_, at) => failureOf("test", user, at));
    for (const failure of failures) await operations.report(failure);
    const { text } = await request("GET", `/users/${user}`, undefined, user);
    const lines = text
      .trim()
      .split("\n")
      .map((line) => userTransferLineSchema.parse(JSON.parse(line)));
    expect(lines.at(-1)).toMatchObject({ type: "user-end", failures: 230 });
    const told = lines.flatMap((line) => (line.type === "failure" ? [line.jobId] : []));
    expect(told).toEqual(failures.toReversed().map(({ jobId }) => jobId));
    await operations.clearUser({ tenant: "test", owner: user });
  });
});

describe("the names of a user in reports of operations", () => {
  it("are removed run by run", async () => {
    const stub = env.OPERATIONS.get(env.OPERATIONS.newUniqueId());
    await runInDurableObject(stub, (_, { storage }) => {
      const runs = new OperationRuns(storage.sql);
      for (let at = 0; at < 40; at += 1) {
        const user = at % 2 === 0 ? "ada" : "bob";
        runs.begin(`run-${at}`, { op: "verify", tenant: "test", user, dryRun: false, sliceSize: 50 }, "running", at);
      }
      const { read } = counting(storage.sql, (sql) =>
        new OperationRuns(sql).forgetUser({ tenant: "test", owner: "ada" }, "", 100),
      );
      expect(read.many).toEqual(["SELECT id FROM operation_runs WHERE id > ? ORDER BY id LIMIT ?"]);
      expect(runs.list(100, null).filter(({ user }) => user === "ada")).toEqual([]);
      expect(runs.list(100, null).filter(({ user }) => user === "bob")).toHaveLength(20);
    });
  });
});

describe("the full list of failed jobs", () => {
  const LISTED = 10_000;
  const JOBS = 10_000;

  /** Inserted all at once, with the counts that the list would have kept. */
  function fill(sql: SqlStorage): void {
    const failure = failureOf("test", "ada", 0);
    sql.exec(
      `INSERT INTO failures (job_id, first_failed_at, last_failed_at, tenant, owner_key, session_key, kind, failure)
       WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${LISTED})
       SELECT 'job-' || i, i, i, 'test', 0, 0, 'summarize', json_set(?, '$.jobId', 'job-' || i) FROM n`,
      JSON.stringify(failure),
    );
    for (const [scope, kind, state] of [
      ["listed", "", ""],
      ["failing", "", ""],
      ["all", "summarize", "retrying"],
      ["=test", "summarize", "retrying"],
    ]) {
      sql.exec("INSERT INTO failure_tallies VALUES (?, ?, ?, ?)", scope, kind, state, JOBS);
    }
  }

  it("reads and writes at most a hundred rows for any request or report", async () => {
    const stub = env.OPERATIONS.get(env.OPERATIONS.newUniqueId());
    const cost = await runInDurableObject(stub, async (operations, { storage }) => {
      fill(storage.sql);
      for (let at = 0; at < 150; at += 1) {
        await operations.beginRun(`run-${at}`, { op: "verify", dryRun: false, sliceSize: 50 }, "running");
      }
      await operations.report([failureOf("other", "ada", 20_000_000)]);
      expect(await operations.count()).toBe(LISTED);
      const exec = storage.sql.exec.bind(storage.sql);
      const reads: Record<string, number> = {};
      const count = async (name: string, body: () => Promise<unknown>): Promise<void> => {
        const cursors: { readonly rowsRead: number }[] = [];
        Object.defineProperty(storage.sql, "exec", {
          configurable: true,
          value: (...given: Parameters<typeof exec>) => {
            const cursor = exec(...given);
            cursors.push(cursor);
            return cursor;
          },
        });
        try {
          await body();
        } finally {
          Object.defineProperty(storage.sql, "exec", { configurable: true, value: exec });
        }
        reads[name] = cursors.reduce((sum, { rowsRead }) => sum + rowsRead, 0);
      };
      const user = { tenant: "test", owner: "ada" };
      const later = failureOf("test", "bob", 30_000_000);
      await count("a new failure", () => operations.report([later]));
      await count("the same again", () => operations.report([{ ...later, state: "failed" }]));
      await count("an outage", () =>
        operations.noteOutage({ id: "archive-away", kind: "archive", reason: "away", deliveries: 50, at: Date.now() }),
      );
      await count("a job that went well", () => operations.clear("job-500"));
      await count("late work", () => operations.noteLate({ jobId: "late", kind: "archive", scheduledAt: 1 }));
      await count("health", () => operations.readHealth());
      await count("all figures", () => operations.stats(null));
      await count("a tenant's figures", () => operations.stats("test"));
      await count("a page", () => operations.list(20, null, { tenant: "test", kind: "summarize" }));
      await count("a page of what is not there", () => operations.list(20, null, { tenant: "other", kind: "erase" }));
      await count("a page of a user", () => operations.list(20, null, { user: "carol", session: "s" }));
      await count("one job", () => operations.find("job-600"));
      await count("jobs that were seen to", () =>
        operations.settle([{ jobId: "job-700", lastFailedAt: new Date().toISOString() }]),
      );
      await count("the jobs of a user", () => operations.countOfUser(user, null));
      await count("the erasure of a user", () => operations.clearUser(user, ""));
      await count("a new run", () =>
        operations.beginRun("new", { op: "verify", dryRun: false, sliceSize: 50 }, "running"),
      );
      await count("the book of alerts", () => operations.readAlertBook());
      return reads;
    });
    expect(Object.keys(cost)).toHaveLength(17);
    expect(Object.entries(cost).filter(([, rows]) => rows > 100)).toEqual([]);
  });
});
