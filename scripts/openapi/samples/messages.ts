/** Examples: the last messages of the chat, as they are appended, edited, found and erased. */

import type { AppendRequest, AppendResult } from "../../../src/api/append.ts";
import type { Erasure, Message, MessagePatch } from "../../../src/api/message.ts";
import type { Page } from "../../../src/api/page.ts";
import type { SearchRequest, SearchResult } from "../../../src/api/search.ts";

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

const messagePatch: MessagePatch = { content: "Then Tuesday at nine, please." };

const editedMessage: Message = {
  ...message,
  content: "Then Tuesday at nine, please.",
  editedAt: "2026-11-22T09:58:00.000Z",
};

const erasure: Erasure = { id: message.id, seq: message.seq, state: "erasing" };

const searchRequest: SearchRequest = { query: "When should it be delivered?" };

const searchResult: SearchResult = {
  data: [{ message, score: 7.31, snippet: String(message.content), why: "deliv" }],
  hasMore: false,
  indexedThroughSeq: 62,
  headSeq: 62,
};

export const messageSamples = {
  appendRequest,
  message,
  messagePage,
  appendResult,
  repeatedAppend,
  messagePatch,
  editedMessage,
  erasure,
  searchRequest,
  searchResult,
};
