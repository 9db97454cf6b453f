/** Examples for operators: failed jobs, alerts and the audit log. */

import type { z } from "zod";
import type { AlertList } from "../../../src/api/alert.ts";
import type { AuditEvent } from "../../../src/api/audit.ts";
import type { JobDrop, JobRetries, JobRetry, retryRequestSchema } from "../../../src/api/failed-job.ts";
import type { Failure } from "../../../src/api/job.ts";
import type { Page } from "../../../src/api/page.ts";
import { sessionSamples } from "./sessions.ts";

const { session } = sessionSamples;

const failure: Failure = {
  jobId: "01KAP5T0Q4J8S1W4R2M8ZB6XNF",
  kind: "archive",
  tenant: "acme",
  owner: "-",
  session: session.id,
  state: "retrying",
  reason: "archive: ECONNREFUSED",
  attempts: 8,
  firstError: "archive: ETIMEDOUT",
  firstFailedAt: "2026-11-22T10:02:11.000Z",
  lastError: "archive: ECONNREFUSED",
  lastFailedAt: "2026-11-22T10:41:37.000Z",
};

const failurePage: Page<Failure> = { data: [failure], hasMore: false, nextCursor: null };

const jobRetry: JobRetry = { jobId: failure.jobId, outcome: "retried" };

const jobDrop: JobDrop = { jobId: failure.jobId, outcome: "dropped" };

const retryRequest: z.input<typeof retryRequestSchema> = { tenant: "acme", kind: "archive", limit: 50 };

const jobRetries: JobRetries = { retried: 50, gone: 0, left: [], hasMore: true, nextCursor: "WzE3OTUzMzcyMDAwMDBd" };

const alertList: AlertList = {
  data: [
    {
      id: "6f1d1c1e-8f0a-4a55-9d3e-0f6f2b0f9a11",
      kind: "postgres-away",
      startedAt: "2026-11-22T10:02:00.000Z",
      since: "2026-11-22T10:01:00.000Z",
      lastSeenAt: "2026-11-22T10:41:00.000Z",
      detail: "PostgreSQL does not answer; the archive and search across sessions wait. (unreachable)",
      measures: {},
      runbook: "docs/operate.md#postgres-away",
    },
  ],
  hasMore: false,
  nextCursor: null,
  checkedAt: "2026-11-22T10:41:00.000Z",
  pendingNotices: 0,
};

const auditPage: Page<AuditEvent> = {
  data: [
    {
      id: "0b6f1f2e-7f5c-4c0e-9a51-2f6d1f0c9a11",
      at: "2026-11-22T10:41:37.000Z",
      tenant: "acme",
      actor: { kind: "tenant-key", id: "key:7Qm2xVb9LcTa" },
      user: "4f0c1c6a5b9d2e7788a1f0b3c4d5e6f7",
      session: session.id,
      action: "eraseMessage",
      result: "ok",
      requestId: "5b1d1a52-4a56-4f4e-8a53-0d7f3a1f9b10",
      from: "198.51.100.0/24",
      details: { seq: 62 },
    },
    {
      id: "e5a1c7c0-11d2-4b7e-b7f5-6a4f0c2d9e22/62/0",
      at: "2026-11-22T09:58:03.112Z",
      tenant: "acme",
      actor: { kind: "tenant-key", id: "key:7Qm2xVb9LcTa" },
      user: "4f0c1c6a5b9d2e7788a1f0b3c4d5e6f7",
      session: session.id,
      action: "appendMessages",
      result: "ok",
      requestId: null,
      from: null,
      details: { fromSeq: 1, throughSeq: 62, startedAt: "2026-11-22T09:30:02.871Z", principals: 1 },
    },
    {
      id: "7d0e6f8b-53d9-4f0e-8a5e-91b1f4b2c333",
      at: "2026-11-22T09:12:40.006Z",
      tenant: null,
      actor: { kind: "unauthenticated", id: "unauthenticated" },
      user: null,
      session: null,
      action: "authenticate",
      result: "unauthenticated",
      requestId: null,
      from: "203.0.113.0/24",
      details: { count: 2_000, lastAt: "2026-11-22T09:12:44.117Z" },
    },
  ],
  hasMore: false,
  nextCursor: null,
};

export const operatorSamples = { failurePage, jobRetry, jobDrop, retryRequest, jobRetries, alertList, auditPage };
