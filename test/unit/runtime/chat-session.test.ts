import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ObjectStorage } from "../../../simulation/object-storage.ts";
import type { Appender } from "../../../src/api/audit.ts";
import {
  CREATION_GRANT_MS,
  MAX_FRAME_BURST,
  MAX_FRAME_BYTES,
  MAX_SOCKET_SECONDS,
  MIN_USER_SUMMARY_TOKENS,
} from "../../../src/api/limits.ts";
import { NOTHING_TAKEN } from "../../../src/api/quota.ts";
import type { TenantSettings } from "../../../src/api/tenant.ts";
import { readFrame } from "../../../src/session/live/frames.ts";
import { type LiveOpening, writeOpening } from "../../../src/session/live/opening.ts";
import { CLOSE } from "../../../src/session/live/refusals.ts";
import { ChatSession } from "../../../src/session/object.ts";
import { copiedQuotaFault, startOfDay } from "../../../src/session/quota/day.ts";
import { TenantQuota } from "../../../src/session/quota/tenant-quota.ts";
import { NodeSession, NOON } from "./node-session.ts";
import { standIn } from "./stand-in.ts";

vi.mock("cloudflare:workers", () => import("../../../simulation/durable-object.ts"));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: NOON });
  vi.stubGlobal("scheduler", { wait: async () => undefined });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const ref = { tenant: "acme", owner: "ada", session: "chat" };
const hello = { role: "user", content: "hello" } as const;

/** The object over a session's tables, with stand-ins for everything around it. */
function objectOf(
  session: NodeSession,
  directory?: object,
  jurisdiction?: string,
  audits: unknown[] = [],
): ChatSession {
  const ctx = {
    storage: new ObjectStorage(session.disk),
    id: { jurisdiction },
    blockConcurrencyWhile: (body: () => unknown) => body(),
    waitUntil: () => undefined,
    getWebSockets: () => [],
    setWebSocketAutoResponse: () => undefined,
    acceptWebSocket: () => undefined,
  };
  const told = { noteTaken: async (report: object) => ({ total: report, told: report }) };
  const queue = { send: async () => undefined };
  const env = {
    SUMMARIZE_QUEUE: queue,
    ARCHIVE_QUEUE: queue,
    AUDIT_QUEUE: { send: async (body: unknown) => audits.push(body) },
    DIRECTORY: directory ?? { getByName: () => told },
    TAKEN_SHARD: { getByName: () => told },
    THREADKEEP_RATE_LIMITS: "off",
  };
  return new ChatSession(standIn(ctx), standIn(env), () => null);
}

/** An object that was never written to. */
function newObject(): { object: ChatSession; session: NodeSession } {
  const session = new NodeSession();
  session.disk.clear();
  return { object: objectOf(session), session };
}

/** The statements that a call runs. */
async function statementsOf({ disk }: NodeSession, call: () => Promise<unknown>): Promise<string[]> {
  const spy = vi.spyOn(disk, "prepare");
  await call();
  const statements = spy.mock.calls.map(([sql]) => sql);
  spy.mockRestore();
  return statements;
}

describe("an append to a session in memory", () => {
  const said = (id: string) => ({ messages: [{ id, ...hello }] });
  const by: Appender = { kind: "tenant-key", id: "key", isUser: false };

  it("runs five statements, and reads nothing twice", async () => {
    const session = new NodeSession();
    session.say(20, NOON - 7_200_000);
    session.summarize(1, 10, [{ text: "message number 0", sourceSeqs: [1] }]);
    const object = objectOf(session);
    await object.append(said("first"), null, undefined, by);
    const statements = await statementsOf(session, () => object.append(said("second"), null, undefined, by));
    expect(statements).toHaveLength(5);
    expect(new Set(statements).size).toBe(5);
  });

  it("sees what it wrote itself, and what an edit or another append wrote before it", async () => {
    const session = new NodeSession();
    session.say(2);
    const { store } = session;
    const head = () => store.messages.head();
    expect(head()).toMatchObject({ seq: 2 });
    session.say(1);
    expect(head()).toMatchObject({ seq: 3 });
    const before = head()?.totalCost ?? 0;
    const object = objectOf(session);
    await object.editMessage("seq-3", { content: "a much longer message than the one before, about much more" });
    const after = await object.state();
    expect(after.ok && after.value.messageTokens).toBeGreaterThan(before);
  });
});

