import type { Miniflare } from "miniflare";
import { inject } from "vitest";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createClient } from "../../client/src/index.ts";
import { startWorkerPair } from "../../scripts/examples/worker-pair.ts";
import { clientFrameSchema } from "../../src/api/live.ts";
import type { Ask } from "../support/caller-worker.ts";
import { clientSurface } from "../support/client-surface.ts";
import { httpSurface } from "../support/http-surface.ts";
import { sharedService } from "../support/service.ts";
import { describeSessionContract } from "../support/session-contract.ts";
import type { SessionSurface } from "../support/session-surface.ts";
import { FRAME_OPERATIONS, socketSurface } from "../support/socket-surface.ts";

const service = sharedService();
const SECRETS = { THREADKEEP_API_KEY: service.apiKey, THREADKEEP_ADMIN_KEY: service.adminKey };
const ALL_SCOPES = ["memory:read", "memory:write", "memory:erase"];

let pair: Miniflare;
let callerUrl: string;

beforeAll(async () => {
  pair = await startWorkerPair({
    bundleDirectory: inject("bundleDir"),
    hyperdriveUrl: service.databaseUrl,
    secrets: SECRETS,
    callerEntry: "test/support/caller-worker.ts",
    callerBindings: { API_KEY: service.apiKey },
    compatibilityDate: "2026-10-01",
    services: {
      HTTP: {},
      MEMORY: { entrypoint: "Threadkeep", props: { tenant: "default", scopes: ALL_SCOPES } },
      OF_ADA: { entrypoint: "Threadkeep", props: { tenant: "default", owner: "ada", scopes: ALL_SCOPES } },
      READER: { entrypoint: "Threadkeep", props: { tenant: "default", scopes: ["memory:read"] } },
      WITHOUT_PROPS: { entrypoint: "Threadkeep" },
      OTHER_TENANT: { entrypoint: "Threadkeep", props: { tenant: "default/ada", scopes: ALL_SCOPES } },
      OPERATOR: { entrypoint: "Threadkeep", props: { tenant: "default", scopes: ["admin"] } },
    },
  });
  callerUrl = (await pair.ready).href;
});
afterAll(() => pair.dispose());

/** Makes the calling Worker do something, and throws here what is thrown there. */
async function ask<T>(surface: string, operation: string, ...args: unknown[]): Promise<T> {
  const body: Ask = { surface, operation, args };
  const response = await fetch(callerUrl, { method: "POST", body: JSON.stringify(body) });
  const answer: { value: T; thrown?: { message: string } } = JSON.parse(await response.text());
  if (answer.thrown !== undefined) throw Object.assign(new Error(answer.thrown.message), answer.thrown);
  return answer.value;
}

function askedSurface(surface: string): SessionSurface {
  return {
    create: (...args) => ask(surface, "create", ...args),
    state: (...args) => ask(surface, "state", ...args),
    update: (...args) => ask(surface, "update", ...args),
    delete: (...args) => ask(surface, "delete", ...args),
    fork: (...args) => ask(surface, "fork", ...args),
    branch: (...args) => ask(surface, "branch", ...args),
    append: (...args) => ask(surface, "append", ...args),
    messages: (...args) => ask(surface, "messages", ...args),
    message: (...args) => ask(surface, "message", ...args),
    edit: (...args) => ask(surface, "edit", ...args),
    erase: (...args) => ask(surface, "erase", ...args),
    context: (...args) => ask(surface, "context", ...args),
    search: (...args) => ask(surface, "search", ...args),
    summarize: (...args) => ask(surface, "summarize", ...args),
    summaries: (...args) => ask(surface, "summaries", ...args),
    summaryChanges: (...args) => ask(surface, "summaryChanges", ...args),
    losses: (...args) => ask(surface, "losses", ...args),
    restoreSummary: (...args) => ask(surface, "restoreSummary", ...args),
  };
}

describeSessionContract("HTTP", () => httpSurface(service));
describeSessionContract("the client, in Node", () =>
  clientSurface(createClient({ url: service.url, key: service.apiKey })),
);
describeSessionContract("the client, in workerd", () => askedSurface("client"));
describeSessionContract("RPC", () => askedSurface("MEMORY"));
describeSessionContract("a WebSocket", () => socketSurface(service), FRAME_OPERATIONS);

it("every frame with an answer has its operation in the contract of a WebSocket", () => {
  const types = clientFrameSchema.options.flatMap((frame) =>
    "shape" in frame ? [frame.shape.type.value] : frame.options.slice(0, 1).map(({ shape }) => shape.type.value),
  );
  expect(types.filter((type) => type !== "ack")).toEqual(FRAME_OPERATIONS);
  expect(FRAME_OPERATIONS).toEqual(["append", "context", "branch"]);
});

