/** What operators see, for a service that is well and that pays nobody: a failed job, an alert, runs, and a month's spending. */

import type { AlertList } from "../../src/api/alert.ts";
import type { Failure } from "../../src/api/job.ts";
import type { OperationRun } from "../../src/api/operation-run.ts";

export const FAILED: Failure = {
  jobId: "made-up-by-the-test",
  kind: "archive",
  tenant: "local",
  owner: "-",
  session: "of-nobody",
  state: "failed",
  reason: "PostgreSQL was away",
  attempts: 10,
  firstError: "connection refused",
  firstFailedAt: "2026-11-30T00:00:00.000Z",
  lastError: "connection refused",
  lastFailedAt: "2026-11-30T01:00:00.000Z",
};

export const SPENDING = {
  tenant: "local",
  days: Array.from({ length: 31 }, (_, index) => ({
    day: new Date(Date.now() - (30 - index) * 86_400_000).toISOString().slice(0, 10),
    ...(index < 30
      ? { inputTokens: 0, outputTokens: 0, costMicroDollars: 0 }
      : { inputTokens: 412_096, outputTokens: 30_410, costMicroDollars: 86_300 }),
    embeddings: { inputTokens: 0, costMicroDollars: 0 },
  })),
};

/** One that is running and can be cancelled, and one that failed. */
export const RUNNING: OperationRun = {
  id: "run-of-the-test",
  op: "verify",
  tenant: "local",
  dryRun: true,
  status: "running",
  progress: { done: 1_200, failed: 3, total: 4_000 },
  report: { counts: {}, failures: [], findings: [], notes: [] },
  error: null,
  createdAt: "2026-11-30T00:00:00.000Z",
  updatedAt: "2026-11-30T00:00:00.000Z",
  finishedAt: null,
};
export const FAILED_RUN: OperationRun = {
  ...RUNNING,
  id: "failed-run",
  op: "rebuild",
  status: "failed",
  error: "No database",
};

export const ALERTS: AlertList = {
  data: [
    {
      id: "alert-of-the-test",
      kind: "queue-backlog",
      startedAt: "2026-11-30T00:00:00.000Z",
      since: "2026-11-30T00:00:00.000Z",
      lastSeenAt: "2026-11-30T01:00:00.000Z",
      detail: "The oldest message has waited for 900 s",
      measures: { oldestSeconds: 900 },
      runbook: "docs/operate.md#queue-backlog",
    },
  ],
  hasMore: false,
  nextCursor: null,
  checkedAt: "2026-11-30T01:00:00.000Z",
  pendingNotices: 0,
};
