import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import type { HttpEnv } from "../../../src/http/env.ts";
import { allowOrigins } from "../../../src/http/middleware/allow-origins.ts";
import { checkHost } from "../../../src/http/middleware/check-host.ts";
import { hardenAnswer } from "../../../src/http/middleware/harden-answer.ts";
import { identifyRequest } from "../../../src/http/middleware/identify-request.ts";

function appWith(origins: readonly string[] = [], hosts: readonly string[] = []) {
  const app = new Hono<HttpEnv>();
  app.use(identifyRequest, hardenAnswer, checkHost(hosts));
  app.use("/v1/*", allowOrigins(origins));
  app.get("/v1/things", (c) => c.json({}));
  app.get("/page", (c) => c.html("", 200, { "Cache-Control": "no-cache" }));
  return app;
}

const ask = async (
  app: ReturnType<typeof appWith>,
  url: string,
  headers: Record<string, string> = {},
  method = "GET",
) => app.request(url, { method, headers });

describe("a request's id", () => {
  it.each(["a", "req-1", "A.b_c:d-9", "x".repeat(128)])("is the caller's if it is well-formed: %s", async (id) => {
    const answer = await ask(appWith(), "http://a.test/v1/things", { "X-Request-Id": id });
    expect(answer.headers.get("X-Request-Id")).toBe(id);
  });

  it.each(["", "x".repeat(129), "a b", "a;b", "{}", `a"b`, "é"])("is a new one if theirs is not: %j", async (id) => {
    const answer = await ask(appWith(), "http://a.test/v1/things", { "X-Request-Id": id });
    expect(answer.headers.get("X-Request-Id")).toMatch(/^[0-9a-f-]{36}$/);
  });
});

describe("an answer", () => {
  it("may not be stored by a browser, unless it says otherwise", async () => {
    expect((await ask(appWith(), "http://a.test/v1/things")).headers.get("Cache-Control")).toBe("no-store");
    expect((await ask(appWith(), "http://a.test/page")).headers.get("Cache-Control")).toBe("no-cache");
  });

  it.each([
    ["http://a.test/v1/things", null],
    ["https://a.test/v1/things", "max-age=31536000"],
  ])("of %s requires https from then on: %s", async (url, hsts) => {
    const { headers } = await ask(appWith(), url);
    expect(headers.get("Strict-Transport-Security")).toBe(hsts);
    expect(headers.get("X-Content-Type-Options")).toBe("nosniff");
    expect(headers.get("Content-Security-Policy")).toContain("default-src 'none'");
  });
});

describe("a page of another origin", () => {
  const OURS = "https://chat.example.com";
  const app = appWith([OURS]);
  const allowed = async (origin: string, method = "GET", more: Record<string, string> = {}) => {
    const { headers } = await ask(app, "http://a.test/v1/things", { Origin: origin, ...more }, method);
    return [headers.get("Access-Control-Allow-Origin"), headers.get("Vary")];
  };

  it.each([
    [OURS, OURS],
    ["https://chat.example.com.evil.test", null],
    ["https://chat.example.co", null],
    ["http://chat.example.com", null],
    ["https://chat.example.com:8443", null],
    ["null", null],
  ])("may read an answer, or not: %s", async (origin, told) => {
    const [allow, vary] = await allowed(origin);
    expect(allow).toBe(told);
    expect(vary).toContain("Origin");
  });

  it("is answered before it writes, and gets no permission if it is not allowed", async () => {
    const asks = { "Access-Control-Request-Method": "POST" };
    expect((await allowed(OURS, "OPTIONS", asks))[0]).toBe(OURS);
    expect((await allowed("https://evil.test", "OPTIONS", asks))[0]).toBeNull();
  });

  it("gets an answer that caches must not reuse for another origin, even if it named no origin", async () => {
    expect((await ask(app, "http://a.test/v1/things")).headers.get("Vary")).toContain("Origin");
    expect((await ask(appWith(), "http://a.test/v1/things")).headers.get("Vary")).toBeNull();
  });
});

describe("the host name of a request", () => {
  it.each([
    ["memory.example.com", 200],
    ["memory.example.com:8787", 200],
    ["evil-memory.example.com", 421],
    ["memory.example.com.evil.test", 421],
    ["example.com", 421],
  ])("is accepted: %s", async (host, status) => {
    const app = appWith([], ["memory.example.com"]);
    expect((await ask(app, `http://${host}/v1/things`)).status).toBe(status);
    expect((await ask(appWith(), `http://${host}/v1/things`)).status).toBe(200);
  });
});
