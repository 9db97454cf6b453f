import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { RawAuditEvent } from "../../src/api/audit.ts";
import { readAuditEvents, type StoredAuditFilter } from "../../src/archive/audit.ts";
import { ArchiveUnreachable, type Database } from "../../src/archive/database.ts";
import { createOperationsClient } from "../../src/control/client.ts";
import { createDirectoryClient } from "../../src/directory/client.ts";
import { createUserClient } from "../../src/directory/user-client.ts";
import { retainAudit } from "../../src/maintenance/retain-audit.ts";
import { storeAudit } from "../../src/pipeline/audit.ts";
import { consume } from "../../src/pipeline/consume.ts";
import type { PipelineDeps } from "../../src/pipeline/delivery.ts";
import { createSessionClient } from "../../src/session/client.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { asWorker, onArchive, runInDurableObject } from "../support/session.ts";

const directory = createDirectoryClient(env.DIRECTORY);
const freshName = (): string => `u-${crypto.randomUUID()}`;

function eventOf(change: Partial<RawAuditEvent> = {}): RawAuditEvent {
  return {
    id: crypto.randomUUID(),
    at: new Date().toISOString(),
    tenant: "test",
    owner: "-",
    actor: { kind: "tenant-key", id: "key:7Qm2xVb9LcTa" },
    session: crypto.randomUUID(),
    action: "editMessage",
    result: "ok",
    requestId: "request-1",
    from: "198.51.100.0/24",
    details: { seq: 3 },
    ...change,
  };
}

async function deliver(
  bodies: readonly unknown[],
  {
    queue = "threadkeep-audit",
    attempts = 1,
    ...change
  }: Partial<PipelineDeps> & { queue?: string; attempts?: number } = {},
) {
  const lines: string[] = [];
  const parts: PipelineDeps = {
    sessions: createSessionClient(env.CHAT_SESSION),
    directory,
    tenants: {
      read: () => Promise.reject(new Error("no business of the audit")),
      spend: () => Promise.reject(new Error("no business of the audit")),
      spendOnEmbeddings: () => Promise.reject(new Error("no business of the audit")),
    },
    fallback: null,
    embedder: null,
    operations: createOperationsClient(env.OPERATIONS),
    archiveOutage: { note: async () => undefined, over: async () => undefined },
    users: createUserClient(env.DIRECTORY),
    summarizer: { summarize: () => Promise.reject(new Error("no business of the audit")) },
    withDatabase: asWorker,
    log: createLog({ write: (_level, line) => lines.push(line) }),
    ...change,
  };
  const batch = createMessageBatch(
    queue,
    bodies.map((body, index) => ({ id: `${index}`, timestamp: Date.now(), attempts, body })),
  );
  await consume(batch, parts);
  const { explicitAcks, retryMessages } = await getQueueResult(batch, createExecutionContext());
  return { acks: explicitAcks, retries: retryMessages, lines };
}

function stored(filter: StoredAuditFilter) {
  return asWorker((database) => readAuditEvents(database, filter, { limit: 100, after: null }));
}

function hasKey(user: string): Promise<boolean> {
  return runInDurableObject(
    env.DIRECTORY.getByName(`test/${user}`),
    (_, state) => state.storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'audit_key'").toArray().length > 0,
  );
}