describe("the audit of appends", () => {
  it("starts with the first message of a range", async () => {
    const session = new NodeSession();
    session.say(3);
    const by: Appender = { kind: "tenant-key", id: "key:k", isUser: false };
    await objectOf(session).append({ messages: [hello, hello] }, null, undefined, by);
    expect(session.store.audit.appending()).toMatchObject({ fromSeq: 4, startedAt: NOON });
    await objectOf(session).append({ messages: [hello] }, null, undefined, by);
    expect(session.store.audit.appending()).toMatchObject({ fromSeq: 4, startedAt: NOON });
  });
});

describe("a day of 20 turns, each of which finds the object evicted", () => {
  it("sets at most three alarms, and tells the audit once, within a day of the first append", async () => {
    const session = new NodeSession();
    const { disk } = session;
    const by: Appender = { kind: "tenant-key", id: "key:k", isUser: false };
    const audits: unknown[] = [];
    const sentAt: number[] = [];
    const setAlarm = vi.spyOn(ObjectStorage.prototype, "setAlarm");
    const evicted = async (): Promise<ChatSession> => {
      const object = objectOf(session, undefined, undefined, audits);
      // As in the runtime, no call runs before the constructor has read the alarm.
      await Promise.resolve();
      return object;
    };
    const ringThrough = async (until: number): Promise<void> => {
      while (disk.alarm !== null && disk.alarm <= until) {
        vi.setSystemTime(disk.alarm);
        disk.alarm = null;
        await (await evicted()).alarm();
        while (sentAt.length < audits.length) sentAt.push(Date.now());
      }
      vi.setSystemTime(until);
    };
    for (let at = 0; at < 20; at += 1) {
      await ringThrough(NOON + at * 40 * 60_000);
      const object = await evicted();
      await object.append({ messages: [hello] }, null, undefined, by);
      await object.append({ messages: [hello] }, null, undefined, by);
    }
    await ringThrough(NOON + 3 * 86_400_000);
    expect(setAlarm.mock.calls.length).toBeLessThanOrEqual(3);
    expect(audits).toMatchObject([{ events: [{ details: { fromSeq: 1, throughSeq: 40 } }] }]);
    expect(sentAt[0]).toBeLessThanOrEqual(NOON + 86_400_000);
    setAlarm.mockRestore();
  });
});

