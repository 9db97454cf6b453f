import type { JobMessage } from "../api/job.ts";
import type { Database } from "../archive/database.ts";
import type { OperationsClient } from "../control/client.ts";
import type { OutageClient } from "../control/outage-client.ts";
import type { DirectoryClient } from "../directory/client.ts";
import type { UserClient } from "../directory/user-client.ts";
import type { Embedder } from "../embedder/client.ts";
import { awayDelaySeconds, unreachableDelaySeconds } from "../lib/retry-policy.ts";
import type { SessionClient } from "../session/client.ts";
import type { SummarizerClient } from "../summarizer/client.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { TenantClient } from "../tenant/client.ts";
import type { JobLedger } from "./job-ledger.ts";

/** What the consumers are made of; the entry hands it over. */
export interface PipelineDeps {
  readonly sessions: SessionClient;
  readonly directory: DirectoryClient;
  readonly users: UserClient;
  readonly tenants: Pick<TenantClient, "read" | "spend" | "spendOnEmbeddings">;
  readonly operations: OperationsClient;
  /** Hears of PostgreSQL being away. */
  readonly archiveOutage: OutageClient;
  readonly summarizer: SummarizerClient;
  /** Serves where the summarizer is away, marked as degraded; null where nothing less would be left. */
  readonly fallback: SummarizerClient | null;
  /** Makes vectors of what may be found by its meaning; null where that is off. */
  readonly embedder: Embedder | null;
  /** Runs a body on a connection of its own, for the requests that these traces are of. */
  readonly withDatabase: <T>(body: (database: Database) => Promise<T>, traceIds?: readonly string[]) => Promise<T>;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Of the batch that is being handled. */
  readonly ledger?: JobLedger;
}

/** What becomes of a delivery. The object keeps the work until it is confirmed, so an acknowledged delivery loses nothing. */
export type Verdict = { readonly verdict: "ack" } | { readonly verdict: "retry"; readonly delaySeconds: number };

export const ACK: Verdict = { verdict: "ack" };

/** A delivery with a body that was understood. */
export interface Delivery {
  readonly job: JobMessage;
  readonly attempts: number;
}

/** For a message whose object is out of reach. */
export function retryLater(attempts: number): Verdict {
  return { verdict: "retry", delaySeconds: unreachableDelaySeconds(attempts) };
}

/** Deliveries that are waited with, before the object is relied on, which has sent others by then. The queue would take later ones for dead. */
const MAX_WAITS = 50;

/** For a message whose object has nothing to do with what is away: it is not woken for that. */
export function waitOut(attempts: number, random: number): Verdict {
  if (attempts >= MAX_WAITS) return ACK;
  return { verdict: "retry", delaySeconds: awayDelaySeconds(attempts, random) };
}