describe("an event from the queue", () => {
  it("is stored once, however often its message is delivered, and whichever others are with it", async () => {
    const event = eventOf();
    const other = eventOf();
    await deliver([{ v: 1, events: [event] }]);
    const again = await deliver([
      { v: 1, events: [other, event] },
      { v: 1, events: [event] },
    ]);
    expect(again).toMatchObject({ acks: ["0", "1"], retries: [] });
    const { owner: _owner, ...told } = event;
    expect(await stored({ session: event.session ?? "" })).toEqual([{ ...told, user: null }]);
    expect(await stored({ session: other.session ?? "" })).toHaveLength(1);
  });

  it("waits while PostgreSQL is unavailable, longer each time, and is stored when it is back", async () => {
    const event = eventOf();
    const body = { v: 1, events: [event] };
    const parts = {
      directory,
      withDatabase: () => Promise.reject(new Error("away")),
      log: createLog({ write: () => undefined }),
    };
    for (const [attempts, delaySeconds] of [
      [1, 5],
      [4, 40],
      [80, 3_600],
    ] as const) {
      expect(await storeAudit([{ body, attempts }], parts)).toEqual([{ verdict: "retry", delaySeconds }]);
    }
    expect(await deliver([body], parts)).toMatchObject({ acks: [], retries: [{ msgId: "0" }] });
    await deliver([body], { attempts: 81 });
    expect(await stored({ session: event.session ?? "" })).toHaveLength(1);
  });

  it("is not held up by a message that no consumer understands", async () => {
    const event = eventOf();
    const { acks, retries } = await deliver([{ v: 2 }, { v: 1, events: [event] }, null, { v: 1, events: [{}] }]);
    expect(acks).toEqual(["1"]);
    expect(retries.map(({ msgId }) => msgId)).toEqual(["0", "2", "3"]);
    expect(await stored({ session: event.session ?? "" })).toHaveLength(1);
  });

  it("is stored even if PostgreSQL refuses another event of its message or batch; only that one is delivered again", async () => {
    const [before, beside, after] = [eventOf(), eventOf(), eventOf()];
    const refused = eventOf({ requestId: "no \u0000 text" });
    const bodies = [[before], [beside, refused], [after]].map((events) => ({ v: 1, events }));
    const { acks, retries, lines } = await deliver(bodies);
    expect({ acks, retries: retries.map(({ msgId }) => msgId) }).toEqual({ acks: ["0", "2"], retries: ["1"] });
    for (const { session } of [before, beside, after]) expect(await stored({ session: session ?? "" })).toHaveLength(1);
    expect(await stored({ session: refused.session ?? "" })).toEqual([]);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ event: "audit_not_stored", events: 1 }]);
  });

  it("waits if PostgreSQL becomes unavailable between a refused batch and its messages", async () => {
    let statements = 0;
    const breaking = <T>(body: (database: Database) => Promise<T>): Promise<T> =>
      asWorker((database) =>
        body(
          new Proxy(database, {
            get(target, name, receiver) {
              if (name === "transaction" && ++statements > 2) throw new ArchiveUnreachable("it went away");
              return Reflect.get(target, name, receiver);
            },
          }),
        ),
      );
    const bodies = [eventOf(), eventOf({ requestId: "\u0000" }), eventOf()].map((event) => ({ v: 1, events: [event] }));
    const { acks, retries } = await deliver(bodies, { withDatabase: breaking });
    expect({ acks, retries: retries.map(({ msgId }) => msgId) }).toEqual({ acks: ["0"], retries: ["1", "2"] });
    expect(statements).toBe(3);
  });

  it("is stored even if this version knows neither its action nor its details", async () => {
    const event = { ...eventOf(), action: "transcendSession", result: "too_wise", details: { karma: 7 } };
    expect((await deliver([{ v: 1, events: [event] }])).acks).toEqual(["0"]);
    const [found] = await stored({ session: event.session ?? "" });
    expect(found).toMatchObject({ action: "transcendSession", result: "too_wise", details: { karma: 7 } });
  });

  it("is stored whichever of the audit's queues delivers it", async () => {
    const event = eventOf();
    const message = { v: 1, events: [event] };
    for (const queue of ["threadkeep-audit-2", "threadkeep-audit-3-production"]) {
      expect((await deliver([message], { queue })).acks).toEqual(["0"]);
    }
    expect(await stored({ session: event.session ?? "" })).toHaveLength(1);
  });

  it("is counted in the log when it is a dead letter, without a name", async () => {
    const dead = await deliver([{ v: 1, events: [eventOf({ owner: "yuri" }), eventOf()] }, "nonsense"], {
      queue: "threadkeep-audit-failed-production",
    });
    expect(dead.acks).toEqual(["0", "1"]);
    expect(JSON.parse(dead.lines[0] ?? "")).toMatchObject({ event: "audit_lost", messages: 2, events: 2 });
    expect(dead.lines.join()).not.toContain("yuri");
  });
});

