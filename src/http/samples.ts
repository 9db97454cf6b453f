/** The examples of the OpenAPI document: one small support chat, seen through every route. A test parses each by its schema. */

import type { z } from "zod";
import type { AlertList } from "../contracts/alert.ts";
import type { CreatedKey, KeyRotation, KeyState, NewKey } from "../contracts/api-key.ts";
import type { AppendRequest, AppendResult } from "../contracts/append.ts";
import type { AuditEvent } from "../contracts/audit.ts";
import type { Context, ContextRequest } from "../contracts/context.ts";
import type { JobDrop, JobRetries, JobRetry, retryRequestSchema } from "../contracts/failed-job.ts";
import type { Failure, Job, SummarizeRequest } from "../contracts/job.ts";
import type { ClientFrame, Hello, LiveEvent, Ticket, TicketRequest } from "../contracts/live.ts";
import type { MemorySearchRequest, MemorySearchResult } from "../contracts/memory-search.ts";
import type { Erasure, Message, MessagePatch } from "../contracts/message.ts";
import type { Page } from "../contracts/page.ts";
import type { SearchRequest, SearchResult } from "../contracts/search.ts";
import {
  type ForkRequest,
  type ListedSession,
  type NewSession,
  resolveSettings,
  type SessionPatch,
  type SessionState,
} from "../contracts/session.ts";
import type { Summary } from "../contracts/summary.ts";
import type { ListedTenant, NewTenant, TenantPatch, TenantState } from "../contracts/tenant.ts";
import type { ImportResult, TransferLine } from "../contracts/transfer.ts";
import type { UserErasure, UserTransferLine } from "../contracts/user.ts";

const metadata = { channel: "web" };

const newSession: NewSession = {
  id: "support-42",
  metadata,
  settings: { maxTokens: 4_000, summarizeAfterTokens: 2_000, keepRecentTokens: 600 },
};

const sessionPatch: SessionPatch = { metadata: { ...metadata, resolved: true } };

const newSessionState: SessionState = {
  id: "support-42",
  createdAt: "2026-11-22T09:30:00.000Z",
  headSeq: 0,
  messageTokens: 0,
  messageBytes: 0,
  summary: null,
  summaryPending: false,
  archived: true,
  status: "active",
  origin: null,
  expiresAt: null,
  metadata,
  settings: {
    profile: "chat",
    maxTokens: 4_000,
    summarizeAfterTokens: 2_000,
    keepRecentTokens: 600,
    summaryMaxTokens: 2_000,
    summarizerTokensPerDay: null,
    summarizeAfterIdleSeconds: 1_800,
    expireAfterIdleSeconds: null,
    archiveMessages: false,
  },
};

const session: SessionState = {
  ...newSessionState,
  headSeq: 62,
  messageTokens: 2_710,
  messageBytes: 11_384,
  summary: {
    version: 1,
    throughSeq: 48,
    tokens: 41,
    items: 2,
    createdAt: "2026-11-22T09:52:10.418Z",
  },
};

const forkRequest: ForkRequest = { id: "support-42-b", throughSeq: 62 };
const fork: SessionState = {
  ...session,
  id: "support-42-b",
  origin: { session: "support-42", kind: "fork", throughSeq: 62, state: "done" },
};
const copyingFork: SessionState = {
  ...newSessionState,
  id: "support-42-b",
  status: "copying",
  origin: { session: "support-42", kind: "fork", throughSeq: 62, state: "pending" },
};

const transferLine: TransferLine = {
  type: "session",
  format: "threadkeep-session",
  formatVersion: 1,
  id: "support-42",
  createdAt: "2026-11-22T09:30:00.000Z",
  metadata,
  settings: newSession.settings ?? {},
};
const importResult: ImportResult = { id: "support-42", messages: 62, summaries: 1, items: 2, droppedItems: 0 };

const userLine: UserTransferLine = {
  type: "user",
  format: "threadkeep-user",
  formatVersion: 1,
  userId: "ada",
  exportedAt: "2026-11-22T10:05:00.000Z",
};
const userErasure: UserErasure = {
  userId: "ada",
  state: "erasing",
  sessions: 12,
  erased: 0,
  startedAt: "2026-11-22T10:06:00.000Z",
};
const doneUserErasure: UserErasure = {
  ...userErasure,
  state: "erased",
  erased: 12,
  finishedAt: "2026-11-22T10:06:21.412Z",
  returnsAt: "2026-11-26T10:06:21.412Z",
  found: { checkedAt: "2026-11-22T10:06:21.412Z", sessions: 0, directory: 0, archive: 0, failedJobs: 0 },
};

