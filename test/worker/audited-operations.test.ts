import path from "node:path";
import { describe, expect, it } from "vitest";
import { AUDIT_ACTIONS } from "../../src/api/audit.ts";
import { ThreadkeepError } from "../../src/api/errors.ts";
import type { Scope } from "../../src/api/principal.ts";
import { REQUESTS } from "../../src/api/requests.ts";
import { adminRoutes } from "../../src/http/routes/admin.ts";
import { alertRoutes } from "../../src/http/routes/alerts.ts";
import { auditRoutes } from "../../src/http/routes/audit.ts";
import { contextRoutes } from "../../src/http/routes/context.ts";
import { jobRoutes } from "../../src/http/routes/jobs.ts";
import { keyRoutes } from "../../src/http/routes/keys.ts";
import { liveRoutes } from "../../src/http/routes/live.ts";
import { messageRoutes } from "../../src/http/routes/messages.ts";
import { metricsRoutes } from "../../src/http/routes/metrics.ts";
import { operationRoutes } from "../../src/http/routes/operations.ts";
import { searchRoutes } from "../../src/http/routes/search.ts";
import { sessionRoutes } from "../../src/http/routes/sessions.ts";
import { summaryRoutes } from "../../src/http/routes/summaries.ts";
import { transferRoutes } from "../../src/http/routes/transfer.ts";
import { userRoutes } from "../../src/http/routes/users.ts";
import type { MeasuredOperation, Metrics } from "../../src/telemetry/metrics.ts";
import type { RequestContext, Deps } from "../../src/usecases/request-context.ts";
import { useCase } from "../../src/usecases/use-case.ts";
import { listeningTrail } from "../support/worker-audit.ts";

/** Functions that use cases consist of. */
const PARTS_OF_USE_CASES: Record<string, readonly string[]> = {
  "asked-meaning.ts": ["meaningOfText", "meaningOfQuery", "meaningOfAppended"],
  "request-context.ts": [
    "refOf",
    "tenantOf",
    "renewIfKnown",
    "beginningSettings",
    "usersMayOf",
    "checkOfJson",
    "askOfUser",
  ],
  "health.ts": ["checkReadiness", "withoutDetails"],
  // Called by use cases that have checked that the caller may import.
  "import-lines.ts": ["readParsed", "lineFault", "notAfter", "saveLines"],
  "query-meaning.ts": ["createMeaningOf"],
  // Called by use cases that have authorized the retry.
  "jobs.ts": ["retryJob"],
  "json-lines.ts": ["encodeLines", "decodeLines"],
  // Called by use cases and by the cron, whose callers may read the run.
  "lost-runs.ts": ["endIfLost"],
  "use-case.ts": ["useCase", "refuseAhead"],
  "paging.ts": ["readCursor", "pageOf", "encodeCursor", "invalidCursor"],
  "readiness.ts": ["createReadiness"],
  "single-flight-cache.ts": ["cacheSingleFlight"],
  // Called by use cases that have checked that the caller may read the session.
  "transfer.ts": ["chargeExport", "readExportPage"],
  // Called by use cases first of all: which user is meant, and whether the caller may act for them.
  "users.ts": ["mayActFor", "parseUserId"],
};

/** Routes with the method POST only because they need a body; they change nothing. */
const READ_BY_POST = new Set(["requestContext", "searchSession", "searchMemory"]);

declare global {
  interface ImportMeta {
    /** Vite replaces the call with the modules. */
    glob(pattern: string, options: { eager: true }): Record<string, Record<string, unknown>>;
  }
}

const useCases = new Map<string, string>();
const strays: string[] = [];
for (const [file, module] of Object.entries(import.meta.glob("../../src/usecases/*.ts", { eager: true }))) {
  for (const [name, made] of Object.entries(module)) {
    if (typeof made !== "function" || PARTS_OF_USE_CASES[path.basename(file)]?.includes(name) === true) continue;
    if (!("action" in made)) strays.push(`${file}: ${name}`);
    else useCases.set(String(made.action), name);
  }
}

const routes = [
  ...sessionRoutes,
  ...messageRoutes,
  ...contextRoutes,
  ...searchRoutes,
  ...summaryRoutes,
  ...liveRoutes,
  ...transferRoutes,
  ...adminRoutes,
  ...alertRoutes,
  ...jobRoutes,
  ...operationRoutes,
  ...keyRoutes,
  ...auditRoutes,
  ...metricsRoutes,
  ...userRoutes,
];