describe("an append to a session that does not exist", () => {
  const request = { messages: [hello] };
  const creation = { ref, createdAt: NOON };
  const byUser: Appender = { kind: "user", id: "ada", isUser: true };
  const byKey: Appender = { kind: "tenant-key", id: "key:k", isUser: false };
  const granted = { ok: true, value: { createdAt: NOON, grantedAt: NOON, isKnown: false } };

  /** An object to which nothing was written, and its calls of the directory. */
  function askingObject(answer: () => unknown = () => granted, renew: () => unknown = () => undefined) {
    const { session } = newObject();
    const asked: unknown[] = [];
    const stub = {
      register: async (...given: readonly unknown[]) => {
        asked.push(given);
        return answer();
      },
      renew: async (...given: readonly unknown[]) => {
        asked.push(["renew", ...given]);
        return renew();
      },
      noteTaken: async (report: object) => ({ total: report, told: report }),
    };
    const elsewhere = { getByName: (name: string) => asked.push(name) && stub };
    const namespace = { ...elsewhere, jurisdiction: (place: string) => asked.push(place) && elsewhere };
    return { asked, session, object: objectOf(session, namespace, "eu") };
  }

  it("asks the directory once, in the tenant's jurisdiction; an append to an existing session asks nobody", async () => {
    const { object, asked } = askingObject();
    const tenant: TenantSettings = { rev: 1, settings: {}, summarization: "on", isOverBudget: false };
    expect(await object.append(request, creation, tenant, byKey)).toMatchObject({ ok: true, value: { headSeq: 1 } });
    expect(asked).toEqual(["eu", "acme/ada", [ref, NOON, {}, null, null]]);
    expect(await object.append(request, creation, tenant, byKey)).toMatchObject({ ok: true, value: { headSeq: 2 } });
    expect(asked).toHaveLength(3);
  });

  it("is checked against the limits of the user who makes it, and of nobody in a session of the tenant itself", async () => {
    const { object, asked } = askingObject();
    const limits = { userSessions: 7 };
    const tenant: TenantSettings = { rev: 1, settings: {}, summarization: "on", isOverBudget: false, limits };
    await object.append(request, creation, tenant, byUser);
    expect(asked[2]).toMatchObject([ref, NOON, {}, null, { bounds: { sessions: 7 } }]);
    const own = askingObject();
    await own.object.append(request, { ...creation, ref: { ...ref, owner: "-" } }, tenant, byUser);
    expect(own.asked[2]).toMatchObject([{ owner: "-" }, NOON, {}, null, null]);
  });

  it("asks nobody if it would be refused anyway, and is refused as the directory refuses it", async () => {
    const { object, asked } = askingObject(() => ({ ok: false, fault: { code: "user_erased", detail: "" } }));
    expect(await object.append({ ...request, expectedHeadSeq: 4 }, creation)).toMatchObject({
      fault: { code: "head_seq_mismatch" },
    });
    expect(asked).toEqual([]);
    expect(await object.append(request, creation)).toMatchObject({ fault: { code: "user_erased" } });
    expect(await object.state()).toMatchObject({ fault: { code: "session_not_found" } });
  });

  it("fails while the directory is unavailable, as a temporary fault or as a bug, and writes nothing", async () => {
    let error = Object.assign(new Error("Network connection lost."), { retryable: true });
    const { object } = askingObject(() => {
      throw error;
    });
    expect(await object.append(request, creation)).toMatchObject({
      fault: { code: "unavailable", retryAfterSeconds: 2 },
    });
    error = Object.assign(new Error("the disk is full"), { retryable: false });
    await expect(object.append(request, creation)).rejects.toThrow("the disk is full");
    expect(await object.state()).toMatchObject({ fault: { code: "session_not_found" } });
  });

  it("uses what exists once the directory has answered: two at once are in one session", async () => {
    const answers: ((answer: unknown) => void)[] = [];
    const { object } = askingObject(() => new Promise((answer) => answers.push(answer)));
    const appends = ["a", "a", "b"].map((id) => object.append({ messages: [{ ...hello, id }] }, creation));
    await vi.waitFor(() => expect(answers).toHaveLength(3));
    for (const [at, answer] of answers.entries()) {
      answer({ ok: true, value: { ...granted.value, grantedAt: NOON + at, isKnown: at > 0 } });
    }
    expect(await Promise.all(appends)).toMatchObject(
      [
        { seq: 1, created: true },
        { seq: 1, created: false },
        { seq: 2, created: true },
      ].map((message) => ({ ok: true, value: { messages: [message] } })),
    );
    expect(await object.erase()).toMatchObject({ value: { grantedAt: NOON + 2 } });
  });

  it("is refused if the directory's answer took longer than its grant is valid", async () => {
    const { object } = askingObject(() => {
      vi.setSystemTime(NOON + CREATION_GRANT_MS + 1);
      return granted;
    });
    expect(await object.append(request, creation)).toMatchObject({ fault: { code: "unavailable" } });
    expect(await object.state()).toMatchObject({ fault: { code: "session_not_found" } });
  });

  it.each([
    ["", () => undefined],
    [", or by its job if the directory fails", () => Promise.reject(new Error("the directory is away"))],
  ])("has the entry of an earlier epoch renewed%s", async (_, renew) => {
    const { object, asked, session } = askingObject(
      () => ({ ...granted, value: { ...granted.value, isKnown: true } }),
      renew,
    );
    expect(await object.append(request, creation)).toMatchObject({ ok: true });
    expect(asked.at(-1)).toEqual(["renew", "chat", {}, NOON]);
    expect(session.job("list")).toMatchObject({ state: "pending" });
  });

  it("leaves the entry to a call that created the session while the append waited for the directory", async () => {
    const metadata = { topic: "island" };
    const { object, asked } = askingObject(async () => {
      await object.create({ ref, createdAt: NOON, grantedAt: NOON, isKnown: false, metadata });
      return { ...granted, value: { ...granted.value, grantedAt: NOON + 1, isKnown: true } };
    });
    expect(await object.append(request, creation)).toMatchObject({
      ok: true,
      value: { messages: [{ seq: 1, created: true }] },
    });
    expect(await object.state()).toMatchObject({ value: { metadata } });
    expect(asked.filter((call) => Array.isArray(call) && call[0] === "renew")).toEqual([]);
  });
});

