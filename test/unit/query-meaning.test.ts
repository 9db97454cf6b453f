import { describe, expect, it } from "vitest";
import type { EmbeddingUsage } from "../../src/api/embedding.ts";
import { createLog } from "../../src/telemetry/log.ts";
import type { MeasuredEmbedding } from "../../src/telemetry/metrics.ts";
import { createMeaningOf, USER_QUERIES_PER_MINUTE } from "../../src/usecases/query-meaning.ts";

const MODEL = "openai-compatible/stand-in";

function bench() {
  const state = { isOverBudget: false, isAway: false, isSilent: false, now: 0 };
  const told: [string, EmbeddingUsage][] = [];
  const measured: MeasuredEmbedding[] = [];
  const kept: Promise<unknown>[] = [];
  const lines: string[] = [];
  let asked = 0;
  let tell: () => void = () => undefined;
  const meaningOf = createMeaningOf({
    embedder: {
      model: MODEL,
      async meaningOf(_query, spend) {
        asked += 1;
        spend({ inputTokens: 7, costMicroDollars: 2 }, { result: "ok", durationMs: 20 });
        return { model: MODEL, vector: Float32Array.of(1) };
      },
    },
    tenants: {
      read: () =>
        state.isSilent ? new Promise(() => undefined) : Promise.resolve({ isOverBudget: state.isOverBudget }),
      async spendOnEmbeddings(tenant, usage) {
        if (state.isAway) throw new Error("away, for the test");
        told.push([tenant, usage]);
      },
    },
    metrics: { embedding: (done) => void measured.push(done) },
    log: createLog({ write: (_level, line) => void lines.push(line) }),
    keepAlive: (work) => void kept.push(work),
    pause: () => new Promise<void>((resolve) => (tell = resolve)),
    now: () => state.now,
  });
  const pass = async (): Promise<void> => {
    tell();
    await Promise.all(kept);
  };
  return { state, told, measured, lines, meaningOf, pass, asked: () => asked };
}

describe("the usage of a tenant's queries", () => {
  it("is measured for each, and reported to the tenant's object in batches", async () => {
    const { meaningOf, told, measured, pass } = bench();
    expect(await meaningOf("acme", "where do I live?", null)).toHaveProperty("vector");
    await meaningOf("acme", "and since when?", null);
    expect(told).toEqual([]);
    await pass();
    expect(told).toEqual([["acme", { inputTokens: 14, costMicroDollars: 4 }]]);
    expect(measured).toHaveLength(2);
    expect(measured[0]).toMatchObject({ of: "query", result: "ok", tenant: "acme", model: MODEL });
    await meaningOf("acme", "once more", null);
    await pass();
    expect(told).toHaveLength(2);
  });

  it("does not grow once the tenant's day is used up, because nothing is requested", async () => {
    const { meaningOf, state, asked } = bench();
    state.isOverBudget = true;
    expect(await meaningOf("acme", "where do I live?", null)).toEqual({ without: "budget" });
    expect(asked()).toBe(0);
  });

  it("does not grow if the tenant's object is too slow to say whether the day is used up, and the query is late", async () => {
    const { meaningOf, state, asked } = bench();
    state.isSilent = true;
    expect(await meaningOf("acme", "where do I live?", null)).toEqual({ without: "late" });
    expect(asked()).toBe(0);
  });

  it("grows by thirty queries of a user in a minute at most, and by all of those of a back end", async () => {
    const { meaningOf, state, asked } = bench();
    for (let at = 0; at < USER_QUERIES_PER_MINUTE; at += 1) await meaningOf("acme", `query ${at}`, "acme/ada");
    expect(await meaningOf("acme", "one more", "acme/ada")).toEqual({ without: "budget" });
    expect(asked()).toBe(USER_QUERIES_PER_MINUTE);
    expect(await meaningOf("acme", "one more", "acme/bo")).toHaveProperty("vector");
    expect(await meaningOf("acme", "one more", null)).toHaveProperty("vector");
    state.now = 60_000;
    expect(await meaningOf("acme", "one more", "acme/ada")).toHaveProperty("vector");
  });

  it("is logged if it cannot be reported, and no query fails", async () => {
    const { meaningOf, state, lines, pass } = bench();
    state.isAway = true;
    expect(await meaningOf("acme", "where do I live?", null)).toHaveProperty("vector");
    await pass();
    expect(lines.join()).toContain("spending_not_counted");
  });
});
