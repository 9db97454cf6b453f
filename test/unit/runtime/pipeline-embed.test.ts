import { describe, expect, it } from "vitest";
import { OVER_BUDGET_REASON } from "../../../src/api/health.ts";
import { UNSET_TENANT } from "../../../src/api/tenant.ts";
import type { Embedder } from "../../../src/embedder/client.ts";
import { embedSession } from "../../../src/pipeline/embed.ts";
import { summarizeSession } from "../../../src/pipeline/summarize.ts";
import { ProviderError } from "../../../src/provider/provider-error.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { EPOCH } from "./node-session.ts";
import { standIn } from "./stand-in.ts";

const log = createLog({ write: () => undefined });
const TEXTS = [
  { key: "m1.a", text: "the sea" },
  { key: "m3.b", text: "my cat" },
];
const CALL = { next: "call", lease: "lease", texts: TEXTS, isOverBudget: false } as const;
const DONE = { next: "done", hasFailed: false } as const;
const USAGE = { inputTokens: 7 };
const JOB = {
  v: 1,
  kind: "embed",
  tenant: "acme",
  owner: "ada",
  session: "chat",
  epoch: EPOCH,
  throughSeq: 4,
  jobId: "vectors",
  sends: 1,
} as const;

/** Records the calls of each part, in order. */
function given({
  steps = [CALL, DONE],
  embed = async (texts) => ({ vectors: texts.map(() => new Float32Array(3)), usage: USAGE }),
  tenant = UNSET_TENANT,
  isOff = false,
}: {
  steps?: readonly object[];
  embed?: Embedder["embed"];
  tenant?: object;
  isOff?: boolean;
} = {}) {
  const calls: unknown[][] = [];
  let next = 0;
  const step = async (...call: unknown[]): Promise<object> => {
    calls.push(call);
    return steps[next++] ?? DONE;
  };
  const report = { failures: 3, gaveUp: false, firstError: "e", firstFailedAt: 1, lastFailedAt: 1 };
  const session = {
    beginEmbedding: (_job: string, _epoch: string, model: string | null) => step("begin", model),
    saveVectors: (
      _job: string,
      _epoch: string,
      lease: string,
      { model, vectors, usage }: { model: string; vectors: { key: string }[]; usage: object },
    ) =>
      step(
        "save",
        lease,
        model,
        vectors.map(({ key }) => key),
        usage,
      ),
    noteFailure: async (_job: string, _epoch: string, failure: object) => {
      calls.push(["failure", failure]);
      return report;
    },
    noteUndelivered: async () => true,
    putOff: async (_job: string, _epoch: string, how: object) => void calls.push(["putOff", how]),
    jobStanding: async () => "over",
  };
  const embedder = { model: "m", maxTexts: 64, isResting: () => false, embed };
  const parts = {
    sessions: { get: () => session },
    tenants: {
      read: async () => tenant,
      spendOnEmbeddings: async (_tenant: string, usage: object) => void calls.push(["spend", usage]),
    },
    users: { readErasure: async () => null },
    operations: {
      clear: async (jobId: string) => void calls.push(["clear", jobId]),
      end: async (jobId: string) => void calls.push(["clear", jobId]),
      settleLate: async (jobId: string) => void calls.push(["settleLate", jobId]),
      report: async ({ kind, state }: { kind: string; state: string }) => void calls.push(["report", kind, state]),
    },
    embedder: isOff ? null : embedder,
    log,
  };
  return { calls, parts, session };
}

async function deliver(options: Parameters<typeof given>[0], change: object = {}) {
  const { calls, parts } = given(options);
  await embedSession({ job: { ...JOB, ...change }, attempts: 1 }, standIn(parts));
  return calls;
}

