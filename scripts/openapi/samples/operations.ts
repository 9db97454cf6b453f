/** Examples: operations. */

import type { NewOperation, OperationRun } from "../../../src/api/operation-run.ts";
import type { Page } from "../../../src/api/page.ts";

const newOperation: Partial<NewOperation> = { id: "rebuild-acme-1", op: "rebuild", tenant: "acme", user: "ada" };

const queuedRun: OperationRun = {
  id: "rebuild-acme-1",
  op: "rebuild",
  tenant: "acme",
  user: "ada",
  dryRun: false,
  status: "queued",
  progress: { done: 0, failed: 0, total: null },
  report: { counts: {}, failures: [], findings: [], notes: [] },
  error: null,
  createdAt: "2026-11-22T11:00:00.000Z",
  updatedAt: "2026-11-22T11:00:00.000Z",
  finishedAt: null,
};
const run: OperationRun = {
  ...queuedRun,
  status: "complete",
  progress: { done: 12, failed: 1, total: null },
  report: {
    counts: { scheduled: 9, nothing: 2, failed: 1 },
    failures: [{ tenant: "acme", user: "ada", session: "chat-7", reason: "unavailable" }],
    findings: [],
    notes: [],
  },
  updatedAt: "2026-11-22T11:00:03.000Z",
  finishedAt: "2026-11-22T11:00:03.000Z",
};
const cancelledRun: OperationRun = { ...run, status: "cancelled" };
const runPage: Page<OperationRun> = { data: [run], hasMore: false, nextCursor: null };

export const operationSample = { newOperation, queuedRun, run, cancelledRun, runPage };
