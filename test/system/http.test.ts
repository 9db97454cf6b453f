import { readFileSync } from "node:fs";
import { get as httpGet } from "node:http";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { appendResultSchema } from "../../src/api/append.ts";
import { openaiChatContextSchema } from "../../src/api/context-openai.ts";
import { contextSchema, renderedContextSchemas } from "../../src/api/context.ts";
import { readinessSchema } from "../../src/api/health.ts";
import { failureSchema, jobSchema } from "../../src/api/job.ts";
import { messageSchema } from "../../src/api/message.ts";
import { pageSchema } from "../../src/api/page.ts";
import { type ListedSession, listedSessionSchema, sessionStateSchema } from "../../src/api/session.ts";
import { expandedSummarySchema, summarySchema } from "../../src/api/summary.ts";
import { type Answer, call, eventually, sharedService } from "../support/service.ts";

const service = sharedService();
const newId = (): string => `http-${crypto.randomUUID()}`;
const turn = (index: number): Record<string, unknown> => ({
  id: `turn-${index}`,
  role: index % 2 === 1 ? "user" : "assistant",
  content: `Turn ${index}: the kettle of order ${7000 + index} was sent on day ${index} to Maria in Lisbon.`,
});
const turns = (count: number): { messages: unknown[] } => ({
  messages: Array.from({ length: count }, (_, index) => turn(index + 1)),
});
const append = (id: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer<unknown>> =>
  call(service, "POST", `/v1/sessions/${id}/messages`, { body, headers });
const get = (pathAndQuery: string, headers: Record<string, string> = {}): Promise<Answer<unknown>> =>
  call(service, "GET", pathAndQuery, { headers });

describe("sessions over HTTP", () => {
  it("are created once: 201 for the first, 200 and the same for a repetition", async () => {
    const body = { id: newId(), metadata: { topic: "kettles" }, settings: { maxTokens: 2_000 } };
    const first = await call(service, "POST", "/v1/sessions", { body });
    expect(first.status).toBe(201);
    const state = sessionStateSchema.parse(first.body);
    expect(state).toMatchObject({ id: body.id, headSeq: 0, metadata: body.metadata, settings: { maxTokens: 2_000 } });
    const again = await call(service, "POST", "/v1/sessions", { body: { id: body.id, metadata: { other: 1 } } });
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ metadata: body.metadata, createdAt: state.createdAt });
  });

  it("get an id from the server if the request has none, also without any body", async () => {
    const { status, body } = await call(service, "POST", "/v1/sessions");
    expect(status).toBe(201);
    expect(sessionStateSchema.parse(body).id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
  });

  it("are updated in part", async () => {
    const id = newId();
    await call(service, "POST", "/v1/sessions", { body: { id, metadata: { a: 1 }, settings: { maxTokens: 2_000 } } });
    const { status, body } = await call(service, "PATCH", `/v1/sessions/${id}`, { body: { metadata: { b: 2 } } });
    expect(status).toBe(200);
    expect(sessionStateSchema.parse(body)).toMatchObject({ metadata: { b: 2 }, settings: { maxTokens: 2_000 } });
    expect(body).toEqual((await get(`/v1/sessions/${id}`)).body);
  });

  it("are listed newest first, page by page, each once, and only for their user", async () => {
    const headers = { "threadkeep-user": newId() };
    const ids = ["a", "b", "c", "d", "e"].map((name) => `${name}-${newId()}`);
    for (const [index, id] of ids.entries()) {
      await call(service, "POST", "/v1/sessions", {
        body: { id, metadata: { half: index < 3 ? "old" : "new" } },
        headers,
      });
      // Sessions of the same millisecond have no defined order.
      await new Promise((resolve) => setTimeout(resolve, 3));
    }
    const seen: ListedSession[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? "limit=2" : `limit=2&cursor=${encodeURIComponent(cursor)}`;
      const page = pageSchema(listedSessionSchema).parse((await get(`/v1/sessions?${query}`, headers)).body);
      expect(page.hasMore).toBe(page.nextCursor !== null);
      seen.push(...page.data);
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen.map((session) => session.id)).toEqual(ids.toReversed());

    const filtered = await get("/v1/sessions?metadata.half=new", headers);
    expect(filtered.body).toMatchObject({ data: [{ id: ids[4] }, { id: ids[3] }], hasMore: false });
    expect((await get("/v1/sessions", { "threadkeep-user": newId() })).body).toMatchObject({ data: [] });
    expect((await get(`/v1/sessions/${ids[0]}`)).status).toBe(404);
  });
});

