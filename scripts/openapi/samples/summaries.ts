/** Examples: a summary and a context. */

import type { Context, ContextRequest } from "../../../src/api/context.ts";
import type { Job, SummarizeRequest } from "../../../src/api/job.ts";
import type { MemorySearchRequest, MemorySearchResult } from "../../../src/api/memory-search.ts";
import type { Page } from "../../../src/api/page.ts";
import type { Loss, RestoreRequest, Summary, SummaryChanges, SummaryVersion } from "../../../src/api/summary.ts";
import { messageSamples } from "./messages.ts";
import { sessionSamples } from "./sessions.ts";

const { messagePage } = messageSamples;
const { session } = sessionSamples;

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

const summaryVersion: SummaryVersion = {
  ...summary,
  summarizer: "anthropic/claude-haiku-4-5",
  usage: { inputTokens: 3_120, outputTokens: 212, costMicroDollars: 4_180, durationMs: 2_840 },
};

const summaryPage: Page<SummaryVersion> = { data: [summaryVersion], hasMore: false, nextCursor: null };

const [cracked, replacement] = summary.items;
const summaryChanges: SummaryChanges = {
  version: 2,
  from: 1,
  kept: cracked === undefined ? [] : [cracked],
  reworded: [],
  dropped: replacement === undefined ? [] : [replacement],
  added: [],
};

const restoreRequest: RestoreRequest = { expectedVersion: 2 };
const restoredSummary: Summary = { ...summary, version: 3 };

const lossPage: Page<Loss> = {
  data: [{ seq: 17, id: "seq-17", words: [{ kind: "number", text: "2026-12-04" }] }],
  hasMore: false,
  nextCursor: null,
};

const contextRequest: ContextRequest = { maxTokens: 2_000, format: "threadkeep" };

const context: Context = {
  sessionId: session.id,
  headSeq: 62,
  atSeq: 62,
  summary,
  messages: messagePage.data,
  omitted: [{ fromSeq: 49, throughSeq: 60, reason: "pending" }],
  retrieved: [],
  tokens: { budget: 2_000, used: 79, summary: 49, messages: 30, retrieved: 0 },
  summaryPending: true,
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

export const summarySamples = {
  summary,
  summaryVersion,
  summaryPage,
  summaryChanges,
  restoreRequest,
  restoredSummary,
  lossPage,
  contextRequest,
  context,
  summarizeRequest,
  memorySearchRequest,
  memorySearchResult,
  summarizeResult: { job, summary },
};
