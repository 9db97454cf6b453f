/**
 * Data points for Analytics Engine: one for each operation (or for a share of them), job, call of the embeddings model and read of a tenant copy.
 * A point names the tenant, but no user, no session and no text of a chat. Analytics Engine identifies columns by number, so columns are
 * only ever added, and a column never changes its meaning.
 */

import type { EmbeddingUsage } from "../api/embedding.ts";

/** The binding of a dataset. `writeDataPoint` returns immediately and does not delay the request. */
export interface MetricsDataset {
  writeDataPoint(point: { indexes: string[]; blobs: string[]; doubles: number[] }): void;
}

/**
 * The meaning of each text column: the first is `blob1`. Only append to it. docs/metrics.md lists the same columns, and
 * a test compares them.
 * @internal A test compares the columns with the documents.
 */
export const BLOBS = ["point", "name", "result", "actor", "model"] as const;
/**
 * The meaning of each number column, from `double1` on.
 * @internal A test compares the columns with the documents.
 */
export const DOUBLES = [
  "durationMs",
  "attempts",
  "inputTokens",
  "outputTokens",
  "costMicroDollars",
  "fallbacks",
  "waitedMs",
  "weight",
] as const;

/** An operation that takes longer has its point whatever the share, in ms. */
const SLOW_MS = 1_000;

/** The largest index in bytes. Analytics Engine samples by index, so a point's index is its tenant. */
const MAX_INDEX_BYTES = 96;
const NO_TENANT = "-";

export interface MeasuredOperation {
  /** The name of the action in the audit log. */
  readonly action: string;
  /** `ok`, or the code of the problem. */
  readonly result: string;
  readonly tenant: string;
  /** The kind of principal. */
  readonly actor: string;
  /** Time until the answer was ready, or for a stream, until its first line was. */
  readonly durationMs: number;
}

export interface MeasuredJob {
  readonly kind: string;
  /**
   * `ok`; `failed`: its object will retry it; `gave-up`: it failed too often; `retried`: the queue will deliver it
   * again; `unknown`: its body was not understood; `dead`: the queue gave it up.
   */
  readonly result: "ok" | "failed" | "gave-up" | "retried" | "unknown" | "dead";
  readonly tenant: string;
  /** Time of the delivery; for an archive job, of the batch that it was written with. */
  readonly durationMs: number;
  /** Deliveries of this message so far, including this one. */
  readonly attempts: number;
  /** Time between sending the message and the start of this delivery. */
  readonly waitedMs: number;
  readonly spent: MeasuredSpending;
}

/** What one delivery of a job used of summarizers, including failed attempts. */
export interface MeasuredSpending {
  /** The last model that answered; empty if none was asked. */
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Millionths of a US dollar; 0 if no prices are configured. */
  readonly costMicroDollars: number;
  /** How many chunks the extractive summarizer summarized in place of the model. */
  readonly fallbacks: number;
}

export const NOTHING_MEASURED: MeasuredSpending = {
  model: "",
  inputTokens: 0,
  outputTokens: 0,
  costMicroDollars: 0,
  fallbacks: 0,
};

/** A call of the embeddings model. */
export interface MeasuredEmbedding {
  /** Its purpose: the vector of a query, or vectors of a session's messages and items. */
  readonly of: "query" | "session";
  /** `ok`; `late`: the answer arrived after the read that needed it; or the kind of the failure. */
  readonly result: string;
  readonly tenant: string;
  readonly model: string;
  readonly durationMs: number;
  readonly usage: EmbeddingUsage;
}

/** A read of a tenant copy, which happens only while the tenant's object does not answer. */
export interface MeasuredTenantCopy {
  /** `none`: there is no copy; `unreadable`: it was sealed with another admin key; `unavailable`: Workers KV failed. */
  readonly result: "ok" | "none" | "unreadable" | "unavailable";
  readonly tenant: string;
  readonly durationMs: number;
}

export interface Metrics {
  operation(measured: MeasuredOperation): void;
  job(measured: MeasuredJob): void;
  embedding(measured: MeasuredEmbedding): void;
  tenantCopy(measured: MeasuredTenantCopy): void;
}

type Columns = Readonly<Record<(typeof BLOBS)[number], string> & Record<(typeof DOUBLES)[number], number>>;

/**
 * @param dataset undefined if the deployment lacks the binding; then nothing is written
 * @param share of operations that succeeded within a second, how many have a point, 0 to 1. Its weight is then how many
 *   operations it stands for, so sums stay right. Everything else always has a point.
 */
export function createMetrics(dataset: MetricsDataset | undefined, share = 1, random = Math.random): Metrics {
  const write = (tenant: string, columns: Columns): void => {
    try {
      dataset?.writeDataPoint({
        indexes: [indexOf(tenant)],
        blobs: BLOBS.map((name) => columns[name]),
        doubles: DOUBLES.map((name) => columns[name]),
      });
    } catch {
      // There is a limit of points per invocation. A lost point is better than a failed request.
    }
  };
  return {
    operation({ action, result, tenant, actor, durationMs }) {
      const isThinned = result === "ok" && durationMs <= SLOW_MS;
      if (isThinned && random() >= share) return;
      const { fallbacks, ...spent } = NOTHING_MEASURED;
      write(tenant, {
        point: "operation",
        name: action,
        result,
        actor,
        durationMs,
        attempts: 0,
        waitedMs: 0,
        fallbacks,
        weight: isThinned ? 1 / share : 1,
        ...spent,
      });
    },
    job({ kind, result, tenant, durationMs, attempts, waitedMs, spent }) {
      write(tenant, {
        point: "job",
        name: kind,
        result,
        actor: "",
        durationMs,
        attempts,
        waitedMs,
        weight: 1,
        ...spent,
      });
    },
    embedding({ of, result, tenant, model, durationMs, usage }) {
      const { inputTokens, costMicroDollars = 0 } = usage;
      const spent = { ...NOTHING_MEASURED, model, inputTokens, costMicroDollars };
      write(tenant, {
        point: "embedding",
        name: of,
        result,
        actor: "",
        durationMs,
        attempts: 0,
        waitedMs: 0,
        weight: 1,
        ...spent,
      });
    },
    tenantCopy({ result, tenant, durationMs }) {
      write(tenant, {
        point: "tenant-copy",
        name: "read",
        result,
        actor: "",
        durationMs,
        attempts: 0,
        waitedMs: 0,
        weight: 1,
        ...NOTHING_MEASURED,
      });
    },
  };
}

function indexOf(tenant: string): string {
  if (tenant === "") return NO_TENANT;
  return new TextEncoder().encode(tenant).length <= MAX_INDEX_BYTES ? tenant : tenant.slice(0, MAX_INDEX_BYTES / 4);
}