describe("messages over HTTP", () => {
  it("are appended with 201, and repeated with 200 and the same seqs", async () => {
    const id = newId();
    const first = await append(id, turns(3));
    expect(first.status).toBe(201);
    expect(appendResultSchema.parse(first.body)).toMatchObject({
      headSeq: 3,
      messages: [{ seq: 1 }, { seq: 2 }, { seq: 3 }],
    });
    const again = await append(id, turns(3));
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject({ headSeq: 3, messages: [{ seq: 1, created: false }, { seq: 2 }, { seq: 3 }] });
    expect((await append(id, turns(4))).status).toBe(201);
  });

  it("without ids take theirs from the Idempotency-Key", async () => {
    const id = newId();
    const body = {
      messages: [
        { role: "user", content: "one" },
        { role: "user", content: "two" },
      ],
    };
    const headers = { "idempotency-key": crypto.randomUUID() };
    const first = appendResultSchema.parse((await append(id, body, headers)).body);
    const again = await append(id, body, headers);
    expect(again.status).toBe(200);
    expect(appendResultSchema.parse(again.body).messages.map((message) => message.id)).toEqual(
      first.messages.map((message) => message.id),
    );
    expect((await append(id, body)).status).toBe(201);
  });

  it("are refused with 409 if the id has other content, or the session has moved on", async () => {
    const id = newId();
    await append(id, turns(2));
    const taken = await append(id, { messages: [{ ...turn(1), content: "something else" }] });
    expect([taken.status, taken.body]).toMatchObject([409, { code: "message_conflict" }]);
    const late = await append(id, { messages: [turn(3)], expectedHeadSeq: 1 });
    expect([late.status, late.body]).toMatchObject([409, { code: "head_seq_mismatch", headSeq: 2 }]);
  });

  it("are read by page in both directions, and one by one", async () => {
    const id = newId();
    await append(id, turns(7));
    const page = async (query: string): Promise<{ seqs: number[]; hasMore: boolean }> => {
      const answer = pageSchema(messageSchema).parse((await get(`/v1/sessions/${id}/messages?${query}`)).body);
      return { seqs: answer.data.map((message) => message.seq), hasMore: answer.hasMore };
    };
    expect(await page("limit=3")).toEqual({ seqs: [1, 2, 3], hasMore: true });
    expect(await page("limit=3&afterSeq=5")).toEqual({ seqs: [6, 7], hasMore: false });
    expect(await page("limit=3&beforeSeq=6")).toEqual({ seqs: [3, 4, 5], hasMore: true });
    expect(await page("afterSeq=2&beforeSeq=5")).toEqual({ seqs: [3, 4], hasMore: false });
    expect(await page("afterSeq=7")).toEqual({ seqs: [], hasMore: false });
    const one = await get(`/v1/sessions/${id}/messages/turn-4`);
    expect(messageSchema.parse(one.body)).toMatchObject({ ...turn(4), seq: 4 });
  });

  it("come back exactly as they were sent, with every kind of part and every script", async () => {
    const id = newId();
    const content = [
      { type: "text", text: "Grüße 👋🏽 \u2028 ‮ <script>alert(1)</script>" },
      { type: "file", mediaType: "image/png", data: "https://example.com/a.png", filename: "a.png" },
      { type: "reasoning", text: "hm" },
      { type: "tool-call", toolCallId: "c", toolName: "find", input: { deep: [1, null, { x: true }] } },
      { type: "data-chart", id: "d", data: { points: [1.5, -2] } },
    ];
    const metadata = { "key/with~signs": ["a", { b: null }] };
    await append(id, {
      messages: [
        { id: "m", role: "assistant", author: "Ana", content, metadata, occurredAt: "2026-01-01T00:00:00.000Z" },
      ],
    });
    expect((await get(`/v1/sessions/${id}/messages/m`)).body).toMatchObject({ author: "Ana", content, metadata });
  });
});

