/** Vectors of queries, for reads that do not wait long for them. */
import type { EmbeddingUsage, QueryMeaning } from "../api/embedding.ts";
import type { QueryEmbedder } from "../embedder/client.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { errorFields } from "../telemetry/redact.ts";

export interface QueryMeaningOptions {
  readonly embedder: QueryEmbedder;
  readonly tenants: {
    read(tenant: string): Promise<{ readonly isOverBudget: boolean }>;
    spendOnEmbeddings(tenant: string, usage: EmbeddingUsage): Promise<void>;
  };
  readonly metrics: Pick<Metrics, "embedding">;
  readonly log: Log;
  /** Keeps work alive that continues after its request was answered. */
  readonly keepAlive: (work: Promise<unknown>) => void;
  readonly pause: (ms: number) => Promise<unknown>;
}

/** The vector of a tenant's query, or why it is not available in time. Never rejects. */
export type MeaningOf = (tenant: string, query: string) => Promise<QueryMeaning>;

/**
 * How long the usage of queries is summed up before it is reported to the tenant's object, in ms. Reporting each query
 * would cost a request and a row each.
 */
const TELL_EVERY_MS = 5_000;

export function createMeaningOf({ embedder, tenants, metrics, log, keepAlive, pause }: QueryMeaningOptions): MeaningOf {
  /** Usage that is not reported yet, by tenant. */
  const untold = new Map<string, EmbeddingUsage>();

  async function tell(tenant: string): Promise<void> {
    await pause(TELL_EVERY_MS);
    const usage = untold.get(tenant);
    untold.delete(tenant);
    try {
      if (usage !== undefined) await tenants.spendOnEmbeddings(tenant, usage);
    } catch (error) {
      log.warn("spending_not_counted", { tenant, ...errorFields(error) });
    }
  }

  function count(tenant: string, { inputTokens, costMicroDollars }: EmbeddingUsage): void {
    if (inputTokens === 0) return;
    const before = untold.get(tenant);
    const costs = [before?.costMicroDollars, costMicroDollars].filter((cost) => cost !== undefined);
    untold.set(tenant, {
      inputTokens: (before?.inputTokens ?? 0) + inputTokens,
      ...(costs.length === 0 ? {} : { costMicroDollars: costs.reduce((sum, cost) => sum + cost, 0) }),
    });
    if (before === undefined) keepAlive(tell(tenant));
  }

  return async (tenant, query) => {
    if ((await tenants.read(tenant)).isOverBudget) return { without: "budget" };
    return embedder.meaningOf(query, (usage, { result, durationMs }) => {
      metrics.embedding({ of: "query", result, tenant, model: embedder.model, durationMs, usage });
      count(tenant, usage);
    });
  };
}