describe("a service binding", () => {
  const messages = [{ id: "m", role: "user", content: "hello" }];

  it("acts for the user that a call names, and for no other", async () => {
    const id = crypto.randomUUID();
    await ask("MEMORY", "append", id, { messages }, { user: "ada" });
    expect(await ask("OF_ADA", "state", id)).toMatchObject({ headSeq: 1 });
    await expect(ask("MEMORY", "state", id)).rejects.toMatchObject({ code: "session_not_found" });
    await expect(ask("OF_ADA", "state", id, { user: "bob" })).rejects.toMatchObject({ code: "forbidden" });
    await expect(ask("MEMORY", "state", id, { user: "-" })).rejects.toMatchObject({ code: "validation_failed" });
    await expect(ask("MEMORY", "state", id, { user: ".." })).rejects.toMatchObject({ code: "validation_failed" });
  });

  it("may do what its props allow, and nothing else", async () => {
    const id = crypto.randomUUID();
    await expect(ask("READER", "append", id, { messages })).rejects.toMatchObject({ code: "forbidden", status: 403 });
    await expect(ask("READER", "state", id)).rejects.toMatchObject({ code: "session_not_found" });
    for (const surface of ["WITHOUT_PROPS", "OTHER_TENANT", "OPERATOR"]) {
      await expect(ask(surface, "state", id)).rejects.toMatchObject({ code: "unauthenticated", status: 401 });
    }
  });

  it.each(["env", "ctx", "build", "answer", "#answer"])("gives no access to %s", async (name) => {
    await expect(ask("MEMORY", name)).rejects.toThrow(/does not implement/);
  });

  it("says what it refuses, and nothing about the code", async () => {
    const refusal = ask("MEMORY", "append", "s", { messages: [], extra: 1 });
    await expect(refusal).rejects.toMatchObject({
      name: "ThreadkeepError",
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      errors: [{ path: "/messages" }, { path: "/extra" }],
      stack: expect.not.stringMatching(/threadkeep\.ts|worker\.js/),
    });
  });

  it.each([
    ["state", [".."]],
    ["state", [{ id: "s" }]],
    ["state", [null]],
    ["state", []],
    ["messages", ["s", { limit: "10" }]],
    ["messages", ["s", { page: 2 }]],
    ["summary", ["s", "1"]],
    ["summary", ["s", 1.5]],
    ["edit", ["s", "a b", { content: "x" }]],
    ["import", ["not a stream"]],
    ["sessions", [{ cursor: "?" }]],
  ])("refuses %s(%j) and says where the fault is", async (operation, args) => {
    await expect(ask("MEMORY", operation, ...args)).rejects.toMatchObject({
      code: "validation_failed",
      errors: [{ path: expect.any(String) }],
    });
  });

  it("accepts no more at once than HTTP does", async () => {
    const many = Array.from({ length: 6 }, (_, index) => ({
      ...messages[0],
      id: `m${index}`,
      content: "x".repeat(16e5),
    }));
    await expect(ask("MEMORY", "append", "s", { messages: many })).rejects.toMatchObject({ code: "body_too_large" });
  });

  it("streams a session as lines, and lists the sessions of its caller", async () => {
    const [id, user] = [crypto.randomUUID(), crypto.randomUUID()];
    await ask("MEMORY", "append", id, { messages }, { user });
    const lines = await ask<string>("MEMORY", "export", id, { user });
    const types = lines
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).type);
    expect(types).toEqual(["session", "message", "end"]);
    expect(await ask("MEMORY", "sessions", {}, { user })).toMatchObject({ data: [{ id }], hasMore: false });
  });

  it("exports and erases the user that it acts for, or any user of its tenant", async () => {
    const [id, user] = [crypto.randomUUID(), crypto.randomUUID()];
    await ask("MEMORY", "append", id, { messages }, { user });
    const lines = (await ask<string>("MEMORY", "exportUser", user)).trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).type)).toEqual(["user", "session", "message", "end", "user-end"]);
    await expect(ask("OF_ADA", "eraseUser", user)).rejects.toMatchObject({ code: "user_not_found", status: 404 });
    await expect(ask("READER", "eraseUser", user)).rejects.toMatchObject({ code: "forbidden" });
    await expect(ask("MEMORY", "userErasure", user)).rejects.toMatchObject({ code: "erasure_not_found" });
    const erasure = await ask("MEMORY", "eraseUser", user);
    expect(erasure).toMatchObject({ userId: user, state: "erasing", sessions: 1 });
    expect(await ask("MEMORY", "userErasure", user)).toMatchObject({ userId: user, sessions: 1 });
    const late = ask("MEMORY", "create", {}, { user });
    await expect(late).rejects.toMatchObject({ code: "user_erased", status: 410 });
    await expect(ask("MEMORY", "eraseUser", "-")).rejects.toMatchObject({ code: "validation_failed" });
  });
});
