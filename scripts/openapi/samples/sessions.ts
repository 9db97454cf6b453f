/** Examples: a session that is created, forked, listed, transferred and erased. */

import type { Erasure } from "../../../src/api/message.ts";
import type { Page } from "../../../src/api/page.ts";
import type {
  BranchRequest,
  ForkRequest,
  ListedSession,
  NewSession,
  SessionPatch,
  SessionState,
} from "../../../src/api/session.ts";
import type { ImportRequest, ImportResult, ImportState, SessionLine, TransferLine } from "../../../src/api/transfer.ts";

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
  lastSeq: 0,
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
  lastSeq: 62,
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

const branchRequest: BranchRequest = { headSeq: 62 };

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

const transferLine: SessionLine = {
  type: "session",
  format: "threadkeep-session",
  formatVersion: 1,
  id: "support-42",
  createdAt: "2026-11-22T09:30:00.000Z",
  metadata,
  settings: newSession.settings ?? {},
};

const transferMessage: TransferLine = {
  type: "message",
  seq: 1,
  id: "m-1",
  role: "user",
  content: "Which tram goes to Belém?",
  createdAt: "2026-11-22T09:30:00.000Z",
};

const importRequest: ImportRequest = { id: "move-7", session: transferLine };

const importState: ImportState = {
  id: "move-7",
  sessionId: "support-42",
  state: "open",
  throughLine: 41,
  messages: 40,
  summaries: 0,
  items: 0,
  droppedItems: 0,
  expiresAt: "2026-11-23T09:31:12.000Z",
};

const abandonedImport: ImportState = { ...importState, state: "abandoned", expiresAt: null };

const importResult: ImportResult = { id: "support-42", messages: 62, summaries: 1, items: 2, droppedItems: 0 };

const sessionErasure: Erasure = { id: session.id, state: "erasing" };

export const sessionSamples = {
  newSession,
  sessionPatch,
  newSessionState,
  session,
  branchRequest,
  forkRequest,
  fork,
  copyingFork,
  sessionPage,
  transferLine,
  transferMessage,
  importRequest,
  importState,
  abandonedImport,
  importResult,
  sessionErasure,
};