describe("the context over HTTP", () => {
  it("comes in each format, by GET and by POST, and with an append", async () => {
    const id = newId();
    const appended = await append(id, { ...turns(4), context: { format: "openai-chat" } });
    const inAppend = openaiChatContextSchema.parse(appendResultSchema.parse(appended.body).context);
    for (const [format, schema] of Object.entries(renderedContextSchemas)) {
      const got = await get(`/v1/sessions/${id}/context?format=${format}&maxTokens=4000`);
      expect(got.status).toBe(200);
      schema.parse(got.body);
      const posted = await call(service, "POST", `/v1/sessions/${id}/context`, { body: { format, maxTokens: 4000 } });
      expect(posted.body).toEqual(got.body);
    }
    const whole = openaiChatContextSchema.parse((await get(`/v1/sessions/${id}/context?format=openai-chat`)).body);
    expect(inAppend.messages).toEqual(whole.messages);
    expect((await call(service, "POST", `/v1/sessions/${id}/context`)).status).toBe(200);
  });

  it("has an entity tag: 304 without a body while nothing has changed, and another tag afterwards", async () => {
    const id = newId();
    await append(id, turns(3));
    const first = await get(`/v1/sessions/${id}/context`);
    const tag = first.headers.get("etag") ?? "";
    expect(tag).toMatch(/^"[^"]+"$/);
    const unchanged = await get(`/v1/sessions/${id}/context`, { "if-none-match": tag });
    expect([unchanged.status, unchanged.text, unchanged.headers.get("etag")]).toEqual([304, "", tag]);
    await append(id, { messages: [turn(4)] });
    const changed = await get(`/v1/sessions/${id}/context`, { "if-none-match": tag });
    expect(changed.status).toBe(200);
    expect(changed.headers.get("etag")).not.toBe(tag);
  });
});

describe("summaries over HTTP", () => {
  it("are requested with 202, then read, listed and expanded to the messages that they cite", async () => {
    const id = newId();
    await append(id, turns(40));
    const body = { waitMs: 10_000, keepRecentTokens: 100 };
    const made = await call<{ job: unknown; summary: unknown }>(service, "POST", `/v1/sessions/${id}/summarize`, {
      body,
    });
    expect(made.status).toBe(202);
    jobSchema.parse(made.body.job);
    const summary = summarySchema.parse(made.body.summary);
    const list = pageSchema(summarySchema).parse((await get(`/v1/sessions/${id}/summaries`)).body);
    expect(list.data[0]).toEqual(summary);
    const expanded = expandedSummarySchema.parse(
      (await get(`/v1/sessions/${id}/summaries/${summary.version}?expand=sources`)).body,
    );
    const cited = [...new Set(summary.items.flatMap((item) => item.sourceSeqs))].toSorted((a, b) => a - b);
    expect(expanded.sources?.map((source) => source.seq)).toEqual(cited);
    const context = contextSchema.parse((await get(`/v1/sessions/${id}/context`)).body);
    expect(context.summary?.version).toBe(summary.version);
    await eventually("the summary is no longer pending", async () => {
      const state = sessionStateSchema.parse((await get(`/v1/sessions/${id}`)).body);
      return state.summaryPending ? undefined : state;
    });
  });

  it("of a session with nothing to summarize are answered at once", async () => {
    const id = newId();
    await append(id, turns(1));
    const { status, body } = await call(service, "POST", `/v1/sessions/${id}/summarize`);
    expect([status, body]).toMatchObject([202, { summary: null }]);
  });
});

describe("the failed jobs", () => {
  it("require an admin key", async () => {
    expect([(await get("/v1/admin/jobs")).status, (await get("/v1/admin/jobs")).body]).toMatchObject([
      403,
      { code: "forbidden" },
    ]);
    const { status, body } = await call(service, "GET", "/v1/admin/jobs", { key: service.adminKey });
    expect(status).toBe(200);
    pageSchema(failureSchema).parse(body);
  });
});

describe("every answer", () => {
  it("has a request id: the caller's if it is well-formed, else a new one", async () => {
    const given = (await get("/v1/sessions", { "x-request-id": "trace-1:2.3" })).headers.get("x-request-id");
    expect(given).toBe("trace-1:2.3");
    const forged = (await get("/v1/sessions", { "x-request-id": "a b{}" })).headers.get("x-request-id");
    expect(forged).toMatch(/^[0-9a-f-]{36}$/);
    const unknown = await get("/nowhere", { "x-request-id": "trace-4" });
    expect(unknown.body).toMatchObject({ code: "route_not_found", requestId: "trace-4" });
  });

  it.each(["/v1/sessions", "/v1/nowhere", "/livez", "/openapi.json"])(
    "of %s is safe to open in a browser",
    async (route) => {
      const { headers } = await get(route);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
    },
  );

  it("of the API may not be cached", async () => {
    expect((await get("/v1/sessions")).headers.get("cache-control")).toBe("no-store");
    expect((await get("/v1/sessions?limit=0")).headers.get("cache-control")).toBe("no-store");
  });
});

describe("a page whose own host name points at this machine", () => {
  const statusBy = (host: string, route: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const asked = httpGet(`${service.url}${route}`, { headers: { host } }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      });
      asked.once("error", reject);
    });

  it("can read neither the service nor the simulator's tools", async () => {
    const port = new URL(service.url).port;
    expect(await statusBy(`localhost:${port}`, "/livez")).toBe(200);
    for (const route of ["/", "/livez", "/openapi.json", "/v1/sessions"]) {
      expect(await statusBy(`evil.example:${port}`, route), route).toBe(421);
    }
    expect(await statusBy(`evil.example:${port}`, "/cdn-cgi/local/explorer")).toBeGreaterThanOrEqual(400);
  });
});

