import { afterEach, describe, expect, it, vi } from "vitest";
import type { AlertNotice } from "../../../src/api/alert.ts";
import { OVER_BUDGET_REASON } from "../../../src/api/health.ts";
import type { JobKind } from "../../../src/api/job.ts";
import type { SummarizerRequest } from "../../../src/api/summarizer.ts";
import { UNSET_TENANT } from "../../../src/api/tenant.ts";
import { sendPending } from "../../../src/maintenance/send-notices.ts";
import { askSummarizer } from "../../../src/pipeline/ask-summarizer.ts";
import { consume } from "../../../src/pipeline/consume.ts";
import type { PipelineDeps } from "../../../src/pipeline/delivery.ts";
import { createJobLedger } from "../../../src/pipeline/job-ledger.ts";
import { measuredJob } from "../../../src/pipeline/measured-job.ts";
import { ProviderError } from "../../../src/provider/provider-error.ts";
import { UserQuota } from "../../../src/session/quota/user-quota.ts";
import type { SummaryStep } from "../../../src/session/summary/run.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { EPOCH, NOON } from "./node-session.ts";

const log = createLog({ write: () => undefined });
const USAGE = { inputTokens: 10, outputTokens: 2 };

afterEach(() => vi.unstubAllGlobals());

describe("a summarizer that fails", () => {
  const request: SummarizerRequest = {
    previous: [],
    messages: [{ seq: 1, role: "user", at: "", text: "hi" }],
    maxTokens: 100,
  };
  const step = { next: "call", lease: "lease", request, failures: 0, isUpgrade: false, isOverBudget: false } as const;
  const asked = (kind: ConstructorParameters<typeof ProviderError>[0], change: object, hasFallback = true) => {
    const parts: Pick<PipelineDeps, "summarizer" | "fallback"> = {
      summarizer: {
        summarize: () => Promise.reject(new ProviderError(kind, "it failed", { usage: USAGE })),
      },
      fallback: hasFallback ? { summarize: async () => ({ items: [], model: "fallback" }) } : null,
    };
    return askSummarizer({ ...step, ...change }, UNSET_TENANT, parts as PipelineDeps);
  };

  it.each([
    ["unreachable", { failures: 1 }, "failure"],
    ["unreachable", { failures: 2 }, "answer"],
    ["invalid_answer", {}, "answer"],
    ["refused", {}, "answer"],
    ["timeout", {}, "failure"],
    ["refused", { isUpgrade: true }, "failure"],
    ["unreachable", { failures: 9, isUpgrade: true }, "failure"],
  ] as const)("by %s with %j leads to a %s", async (kind, change, given) => {
    expect((await asked(kind, change)).kind).toBe(given);
    expect((await asked(kind, change, false)).kind).toBe("failure");
  });

  it("is charged for what it used, whatever replaces its answer", async () => {
    expect(await asked("refused", {})).toMatchObject({
      answer: { model: "fallback", usage: USAGE },
      fallbackCause: { reason: "summarizer refused", usage: USAGE },
    });
    expect(await asked("timeout", {})).toMatchObject({ kind: "failure", usage: USAGE });
  });

  it("is not called beyond the budget", async () => {
    const spent = { isOverBudget: true };
    const fallbackCause = { reason: OVER_BUDGET_REASON, retryAfterSeconds: 3_600 };
    expect(await asked("timeout", spent)).toMatchObject({ answer: { model: "fallback" }, fallbackCause });
    expect(await asked("timeout", { ...spent, isUpgrade: true })).toMatchObject({ kind: "failure", ...fallbackCause });
  });
});