describe("a user in the audit", () => {
  it("is a keyed hash, always the same one, whether the user acts or a key acts for the user", async () => {
    const user = freshName();
    const byKey = eventOf({ owner: user });
    const byUser = eventOf({ owner: user, actor: { kind: "user", id: `user:${user}` } });
    await deliver([{ v: 1, events: [byKey, byUser] }]);
    const name = await directory.auditName("test", user, false);
    expect(name).toMatch(/^[0-9a-f]{32}$/);
    const events = await stored({ user: name ?? "" });
    expect(events.map(({ actor }) => actor.id).toSorted()).toEqual(["key:7Qm2xVb9LcTa", `user:${name}`]);
    const raw = await onArchive((database) => database.execute("select * from audit_events"));
    expect(JSON.stringify(raw.rows)).not.toContain(user);
  });

  it("has another hash in another tenant, and another user has another one", async () => {
    const user = freshName();
    const names = await Promise.all([
      directory.auditName("test", user, true),
      directory.auditName("test-2", user, true),
      directory.auditName("test", freshName(), true),
    ]);
    expect(new Set(names).size).toBe(3);
  });

  it("has no hash any more once the key is destroyed, and a late event does not bring one back", async () => {
    const user = freshName();
    const before = eventOf({ owner: user });
    await deliver([{ v: 1, events: [before] }]);
    await directory.forgetAuditKey("test", user);
    await directory.forgetAuditKey("test", user);
    const late = eventOf({ owner: user, actor: { kind: "user", id: `user:${user}` } });
    await deliver([{ v: 1, events: [late] }]);
    expect(await directory.auditName("test", user, true)).toBeNull();
    expect(await stored({ session: late.session ?? "" })).toMatchObject([
      { user: null, actor: { kind: "user", id: "user" } },
    ]);
    // Stored events stay as they are, and nobody can tell whose they are.
    expect((await stored({ session: before.session ?? "" }))[0]?.user).toMatch(/^[0-9a-f]{32}$/);
  });

  it("gets no key, and leaves no trace, through refused requests", async () => {
    const user = freshName();
    const refused = eventOf({ owner: user, result: "session_not_found", details: { count: 1 } });
    await deliver([{ v: 1, events: [refused] }]);
    expect(await hasKey(user)).toBe(false);
    expect(await stored({ session: refused.session ?? "" })).toMatchObject([{ user: null }]);
  });

  it("is not stored in clear text if the directory is unavailable: the events wait", async () => {
    const event = eventOf({ owner: freshName() });
    const away = { ...directory, auditName: () => Promise.reject(new Error("away")) };
    const { acks, retries } = await deliver([{ v: 1, events: [event] }], { directory: away });
    expect({ acks, retries: retries.length }).toEqual({ acks: [], retries: 1 });
    expect(await stored({ session: event.session ?? "" })).toEqual([]);
  });
});

describe("the daily retention", () => {
  it("is done by PostgreSQL, and skipped on a day on which PostgreSQL is unavailable", async () => {
    const lines: string[] = [];
    const log = createLog({ write: (_level, line) => lines.push(line) });
    await retainAudit({ withDatabase: asWorker, log }, 400);
    await retainAudit({ withDatabase: () => Promise.reject(new Error("away")), log }, 400);
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { event: "audit_retained", created: 0, dropped: 0, keepDays: 400 },
      { event: "audit_not_retained", errorMessage: "away" },
    ]);
  });
});

describe("the Worker's role", () => {
  it.each([
    "update audit_events set result = 'ok'",
    "delete from audit_events",
    "truncate audit_events",
    "drop table audit_events",
    "alter table audit_events disable row level security",
    "select * from audit_events_default",
    "delete from audit_events_default",
    "insert into audit_events_default (id, at, actor_kind, actor, action, result) values ('x', now(), '', '', '', '')",
    "select retain_audit(1)",
    "select retain_audit(29)",
    "select retain_audit(null)",
  ])("may not: %s", async (statement) => {
    const refused = await asWorker((database) => database.execute(statement)).then(
      () => "allowed",
      (error: Error) => String(error.cause),
    );
    expect(refused).toMatch(/permission denied|must be owner|kept for 30 days/);
  });
});
