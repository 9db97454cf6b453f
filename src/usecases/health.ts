import type { ComponentHealth, ComponentName, HealthStatus, OperationsHealth, Readiness } from "../api/health.ts";
import { withTimeout } from "../lib/with-timeout.ts";
import type { Backlog } from "../telemetry/backlog.ts";

/** One queue, as far as it tells of health. */
export type QueueBacklog = Pick<Backlog, "queue" | "messages" | "oldestAt">;

/** What is looked at. Each rejects, or does not answer, if its part is away. */
export interface HealthProbes {
  /** Reads an object that is never written to. */
  readonly readCanary: () => Promise<unknown>;
  readonly readOperations: () => Promise<OperationsHealth>;
  readonly pingArchive: () => Promise<void>;
  /** Null where the platform counts none. */
  readonly readQueues: () => Promise<readonly QueueBacklog[] | null>;
  readonly pingSummarizer: () => Promise<void>;
  /** Whether the summarizer is left alone after failures. */
  readonly isSummarizerResting: () => boolean;
}

/** A component that takes longer counts as away. */
const CHECK_TIMEOUT_MS = 2_000;
/** More than a burst leaves behind, less than a queue holds back of other work: 5,000 messages take a second to be sent. */
export const BACKLOG_MESSAGES = 5_000;
/** A message that waits so long is one that nobody takes. A batch waits for seconds at most. */
export const BACKLOG_AGE_MS = 60_000;
/** Work that is pending for so long was sent three times, with a minute and two between them, and was not confirmed. */
export const PENDING_AGE_MS = 240_000;
/** A single job that fails is its session's trouble; so many are the service's. */
const MANY_FAILED_JOBS = 100;

type Looked = Omit<ComponentHealth, "latencyMs">;

const AWAY = "unreachable";

/** Looks, for a short time at most. */
async function look(body: () => Promise<Looked>, whenAway: ComponentHealth["status"]): Promise<ComponentHealth> {
  const startedAt = Date.now();
  try {
    const looked = await withTimeout(body(), CHECK_TIMEOUT_MS, (): Looked => {
      return { status: whenAway, detail: `no answer within ${CHECK_TIMEOUT_MS} ms` };
    });
    return { ...looked, latencyMs: Date.now() - startedAt };
  } catch {
    // Why it is away may name addresses; the logs of whoever needs the part tell more.
    return { status: whenAway, latencyMs: Date.now() - startedAt, detail: AWAY };
  }
}

async function isThere(body: () => Promise<unknown>): Promise<Looked> {
  await body();
  return { status: "ok" };
}

/** @param now ms since 1970 */
export function judgeQueues(queues: readonly QueueBacklog[] | null, now: number): Looked {
  if (queues === null) return { status: "unknown", detail: "the platform does not count them here" };
  const messages = queues.reduce((sum, queue) => sum + queue.messages, 0);
  const ages = queues.map(({ oldestAt }) => (oldestAt === null ? 0 : Math.max(0, now - oldestAt)));
  const oldestMs = Math.max(0, ...ages);
  const measures = { messages, oldestSeconds: Math.floor(oldestMs / 1000) };
  const full = queues.filter(
    (queue, index) => queue.messages >= BACKLOG_MESSAGES || (ages[index] ?? 0) >= BACKLOG_AGE_MS,
  );
  if (full.length === 0) return { status: "ok", measures };
  return { status: "degraded", detail: `not drained: ${full.map(({ queue }) => queue).join(", ")}`, measures };
}

export function judgeFailedJobs({ failedJobs, tenantsOverBudget }: OperationsHealth): Looked {
  const measures = { jobs: failedJobs, tenantsOverBudget };
  if (failedJobs < MANY_FAILED_JOBS) return { status: "ok", measures };
  return { status: "degraded", detail: "many jobs keep failing: see GET /v1/admin/jobs", measures };
}

/** @param now ms since 1970 */
export function judgePendingWork({ oldestScheduledAt }: OperationsHealth, now: number): Looked {
  const oldestMs = oldestScheduledAt === null ? 0 : Math.max(0, now - oldestScheduledAt);
  const measures = { oldestSeconds: Math.floor(oldestMs / 1000) };
  if (oldestMs < PENDING_AGE_MS) return { status: "ok", measures };
  return { status: "degraded", detail: "work is pending and not confirmed", measures };
}

/** Without sessions nothing is served. Without anything else the hot memory serves on, so that is `degraded`. */
export function overallStatus(components: Readiness["components"]): HealthStatus {
  const statuses = new Set(Object.values(components).map(({ status }) => status));
  if (statuses.has("down")) return "down";
  return statuses.has("degraded") ? "degraded" : "ok";
}

/** Looks at each component the service is made of. Never rejects. */
export async function checkReadiness(probes: HealthProbes): Promise<Readiness> {
  const now = Date.now();
  // One hop for three components; what it found is waited for by each of them.
  const operations = probes.readOperations();
  const [sessions, registry, postgres, queues, summarizer, failedJobs, pendingWork] = await Promise.all([
    look(() => isThere(probes.readCanary), "down"),
    look(() => isThere(() => operations), "degraded"),
    look(() => isThere(probes.pingArchive), "degraded"),
    look(async () => judgeQueues(await probes.readQueues(), now), "unknown"),
    look(() => lookAtSummarizer(probes), "degraded"),
    look(async () => judgeFailedJobs(await operations), "unknown"),
    look(async () => judgePendingWork(await operations, now), "unknown"),
  ]);
  const components = {
    sessions,
    operations: registry,
    postgres,
    queues,
    summarizer,
    failedJobs,
    pendingWork,
  } satisfies Record<ComponentName, ComponentHealth>;
  return { status: overallStatus(components), checkedAt: new Date(now).toISOString(), components };
}

async function lookAtSummarizer({ pingSummarizer, isSummarizerResting }: HealthProbes): Promise<Looked> {
  await pingSummarizer();
  if (isSummarizerResting()) return { status: "degraded", detail: "left alone for a while after failures" };
  return { status: "ok" };
}

/** What may be told to everybody: how each part does, and nothing that was counted. */
export function withoutDetails({ status, checkedAt, components }: Readiness): Readiness {
  return {
    status,
    checkedAt,
    components: Object.fromEntries(Object.entries(components).map(([name, part]) => [name, { status: part.status }])),
  };
}