describe("a finished job", () => {
  const ref = { tenant: "acme", owner: "ada", session: "chat" };
  const OVER: SummaryStep = { next: "done", hasFailed: false, upgrade: null };
  /** The answers of objects for finished jobs of any kind. */
  const NOTHING = {
    beginSummary: async () => OVER,
    beginEmbedding: async () => ({ next: "done", hasFailed: false }),
    nextCopyStep: async () => null,
    nextCarryOver: async () => null,
    stepExpiry: async () => ({ step: "done", at: NOON, grantedAt: 0, hasFailed: false }),
    readPendingErasures: async () => null,
    readArchiveDelta: async () => null,
    readErasure: async () => null,
    readListing: async () => null,
    jobStanding: async () => "over",
    noteFailure: async () => null,
  };
  /** @returns what was removed from the list of failures, and whether the delivery was acknowledged */
  async function deliver(kind: JobKind, attempts: number, session: object = {}, more: object = {}) {
    const cleared: string[] = [];
    const verdicts: string[] = [];
    const parts: object = {
      sessions: { get: () => ({ ...NOTHING, ...session }) },
      tenants: { read: async () => UNSET_TENANT },
      operations: {
        clear: async (jobId: string) => void cleared.push(jobId),
        end: async (jobId: string) => void cleared.push(jobId),
      },
      directory: { setExpired: async () => true },
      withDatabase: async () => undefined,
      archiveOutage: { note: async () => undefined, over: async () => undefined },
      log,
      ...more,
    };
    const body = { v: 1, kind, ...ref, epoch: EPOCH, throughSeq: 1, jobId: "job", sends: 1 };
    const queue = kind === "summarize" || kind === "embed" ? "threadkeep-summarize" : "threadkeep-archive";
    const ends = { ack: () => void verdicts.push("acked"), retry: () => void verdicts.push("retried") };
    const messages: Message[] = [{ id: "0", timestamp: new Date(NOON), attempts, body, ...ends }];
    await consume({ queue, messages }, parts as PipelineDeps);
    return { cleared, verdicts };
  }

  it.each(["summarize", "archive", "erase", "expire", "restore", "fork", "erase-copies", "embed", "list"] as const)(
    "whose confirmation was lost leaves the operators' list when it is delivered again: %s",
    async (kind) => {
      expect(await deliver(kind, 2)).toEqual({ cleared: ["job"], verdicts: ["acked"] });
      expect(await deliver(kind, 1)).toEqual({ cleared: [], verdicts: ["acked"] });
      expect((await deliver(kind, 2, { jobStanding: async () => "given-up" })).cleared).toEqual([]);
    },
  );

  it("that ended because nothing is left to summarize leaves the operators' list with its first delivery", async () => {
    const known = { beginSummary: async () => ({ ...OVER, hasFailed: true }) };
    expect(await deliver("summarize", 1, known)).toEqual({ cleared: ["job"], verdicts: ["acked"] });
  });

  const SOURCE = { session: "source", epoch: EPOCH };
  const copying = {
    nextCopyStep: async () => ({ source: SOURCE, afterSeq: 0, throughSeq: 1, hasFailed: false }),
    readCopyPage: async () => ({ changes: 0, rows: [], end: null }),
  };
  const carrying = {
    nextCarryOver: async () => ({ source: SOURCE, lease: "lease", sends: 1, hasFailed: false }),
    readCarried: async () => null,
  };
  const expiring = { stepExpiry: async () => ({ step: "cancel", at: NOON, grantedAt: 0, hasFailed: false }) };

  it("leaves the list even if its object only answers that no such job is pending", async () => {
    const lost = { ...copying, saveCopyPage: () => Promise.reject(new Error("the answer was lost")) };
    expect(await deliver("fork", 1, lost)).toEqual({ cleared: ["job"], verdicts: ["acked"] });
  });

  it.each([
    ["fork", copying, "saveCopyPage", null],
    ["restore", carrying, "carryOver", true],
    ["expire", expiring, "confirmExpiry", true],
  ] as const)(
    "leaves the list if another delivery failed while it was being done: %s",
    async (kind, session, end, done) => {
      expect((await deliver(kind, 1, { ...session, [end]: async () => "known" })).cleared).toEqual(["job"]);
      expect((await deliver(kind, 1, { ...session, [end]: async () => done })).cleared).toEqual([]);
    },
  );
});

