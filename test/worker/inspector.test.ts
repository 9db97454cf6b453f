import { describe, expect, it } from "vitest";
import { createSignInOffice } from "../../src/access/sign-in.ts";
import { inspectorPolicy } from "../../src/http/pages/inspector.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";
import { type HttpAnswer, send, sendAsAdmin } from "../support/worker-http.ts";

const { THREADKEEP_ADMIN_KEY: adminKey, THREADKEEP_API_KEY: apiKey } = TEST_WORKER_BINDINGS;

async function makeTicket(): Promise<string> {
  const { status, body } = await sendAsAdmin<{ path: string }>("POST", "/inspector/links");
  expect(status).toBe(201);
  return body.path.replace("/#sign-in=", "");
}

/** Nobody has signed in yet. */
const signIn = (ticket: unknown): Promise<HttpAnswer<{ token: string }>> =>
  send("POST", "/inspector/sign-in", { ticket }, { key: "" });

async function makeToken(): Promise<string> {
  const { status, body } = await signIn(await makeTicket());
  expect(status).toBe(200);
  return body.token;
}

/** A signed text with something in it changed. */
function changed(signed: string, change: object): string {
  const [prefix = "", text = "", signature = ""] = /^(tkpage_)?([^.]+)\.(.+)$/.exec(signed)?.slice(1) ?? [];
  const grant = JSON.parse(Buffer.from(text, "base64url").toString());
  return `${prefix}${Buffer.from(JSON.stringify({ ...grant, ...change })).toString("base64url")}.${signature}`;
}

describe("a sign-in link", () => {
  it("signs in once, with its maker's rights except for the summarizer's endpoint, and contains neither key", async () => {
    const ticket = await makeTicket();
    const answers = await Promise.all([signIn(ticket), signIn(ticket), signIn(ticket)]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 401, 401]);
    const token = answers.find(({ status }) => status === 200)?.body.token ?? "";
    const { body } = await send("GET", "/inspector/caller", undefined, { key: token });
    expect(body).toMatchObject({
      kind: "admin",
      tenant: TEST_WORKER_BINDINGS.THREADKEEP_API_TENANT,
      scopes: ["memory:read", "memory:write", "memory:erase", "ops", "admin"],
    });
    for (const key of [adminKey, apiKey]) expect(`${ticket} ${token}`).not.toContain(key);
  });

  it("is refused if it is late, changed, invented, or a token; and a ticket is no token", async () => {
    const ticket = await makeTicket();
    const token = await makeToken();
    const late = createSignInOffice(adminKey, () => Date.now() - 16 * 60_000);
    const maker = { kind: "admin", id: "admin", tenant: "test", owner: "-", scopes: ["admin"] } as const;
    const ofAnother = createSignInOffice("another secret of a deployment").issueTicket(maker).text;
    const bad = [late.issueTicket(maker).text, changed(ticket, { tenant: "other" }), ofAnother, token, "a.b", "é", "."];
    for (const one of bad) expect((await signIn(one)).status, one).toBe(401);
    for (const one of ["", 7, null]) expect((await signIn(one)).status).toBe(422);
    for (const one of [ticket, `tkpage_${ticket}`, changed(token, { tenant: "other" }), `${token}.x`]) {
      expect((await send("GET", "/inspector/caller", undefined, { key: one })).status, one).toBe(401);
    }
    expect((await signIn(ticket)).status).toBe(200);
  });

  it("gives a token that expires, and that a new admin key invalidates", async () => {
    const overnight = createSignInOffice(adminKey, () => Date.now() - 13 * 3_600_000);
    const rotated = createSignInOffice("the admin key after it was changed");
    for (const office of [overnight, rotated]) {
      const { text } = office.issueToken({ tenant: "test", scopes: ["memory:read"] });
      expect((await send("GET", "/v1/sessions", undefined, { key: text })).status).toBe(401);
    }
  });

  it("is made with the admin key, or by somebody who signed in with such a link", async () => {
    expect((await send("POST", "/inspector/links")).status).toBe(403);
    expect((await send("POST", "/inspector/links", undefined, { key: "nobody's key, of twenty letters" })).status).toBe(
      401,
    );
    expect((await send("POST", "/inspector/links", undefined, { key: await makeToken() })).status).toBe(201);
  });

  it("gives a token that acts for each user, as a key does", async () => {
    const key = await makeToken();
    const user = `ada|${crypto.randomUUID()}`;
    const body = { messages: [{ role: "user", content: "hello" }] };
    const session = crypto.randomUUID();
    expect((await send("POST", `/v1/sessions/${session}/messages`, body, { key, user })).status).toBe(201);
    expect((await send("GET", `/v1/sessions/${session}`, undefined, { key, user })).status).toBe(200);
    expect((await send("GET", `/v1/sessions/${session}`, undefined, { key })).status).toBe(404);
    expect((await send("GET", "/inspector/caller", undefined, { key: "nobody's key, of twenty letters" })).status).toBe(
      401,
    );
  });
});

describe("the inspector's files", () => {
  it("are its page, its scripts and its styles, and nothing else", async () => {
    const page = await send("GET", "/", undefined, { key: "" });
    const files = page.text.match(/\/inspector\/assets\/[\w.-]+/g) ?? [];
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) expect((await send("GET", file, undefined, { key: "" })).status, file).toBe(200);
    for (const name of ["none.js", "index.html", "..%2Findex.html", "%2e%2e%2findex.html"]) {
      expect((await send("GET", `/inspector/assets/${name}`, undefined, { key: "" })).status, name).toBe(404);
    }
  });

  it("contact only the service, and the Supabase projects whose users sign in", () => {
    expect(inspectorPolicy([]).split("; ")).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "connect-src 'self'",
      "img-src 'self' data:",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ]);
    const project = "https://abc.supabase.co/auth/v1";
    expect(inspectorPolicy([project])).toContain("connect-src 'self' https://abc.supabase.co;");
  });
});