describe("methods", () => {
  it("that a path does not have are refused with 405 and a list of those that it has", async () => {
    const { status, headers, body } = await call(service, "DELETE", "/v1/sessions", {});
    expect([status, body]).toMatchObject([405, { code: "method_not_allowed" }]);
    expect(headers.get("allow")).toBe("GET, HEAD, OPTIONS, POST");
    expect((await call(service, "POST", "/livez")).headers.get("allow")).toBe("GET, HEAD, OPTIONS");
  });

  it("are told by OPTIONS, without a key", async () => {
    const { status, headers } = await call(service, "OPTIONS", "/v1/sessions/a/messages", { key: null });
    expect([status, headers.get("allow")]).toEqual([204, "GET, HEAD, OPTIONS, POST"]);
  });

  it("HEAD is GET without the body, and needs the key as well", async () => {
    const { status, headers, text } = await call(service, "HEAD", "/v1/sessions");
    expect([status, headers.get("content-type"), text]).toEqual([200, "application/json", ""]);
    expect((await call(service, "HEAD", "/v1/sessions", { key: null })).status).toBe(401);
  });
});

describe("a caller without a key", () => {
  it.each(["/livez", "/readyz", "/openapi.json", "/llms.txt", "/docs", "/"])("may read %s", async (route) => {
    expect((await call(service, "GET", route, { key: null })).status).toBe(200);
  });

  it.each(["/v1/sessions", "/v1/sessions/a", "/v1/admin/jobs", "/v1/nowhere", "/v1/sessions/%2e%2e", "/v1//sessions"])(
    "may not read %s",
    async (route) => {
      const { status, headers, body } = await call(service, "GET", route, { key: null });
      expect([status, body]).toMatchObject([401, { code: "unauthenticated" }]);
      expect(headers.get("www-authenticate")).toMatch(/^Bearer/);
    },
  );
});

describe("health", () => {
  it("is reported for each part", async () => {
    expect((await get("/livez")).body).toEqual({ status: "ok" });
    // Other tests may make a part late for a moment.
    await eventually("every part that is asked answers", async () => {
      const { components } = readinessSchema.parse((await get("/readyz")).body);
      const { sessions, operations, postgres, summarizer } = components;
      return [sessions, operations, postgres, summarizer].every((part) => part?.status === "ok") || undefined;
    });
  });
});

