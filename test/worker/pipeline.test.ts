import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { JobMessage } from "../../src/api/job.ts";
import type { SummarizerAnswer, SummarizerRequest } from "../../src/api/summarizer.ts";
import { withDatabase } from "../../src/archive/database.ts";
import { createOperationsClient } from "../../src/control/client.ts";
import { consume } from "../../src/pipeline/consume.ts";
import type { PipelineDeps } from "../../src/pipeline/delivery.ts";
import { ProviderError } from "../../src/provider/provider-error.ts";
import { createLog } from "../../src/telemetry/log.ts";
import type { MeasuredJob, Metrics } from "../../src/telemetry/metrics.ts";
import {
  chatOf,
  pendingJobs,
  pipelineDeps,
  runInDurableObject,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  stubAt,
  unwrap,
} from "../support/session.ts";

const operations = createOperationsClient(env.OPERATIONS);

function partsWith(change: Partial<PipelineDeps> = {}): PipelineDeps & { calls: number[] } {
  const calls: number[] = [];
  const summarize = async (request: SummarizerRequest): Promise<SummarizerAnswer> => {
    calls.push(request.messages.length);
    return { items: [], model: "test" };
  };
  return { ...pipelineDeps({ summarizer: { summarize }, ...change }), calls };
}

async function deliver(parts: PipelineDeps, bodies: unknown[], queue = "threadkeep-summarize") {
  const batch = createMessageBatch(
    queue,
    bodies.map((body, index) => ({ id: `${index}`, timestamp: Date.now(), attempts: 1, body })),
  );
  await consume(batch, parts);
  const { explicitAcks, retryMessages } = await getQueueResult(batch, createExecutionContext());
  return { acks: explicitAcks, retries: retryMessages };
}

async function pending(ref: SessionRef): Promise<JobMessage> {
  const { jobId, epoch } = await scheduleSummary(ref);
  return { v: 1, kind: "summarize", ...ref, epoch, throughSeq: 4, jobId, sends: 1 };
}

async function failuresOf(jobId: string) {
  return (await operations.list(1_000, null)).filter((failure) => failure.jobId === jobId);
}

