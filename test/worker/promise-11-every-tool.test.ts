import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { Principal, Scope } from "../../src/api/principal.ts";
import { scopesOf } from "../../src/api/requests.ts";
import { MESSAGE_TEMPLATE } from "../../src/mcp/memory-uri.ts";
import { prompts } from "../../src/mcp/prompts.ts";
import { resources } from "../../src/mcp/resources.ts";
import { tools } from "../../src/mcp/tools.ts";
import { creationOf, freshRef, listed, sessionAt, storedText, turn, unwrap } from "../support/session.ts";
import { MCP_URL, postRpc, surfaceFor } from "../support/worker-mcp.ts";

const ALL_SCOPES: readonly Scope[] = ["memory:read", "memory:write", "memory:erase"];

interface Asked {
  readonly scopes: readonly Scope[];
  /** False if the tool creates a session of the caller's own, or is about no particular session. */
  readonly isAboutSession: boolean;
  params(session: string): { readonly method: string; readonly params: object };
}

/** Arguments with which each tool would do something. A tool that is missing here fails the first test. */
const TOOL_ARGUMENTS: Readonly<Record<string, (sessionId: string) => object>> = {
  get_context: (sessionId) => ({ sessionId }),
  append_messages: (sessionId) => ({ sessionId, messages: [{ id: "turn-1", role: "user", content: "Not the same." }] }),
  search_memory: (sessionId) => ({ sessionId, query: "invoice" }),
  read_messages: (sessionId) => ({ sessionId }),
  list_sessions: () => ({}),
  summarize_session: (sessionId) => ({ sessionId, keepRecentTokens: 0 }),
  fork_session: (sessionId) => ({ sessionId, newSessionId: `${sessionId}-fork` }),
  switch_branch: (sessionId) => ({ sessionId, headSeq: 1 }),
  pin_message: (sessionId) => ({ sessionId, messageId: "turn-1" }),
  erase_message: (sessionId) => ({ sessionId, messageId: "turn-1" }),
};
const OF_THE_CALLER = new Set(["append_messages", "list_sessions"]);
/** With these arguments they need no more scopes. */
const NARROWER: Readonly<Record<string, readonly Scope[]>> = { erase_message: ["memory:erase"] };

function everything(): Map<string, Asked> {
  const asked = new Map<string, Asked>();
  for (const { name, scopes } of tools) {
    asked.set(name, {
      scopes: NARROWER[name] ?? scopes,
      isAboutSession: !OF_THE_CALLER.has(name),
      params: (id) => ({ method: "tools/call", params: { name, arguments: TOOL_ARGUMENTS[name]?.(id) } }),
    });
  }
  for (const { name, template, actions } of resources) {
    asked.set(`resource ${name}`, {
      scopes: scopesOf(actions),
      isAboutSession: true,
      params: (id) => ({
        method: "resources/read",
        params: { uri: template.replace("{id}", id).replace("{seq}", "1") },
      }),
    });
  }
  for (const { name, actions } of prompts) {
    asked.set(`prompt ${name}`, {
      scopes: scopesOf(actions),
      isAboutSession: true,
      params: (sessionId) => ({ method: "prompts/get", params: { name, arguments: { sessionId } } }),
    });
  }
  const listing = { method: "resources/list", params: {} };
  asked.set("resources/list", { scopes: ["memory:read"], isAboutSession: false, params: () => listing });
  const message = { type: "ref/resource", uri: MESSAGE_TEMPLATE };
  const completing = (ref: object, name: string, id?: string) => ({
    method: "completion/complete",
    params: { ref, argument: { name, value: "" }, ...(id === undefined ? {} : { context: { arguments: { id } } }) },
  });
  for (const { name } of prompts) {
    asked.set(`completion of prompt ${name}`, {
      scopes: ["memory:read"],
      isAboutSession: false,
      params: () => completing({ type: "ref/prompt", name }, "sessionId"),
    });
  }
  asked.set("completion of a session", {
    scopes: ["memory:read"],
    isAboutSession: false,
    params: () => completing(message, "id"),
  });
  asked.set("completion of a place", {
    scopes: ["memory:read"],
    isAboutSession: true,
    params: (id) => completing(message, "seq", id),
  });
  return asked;
}

