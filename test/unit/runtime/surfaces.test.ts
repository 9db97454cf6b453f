import { describe, expect, it, vi } from "vitest";
import { NO_COSTS } from "../../../src/access/pace.ts";
import { MAX_BODY_BYTES } from "../../../src/api/limits.ts";
import type { Principal } from "../../../src/api/principal.ts";
import { createApp } from "../../../src/http/app.ts";
import { eventStreamAnswer } from "../../../src/http/event-stream.ts";
import { rateLimitFields } from "../../../src/http/rate-limit-fields.ts";
import { principalOf } from "../../../src/rpc/binding-principal.ts";
import { plainJson } from "../../../src/rpc/plain-json.ts";
import { remoteError } from "../../../src/rpc/remote-error.ts";
import { createRpcEntrypoint } from "../../../src/rpc/threadkeep.ts";
import { readOpening } from "../../../src/session/live/opening.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { callWith, standIn, thrownBy } from "./stand-in.ts";

vi.mock("cloudflare:workers", async () => {
  const { DurableObject } = await import("../../../simulation/durable-object.ts");
  return { DurableObject, WorkerEntrypoint: DurableObject };
});

const log = createLog({ write: () => undefined });

/** Calls the API with a tenant's key. */
async function ask(parts: object, path: string, init: RequestInit = {}): Promise<Response> {
  const { principal, parts: whole } = callWith(parts);
  const app = createApp({
    authenticate: async () => principal,
    limit: async () => undefined,
    costs: NO_COSTS,
    hosts: [],
    corsOrigins: [],
    parts: whole,
    log,
    readiness: () => Promise.reject(new Error("not asked")),
    readFile: () => Promise.reject(new Error("not asked")),
  });
  return app.request(`http://a.test${path}`, init);
}

const post = (body: object): RequestInit => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

describe("a parameter of a request", () => {
  const parts = { directory: { list: async () => ({ data: [], hasMore: false, next: null }) } };

  it.each([
    ["/v1/sessions?limit=1", null],
    ["/v1/sessions?limit=1&limit=2", "must be given once"],
    ["/v1/sessions?metadata.a=1&metadata.a=2", "must be given once"],
    ["/v1/sessions?metadata.a=1&metadata.b=2", null],
    ["/v1/sessions?limits=1", "limits"],
    ["/v1/sessions/chat?limit=1", "is not a known parameter"],
  ])("is known and occurs once: %s", async (path, told) => {
    const answer = await ask(parts, path);
    expect(answer.status).toBe(told === null ? 200 : 422);
    if (told !== null) expect(await answer.text()).toContain(told);
  });
});

describe("the methods of a path", () => {
  it.each([
    ["/v1/sessions", "GET, HEAD, OPTIONS, POST"],
    ["/v1/sessions/chat/messages", "GET, HEAD, OPTIONS, POST"],
    ["/v1/sessions/chat/fork", "OPTIONS, POST"],
  ])("are listed, with HEAD wherever there is GET: %s", async (path, allow) => {
    const options = await ask({}, path, { method: "OPTIONS" });
    expect([options.status, options.headers.get("Allow")]).toEqual([204, allow]);
    const put = await ask({}, path, { method: "PUT" });
    expect([put.status, put.headers.get("Allow")]).toEqual([405, allow]);
  });
});

describe("an append", () => {
  it.each([
    [[true, true], 201],
    [[false, true], 201],
    [[false, false], 200],
  ])("of messages that are new as in %j is answered with %i", async (created, status) => {
    const messages = created.map((isNew, at) => ({ id: `${at}`, seq: at + 1, created: isNew }));
    const append = async () => ({ ok: true, value: { messages, headSeq: messages.length } });
    const body = { messages: created.map(() => ({ role: "user", content: "hello" })) };
    const answer = await ask({ sessions: { get: () => ({ append }) } }, "/v1/sessions/chat/messages", post(body));
    expect(answer.status).toBe(status);
    expect([...answer.headers.keys()].filter((name) => name.startsWith("ratelimit"))).toEqual([]);
  });

  it("has headers with what is left of the day if it is limited, and otherwise none", () => {
    expect(rateLimitFields([])).toEqual({});
    const quotas = [
      { name: "messages", limit: 9, remaining: 4, resetSeconds: 60 },
      { name: "tokens", limit: 100, remaining: 0, resetSeconds: 60 },
    ] as const;
    expect(rateLimitFields(quotas)).toEqual({
      "RateLimit-Policy": '"messages";q=9;w=86400, "tokens";q=100;w=86400',
      RateLimit: '"messages";r=4;t=60, "tokens";r=0;t=60',
    });
  });
});

describe("a fork", () => {
  it.each([
    ["copying", true, 202],
    ["copying", false, 202],
    ["active", true, 201],
    ["active", false, 200],
  ])("that is %s, new: %s, is answered with %i", async (status, created, expected) => {
    const session = {
      beginFork: async () => ({ ok: true, value: { metadata: {}, settings: {} } }),
      createFork: async () => ({ ok: true, value: { session: { id: "b", status }, created } }),
    };
    const directory = { register: async () => ({ isKnown: false, grantedAt: 1 }) };
    const parts = { sessions: { get: () => session }, directory };
    expect((await ask(parts, "/v1/sessions/a/fork", post({ id: "b" }))).status).toBe(expected);
  });
});

