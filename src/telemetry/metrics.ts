/**
 * One data point an operation and a job, for Analytics Engine. A point names tenants, and neither users, sessions nor what was said.
 * Columns have numbers alone there, so that the layout only grows: a column keeps its meaning for good.
 */

import type { EmbeddingUsage } from "../api/embedding.ts";

/** What is written to: the binding of a dataset. It returns at once, and costs the request nothing. */
export interface MetricsDataset {
  writeDataPoint(point: { indexes: string[]; blobs: string[]; doubles: number[] }): void;
}

/** The meaning of each column by its place: the first is `blob1`. Append only; docs/metrics.md tells the same, and a test compares. */
export const BLOBS = ["point", "name", "result", "actor", "model"] as const;
/** As `BLOBS`, from `double1` on. */
export const DOUBLES = [
  "durationMs",
  "attempts",
  "inputTokens",
  "outputTokens",
  "costMicroDollars",
  "fallbacks",
  "waitedMs",
] as const;

/** An index may have as many bytes; sampling is by index, and that of a point is its tenant. */
const MAX_INDEX_BYTES = 96;
const NO_TENANT = "-";

export interface MeasuredOperation {
  /** As the audit names it. */
  readonly action: string;
  /** `ok`, or the code of the problem. */
  readonly result: string;
  readonly tenant: string;
  /** The kind of principal. */
  readonly actor: string;
  /** Until its answer was there; of a stream until the first line was. */
  readonly durationMs: number;
}

export interface MeasuredJob {
  readonly kind: string;
  /**
   * `ok`; `failed`: to be tried again by its object; `gave-up`; `retried`: the queue delivers it again; `unknown`: the body was not
   * understood; `dead`: the queue gave it up
   */
  readonly result: "ok" | "failed" | "gave-up" | "retried" | "unknown" | "dead";
  readonly tenant: string;
  /** Of an archive job: that of the batch that it was written with. */
  readonly durationMs: number;
  /** Deliveries of this message so far, this one among them. */
  readonly attempts: number;
  /** Between the sending of the message and the beginning of this delivery. */
  readonly waitedMs: number;
  readonly spent: MeasuredSpending;
}

/** What a job spent on summarizers in one delivery, also in vain. */
export interface MeasuredSpending {
  /** The last that answered; empty if none was asked. */
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Millionths of a US dollar; 0 where no prices are set. */
  readonly costMicroDollars: number;
  /** Chunks that the extractive summarizer stood in for. */
  readonly fallbacks: number;
}

export const NOTHING_MEASURED: MeasuredSpending = {
  model: "",
  inputTokens: 0,
  outputTokens: 0,
  costMicroDollars: 0,
  fallbacks: 0,
};

/** A call of the model that makes vectors. */
export interface MeasuredEmbedding {
  /** What for: a query, or what is to be found. */
  readonly of: "query" | "session";
  /** `ok`; `late`: after the read that it was for; or the kind of the failure. */
  readonly result: string;
  readonly tenant: string;
  readonly model: string;
  readonly durationMs: number;
  readonly usage: EmbeddingUsage;
}

export interface Metrics {
  operation(measured: MeasuredOperation): void;
  job(measured: MeasuredJob): void;
  embedding(measured: MeasuredEmbedding): void;
}

type Columns = Readonly<Record<(typeof BLOBS)[number], string> & Record<(typeof DOUBLES)[number], number>>;

/** @param dataset undefined where there is none, as in a deployment that lacks the binding */
export function createMetrics(dataset: MetricsDataset | undefined): Metrics {
  const write = (tenant: string, columns: Columns): void => {
    try {
      dataset?.writeDataPoint({
        indexes: [indexOf(tenant)],
        blobs: BLOBS.map((name) => columns[name]),
        doubles: DOUBLES.map((name) => columns[name]),
      });
    } catch {
      // More points than one invocation may write, or none at all: what was measured is worth less than what was done.
    }
  };
  return {
    operation({ action, result, tenant, actor, durationMs }) {
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
        ...spent,
      });
    },
    job({ kind, result, tenant, durationMs, attempts, waitedMs, spent }) {
      write(tenant, { point: "job", name: kind, result, actor: "", durationMs, attempts, waitedMs, ...spent });
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
        ...spent,
      });
    },
  };
}

function indexOf(tenant: string): string {
  if (tenant === "") return NO_TENANT;
  return new TextEncoder().encode(tenant).length <= MAX_INDEX_BYTES ? tenant : tenant.slice(0, MAX_INDEX_BYTES / 4);
}
