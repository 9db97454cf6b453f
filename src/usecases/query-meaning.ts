/** Vectors of queries, for reads that do not wait long for them. */
import type { EmbeddingUsage, QueryMeaning } from "../api/embedding.ts";
import type { QueryEmbedder } from "../embedder/client.ts";
import { setNewest } from "../lib/lru.ts";
import { withTimeout } from "../lib/with-timeout.ts";
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
  readonly now?: () => number;
}

/**
 * The vector of a tenant's query, or why it is not available in time. Never rejects.
 * @param user the name that the caller's requests are paced by; null for a back end, which acts for many users
 */
export type MeaningOf = (tenant: string, query: string, user: string | null) => Promise<QueryMeaning>;

/**
 * How long the usage of queries is summed up before it is reported to the tenant's object, in ms. Reporting each query
 * would cost a request and a row each.
 */
const TELL_EVERY_MS = 5_000;

/**
 * How long a query waits to learn whether its tenant has used up its budget, in ms. A request knows that already; a
 * session's object, which answers the frames on its sockets, may have to ask for it first.
 */
const BUDGET_DEADLINE_MS = 150;

/**
 * How many queries of a user an isolate has embedded in a minute; further ones are searched for by words. Nobody asks
 * more often, and the operator pays for each: the limit of requests alone would allow 864,000 a day.
 */
export const USER_QUERIES_PER_MINUTE = 30;
const MINUTE_MS = 60_000;
/** How many users are remembered, at about 100 bytes each. */
const MAX_USERS = 5_000;

export function createMeaningOf({
  embedder,
  tenants,
  metrics,
  log,
  keepAlive,
  pause,
  now = Date.now,
}: QueryMeaningOptions): MeaningOf {
  /** Usage that is not reported yet, by tenant. */
  const untold = new Map<string, EmbeddingUsage>();
  /** How many queries each user has had embedded in a minute. */
  const asked = new Map<string, { readonly minute: number; readonly count: number }>();

  function isWithinMinute(user: string): boolean {
    const minute = Math.floor(now() / MINUTE_MS);
    const known = asked.get(user);
    const before = known?.minute === minute ? known.count : 0;
    setNewest(asked, user, { minute, count: before + 1 }, MAX_USERS);
    return before < USER_QUERIES_PER_MINUTE;
  }

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

  return async (tenant, query, user) => {
    if (user !== null && !isWithinMinute(user)) return { without: "budget" };
    const settings = await withTimeout(tenants.read(tenant), BUDGET_DEADLINE_MS, () => null);
    if (settings === null) return { without: "late" };
    if (settings.isOverBudget) return { without: "budget" };
    return embedder.meaningOf(query, (usage, { result, durationMs }) => {
      metrics.embedding({ of: "query", result, tenant, model: embedder.model, durationMs, usage });
      count(tenant, usage);
    });
  };
}