describe("the consumer", () => {
  it("calls the summarizer once for a job that is delivered repeatedly", async () => {
    const job = await pending(await chatOf(8));
    const parts = partsWith();
    expect(await deliver(parts, [job])).toEqual({ acks: ["0"], retries: [] });
    expect(await deliver(parts, [job, job])).toEqual({ acks: ["0", "1"], retries: [] });
    expect(parts.calls).toEqual([4]);
  });

  it("acknowledges the second of two concurrent deliveries", async () => {
    const job = await pending(await chatOf(8));
    const parts = partsWith();
    expect(await deliver(parts, [job, job])).toEqual({ acks: ["0", "1"], retries: [] });
    expect(parts.calls).toHaveLength(1);
  });

  it("acknowledges the good messages of a batch with a bad one, and returns the bad one to the queue", async () => {
    const job = await pending(await chatOf(8));
    const { acks, retries } = await deliver(partsWith(), [{ v: 2, of: "tomorrow" }, job, "nonsense"]);
    expect(acks).toEqual(["1"]);
    expect(retries.map(({ msgId }) => msgId)).toEqual(["0", "2"]);
  });

  it("returns a body of a later version to the queue after longer and longer pauses, and leaves its job pending", async () => {
    const ref = await chatOf(8);
    const job = await pending(ref);
    const pauses: number[] = [];
    const messages = [1, 2, 3, 10].map((attempts) => ({
      id: `${attempts}`,
      timestamp: new Date(),
      attempts,
      body: { ...job, v: 2 },
      ack: () => pauses.push(Infinity),
      retry: ({ delaySeconds = 0 }: QueueRetryOptions = {}) => pauses.push(delaySeconds),
    }));
    await consume({ queue: "threadkeep-summarize", messages }, partsWith());
    expect(pauses).toEqual([5, 10, 20, 300]);
    expect(await pendingJobs(ref)).toMatchObject([{ id: job.jobId, state: "pending" }]);
  });

  it("reads a body of this version with an additional field of a later one", async () => {
    const job = await pending(await chatOf(8));
    const parts = partsWith();
    expect(await deliver(parts, [{ ...job, trace: 7, priority: "high" }])).toEqual({ acks: ["0"], retries: [] });
    expect(parts.calls).toEqual([4]);
  });

  it("returns archive work to the queue if all of it fails unexpectedly, and still saves a summary", async () => {
    const [ref, other] = [await chatOf(8), await chatOf(8)];
    const [job, poison] = [await pending(ref), { ...(await pending(other)), kind: "archive" as const }];
    const log = createLog({ write: () => undefined });
    const parts = partsWith({
      log: {
        ...log,
        info: (event) => {
          if (event === "archived") throw new TypeError("unforeseen");
        },
      },
    });
    const { acks, retries } = await deliver(parts, [poison, job]);
    expect(acks).toEqual(["1"]);
    expect(retries.map(({ msgId }) => msgId)).toEqual(["0"]);
    expect(parts.calls).toEqual([4]);
  });

  it.each(["timeout", "unreachable", "tool_error", "invalid_answer"] as const)(
    "schedules a summary after the summarizer's %s, and makes it when the summarizer is back",
    async (kind) => {
      const ref = await chatOf(8);
      const job = await pending(ref);
      const broken = partsWith({
        summarizer: {
          summarize: async () => {
            throw new ProviderError(kind, "test");
          },
        },
      });
      expect(await deliver(broken, [job])).toEqual({ acks: ["0"], retries: [] });
      expect(await pendingJobs(ref)).toMatchObject([
        { state: "pending", failures: 1, last_error: `summarizer ${kind}`, lease: null },
      ]);
      await deliver(partsWith(), [job]);
      expect(unwrap(await sessionAt(ref).state()).summary).toMatchObject({ throughSeq: 4 });
    },
  );

  it("informs operators from the third failure on, and removes the entry when the job succeeds", async () => {
    const job = await pending(await chatOf(8));
    const broken = partsWith({
      summarizer: {
        summarize: async () => {
          throw new ProviderError("timeout", "test");
        },
      },
    });
    await deliver(broken, [job]);
    await deliver(broken, [job]);
    expect(await failuresOf(job.jobId)).toEqual([]);
    await deliver(broken, [job]);
    expect(await failuresOf(job.jobId)).toMatchObject([
      { kind: "summarize", session: job.session, reason: "summarizer timeout", attempts: 3 },
    ]);
    await deliver(partsWith(), [job]);
    expect(await failuresOf(job.jobId)).toEqual([]);
  });

  it("returns a delivery to the queue whose summarizer fails unexpectedly", async () => {
    const job = await pending(await chatOf(8));
    const broken = partsWith({
      summarizer: {
        summarize: async () => {
          throw new TypeError("unforeseen");
        },
      },
    });
    const { acks, retries } = await deliver(broken, [job]);
    expect(acks).toEqual([]);
    expect(retries).toMatchObject([{ msgId: "0" }]);
  });

  it("keeps an archive job pending that PostgreSQL could not accept, and calls no model for it again", async () => {
    const ref = await chatOf(8);
    const job = await pending(ref);
    const parts = partsWith();
    await deliver(parts, [job]);
    const away = partsWith({
      withDatabase: async () => {
        throw Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
      },
    });
    const [archive] = await pendingJobs(ref);
    // The object may have sent it already: then nothing is left to refuse.
    if (archive?.["kind"] === "archive") {
      const jobId = String(archive["id"]);
      const delivery = await deliver(away, [{ ...job, kind: "archive", jobId }], "threadkeep-archive");
      expect(delivery).toMatchObject({ acks: [], retries: [{ msgId: "0" }] });
      expect((await pendingJobs(ref))[0]).toMatchObject({ failures: 0 });
    }
    await expect.poll(async () => unwrap(await sessionAt(ref).state()).archived, { timeout: 40_000 }).toBe(true);
    expect(parts.calls).toHaveLength(1);
  });

  it("checks whether PostgreSQL is there, and writes a batch of sessions in one transaction on one connection", async () => {
    const refs = await Promise.all([chatOf(8), chatOf(8), chatOf(8)]);
    let connections = 0;
    const parts = partsWith({
      withDatabase: (body) => {
        connections += 1;
        return withDatabase(env.HYPERDRIVE.connectionString, body);
      },
    });
    const jobs = await Promise.all(refs.map(pending));
    await deliver(parts, jobs);
    const archives: JobMessage[] = [];
    for (const [index, job] of jobs.entries()) {
      const ref = refs[index];
      if (ref === undefined) continue;
      for (const row of await pendingJobs(ref)) {
        archives.push({ ...job, kind: "archive", jobId: String(row["id"]) });
      }
    }
    await deliver(parts, archives, "threadkeep-archive");
    expect(connections).toBeLessThanOrEqual(2);
    for (const ref of refs) {
      await expect.poll(async () => unwrap(await sessionAt(ref).state()).archived, { timeout: 40_000 }).toBe(true);
    }
  });
});