describe("the consumer of vectors", () => {
  it("gets the handed-out texts embedded, saves them under their keys, and counts the usage, until nothing is missing", async () => {
    expect(await deliver({ steps: [CALL, { ...CALL, lease: "second", texts: [TEXTS[1]] }, DONE] })).toEqual([
      ["begin", "m"],
      ["spend", USAGE],
      ["save", "lease", "m", ["m1.a", "m3.b"], USAGE],
      ["spend", USAGE],
      ["save", "second", "m", ["m3.b"], USAGE],
    ]);
  });

  it("ends the job if embeddings are off, without a call", async () => {
    expect(await deliver({ steps: [DONE], isOff: true })).toEqual([["begin", null]]);
  });

  it("does nothing while another consumer has the job, or while the tenant is paused", async () => {
    expect(await deliver({ steps: [{ next: "wait" }] })).toEqual([["begin", "m"]]);
    expect(await deliver({ tenant: { ...UNSET_TENANT, summarization: "paused" } })).toEqual([]);
  });

  it("saves the vectors that came if some are missing", async () => {
    const calls = await deliver({ embed: async () => ({ vectors: [new Float32Array(3)], usage: USAGE }) });
    expect(calls[2]).toEqual(["save", "lease", "m", ["m1.a"], USAGE]);
  });

  it.each([
    [
      "a provider that asks for a pause",
      () =>
        Promise.reject(
          new ProviderError("rate_limited", "HTTP 429", {
            retryAfterSeconds: 30,
            usage: { ...USAGE, outputTokens: 0 },
          }),
        ),
      {
        reason: "embedder rate_limited",
        lease: "lease",
        retryAfterSeconds: 30,
        usage: { inputTokens: 7, outputTokens: 0 },
      },
    ],
    [
      "no vector at all",
      async () => ({ vectors: [], usage: USAGE }),
      { reason: "embedder invalid_answer", lease: "lease", usage: { inputTokens: 7, outputTokens: 0 } },
    ],
    [
      "something unforeseen",
      () => Promise.reject(new TypeError("no")),
      { reason: "embedder TypeError", lease: "lease" },
    ],
  ] as const)("notes %s as a failure of the attempt, and tells operators", async (_what, embed, failure) => {
    const calls = await deliver({ embed });
    expect(calls.filter(([what]) => what === "failure")).toEqual([["failure", failure]]);
    expect(calls).toContainEqual(["report", "embed", "retrying"]);
    expect(calls.some(([what]) => what === "save")).toBe(false);
  });

  it("calls nobody beyond a budget, the session's or the tenant's", async () => {
    const embed = (): Promise<never> => Promise.reject(new Error("asked"));
    const over = ["failure", { reason: OVER_BUDGET_REASON, lease: "lease", retryAfterSeconds: 3_600 }];
    expect(await deliver({ embed, steps: [{ ...CALL, isOverBudget: true }] })).toContainEqual(over);
    expect(await deliver({ embed, tenant: { ...UNSET_TENANT, isOverBudget: true } })).toContainEqual(over);
  });

  it("removes a job that failed before from the operators' list", async () => {
    expect(await deliver({ steps: [CALL, { ...DONE, hasFailed: true }] })).toContainEqual(["clear", "vectors"]);
  });

  it("makes room for others after a hundred calls, and continues later", async () => {
    const calls = await deliver({ steps: Array.from({ length: 500 }, () => CALL) });
    expect(calls.filter(([what]) => what === "save")).toHaveLength(100);
    expect(calls.at(-1)).toEqual(["putOff", { afterMs: 0, lease: "lease", hasProgressed: true }]);
  });
});

describe("the consumer of a summary", () => {
  const summary = {
    next: "call",
    lease: "s",
    request: { previous: [], messages: [], maxTokens: 9 },
    failures: 0,
    isUpgrade: false,
    isOverBudget: false,
  };
  const landed = { next: "done", hasFailed: false, upgrade: null };

  async function summarize(options: Parameters<typeof given>[0], step: object) {
    const { calls, parts, session } = given(options);
    const saveAnswer = async (...args: unknown[]): Promise<object> => {
      calls.push(["answer", args[5]]);
      return step;
    };
    const sessions = { get: () => ({ ...session, beginSummary: async () => summary, saveAnswer }) };
    const verdict = await summarizeSession(
      { job: { ...JOB, kind: "summarize", jobId: "summary" }, attempts: 1 },
      standIn({ ...parts, sessions, fallback: null }),
    );
    return { calls, verdict: verdict.verdict };
  }

  it("continues with the vectors in the same delivery", async () => {
    const { calls } = await summarize({}, { ...landed, embeddingJobId: "vectors" });
    expect(calls.map(([what]) => what)).toEqual(["answer", "begin", "spend", "save"]);
    expect(calls[0]).toEqual(["answer", true]);
  });

  it("requests none if embeddings are off", async () => {
    expect((await summarize({ isOff: true }, landed)).calls).toEqual([["answer", false]]);
  });

  it("succeeds whatever happens to the vectors", async () => {
    const { calls, verdict } = await summarize(
      { embed: () => Promise.reject(new ProviderError("unreachable", "HTTP 503")) },
      { ...landed, embeddingJobId: "vectors" },
    );
    expect(verdict).toBe("ack");
    expect(calls.map(([what]) => what)).toContain("failure");
  });
});
