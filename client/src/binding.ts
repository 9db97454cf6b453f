import type { ContextFormat, ContextRequest, Contexts } from "./context.ts";
import type {
  AppendedMessage,
  BranchRequest,
  EditedMessage,
  Erasure,
  ExpandedSummary,
  ForkRequest,
  ImportResult,
  ImportState,
  ListedSession,
  MemorySearchRequest,
  MemorySearchResult,
  Message,
  MessagePatch,
  NewMessage,
  NewSession,
  Page,
  PartFault,
  ProviderFormat,
  ProviderMessage,
  RestoreRequest,
  SearchRequest,
  SearchResult,
  SessionPatch,
  SessionState,
  SummarizeRequest,
  SummarizeResult,
  Summary,
  SummaryVersion,
  SummaryChanges,
  SummaryLoss,
  UserErasure,
} from "./contract.ts";
import type { SessionLine } from "./transfer.ts";

/** The user for whom a call is made, if the binding's props name no owner. */
export interface Caller {
  readonly user?: string;
  /** Refuse content that cannot be stored unchanged. By default it is changed, and `mended` lists where. */
  readonly strictText?: boolean;
}

interface PageQuery {
  readonly limit?: number;
  readonly cursor?: string;
}

/**
 * A service binding to the entrypoint `Threadkeep`, for a Worker of the same account. Errors have the fields of
 * `ThreadkeepError`, but not its class, because RPC does not carry classes.
 */
export interface ThreadkeepBinding {
  create(session?: NewSession, caller?: Caller): Promise<SessionState>;
  sessions(
    query?: PageQuery & { readonly metadata?: Readonly<Record<string, string>> },
    caller?: Caller,
  ): Promise<Page<ListedSession>>;
  state(sessionId: string, caller?: Caller): Promise<SessionState>;
  update(sessionId: string, patch: SessionPatch, caller?: Caller): Promise<SessionState>;
  delete(sessionId: string, caller?: Caller): Promise<Erasure>;
  fork(sessionId: string, request?: ForkRequest, caller?: Caller): Promise<SessionState>;
  /** Makes another branch of the log the active one. */
  branch(sessionId: string, request: BranchRequest, caller?: Caller): Promise<SessionState>;
  /** Appends messages. If they have ids of your own, repeating the call stores nothing twice. */
  append(
    sessionId: string,
    request: { expectedHeadSeq?: number; context?: ContextRequest } & (
      | { format?: "threadkeep"; messages: NewMessage[] }
      | { format: ProviderFormat; messages: readonly ProviderMessage[] }
    ),
    caller?: Caller,
  ): Promise<{
    messages: AppendedMessage[];
    headSeq: number;
    mended?: string[] | undefined;
    context?: unknown;
    contextError?: PartFault | undefined;
  }>;
  messages(
    sessionId: string,
    query?: {
      readonly afterSeq?: number;
      readonly beforeSeq?: number;
      readonly branch?: "active";
      readonly limit?: number;
    },
    caller?: Caller,
  ): Promise<Page<Message>>;
  message(sessionId: string, messageId: string, caller?: Caller): Promise<Message>;
  edit(sessionId: string, messageId: string, patch: MessagePatch, caller?: Caller): Promise<EditedMessage>;
  erase(sessionId: string, messageId: string, caller?: Caller): Promise<Erasure>;
  context<F extends ContextFormat = "threadkeep">(
    sessionId: string,
    request?: ContextRequest<F>,
    caller?: Caller,
  ): Promise<Contexts[F]>;
  search(sessionId: string, request: SearchRequest, caller?: Caller): Promise<SearchResult>;
  searchMemory(request: MemorySearchRequest, caller?: Caller): Promise<MemorySearchResult>;
  summaries(sessionId: string, query?: PageQuery, caller?: Caller): Promise<Page<SummaryVersion>>;
  summary(
    sessionId: string,
    version: number,
    query?: { readonly expand?: "sources" },
    caller?: Caller,
  ): Promise<ExpandedSummary>;
  summaryChanges(
    sessionId: string,
    version: number,
    query?: { readonly from?: number },
    caller?: Caller,
  ): Promise<SummaryChanges>;
  losses(sessionId: string, version: number, query?: PageQuery, caller?: Caller): Promise<Page<SummaryLoss>>;
  /** Restores an earlier version of the summary. The versions after it are deleted. */
  restoreSummary(sessionId: string, version: number, request?: RestoreRequest, caller?: Caller): Promise<Summary>;
  summarize(sessionId: string, request?: SummarizeRequest, caller?: Caller): Promise<SummarizeResult>;
  /** Streams JSON Lines. */
  export(sessionId: string, caller?: Caller): Promise<ReadableStream<Uint8Array>>;
  import(
    file: ReadableStream<Uint8Array>,
    query?: { readonly sessionId?: string },
    caller?: Caller,
  ): Promise<ImportResult>;
  /**
   * Starts an import in parts with a file's first line. If it is repeated with the same id, it returns the progress.
   */
  beginImport(sessionId: string, request: { id?: string; session: SessionLine }, caller?: Caller): Promise<ImportState>;
  /** Sends the lines of the file after `afterLine`. Lines that were received before are skipped. */
  importLines(
    sessionId: string,
    importId: string,
    lines: ReadableStream<Uint8Array>,
    query: { readonly afterLine: number },
    caller?: Caller,
  ): Promise<ImportState>;
  importState(sessionId: string, importId: string, caller?: Caller): Promise<ImportState>;
  completeImport(sessionId: string, importId: string, caller?: Caller): Promise<ImportResult>;
  abandonImport(sessionId: string, importId: string, caller?: Caller): Promise<ImportState>;
  /** Streams a page as JSON Lines. If its last line is `user-next`, the cursor in it continues the export. */
  exportUser(
    userId: string,
    query?: { readonly limit?: number; readonly cursor?: string },
    caller?: Caller,
  ): Promise<ReadableStream<Uint8Array>>;
  eraseUser(userId: string, caller?: Caller): Promise<UserErasure>;
  userErasure(userId: string, caller?: Caller): Promise<UserErasure>;
}