describe("a summary that a user requests", () => {
  it("counts for their day at least as much as the smallest one, however little is new", async () => {
    const session = new NodeSession({ settings: { keepRecentTokens: 0 } });
    session.sql.exec("UPDATE session SET tenant = ?", crypto.randomUUID());
    session.say(9);
    const limits = { userSummarizerTokensPerDay: MIN_USER_SUMMARY_TOKENS };
    const tenant: TenantSettings = { rev: 1, settings: {}, summarization: "on", isOverBudget: false, limits };
    const object = objectOf(session);
    const ask = (isByUser: boolean) => object.summarize({}, undefined, isByUser, tenant);
    expect(await ask(true)).toMatchObject({ ok: true, value: { job: { state: "pending" } } });
    expect(await ask(true)).toMatchObject({ ok: false, fault: { code: "quota_exceeded" } });
    expect(await ask(false)).toMatchObject({ ok: true });
  });
});

describe("a session's epoch", () => {
  it("starts while its creation grant is valid, and not later", async () => {
    const { object } = newObject();
    const create = (ago: number) => object.create({ ref, createdAt: NOON, grantedAt: NOON - ago });
    expect(await create(CREATION_GRANT_MS + 1)).toMatchObject({ ok: false });
    expect(await create(CREATION_GRANT_MS)).toMatchObject({ ok: true, value: { created: true } });
  });

  it("starts later than the erased one before it, even within the same millisecond", async () => {
    const { object, session } = newObject();
    const begin = async (): Promise<number> => {
      await object.create({ ref, createdAt: NOON });
      return session.row.beganAt;
    };
    const first = await begin();
    await object.erase();
    expect([first, await begin()]).toEqual([NOON, NOON + 1]);
  });

  it("leaves the day's usage behind when it expires, if the day is limited", async () => {
    const session = new NodeSession({
      settings: { expireAfterIdleSeconds: 60 },
      tenantSettings: { limits: { sessionMessagesPerDay: 5 } },
    });
    session.append(["one", "two"]);
    session.summarize(1, 2);
    const { id, epoch } = session.schedule("expire");
    vi.setSystemTime(NOON + 600_000);
    expect(await objectOf(session).confirmExpiry(id, epoch, "expire")).toBe(true);
    expect(session.store.spent.on(startOfDay(NOON))).toMatchObject({ messages: 2 });
  });
});

describe("a dry run of reindexing", () => {
  it("writes nothing", async () => {
    const session = new NodeSession();
    session.say(3);
    session.search.catchUp();
    const object = objectOf(session);
    const changes = session.disk.changes();
    expect(await object.reindex(true, true)).toEqual({ ok: true, value: { done: true } });
    expect(session.disk.changes()).toBe(changes);
    expect(await object.reindex(true, false)).toEqual({ ok: true, value: { done: true } });
    expect(session.disk.changes()).toBeGreaterThan(changes);
  });
});

describe("the day of all sessions of a tenant", () => {
  it.each([
    [{ messages: 0, tokens: 5 }, "quota_exceeded"],
    [{ messages: 5, tokens: 0 }, "quota_exceeded"],
    [{ messages: 0, tokens: 0 }, undefined],
  ])("counts %j, including tokens without a message", (taken, code) => {
    const limits = { tenantMessagesPerDay: 5, tenantTokensPerDay: 5 };
    const quota = new TenantQuota(
      () => standIn({}),
      (work) => void work.catch(() => undefined),
    );
    const tenant = crypto.randomUUID();
    quota.count(tenant, limits, taken, NOON);
    expect(quota.faultOf(tenant, limits, { messages: 1, tokens: 1 }, undefined, NOON)?.code).toBe(code);
  });

  it("has room for a copy as large as the whole quota", () => {
    const limits = { tenantMessagesPerDay: 5, tenantTokensPerDay: 50 };
    expect(copiedQuotaFault(limits, { messages: 5, tokens: 50 }, NOON)).toBeNull();
    expect(copiedQuotaFault(limits, { messages: 6, tokens: 50 }, NOON)).toMatchObject({
      facts: { quota: "tenant-messages" },
    });
    expect(copiedQuotaFault(limits, { messages: 5, tokens: 51 }, NOON)).toMatchObject({
      facts: { quota: "tenant-tokens" },
    });
    expect(copiedQuotaFault({}, NOTHING_TAKEN, NOON)).toBeNull();
  });
});