const listedSession: ListedSession = {
  id: session.id,
  createdAt: session.createdAt,
  metadata,
};
const sessionPage: Page<ListedSession> = {
  data: [listedSession],
  hasMore: false,
  nextCursor: null,
};

const appendRequest: AppendRequest = {
  messages: [
    { id: "turn-61", role: "user", content: "Does the replacement come before Friday?" },
    { id: "turn-62", role: "assistant", content: "Yes: it left today and arrives on Thursday." },
  ],
  context: { maxTokens: 2_000, format: "openai-chat" },
};

const message: Message = {
  id: "turn-62",
  seq: 62,
  role: "assistant",
  content: "Yes: it left today and arrives on Thursday.",
  createdAt: "2026-11-22T09:58:03.112Z",
  tokens: 14,
};
const question: Message = {
  id: "turn-61",
  seq: 61,
  role: "user",
  content: "Does the replacement come before Friday?",
  createdAt: "2026-11-22T09:58:03.112Z",
  tokens: 12,
};
const messagePage: Page<Message> = { data: [question, message], hasMore: false, nextCursor: null };

const liveHello: Hello = { type: "hello", headSeq: 62, rev: 28_085_400_000_064, since: 28_085_400_000_063 };
const liveEvent: LiveEvent = { type: "appended", rev: 28_085_400_000_064, message };
const liveFrame: ClientFrame = {
  type: "append",
  id: "frame-7",
  messages: [{ id: "turn-62", role: "assistant", content: "Yes: it left today and arrives on Thursday." }],
};
const ticketRequest: TicketRequest = { scopes: ["memory:read"] };
const ticket: Ticket = { ticket: "eyJpZCI6IjU4.d2hvIGhvbGRz", expiresAt: "2026-11-22T09:59:03.112Z" };

const summary: Summary = {
  version: 1,
  throughSeq: 48,
  items: [
    {
      id: "i1",
      kind: "fact",
      text: "The kettle of order 7731 arrived with a cracked lid.",
      sourceSeqs: [3],
      status: "current",
    },
    {
      id: "i2",
      kind: "decision",
      text: "A replacement is sent; the broken one need not come back.",
      sourceSeqs: [17, 18],
      status: "current",
    },
  ],
  tokens: 41,
  summarizer: "extractive",
  degraded: false,
  droppedItems: 0,
  createdAt: "2026-11-22T09:52:10.418Z",
};
const summaryPage: Page<Summary> = { data: [summary], hasMore: false, nextCursor: null };

const contextRequest: ContextRequest = { maxTokens: 2_000, format: "threadkeep" };

const context: Context = {
  sessionId: session.id,
  headSeq: 62,
  atSeq: 62,
  summary,
  messages: [question, message],
  omitted: [{ fromSeq: 49, throughSeq: 60, reason: "pending" }],
  retrieved: [],
  tokens: { budget: 2_000, used: 79, summary: 49, messages: 30, retrieved: 0 },
  summaryPending: true,
};

const appendResult: AppendResult = {
  messages: [
    { id: "turn-61", seq: 61, created: true },
    { id: "turn-62", seq: 62, created: true },
  ],
  headSeq: 62,
  quotas: [{ name: "messages", limit: 2_000, remaining: 1_938, resetSeconds: 50_280 }],
};
const repeatedAppend: AppendResult = {
  ...appendResult,
  messages: appendResult.messages.map((appended) => ({ ...appended, created: false })),
};

const summarizeRequest: SummarizeRequest = { waitMs: 5_000, keepRecentTokens: 600 };

const job: Job = {
  id: "01KAP5T0Q4J8S1W4R2M8ZB6XNE",
  kind: "summarize",
  state: "done",
  throughSeq: 48,
  attempts: 1,
  createdAt: "2026-11-22T09:52:10.102Z",
};

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
  noticesOwed: 0,
};

const failurePage: Page<Failure> = { data: [failure], hasMore: false, nextCursor: null };
const jobRetry: JobRetry = { jobId: failure.jobId, outcome: "retried" };
const jobDrop: JobDrop = { jobId: failure.jobId, outcome: "dropped" };
const retryRequest: z.input<typeof retryRequestSchema> = { tenant: "acme", kind: "archive", limit: 50 };
const jobRetries: JobRetries = { retried: 50, gone: 0, left: [], hasMore: true, nextCursor: "WzE3OTUzMzcyMDAwMDBd" };

const messagePatch: MessagePatch = { content: "Then Tuesday at nine, please." };
const editedMessage: Message = {
  ...message,
  content: "Then Tuesday at nine, please.",
  editedAt: "2026-11-22T09:58:00.000Z",
};
const erasure: Erasure = { id: message.id, seq: message.seq, state: "erasing" };
const sessionErasure: Erasure = { id: session.id, state: "erasing" };

