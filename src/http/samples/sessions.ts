/** A session: begun, forked, listed, moved, erased. */

import type { Erasure } from "../../contracts/message.ts";
import type { Page } from "../../contracts/page.ts";
import type { ForkRequest, ListedSession, NewSession, SessionPatch, SessionState } from "../../contracts/session.ts";
import type { ImportResult, TransferLine } from "../../contracts/transfer.ts";

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

const sessionErasure: Erasure = { id: session.id, state: "erasing" };

export const sessionSamples = {
  newSession,
  sessionPatch,
  newSessionState,
  session,
  forkRequest,
  fork,
  copyingFork,
  sessionPage,
  transferLine,
  importResult,
  sessionErasure,
};