describe("the metrics of jobs", () => {
  const measuring = (): { measured: MeasuredJob[]; metrics: Metrics } => {
    const measured: MeasuredJob[] = [];
    return {
      measured,
      metrics: {
        operation: () => undefined,
        embedding: () => undefined,
        tenantCopy: () => undefined,
        job: (job) => void measured.push(job),
      },
    };
  };

  it("are recorded for each delivery: what was made at which cost, what failed, and what nobody understood", async () => {
    const [good, bad] = [await pending(await chatOf(8)), await pending(await chatOf(8))];
    const { measured, metrics } = measuring();
    let calls = 0;
    const parts = partsWith({
      metrics,
      summarizer: {
        summarize: async () => {
          calls += 1;
          const usage = { inputTokens: 900, outputTokens: 40, costMicroDollars: 12 };
          if (calls > 1) throw new ProviderError("invalid_answer", "test", { usage });
          return { items: [], model: "a-model", usage };
        },
      },
    });
    await deliver(parts, [good]);
    await deliver(parts, [bad, { ...good, v: 2 }]);
    await deliver(parts, [{ ...good, v: 2 }], "threadkeep-summarize-failed");
    const spent = { inputTokens: 900, outputTokens: 40, costMicroDollars: 12, fallbacks: 0 };
    const told = (job: string | undefined) => measured.filter(({ result }) => result === job);
    expect(measured).toHaveLength(4);
    expect(told("ok")).toMatchObject([
      { kind: "summarize", tenant: "test", attempts: 1, spent: { ...spent, model: "a-model" } },
    ]);
    expect(told("failed")).toMatchObject([{ kind: "summarize", spent: { ...spent, model: "" } }]);
    expect(told("unknown")).toMatchObject([{ kind: "summarize", tenant: "test" }]);
    expect(told("dead")).toHaveLength(1);
    for (const { durationMs, waitedMs } of measured) expect(Math.min(durationMs, waitedMs)).toBeGreaterThanOrEqual(0);
    expect(JSON.stringify(measured)).not.toContain(good.session);
  });

  it("show that a delivery waits for the unavailable archive", async () => {
    const ref = await chatOf(8);
    const { measured, metrics } = measuring();
    const away = partsWith({
      metrics,
      withDatabase: async () => {
        throw Object.assign(new Error("connect"), { code: "ECONNREFUSED" });
      },
    });
    const job = await pending(ref);
    await runInDurableObject(stubAt(ref), (_, { storage }) => storage.sql.exec("UPDATE jobs SET kind = 'archive'"));
    const { acks } = await deliver(away, [{ ...job, kind: "archive" }], "threadkeep-archive");
    expect(acks).toEqual([]);
    expect(measured).toMatchObject([{ kind: "archive", result: "retried" }]);
  });
});

describe("the dead letters", () => {
  it("are listed for operators, including those that nobody understands", async () => {
    const job = await pending(await chatOf(8));
    const before = await operations.count();
    const queue = "threadkeep-summarize-failed-staging";
    expect(await deliver(partsWith(), [job, { odd: true }], queue)).toEqual({
      acks: ["0", "1"],
      retries: [],
    });
    expect(await failuresOf(job.jobId)).toMatchObject([{ session: job.session, state: "undelivered" }]);
    expect(await operations.count()).toBe(before + 2);
  });

  it("of a later version are one entry, however often the object sends the job, with whose work it is", async () => {
    const job = { ...(await pending(await chatOf(8))), v: 2, kind: "of-tomorrow", more: { nested: true } };
    const queue = "threadkeep-archive-failed";
    const before = await operations.count();
    expect(await deliver(partsWith(), [job, { ...job, sends: 2 }], queue)).toEqual({ acks: ["0", "1"], retries: [] });
    const { tenant, owner, session, jobId } = job;
    expect(await failuresOf(job.jobId)).toMatchObject([
      { jobId, tenant, owner, session, kind: "of-tomorrow", state: "unknown" },
    ]);
    const strange = [null, 7, "x", { v: 2, jobId: ["no"] }, { v: 1, jobId: "x".repeat(301) }];
    const told = crypto.randomUUID();
    const bodies = [...strange, { told }, { told }];
    expect((await deliver(partsWith(), bodies, queue)).acks).toHaveLength(bodies.length);
    expect(await operations.count()).toBe(before + 1 + strange.length + 1);
  });

  it("are returned to the queue while the list is unavailable", async () => {
    const job = await pending(await chatOf(8));
    const away = async (): Promise<never> => {
      throw new Error("out of reach");
    };
    const parts = partsWith({ operations: { ...operations, report: away } });
    const { acks, retries } = await deliver(parts, [job, { v: 2 }], "threadkeep-summarize-failed");
    expect([acks, retries.length]).toEqual([[], 2]);
  });
});