const searchRequest: SearchRequest = { query: "When should it be delivered?" };
const searchResult: SearchResult = {
  data: [{ message, score: 7.31, snippet: String(message.content), why: "deliv" }],
  indexedThroughSeq: 62,
  headSeq: 62,
};

const memorySearchRequest: MemorySearchRequest = { query: "What was wrong with the kettle?", kinds: ["fact"] };
const memorySearchResult: MemorySearchResult = {
  data: summary.items.slice(0, 1).map((item) => ({
    sessionId: session.id,
    item,
    score: 6.22,
    snippet: item.text,
    summarizedAt: summary.createdAt,
  })),
};

const tenantPatch: TenantPatch = { settings: { profile: "agent", maxTokens: 60_000 }, summarization: "on" };
const tenant: TenantState = {
  tenant: "acme",
  jurisdiction: "eu",
  createdAt: "2026-11-22T09:10:00.000Z",
  rev: 1,
  settings: { profile: "agent", maxTokens: 60_000 },
  effective: resolveSettings({ profile: "agent", maxTokens: 60_000 }),
  summarization: "on",
  summarizerTokensPerDay: 2_000_000,
  limits: { sessionMessagesPerDay: 2_000, sessionTokensPerDay: 500_000, tenantMessagesPerDay: 200_000 },
  spentToday: { day: "2026-11-22", inputTokens: 412_096, outputTokens: 30_410, costMicroDollars: 86_300 },
  leasedToday: { day: "2026-11-22", messages: 41_870, tokens: 6_204_115 },
  updatedAt: "2026-11-22T09:20:00.000Z",
};

const newTenant: NewTenant = { tenant: "acme", jurisdiction: "eu", settings: tenant.settings };
const newTenantState: TenantState = {
  ...tenant,
  summarizerTokensPerDay: null,
  spentToday: { day: "2026-11-22", inputTokens: 0, outputTokens: 0, costMicroDollars: 0 },
  leasedToday: { day: "2026-11-22", messages: 0, tokens: 0 },
  updatedAt: "2026-11-22T09:10:00.000Z",
};
const listedTenant: ListedTenant = { tenant: "acme", jurisdiction: "eu", createdAt: "2026-11-22T09:10:00.000Z" };
const tenantPage: Page<ListedTenant> = { data: [listedTenant], hasMore: false, nextCursor: null };

const newKey: NewKey = {
  name: "production back end",
  scopes: ["memory:read", "memory:write"],
  expiresAt: "2030-01-01T00:00:00Z",
};
const key: KeyState = {
  id: "7Qm2xVb9LcTa",
  ...newKey,
  status: "live",
  createdAt: "2026-11-22T09:12:00.000Z",
  expiresAt: "2030-01-01T00:00:00.000Z",
  lastUsedAt: null,
  revokedAt: null,
  rotatedTo: null,
};
const createdKey: CreatedKey = {
  ...key,
  // Of the right form, with a checksum that does not fit: no scanner takes it for a key, and no service either.
  key: "tk_acme_7Qm2xVb9LcTa_EXAMPLE000000000000000000000000000000000000000000",
};
const revokedKey: KeyState = { ...key, status: "revoked", revokedAt: "2026-11-22T10:00:00.000Z" };
const keyPage: Page<KeyState> = {
  data: [{ ...key, lastUsedAt: "2026-11-22T09:58:03.112Z" }],
  hasMore: false,
  nextCursor: null,
};
const keyRotation: KeyRotation = { graceSeconds: 3_600 };

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
      actor: { kind: "stranger", id: "stranger" },
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

export const sample = {
  newSession,
  newSessionState,
  session,
  sessionPatch,
  sessionPage,
  forkRequest,
  fork,
  copyingFork,
  transferLine,
  importResult,
  userLine,
  userErasure,
  doneUserErasure,
  appendRequest,
  appendResult,
  repeatedAppend,
  message,
  messagePage,
  messagePatch,
  editedMessage,
  searchRequest,
  searchResult,
  memorySearchRequest,
  memorySearchResult,
  erasure,
  sessionErasure,
  liveHello,
  liveEvent,
  liveFrame,
  ticketRequest,
  ticket,
  contextRequest,
  context,
  summary,
  summaryPage,
  summarizeRequest,
  summarizeResult: { job, summary },
  failurePage,
  alertList,
  jobRetry,
  jobDrop,
  retryRequest,
  jobRetries,
  tenantPatch,
  tenant,
  newTenant,
  newTenantState,
  tenantPage,
  newKey,
  createdKey,
  revokedKey,
  keyPage,
  keyRotation,
  auditPage,
};
