import type { z } from "zod";
import type * as client from "../../client/src/index.ts";
import type * as append from "../../src/contracts/append.ts";
import type * as context from "../../src/contracts/context.ts";
import type { PROBLEMS } from "../../src/contracts/errors.ts";
import type * as job from "../../src/contracts/job.ts";
import type * as memory from "../../src/contracts/memory-search.ts";
import type * as message from "../../src/contracts/message.ts";
import type { Page } from "../../src/contracts/page.ts";
import type * as search from "../../src/contracts/search.ts";
import type * as session from "../../src/contracts/session.ts";
import type { expandedSummarySchema, Item, Summary } from "../../src/contracts/summary.ts";
import type * as transfer from "../../src/contracts/transfer.ts";
import type * as user from "../../src/contracts/user.ts";

/** What one has more or less than the other stands in the error of the compiler. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : "the contract has more") : "the client has more";
type Holds<T extends Record<string, true>> = T;

/** The types that the client is written with are those of the service's schemas: `npm run check` fails where they part. */
export type ClientContract = Holds<{
  newMessage: Same<client.NewMessage, message.NewMessage>;
  message: Same<client.Message, message.Message>;
  messagePatch: Same<client.MessagePatch, message.MessagePatch>;
  appended: Same<client.AppendedMessage, message.AppendedMessage>;
  part: Same<client.Part, message.Part>;
  erasure: Same<client.Erasure, message.Erasure>;
  page: Same<client.Page<string>, Page<string>>;
  newSession: Same<client.NewSession, session.NewSession>;
  sessionPatch: Same<client.SessionPatch, session.SessionPatch>;
  settings: Same<client.SessionSettings, session.SessionSettings>;
  fork: Same<client.ForkRequest, session.ForkRequest>;
  state: Same<client.SessionState, session.SessionState>;
  listed: Same<client.ListedSession, session.ListedSession>;
  item: Same<client.SummaryItem, Item>;
  summary: Same<client.Summary, Summary>;
  expanded: Same<client.ExpandedSummary, z.infer<typeof expandedSummarySchema>>;
  summarize: Same<client.SummarizeRequest, job.SummarizeRequest>;
  job: Same<client.Job, job.Job>;
  searchRequest: Same<client.SearchRequest, search.SearchRequest>;
  searchResult: Same<client.SearchResult, search.SearchResult>;
  memorySearch: Same<client.MemorySearchRequest, memory.MemorySearchRequest>;
  memoryResult: Same<client.MemorySearchResult, memory.MemorySearchResult>;
  importResult: Same<client.ImportResult, transfer.ImportResult>;
  line: Same<client.TransferLine, transfer.TransferLine>;
  userLine: Same<client.UserTransferLine, user.UserTransferLine>;
  userErasure: Same<client.UserErasure, user.UserErasure>;
  contextRequest: Same<client.ContextRequest, context.ContextRequest>;
  code: Same<client.ServiceCode, keyof typeof PROBLEMS>;
  appendResult: Same<client.AppendResult, Omit<append.AppendResult, "context">>;
  threadkeep: Same<client.Contexts["threadkeep"], context.ContextIn<"threadkeep">>;
  openaiChat: Same<client.Contexts["openai-chat"], context.ContextIn<"openai-chat">>;
  openaiResponses: Same<client.Contexts["openai-responses"], context.ContextIn<"openai-responses">>;
  anthropic: Same<client.Contexts["anthropic"], context.ContextIn<"anthropic">>;
  aiSdk: Same<client.Contexts["ai-sdk"], context.ContextIn<"ai-sdk">>;
  ui: Same<client.Contexts["ui"], context.ContextIn<"ui">>;
  text: Same<client.Contexts["text"], context.ContextIn<"text">>;
}>;
