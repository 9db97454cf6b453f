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

/** The dependencies of the queue consumers, built in `assembly.ts`. */
export interface PipelineDeps {
  readonly sessions: SessionClient;
  readonly directory: DirectoryClient;
  readonly users: UserClient;
  readonly tenants: Pick<TenantClient, "read" | "spend" | "spendOnEmbeddings">;
  readonly operations: OperationsClient;
  /** Is told when PostgreSQL is out of reach, and when it is back. */
  readonly archiveOutage: OutageClient;
  readonly summarizer: SummarizerClient;
  /**
   * Makes summaries, marked as degraded, while the summarizer is unavailable. Null if the summarizer itself is the
   * simplest one.
   */
  readonly fallback: SummarizerClient | null;
  /** Embeds texts for retrieval by meaning; null if embeddings are switched off. */
  readonly embedder: Embedder | null;
  /**
   * Runs `body` with a database connection of its own. `traceIds` name the requests that the database calls belong to.
   */
  readonly withDatabase: <T>(body: (database: Database) => Promise<T>, traceIds?: readonly string[]) => Promise<T>;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** Of the batch that is being handled. */
  readonly ledger?: JobLedger;
}

/**
 * What to do with a queue message. A session keeps its job pending until it is confirmed, so acknowledging a message
 * loses no work.
 */
export type Verdict = { readonly verdict: "ack" } | { readonly verdict: "retry"; readonly delaySeconds: number };

export const ACK: Verdict = { verdict: "ack" };

/** A queue message whose body is a valid job. */
export interface Delivery {
  readonly job: JobMessage;
  readonly attempts: number;
}

/** The verdict for a message whose session object is out of reach. */
export function retryLater(attempts: number): Verdict {
  return { verdict: "retry", delaySeconds: unreachableDelaySeconds(attempts) };
}

/**
 * Deliveries after which the message is acknowledged without being handled: the session has sent others by then, and
 * the queue would treat later deliveries of this one as dead letters.
 */
const MAX_WAITS = 50;

/**
 * The verdict for a message that waits for a system other than its session (PostgreSQL): the session object is not
 * woken up for it.
 */
export function waitOut(attempts: number, random: number): Verdict {
  if (attempts >= MAX_WAITS) return ACK;
  return { verdict: "retry", delaySeconds: awayDelaySeconds(attempts, random) };
}