const EVERYTHING = [...everything()];

/** The answer as a client gets it, without what differs in each request. */
async function answerTo(principal: Principal, asked: Asked, session: string): Promise<string> {
  const request = { jsonrpc: "2.0", id: 1, ...asked.params(session) };
  const { text } = await postRpc(surfaceFor(principal), request);
  return text
    .replaceAll(session, "SESSION")
    .replaceAll(/requestId(\\?"?): ?(\\?")?[\w-]+/g, "requestId")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME");
}

const known = freshRef("ada");
const caller = (change: Partial<Principal>): Principal => {
  const { tenant, owner } = known;
  return { kind: "tenant-key", id: "key:1", tenant, owner, scopes: ALL_SCOPES, ...change };
};

async function stored(): Promise<string> {
  const there = await storedText(known);
  if (there === "") unwrap(await sessionAt(known).append({ messages: [turn(1), turn(2)] }, creationOf(known)));
  return storedText(known);
}

describe("promise 11: every tool, resource and prompt over MCP", () => {
  it("is listed in this test, and its use cases say what it needs", () => {
    expect(tools.map(({ name }) => name).toSorted()).toEqual(Object.keys(TOOL_ARGUMENTS).toSorted());
    for (const [name, { scopes }] of EVERYTHING) expect(scopes.length, name).toBeGreaterThan(0);
  });

  it.each(EVERYTHING)("%s refuses a caller that lacks a scope, and changes nothing", async (name, asked) => {
    const before = await stored();
    for (const scope of asked.scopes) {
      const lacking = caller({ scopes: ALL_SCOPES.filter((other) => other !== scope) });
      expect(await answerTo(lacking, asked, known.session), `${name} without ${scope}`).toContain("forbidden: ");
    }
    expect(await storedText(known)).toBe(before);
  });

  it.each(EVERYTHING)("%s tells another tenant and another user nothing, and leaves no row", async (_, asked) => {
    const before = await stored();
    const strangers = [{ tenant: `t-${crypto.randomUUID()}` }, { owner: `mallory-${crypto.randomUUID()}` }];
    for (const stranger of strangers) {
      const who = caller(stranger);
      const there = await answerTo(who, asked, known.session);
      const nowhere = await answerTo(who, asked, `nowhere-${crypto.randomUUID()}`);
      if (asked.isAboutSession) {
        expect(there).toBe(nowhere);
        expect(there).toContain("session_not_found: ");
        expect(await storedText({ ...known, ...stranger })).toBe("");
        expect(await listed({ ...known, ...stranger })).toEqual(new Map());
      }
      expect(there).not.toMatch(/invoice|harbour/);
      expect(await storedText(known)).toBe(before);
    }
  });

  it("refuses a caller without credentials before it looks at the request, with 401 and how to sign in", async () => {
    const before = await stored();
    const bodies = [...EVERYTHING.map(([, asked]) => asked.params(known.session)), { method: "initialize" }, "{"];
    for (const authorization of ["", "Bearer nobody", "Bearer tk_test_x"]) {
      for (const body of bodies) {
        const request = typeof body === "string" ? body : { jsonrpc: "2.0", id: 1, ...body };
        const headers = authorization === "" ? {} : { authorization };
        const answer = await postRpc((sent) => exports.default.fetch(sent), request, headers);
        expect([answer.status, JSON.parse(answer.text).code]).toEqual([401, "unauthenticated"]);
        expect(answer.headers.get("WWW-Authenticate")).toMatch(/^Bearer /);
      }
    }
    expect((await exports.default.fetch(new Request(MCP_URL))).status).toBe(401);
    expect(await storedText(known)).toBe(before);
  });
});