describe("the OpenAPI document", () => {
  interface Document {
    openapi: string;
    paths: Record<
      string,
      Record<string, { operationId: string; summary: string; description: string; responses: object }>
    >;
    info: object;
    components: { schemas: object; examples: object };
  }
  const read = async (): Promise<Document> =>
    (await call<Document>(service, "GET", "/openapi.json", { key: null })).body;

  it("has the version and the licence of the package", async () => {
    const { version, license }: { version: string; license: string } = JSON.parse(readFileSync("package.json", "utf8"));
    const { info } = await read();
    expect(info).toMatchObject({ version, license: { identifier: license } });
  });

  it("describes each route of the contract", async () => {
    const { openapi, paths } = await read();
    expect(openapi).toMatch(/^3\.1\./);
    const routes = Object.entries(paths).flatMap(([route, methods]) =>
      Object.keys(methods).map((method) => `${method} ${route}`),
    );
    expect(routes.toSorted()).toEqual([
      "delete /v1/admin/jobs/{jobId}",
      "delete /v1/admin/operations/{runId}",
      "delete /v1/admin/tenants/{tenant}/keys/{keyId}",
      "delete /v1/sessions/{sessionId}",
      "delete /v1/sessions/{sessionId}/imports/{importId}",
      "delete /v1/sessions/{sessionId}/messages/{messageId}",
      "delete /v1/users/{userId}",
      "get /livez",
      "get /metrics",
      "get /readyz",
      "get /v1/admin/alerts",
      "get /v1/admin/audit",
      "get /v1/admin/jobs",
      "get /v1/admin/operations",
      "get /v1/admin/operations/{runId}",
      "get /v1/admin/tenants",
      "get /v1/admin/tenants/{tenant}",
      "get /v1/admin/tenants/{tenant}/keys",
      "get /v1/admin/tenants/{tenant}/spending",
      "get /v1/admin/tenants/{tenant}/users",
      "get /v1/sessions",
      "get /v1/sessions/{sessionId}",
      "get /v1/sessions/{sessionId}/context",
      "get /v1/sessions/{sessionId}/export",
      "get /v1/sessions/{sessionId}/imports/{importId}",
      "get /v1/sessions/{sessionId}/live",
      "get /v1/sessions/{sessionId}/messages",
      "get /v1/sessions/{sessionId}/messages/{messageId}",
      "get /v1/sessions/{sessionId}/summaries",
      "get /v1/sessions/{sessionId}/summaries/{version}",
      "get /v1/sessions/{sessionId}/summaries/{version}/diff",
      "get /v1/sessions/{sessionId}/summaries/{version}/losses",
      "get /v1/users/{userId}",
      "get /v1/users/{userId}/erasure",
      "patch /v1/admin/tenants/{tenant}",
      "patch /v1/sessions/{sessionId}",
      "patch /v1/sessions/{sessionId}/messages/{messageId}",
      "post /v1/admin/jobs/retry",
      "post /v1/admin/jobs/{jobId}/retry",
      "post /v1/admin/operations",
      "post /v1/admin/tenants",
      "post /v1/admin/tenants/{tenant}/keys",
      "post /v1/admin/tenants/{tenant}/keys/{keyId}/rotate",
      "post /v1/import",
      "post /v1/search",
      "post /v1/sessions",
      "post /v1/sessions/{sessionId}/context",
      "post /v1/sessions/{sessionId}/fork",
      "post /v1/sessions/{sessionId}/imports",
      "post /v1/sessions/{sessionId}/imports/{importId}/complete",
      "post /v1/sessions/{sessionId}/imports/{importId}/lines",
      "post /v1/sessions/{sessionId}/messages",
      "post /v1/sessions/{sessionId}/search",
      "post /v1/sessions/{sessionId}/summaries/{version}/restore",
      "post /v1/sessions/{sessionId}/summarize",
      "post /v1/sessions/{sessionId}/tickets",
      "put /v1/sessions/{sessionId}/branch",
    ]);
  });

  it("says what each operation is for, and gives each an example and its problems", async () => {
    const { paths } = await read();
    const operations = Object.values(paths).flatMap((methods) => Object.values(methods));
    expect(new Set(operations.map((operation) => operation.operationId)).size).toBe(operations.length);
    for (const operation of operations) {
      expect(operation.summary.length).toBeGreaterThan(5);
      expect(operation.description.length).toBeGreaterThan(10);
      expect(JSON.stringify(operation.responses)).toMatch(/"example"|Readiness/);
    }
    const responses = Object.keys(paths["/v1/sessions/{sessionId}/messages"]?.["post"]?.responses ?? {});
    expect(responses).toEqual(["200", "201", "400", "401", "403", "409", "413", "415", "422", "429", "500", "503"]);
  });

  it("contains everything that it refers to", async () => {
    const document = await read();
    const refs = new Set(
      Array.from(
        JSON.stringify(document).matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g),
        ([, kind, name]) => `${kind}/${name}`,
      ),
    );
    expect(refs.size).toBeGreaterThan(10);
    const held = new Set([
      ...Object.keys(document.components.schemas).map((name) => `schemas/${name}`),
      ...Object.keys(document.components.examples).map((name) => `examples/${name}`),
    ]);
    expect([...refs].filter((ref) => !held.has(ref))).toEqual([]);
    expect(JSON.stringify(document)).not.toContain("#/$defs/");
  });
});

describe("the log", () => {
  it("has one entry for each request, with the route's template, and nothing of what was said or who said it", async () => {
    const id = newId();
    const user = newId();
    const requestId = crypto.randomUUID();
    const headers = { "x-request-id": requestId, "threadkeep-user": user };
    await append(id, { messages: [{ role: "user", content: "a secret of mine" }] }, headers);
    await get("/v1/sessions?metadata.colour=crimson", { ...headers, "x-request-id": `${requestId}-2` });
    const log = await eventually("both entries", () => {
      const text = readFileSync(path.join(service.stateDir, "worker.log"), "utf8");
      return text.includes(`${requestId}-2`) ? text : undefined;
    });
    const entries = log.split("\n").filter((line) => line.includes(`"requestId":"${requestId}"`));
    expect(entries).toHaveLength(1);
    expect(JSON.parse(entries[0] ?? "")).toMatchObject({
      level: "info",
      event: "request",
      method: "POST",
      route: "/v1/sessions/{sessionId}/messages",
      status: 201,
      principalKind: "tenant-key",
      tenant: "local",
    });
    for (const word of ["a secret of mine", "crimson", user, id, service.apiKey]) expect(log).not.toContain(word);
  });
});