describe("the exported functions of the service", () => {
  it("are all use cases: nothing is done before it is authorized and audited", () => {
    expect(strays).toEqual([]);
  });

  it("are audited one by one if they write or are an operator's", () => {
    const toAudit = routes.filter(
      ({ operationId, method, scopes }) =>
        (method !== "get" && !READ_BY_POST.has(operationId)) || scopes.includes("admin"),
    );
    expect(toAudit.length).toBeGreaterThan(20);
    expect(toAudit.filter(({ action }) => REQUESTS[action].audit === "refusals")).toEqual([]);
  });

  it("correspond to the rows of the table of requests, and the audit names all of them", () => {
    expect(new Set(useCases.keys())).toEqual(new Set(Object.keys(REQUESTS)));
    expect(AUDIT_ACTIONS).toEqual(["authenticate", "sendRequests", ...Object.keys(REQUESTS)]);
  });
});

function callWith(scopes: readonly Scope[]) {
  const audit = listeningTrail();
  const measured: MeasuredOperation[] = [];
  const metrics: Metrics = {
    operation: (done) => void measured.push(done),
    job: () => undefined,
    embedding: () => undefined,
    tenantCopy: () => undefined,
  };
  const call: RequestContext = {
    principal: { kind: "tenant-key", id: "key:7Qm2xVb9LcTa", tenant: "acme", owner: "ada", scopes },
    requestId: "request-1",
    from: "198.51.100.0/24",
    parts: { audit, metrics } as Partial<Deps> as Deps,
  };
  return { call, audit, measured };
}

const CALLER = {
  tenant: "acme",
  owner: "ada",
  actor: { kind: "tenant-key", id: "key:7Qm2xVb9LcTa" },
  requestId: "request-1",
  from: "198.51.100.0/24",
};

describe("an operation", () => {
  const write = useCase(
    { action: "editMessage", tell: (seq) => ({ details: { seq } }) },
    async (_call: RequestContext, _sessionId: string, seq: number): Promise<number> => {
      if (seq === 0) throw new Error("the fault is ours");
      if (seq < 0) throw new ThreadkeepError({ code: "message_not_found", detail: "" });
      return seq;
    },
  );

  it("that was done is recorded once, with who, what, where and from which network", async () => {
    const { call, audit, measured } = callWith(["memory:write"]);
    expect(await write(call, "trip", 7)).toBe(7);
    expect(measured).toMatchObject([{ action: "editMessage", result: "ok", tenant: "acme", actor: "tenant-key" }]);
    expect(audit.recorded).toEqual([
      { ...CALLER, session: "trip", action: "editMessage", result: "ok", details: { seq: 7 } },
    ]);
    expect(audit.refused).toEqual([]);
  });

  it.each([
    ["for want of a scope", [], 7, "forbidden"],
    ["by what it found", ["memory:write"], -1, "message_not_found"],
    ["by a fault of ours", ["memory:write"], 0, "internal"],
  ] as const)("that was refused %s is counted, and is not an event of its own", async (_why, scopes, seq, result) => {
    const { call, audit, measured } = callWith(scopes);
    await expect(write(call, "trip", seq)).rejects.toThrow(seq === 0 ? "the fault is ours" : result);
    expect(measured).toMatchObject([{ action: "editMessage", result, tenant: "acme" }]);
    expect(audit.recorded).toEqual([]);
    expect(audit.refused).toEqual([{ ...CALLER, session: "trip", action: "editMessage", result }]);
  });

  it("does nothing for a caller without its scope", async () => {
    let isDone = false;
    const guarded = useCase({ action: "forkSession" }, async () => {
      isDone = true;
    });
    for (const scopes of [[], ["memory:read"], ["memory:write"], ["admin", "ops"]] as const) {
      await expect(guarded(callWith(scopes).call)).rejects.toThrow("forbidden");
    }
    expect(isDone).toBe(false);
    await guarded(callWith(["memory:write", "memory:read"]).call);
    expect(isDone).toBe(true);
  });

  it("names no session whose id has a wrong form, because it could be anything that the caller sent", async () => {
    const { call, audit } = callWith([]);
    await expect(write(call, "my password is hunter2", 7)).rejects.toThrow("forbidden");
    expect(audit.refused[0]?.session).toBeNull();
  });
});
