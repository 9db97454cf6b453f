import type { ContextFormat, ContextRequest, Contexts } from "../../client/src/context.ts";
import type {
  AppendedMessage,
  BranchRequest,
  Erasure,
  ForkRequest,
  Message,
  MessagePatch,
  NewMessage,
  ProviderFormat,
  ProviderMessage,
  NewSession,
  Page,
  RestoreRequest,
  SearchRequest,
  SearchResult,
  SessionPatch,
  SessionState,
  SummarizeRequest,
  SummarizeResult,
  Summary,
  SummaryChanges,
  SummaryLoss,
} from "../../client/src/contract.ts";

export type AppendBody = { expectedHeadSeq?: number; context?: ContextRequest } & (
  | { format?: undefined; messages: NewMessage[] }
  | { format: ProviderFormat; messages: readonly ProviderMessage[] }
);

/** The operations on sessions that a surface offers. Refusals are thrown, with the `code` and `status` of the contract. */
export interface SessionSurface {
  create(session: NewSession): Promise<SessionState>;
  state(sessionId: string): Promise<SessionState>;
  update(sessionId: string, patch: SessionPatch): Promise<SessionState>;
  delete(sessionId: string): Promise<Erasure>;
  fork(sessionId: string, request: ForkRequest): Promise<SessionState>;
  branch(sessionId: string, request: BranchRequest): Promise<SessionState>;
  append(
    sessionId: string,
    body: AppendBody,
  ): Promise<{ messages: AppendedMessage[]; headSeq: number; context?: unknown }>;
  messages(
    sessionId: string,
    query: { afterSeq?: number; beforeSeq?: number; branch?: "active"; limit?: number },
  ): Promise<Page<Message>>;
  message(sessionId: string, messageId: string): Promise<Message>;
  edit(sessionId: string, messageId: string, patch: MessagePatch): Promise<Message>;
  erase(sessionId: string, messageId: string): Promise<Erasure>;
  context<F extends ContextFormat>(sessionId: string, request: ContextRequest<F>): Promise<Contexts[F]>;
  search(sessionId: string, request: SearchRequest): Promise<SearchResult>;
  summarize(sessionId: string, request: SummarizeRequest): Promise<SummarizeResult>;
  summaries(sessionId: string, query: { limit?: number }): Promise<Page<Summary>>;
  summaryChanges(sessionId: string, version: number, query: { from?: number }): Promise<SummaryChanges>;
  losses(sessionId: string, version: number, query: { limit?: number }): Promise<Page<SummaryLoss>>;
  restoreSummary(sessionId: string, version: number, request: RestoreRequest): Promise<Summary>;
}
