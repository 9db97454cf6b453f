import { describe, expect, it } from "vitest";
import type { Scope } from "../../../src/api/principal.ts";
import { UNSET_TENANT } from "../../../src/api/tenant.ts";
import { issueTicket } from "../../../src/usecases/live.ts";
import { appendMessages } from "../../../src/usecases/messages.ts";
import type { RequestContext } from "../../../src/usecases/request-context.ts";
import { createSession } from "../../../src/usecases/sessions.ts";

/** A caller with these scopes. Nothing else of the service exists, so a caller who gets past the check fails differently. */
function callerWith(scopes: readonly Scope[], owner = "ada"): RequestContext {
  const letIn = (): never => {
    throw new Error("let in");
  };
  const parts: object = {
    sessions: { get: letIn },
    directory: { register: letIn },
    tenants: { read: async () => UNSET_TENANT },
    tickets: { issue: letIn },
    audit: { record: () => undefined, refuse: () => undefined },
  };
  if (!isParts(parts)) throw new Error("parts are missing");
  const principal = { kind: "tenant-key", id: "key:k", tenant: "acme", owner, scopes } as const;
  return { principal, requestId: "r", from: null, parts };
}

/** What these operations use before and after the check. */
function isParts(parts: object): parts is RequestContext["parts"] {
  return "sessions" in parts && "audit" in parts;
}

const hello = [{ role: "user", content: "hello" } as const];

describe("a caller", () => {
  it.each([
    ["append", ["memory:write"], (call: RequestContext) => appendMessages(call, "s", { messages: hello }), true],
    ["append", ["memory:read"], (call: RequestContext) => appendMessages(call, "s", { messages: hello }), false],
    [
      "append, and read the context",
      ["memory:write"],
      (call: RequestContext) => appendMessages(call, "s", { messages: hello, context: {} }),
      false,
    ],
    [
      "append, and read the context",
      ["memory:write", "memory:read"],
      (call: RequestContext) => appendMessages(call, "s", { messages: hello, context: {} }),
      true,
    ],
    ["create a session", ["memory:write"], (call: RequestContext) => createSession(call, { id: "s" }), true],
    [
      "continue another",
      ["memory:write"],
      (call: RequestContext) => createSession(call, { id: "s", continueFrom: "t" }),
      false,
    ],
    [
      "continue another",
      ["memory:write", "memory:read"],
      (call: RequestContext) => createSession(call, { id: "s", continueFrom: "t" }),
      true,
    ],
    [
      "begin with a user's memories",
      ["memory:write"],
      (call: RequestContext) => createSession(call, { id: "s", seedFromUser: true }),
      false,
    ],
    [
      "begin with a user's memories",
      ["memory:write", "memory:read"],
      (call: RequestContext) => createSession(call, { id: "s", seedFromUser: true }),
      true,
    ],
    ["hand out a ticket that reads", ["memory:read"], (call: RequestContext) => issueTicket(call, "s", {}), true],
    [
      "hand out a ticket that writes",
      ["memory:read"],
      (call: RequestContext) => issueTicket(call, "s", { scopes: ["memory:read", "memory:write"] }),
      false,
    ],
    ["hand out a ticket", ["memory:write"], (call: RequestContext) => issueTicket(call, "s", {}), false],
  ] as const)("may %s with %j, or not", async (_, scopes, ask, isLetIn) => {
    const error = await ask(callerWith(scopes)).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (isLetIn) expect(error).toMatchObject({ message: "let in" });
    else expect(error).toMatchObject({ fault: { code: "forbidden" } });
  });
});