describe("a frame", () => {
  it("is measured in bytes, and may have exactly the maximum", () => {
    const frame = (text: string): string =>
      JSON.stringify({ type: "append", id: "a", messages: [{ ...hello, content: text }] });
    const room = MAX_FRAME_BYTES - frame("").length;
    const largest = "é".repeat(Math.floor(room / 2)) + "a".repeat(room % 2);
    expect(readFrame(frame(largest))).toHaveProperty("frame");
    expect(readFrame(frame(`${largest}a`))).toMatchObject({ isUnreadable: "tooLarge" });
  });
});

describe("a socket", () => {
  /** One end of a socket, with everything that it received. */
  class Line {
    readonly readyState = 1;
    readonly told: { type: string; code?: string; status?: number }[] = [];
    closed: number | null = null;
    attachment: { until?: number } = {};
    send(text: string): void {
      this.told.push(JSON.parse(text));
    }
    close(code: number): void {
      this.closed = code;
    }
    serializeAttachment(attachment: object): void {
      this.attachment = attachment;
    }
  }

  async function opened(change: Partial<LiveOpening> = {}, session = new NodeSession()) {
    const line = new Line();
    vi.stubGlobal(
      "WebSocketPair",
      class {
        readonly 0 = new Line();
        readonly 1 = line;
      },
    );
    vi.stubGlobal("WebSocketRequestResponsePair", Object);
    // Node's Response does not allow status 101.
    vi.stubGlobal(
      "Response",
      class {
        readonly status: number;
        readonly fault: unknown;
        constructor(_body: null, { status }: { status: number }, fault: unknown = null) {
          this.status = status;
          this.fault = fault;
        }
        static json(fault: unknown, init: { status: number }) {
          return new this(null, init, fault);
        }
      },
    );
    const object = objectOf(session);
    const opening: LiveOpening = {
      since: null,
      scopes: ["memory:read", "memory:write"],
      by: { kind: "tenant-key", id: "deployment-key" },
      isUser: false,
      counted: { tier: "key", name: "acme/deployment-key" },
      from: null,
      expiresAt: null,
      ticket: null,
      requestId: "r",
      tenant: null,
      ...change,
    };
    const { status } = await object.fetch(writeOpening(opening));
    const say = (frame: object): Promise<void> => object.webSocketMessage(standIn(line), JSON.stringify(frame));
    return { line, status, say, object };
  }

  it.each([
    [["memory:write"], false, "answer"],
    [["memory:write"], true, "error"],
    [["memory:write", "memory:read"], true, "answer"],
    [["memory:read"], false, "error"],
  ] as const)("with %j appends, and gets a context with it: %s, for an %s", async (scopes, hasContext, type) => {
    const { line, say } = await opened({ scopes });
    await say({ type: "append", id: "a", messages: [hello], ...(hasContext ? { context: {} } : {}) });
    const answers = line.told.filter((frame) => frame.type === "answer" || frame.type === "error");
    expect(answers).toMatchObject([{ type, id: "a" }]);
  });

  it.each([
    ["of this epoch", {}, 101],
    ["of an earlier epoch", { epoch: "another" }, 409],
    ["that is late", { expiresAt: NOON }, 409],
  ])("is opened by a ticket %s, once, or not", async (_, change, status) => {
    const session = new NodeSession();
    const ticket = { id: "t", epoch: session.row.epoch, expiresAt: NOON + 1, ...change };
    expect((await opened({ ticket }, session)).status).toBe(status);
    expect((await opened({ ticket }, session)).status).toBe(409);
  });

  it.each([
    [null, MAX_SOCKET_SECONDS * 1_000],
    [NOON + 5_000, 5_000],
    [NOON + 2 * MAX_SOCKET_SECONDS * 1_000, MAX_SOCKET_SECONDS * 1_000],
  ])("by a token until %s is open for %i ms", async (expiresAt, ms) => {
    expect((await opened({ expiresAt })).line.attachment.until).toBe(NOON + ms);
  });

  it("may send a burst of frames, but not a larger one after a long silence", async () => {
    const { line, say } = await opened();
    vi.setSystemTime(NOON + 60_000);
    for (let at = 0; at < MAX_FRAME_BURST; at += 1) await say({ type: "ack", rev: 0 });
    expect(line.closed).toBeNull();
    await say({ type: "ack", rev: 0 });
    expect(line.closed).toBe(CLOSE.policy);
  });
});
