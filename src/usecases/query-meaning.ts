/** What queries mean, for reads that do not wait for it. */
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
  /** Keeps what goes on after its request was answered alive. */
  readonly keepAlive: (work: Promise<unknown>) => void;
  readonly pause: (ms: number) => Promise<unknown>;
}

/** What a query of a tenant means, or why that is not known in time. Never rejects. */
export type MeaningOf = (tenant: string, query: string) => Promise<QueryMeaning>;

/** What queries took is told to the tenant's object at once for many: each would else cost a request and a row of its own. */
const TELL_EVERY_MS = 5_000;

export function createMeaningOf({ embedder, tenants, metrics, log, keepAlive, pause }: QueryMeaningOptions): MeaningOf {
  /** By tenant, what is not told yet. */
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
