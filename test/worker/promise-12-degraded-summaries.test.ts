import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { JobMessage } from "../../src/api/job.ts";
import type { SummarizerAnswer, SummarizerRequest } from "../../src/api/summarizer.ts";
import { type TenantSettings, UNSET_TENANT } from "../../src/api/tenant.ts";
import { withDatabase } from "../../src/archive/database.ts";
import { createOperationsClient } from "../../src/control/client.ts";
import { createDirectoryClient } from "../../src/directory/client.ts";
import { createUserClient } from "../../src/directory/user-client.ts";
import { consume } from "../../src/pipeline/consume.ts";
import type { PipelineDeps } from "../../src/pipeline/delivery.ts";
import { ProviderError, type ProviderErrorKind } from "../../src/provider/provider-error.ts";
import { createSessionClient } from "../../src/session/client.ts";
import { createLog } from "../../src/telemetry/log.ts";
import {
  chatOf,
  epochOf,
  letPass,
  pendingJobs,
  runInDurableObject,
  said,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  stubAt,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

/** A model that the test switches off and on, and an extractive summarizer that always works. */
interface Bench {
  readonly parts: PipelineDeps;
  down: ProviderErrorKind | null;
  /** The pause that it asks for with each failure. */
  retryAfterSeconds: number | undefined;
  tenant: TenantSettings;
  /** The seqs of each call of the model. */
  readonly asked: number[][];
  readonly spent: number[];
}

function quote(request: SummarizerRequest, model: string): SummarizerAnswer {
  const items = request.messages.map(({ seq, text }) => ({
    kind: "fact" as const,
    text: text.split(". ")[0] ?? text,
    sourceSeqs: [seq],
    status: "current" as const,
  }));
  return { items: [...request.previous, ...items], model };
}

function bench(): Bench {
  const state: Bench = {
    down: null,
    retryAfterSeconds: undefined,
    tenant: UNSET_TENANT,
    asked: [],
    spent: [],
    parts: {
      sessions: createSessionClient(env.CHAT_SESSION),
      directory: createDirectoryClient(env.DIRECTORY),
      users: createUserClient(env.DIRECTORY),
      tenants: {
        read: async () => state.tenant,
        spend: async (_, usage) => void state.spent.push(usage.inputTokens),
        spendOnEmbeddings: async () => undefined,
      },
      operations: createOperationsClient(env.OPERATIONS),
      archiveOutage: { note: async () => undefined, over: async () => undefined },
      summarizer: {
        async summarize(request) {
          if (state.down !== null)
            throw new ProviderError(state.down, "for the test", { retryAfterSeconds: state.retryAfterSeconds });
          state.asked.push(request.messages.map(({ seq }) => seq));
          return { ...quote(request, "test/model"), usage: { inputTokens: 100, outputTokens: 10 } };
        },
      },
      fallback: { summarize: async (request) => quote(request, "extractive") },
      embedder: null,
      withDatabase: (body) => withDatabase(env.HYPERDRIVE.connectionString, body),
      log: createLog({ write: () => undefined }),
    },
  };
  return state;
}

async function deliver(ref: SessionRef, { parts }: Bench): Promise<void> {
  const job = (await pendingJobs(ref)).find(({ kind }) => kind === "summarize");
  if (job === undefined) throw new Error("no summary is pending");
  const body: JobMessage = {
    v: 1,
    kind: "summarize",
    ...ref,
    epoch: await epochOf(ref),
    throughSeq: Number(job["through_seq"]),
    jobId: String(job["id"]),
    sends: 1,
  };
  const batch = createMessageBatch("threadkeep-summarize", [{ id: "1", timestamp: Date.now(), attempts: 1, body }]);
  await consume(batch, parts);
  await getQueueResult(batch, createExecutionContext());
  await runInDurableObject(stubAt(ref), (_, state) => state.storage.deleteAlarm());
}

async function newest(ref: SessionRef) {
  return unwrap(await sessionAt(ref).summaries(undefined, 1)).data[0];
}

async function summarizeJob(ref: SessionRef) {
  return (await pendingJobs(ref)).find(({ kind }) => kind === "summarize");
}

/** What operators see of one session. */
async function failuresOf(ref: SessionRef) {
  const all = await createOperationsClient(env.OPERATIONS).list(100, null);
  return all.filter(({ session }) => session === ref.session);
}

describe("promise 12: without a model there is an extractive summary, marked as such and replaced later", () => {
  it("waits through a short failure, and makes a marked extractive summary after the third", async () => {
    const ref = await chatOf(12);
    await scheduleSummary(ref);
    const model = bench();
    model.down = "unreachable";
    await deliver(ref, model);
    await deliver(ref, model);
    expect(await newest(ref)).toBeUndefined();
    await deliver(ref, model);
    expect(await newest(ref)).toMatchObject({ version: 1, throughSeq: 8, summarizer: "extractive", degraded: true });
  });

  it("replaces it from the last good version when the model is back, without a request", async () => {
    const ref = await chatOf(12);
    await scheduleSummary(ref);
    const model = bench();
    await deliver(ref, model);
    await withoutAlarm(ref, (session) =>
      session.append({ messages: Array.from({ length: 8 }, (_, at) => said(`Later ${at} in the harbour.`)) }, null),
    );
    await scheduleSummary(ref);
    model.down = "refused";
    await deliver(ref, model);
    expect(await newest(ref)).toMatchObject({ version: 2, degraded: true });
    expect(await summarizeJob(ref)).toMatchObject({ details: { is: "upgrade", lastKept: 1 }, state: "pending" });
    model.down = null;
    await deliver(ref, model);
    expect(await newest(ref)).toMatchObject({ version: 3, throughSeq: 16, degraded: false, summarizer: "test/model" });
    expect(unwrap(await sessionAt(ref).summaries(undefined, 9)).data.map(({ version }) => version)).toEqual([3, 1]);
    expect(await summarizeJob(ref)).toBeUndefined();
    expect(model.asked).toEqual([
      [1, 2, 3, 4, 5, 6, 7, 8],
      [9, 10, 11, 12, 13, 14, 15, 16],
    ]);
  });

  it("does not ring repeatedly if the session becomes silent while the better summary is made", async () => {
    const ref = await chatOf(12);
    await scheduleSummary(ref);
    const model = bench();
    model.down = "refused";
    await deliver(ref, model);
    const messages = Array.from({ length: 8 }, () => said("word ".repeat(400)));
    await withoutAlarm(ref, (session) => session.append({ messages }, null));
    const job = await summarizeJob(ref);
    await withoutAlarm(ref, async (session) => session.beginSummary(String(job?.["id"]), await epochOf(ref)));
    await letPass(ref, 2 * 3_600_000);
    const rings = await runInDurableObject(stubAt(ref), async (session, state) => {
      await session.alarm();
      return state.storage.getAlarm();
    });
    const waiting = await summarizeJob(ref);
    expect(waiting).toMatchObject({ details: { is: "upgrade" } });
    // The appends are reported to the audit before the lease ends.
    expect(rings).toBeGreaterThan(Date.now() + 30_000);
    expect(rings).toBeLessThanOrEqual(Number(waiting?.["next_send_at"]));
  });

  it("informs operators of a fallback summary at once, and removes it from their list when it is replaced", async () => {
    const ref = await chatOf(12);
    await scheduleSummary(ref);
    const model = bench();
    model.down = "refused";
    await deliver(ref, model);
    expect(await failuresOf(ref)).toMatchObject([
      { jobId: String((await summarizeJob(ref))?.["id"]), reason: "summarizer refused", attempts: 1 },
    ]);
    model.down = null;
    await deliver(ref, model);
    expect(await newest(ref)).toMatchObject({ degraded: false });
    expect(await failuresOf(ref)).toEqual([]);
  });

  it("removes it from their list also if the chat continued meanwhile, and the better summary covers more", async () => {
    const ref = await chatOf(12, { settings: { summarizeAfterTokens: 800, keepRecentTokens: 100 } });
    const model = bench();
    model.down = "invalid_answer";
    await deliver(ref, model);
    const more = Array.from({ length: 12 }, (_, at) =>
      said(`More ${at}: ${"the boat leaves the harbour office. ".repeat(12)}`),
    );
    await withoutAlarm(ref, (session) => session.append({ messages: more }, null));
    expect(await failuresOf(ref)).toHaveLength(1);
    model.down = null;
    await deliver(ref, model);
    expect(await newest(ref)).toMatchObject({ degraded: false });
    expect(await failuresOf(ref)).toEqual([]);
  });

  it("calls a model that gets a range wrong more and more rarely, because each answer is paid for", async () => {
    const ref = await chatOf(12);
    await scheduleSummary(ref);
    const model = bench();
    model.down = "invalid_answer";
    await deliver(ref, model);
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      await deliver(ref, model);
      const job = await summarizeJob(ref);
      pauses.push((Number(job?.["next_send_at"]) - Number(job?.["last_failed_at"])) / 1_000);
    }
    expect(pauses).toEqual([60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
  });

  it("does not call a model during the pause that it asked for, even if there is only a fallback summary", async () => {
    const ref = await chatOf(12);
    await scheduleSummary(ref);
    const model = bench();
    model.down = "rate_limited";
    model.retryAfterSeconds = 120;
    for (let attempt = 0; attempt < 3; attempt += 1) await deliver(ref, model);
    expect(await newest(ref)).toMatchObject({ degraded: true });
    const job = await summarizeJob(ref);
    expect(Number(job?.["next_send_at"]) - Number(job?.["created_at"])).toBe(120_000);
  });

  it("makes no second fallback of what is covered, however often the model fails, and never gives up", async () => {
    const ref = await chatOf(12);
    await scheduleSummary(ref);
    const model = bench();
    model.down = "invalid_answer";
    await deliver(ref, model);
    const pauses: number[] = [];
    for (let attempt = 0; attempt < 25; attempt += 1) {
      await deliver(ref, model);
      const job = await summarizeJob(ref);
      pauses.push((Number(job?.["next_send_at"]) - Number(job?.["last_failed_at"])) / 1_000);
    }
    expect(await newest(ref)).toMatchObject({ version: 1, degraded: true });
    expect(await summarizeJob(ref)).toMatchObject({
      state: "pending",
      failures: 25,
      details: { is: "upgrade" },
    });
    expect(pauses.slice(6)).toEqual(Array.from({ length: 19 }, () => 3_600));
  });

  it("continues to summarize a session that continues while the model is unavailable", async () => {
    const ref = await chatOf(12, { settings: { summarizeAfterTokens: 800, keepRecentTokens: 100 } });
    const model = bench();
    model.down = "circuit_open";
    await deliver(ref, model);
    const first = await newest(ref);
    expect(first).toMatchObject({ degraded: true });
    const more = Array.from({ length: 12 }, (_, at) =>
      said(`More ${at}: ${"the boat leaves the harbour office. ".repeat(12)}`),
    );
    await withoutAlarm(ref, (session) => session.append({ messages: more }, null));
    expect(await summarizeJob(ref)).toMatchObject({ details: { is: "rebuild", lastKept: 0 } });
    await deliver(ref, model);
    expect(await newest(ref)).toMatchObject({ degraded: true });
    expect((await newest(ref))?.throughSeq).toBeGreaterThan(first?.throughSeq ?? 0);
  });

  it("keeps the model's answers for earlier parts, and does not ask for them again", async () => {
    const ref = await chatOf(60, { words: 900, settings: { summarizeAfterTokens: 1_000_000, keepRecentTokens: 0 } });
    await scheduleSummary(ref);
    const model = bench();
    const { summarizer } = model.parts;
    const flaky: Bench = {
      ...model,
      parts: {
        ...model.parts,
        summarizer: {
          summarize: async (request) => {
            if (model.asked.length === 1) throw new ProviderError("invalid_answer", "for the test");
            return summarizer.summarize(request);
          },
        },
      },
    };
    await deliver(ref, flaky);
    const versions = unwrap(await sessionAt(ref).summaries(undefined, 9)).data;
    // Nothing is saved where a part ended: the model's answers wait in the job for the better summary.
    expect(versions).toMatchObject([{ version: 1, degraded: true, throughSeq: 56 }]);
    const good = model.asked[0]?.at(-1) ?? 0;
    await deliver(ref, model);
    expect(await newest(ref)).toMatchObject({ degraded: false, throughSeq: 56 });
    expect(model.asked.slice(1).flat()[0]).toBe(good + 1);
  });

  it("makes a marked extractive summary if the tenant's budget for models is used up", async () => {
    const ref = await chatOf(12);
    await scheduleSummary(ref);
    const model = bench();
    model.tenant = { ...UNSET_TENANT, isOverBudget: true };
    await deliver(ref, model);
    expect(await newest(ref)).toMatchObject({ degraded: true, summarizer: "extractive" });
    expect(model.asked).toEqual([]);
    await deliver(ref, model);
    expect(await summarizeJob(ref)).toMatchObject({
      last_error: "summarizer over_budget",
      details: { is: "upgrade" },
    });
    model.tenant = UNSET_TENANT;
    await deliver(ref, model);
    expect(await newest(ref)).toMatchObject({ degraded: false });
    expect(model.spent).toEqual([100]);
  });

  it("makes a marked extractive summary if the session's own budget is used up, and counts what was spent", async () => {
    const ref = await chatOf(12, { settings: { summarizerTokensPerDay: 100 } });
    await scheduleSummary(ref);
    const model = bench();
    await deliver(ref, model);
    expect(await newest(ref)).toMatchObject({ degraded: false });
    await withoutAlarm(ref, (session) =>
      session.append({ messages: Array.from({ length: 6 }, (_, at) => said(`Later ${at} in the harbour.`)) }, null),
    );
    await scheduleSummary(ref);
    await deliver(ref, model);
    expect(await newest(ref)).toMatchObject({ degraded: true });
    expect(model.asked).toHaveLength(1);
  });

  it("leaves a paused tenant's summaries pending, and makes them afterwards", async () => {
    const ref = await chatOf(12);
    await scheduleSummary(ref);
    const model = bench();
    model.tenant = { ...UNSET_TENANT, summarization: "paused" };
    await deliver(ref, model);
    expect(await newest(ref)).toBeUndefined();
    expect(await summarizeJob(ref)).toMatchObject({ failures: 0, state: "pending" });
    model.tenant = UNSET_TENANT;
    await deliver(ref, model);
    expect(await newest(ref)).toMatchObject({ degraded: false });
  });
});
