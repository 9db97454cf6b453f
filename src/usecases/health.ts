import type { ComponentHealth, ComponentName, HealthStatus, OperationsHealth, Readiness } from "../api/health.ts";
import { withTimeout } from "../lib/with-timeout.ts";
import type { Backlog } from "../telemetry/backlog.ts";

/** The backlog of one queue, as far as health depends on it. */
export type QueueBacklog = Pick<Backlog, "queue" | "messages" | "oldestAt">;

/** The checks of all components. Each rejects, or does not answer, if its component is unavailable. */
export interface HealthProbes {
  /** Reads a session object that is never written to. */
  readonly readCanary: () => Promise<unknown>;
  readonly readOperations: () => Promise<OperationsHealth>;
  readonly pingArchive: () => Promise<void>;
  /** Null if the platform does not report backlogs. */
  readonly readQueues: () => Promise<readonly QueueBacklog[] | null>;
  readonly pingSummarizer: () => Promise<void>;
  /** Whether the summarizer is not called for a while after failures. */
  readonly isSummarizerResting: () => boolean;
}

/** A component that does not answer within this time counts as unavailable, in ms. */
const CHECK_TIMEOUT_MS = 2_000;
/**
 * More messages than a burst leaves behind, and fewer than would delay other work noticeably: sending 5,000 messages
 * takes a second.
 */
export const BACKLOG_MESSAGES = 5_000;
/** If a message waits this long, in ms, no consumer takes it: a batch waits for seconds at most. */
export const BACKLOG_AGE_MS = 60_000;
/**
 * A job that is pending this long, in ms, was sent three times, with pauses of one and two minutes, and was never
 * confirmed.
 */
export const PENDING_AGE_MS = 240_000;
/** A few failing jobs are a problem of their sessions; this many are a problem of the service. */
const MANY_FAILED_JOBS = 100;

type Looked = Omit<ComponentHealth, "latencyMs">;

const AWAY = "unreachable";

/** Runs one check with a timeout. */
async function look(body: () => Promise<Looked>, whenAway: ComponentHealth["status"]): Promise<ComponentHealth> {
  const startedAt = Date.now();
  try {
    const looked = await withTimeout(body(), CHECK_TIMEOUT_MS, (): Looked => {
      return { status: whenAway, detail: `no answer within ${CHECK_TIMEOUT_MS} ms` };
    });
    return { ...looked, latencyMs: Date.now() - startedAt };
  } catch {
    // The error is not reported, because it may contain addresses. It is in the logs of the component's other callers.
    return { status: whenAway, latencyMs: Date.now() - startedAt, detail: AWAY };
  }
}

async function isThere(body: () => Promise<unknown>): Promise<Looked> {
  await body();
  return { status: "ok" };
}

/** @param now ms since 1970 */
function judgeQueues(queues: readonly QueueBacklog[] | null, now: number): Looked {
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

function judgeFailedJobs({ failedJobs, tenantsOverBudget }: OperationsHealth): Looked {
  const measures = { jobs: failedJobs, tenantsOverBudget };
  if (failedJobs < MANY_FAILED_JOBS) return { status: "ok", measures };
  return { status: "degraded", detail: "many jobs keep failing: see GET /v1/admin/jobs", measures };
}

/** @param now ms since 1970 */
function judgePendingWork({ oldestScheduledAt }: OperationsHealth, now: number): Looked {
  const oldestMs = oldestScheduledAt === null ? 0 : Math.max(0, now - oldestScheduledAt);
  const measures = { oldestSeconds: Math.floor(oldestMs / 1000) };
  if (oldestMs < PENDING_AGE_MS) return { status: "ok", measures };
  return { status: "degraded", detail: "work is pending and not confirmed", measures };
}

/**
 * The service is `down` only without sessions. Without any other component contexts and appends still work, so that is
 * `degraded`.
 */
function overallStatus(components: Readiness["components"]): HealthStatus {
  const statuses = new Set(Object.values(components).map(({ status }) => status));
  if (statuses.has("down")) return "down";
  return statuses.has("degraded") ? "degraded" : "ok";
}

/** Checks every component of the service. Never rejects. */
export async function checkReadiness(probes: HealthProbes): Promise<Readiness> {
  const now = Date.now();
  // One request answers three of the checks.
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

/** The report for everybody: the status of each component, without measured values. */
export function withoutDetails({ status, checkedAt, components }: Readiness): Readiness {
  return {
    status,
    checkedAt,
    components: Object.fromEntries(Object.entries(components).map(([name, part]) => [name, { status: part.status }])),
  };
}