describe("an event stream", () => {
  it.each([
    ["", {}, null],
    ["?since=5", {}, 5],
    ["?since=5", { "Last-Event-ID": "7" }, 7],
    ["", { "Last-Event-ID": "7" }, 7],
  ])("begins after the last known event: %j with %j after %j", async (query, headers, since) => {
    const asked: unknown[] = [];
    const fetch = async (request: Request): Promise<Response> => {
      asked.push(readOpening(request)?.since);
      return Response.json({ code: "too_many_sockets", detail: "" }, { status: 409 });
    };
    const init = { headers: { Accept: "text/event-stream", ...headers } };
    const answer = await ask({ sessions: { get: () => ({ fetch }) } }, `/v1/sessions/chat/live${query}`, init);
    expect(answer.status).toBe(429);
    expect(asked).toEqual([since]);
  });

  /** A socket whose messages the test sends. */
  class Line extends EventTarget {
    readonly acknowledged: number[] = [];
    accept(): void {}
    close(): void {}
    send(text: string): void {
      this.acknowledged.push(JSON.parse(text).rev);
    }
    say(...frames: object[]): void {
      for (const frame of frames) this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(frame) }));
    }
  }

  it("gives each event its rev as id, begins with hello, and acknowledges what was taken", async () => {
    const line = new Line();
    const { body } = eventStreamAnswer(standIn<WebSocket>(line));
    if (body === null) throw new Error("no body");
    const reader = body.getReader();
    const next = async (): Promise<string> =>
      new TextDecoder().decode((await reader.read()).value).split("\n")[0] ?? "";
    line.say({ type: "hello", rev: 9, since: 7 });
    expect(await next()).toBe("id: 7");
    // A single event is acknowledged at once, because a quiet stream has nothing to wait for.
    line.say({ type: "appended", rev: 8 });
    expect(await next()).toBe("id: 8");
    await vi.waitFor(() => expect(line.acknowledged).toEqual([8]));
    // Of many waiting events not each is acknowledged, but the last one is.
    line.say(...Array.from({ length: 5 }, (_, at) => ({ type: "appended", rev: 9 + at })));
    for (let at = 0; at < 5; at += 1) expect(await next()).toBe(`id: ${9 + at}`);
    await vi.waitFor(() => expect(line.acknowledged.at(-1)).toBe(13));
    expect(line.acknowledged.length).toBeLessThan(6);
    await reader.cancel();
  });
});

describe("a service binding", () => {
  const props = { tenant: "acme", scopes: ["memory:read"] };
  const forAda = { ...props, owner: "ada" };

  it.each([
    [props, undefined, "-"],
    [props, { user: "bob" }, "bob"],
    [forAda, undefined, "ada"],
    [forAda, { user: "ada" }, "ada"],
    [forAda, { user: "bob" }, null],
  ])("%j, called with %j, acts for %j", async (binding, caller, owner) => {
    const thrown = await thrownBy(() => expect(principalOf(binding, caller).owner).toBe(owner));
    if (owner === null) expect(thrown).toMatchObject({ fault: { code: "forbidden" } });
    else expect(thrown).toBeNull();
  });

  it("accepts as many bytes as a body may have, however few characters they are", async () => {
    const largest = "é".repeat((MAX_BODY_BYTES - 2) / 2);
    expect(plainJson(largest)).toBe(largest);
    expect(await thrownBy(() => plainJson(`${largest}a`))).toMatchObject({ fault: { code: "body_too_large" } });
    expect(plainJson(new Date(0))).toBe("1970-01-01T00:00:00.000Z");
    expect(plainJson(undefined)).toBeUndefined();
  });

  it("is told when to try again, if that is known", () => {
    const fault = { code: "rate_limited", detail: "Too many.", facts: { limit: 5 } } as const;
    expect(remoteError(fault, "r")).toMatchObject({ facts: { limit: 5 }, status: 429, requestId: "r" });
    expect(remoteError({ ...fault, retryAfterSeconds: 7 }, "r")).toHaveProperty("facts", {
      limit: 5,
      retryAfterSeconds: 7,
    });
  });

  it("is limited like a caller over HTTP, before anything is done", async () => {
    const limited: Principal[] = [];
    let isOver = false;
    let reads = 0;
    const Entry = createRpcEntrypoint(() => ({
      parts: callWith({
        sessions: {
          get: () => ({
            state: async () => {
              reads += 1;
              return { ok: true, value: { id: "chat" } };
            },
          }),
        },
      }).parts,
      limitRequests: async (principal) => {
        limited.push(principal);
        if (isOver) throw Object.assign(new Error("over"), { name: "Over" });
      },
      log,
    }));
    const entry = new Entry(standIn<ExecutionContext<unknown>>({ props }), standIn<Env>({}));
    expect(await entry.state("chat")).toEqual({ id: "chat" });
    isOver = true;
    expect(await thrownBy(() => entry.state("chat", { user: "bob" }))).toMatchObject({ name: "ThreadkeepError" });
    expect(limited.map(({ tenant, owner }) => [tenant, owner])).toEqual([
      ["acme", "-"],
      ["acme", "bob"],
    ]);
    expect(reads).toBe(1);
  });
});