describe("a job that is measured", () => {
  const message = (at: number) => ({ attempts: 2, timestamp: new Date(at) });
  const about = { kind: "archive", tenant: "acme", jobId: "a" };

  it.each([
    [{}, { verdict: "ack" }, null, "ok"],
    [{}, { verdict: "retry", delaySeconds: 1 }, null, "retried"],
    [{}, { verdict: "ack" }, false, "failed"],
    [{}, { verdict: "ack" }, true, "gave-up"],
    [{ isDead: true }, { verdict: "ack" }, true, "dead"],
    [{ isDead: true }, { verdict: "retry", delaySeconds: 1 }, null, "retried"],
    [{ isUnknown: true }, { verdict: "retry", delaySeconds: 1 }, null, "unknown"],
  ] as const)("with %j and %j, given up: %s, counts as %s", (more, verdict, gaveUp, result) => {
    const ledger = createJobLedger();
    if (gaveUp !== null) ledger.fail("a", gaveUp);
    expect(measuredJob(message(NOON), verdict, { ...about, ...more }, ledger, NOON)).toMatchObject({
      result,
      attempts: 2,
    });
  });

  it("waited since it was sent, and not at all if the queue's clock is ahead", () => {
    const waited = (sentAt: number): number =>
      measuredJob(message(sentAt), { verdict: "ack" }, about, createJobLedger(), NOON).waitedMs;
    expect([NOON - 500, NOON, NOON + 500].map(waited)).toEqual([500, 0, 0]);
  });

  it("adds up what it spent, under the model that was named last", () => {
    const ledger = createJobLedger();
    ledger.spend("a", "model", { ...USAGE, costMicroDollars: 7 }, false);
    ledger.spend("a", "", USAGE, false);
    ledger.spend("a", "", undefined, true);
    expect(ledger.spentOn("a")).toEqual({
      model: "model",
      inputTokens: 20,
      outputTokens: 4,
      costMicroDollars: 7,
      fallbacks: 1,
    });
    expect(ledger.spentOn("b").inputTokens).toBe(0);
  });
});

describe("notices to a webhook", () => {
  const notice = (id: string): AlertNotice => ({
    v: 1,
    id,
    at: "",
    type: "digest",
    status: "ok",
    standing: [],
    started: 0,
    ended: 0,
  });

  it.each([
    ["takes them", () => new Response(null, { status: 204 }), ["a", "b", "c"], ["a", "b", "c"]],
    [
      "refuses one",
      (id: string) => new Response(null, { status: id === "b" ? 500 : 200 }),
      ["a", "b", "c"],
      ["a", "c"],
    ],
    [
      "sends them elsewhere",
      () => new Response(null, { status: 302, headers: { Location: "http://other.test" } }),
      ["a", "b", "c"],
      [],
    ],
    ["is away", () => Promise.reject(new TypeError("connection refused")), ["a"], []],
  ])("that %s are sent and settled", async (_, answer, sent, settled) => {
    const asked: string[] = [];
    const done: string[] = [];
    vi.stubGlobal("fetch", async (_url: string, init: RequestInit) => {
      const id = new Headers(init.headers).get("Threadkeep-Notice") ?? "";
      asked.push(id);
      expect(init.redirect).toBe("manual");
      return answer(id);
    });
    const keeper = {
      takeNotices: async () => ["a", "b", "c"].map((id) => ({ notice: notice(id), attempts: 1 })),
      settleNotice: async (id: string) => void done.push(id),
      readBook: () => Promise.reject(new Error("not asked")),
      saveBook: () => Promise.reject(new Error("not asked")),
    };
    await sendPending(keeper, { url: "http://hook.test", secret: "s" }, log, () => NOON);
    expect(asked).toEqual(sent);
    expect(done).toEqual(settled);
  });
});

describe("the day of a user", () => {
  const tenantSettings = { limits: { userMessagesPerDay: 5, userSummarizerTokensPerDay: 10 } };
  const quota = new UserQuota(
    async (_user, { teller: _teller, day: _day, ...sums }) => ({ total: sums, told: sums }),
    () => undefined,
  );

  it("is limited for a user, and not for the tenant itself", () => {
    const [ada, tenant] = ["ada", "-"].map((owner) => ({ tenant: crypto.randomUUID(), owner, tenantSettings }));
    if (ada === undefined || tenant === undefined) throw new Error("nobody");
    for (const session of [ada, tenant]) quota.count(session, { messages: 5, summarizerTokens: 10 }, NOON);
    expect(quota.faultOf(ada, { messages: 1 }, NOON)?.quota?.name).toBe("user-messages");
    expect(quota.faultOf(ada, { messages: 0 }, NOON)).toBeNull();
    expect(quota.isSummarizerSpent(ada, NOON)).toBe(true);
    expect(quota.faultOf(tenant, { messages: 1 }, NOON)).toBeNull();
    expect(quota.isSummarizerSpent(tenant, NOON)).toBe(false);
    expect(quota.faultOf(ada, { messages: 1 }, NOON + 86_400_000)).toBeNull();
  });
});
