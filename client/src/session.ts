import { toJsonText } from "./base64.ts";
import { type CallOptions, checkId, type Connection } from "./connection.ts";
import type { ContextFormat, ContextRequest, Contexts } from "./context.ts";
import type {
  AppendedMessage,
  BranchRequest,
  EditedMessage,
  Erasure,
  ExpandedSummary,
  ForkRequest,
  Message,
  MessagePatch,
  NewMessage,
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
} from "./contract.ts";
import { ThreadkeepError } from "./errors.ts";
import { readLines } from "./lines.ts";
import { type List, listOf } from "./list.ts";
import type { LiveEvent, LiveHello, Ticket, TicketRequest } from "./live-contract.ts";
import { follow, type LiveOptions } from "./live.ts";
import type { TransferLine } from "./transfer.ts";

export interface AppendOptions<F extends ContextFormat = ContextFormat> extends CallOptions {
  /** Refuse with `head_seq_mismatch` unless this is the newest message of the active branch. */
  expectedHeadSeq?: number | undefined;
  /** Also return this context, taken right after the append, which saves a second request. */
  context?: ContextRequest<F> | undefined;
}

/** For messages in the format of a provider's SDK. */
export interface ProviderAppendOptions<F extends ContextFormat = ContextFormat> extends AppendOptions<F> {
  format: ProviderFormat;
}

type Messages = string | NewMessage | readonly NewMessage[];
type ProviderMessages = ProviderMessage | readonly ProviderMessage[];

export interface AppendResult {
  messages: AppendedMessage[];
  headSeq: number;
  /**
   * Paths in the request whose content was changed before it was stored: a character that cannot be stored was replaced
   * with U+FFFD, or JSON with more than 32 levels was converted to text.
   */
  mended?: string[] | undefined;
  /** Why the context could not be made together with the append. */
  contextError?: PartFault | undefined;
}

export interface MessageListOptions extends CallOptions {
  /** Only messages after this one. */
  afterSeq?: number | undefined;
  /** Only messages before this one. If it is given alone, pages go backwards from it, each in rising order. */
  beforeSeq?: number | undefined;
  /** Only messages of the active branch; if left out, the whole log. */
  branch?: "active" | undefined;
  /** Entries on one page, 1 to 100; 20 by default. */
  limit?: number | undefined;
}

export interface ListOptions extends CallOptions {
  /** Entries on one page, 1 to 100; 20 by default. */
  limit?: number | undefined;
}

/** One chat. Creating this object sends no request: the first append creates the session. */
export class Session {
  readonly id: string;
  readonly #connection: Connection;
  readonly #path: string;

  constructor(connection: Connection, id: string) {
    this.id = id;
    this.#connection = connection;
    this.#path = `/sessions/${checkId(id, "session id")}`;
  }

  /**
   * Appends 1 to 100 messages atomically, and creates the session if it does not exist. Messages without an id get one
   * before the first try, so a retry stores nothing twice. A string is a message of the user. With `format`, messages
   * are in the format of a provider's SDK: `append(response.choices[0].message, { format: "openai-chat" })`.
   *
   * If the requested context could not be made, it is requested once more. If that fails too, this rejects although the
   * messages are stored; `facts.headSeq` of the error is then set. Do not append them again.
   * @throws {ThreadkeepError}
   */
  append<F extends ContextFormat = "threadkeep">(
    messages: Messages,
    options: AppendOptions<F> & { format?: undefined; context: ContextRequest<F> },
  ): Promise<AppendResult & { context: Contexts[F] }>;
  append<F extends ContextFormat = "threadkeep", Given extends ProviderMessage = ProviderMessage>(
    messages: Given | readonly Given[],
    options: ProviderAppendOptions<F> & { context: ContextRequest<F> },
  ): Promise<AppendResult & { context: Contexts[F] }>;
  append(messages: Messages, options?: AppendOptions & { format?: undefined }): Promise<AppendResult>;
  append<Given extends ProviderMessage>(
    messages: Given | readonly Given[],
    options: ProviderAppendOptions,
  ): Promise<AppendResult>;
  async append(
    messages: Messages | ProviderMessages,
    options: AppendOptions & { format?: ProviderFormat | undefined } = {},
  ): Promise<AppendResult> {
    const { expectedHeadSeq, context, format, ...callOptions } = options;
    const body = { format, messages: withIds(messages), expectedHeadSeq, context };
    const path = `${this.#path}/messages`;
    const appended = await this.#connection.json<AppendResult>({ method: "POST", path, body }, callOptions);
    if (context === undefined || appended.contextError === undefined) return appended;
    try {
      const whole: AppendResult & { context: unknown } = {
        ...appended,
        context: await this.context(context, callOptions),
      };
      return whole;
    } catch (error) {
      if (!(error instanceof ThreadkeepError)) throw error;
      const { headSeq } = appended;
      throw new ThreadkeepError({
        ...error,
        detail: `The messages are stored, but their context could not be made. ${error.detail}`,
        facts: { ...error.facts, headSeq },
        cause: error,
      });
    }
  }

  /** The context for the next prompt, within its budget, in the requested format. */
  context<F extends ContextFormat = "threadkeep">(
    request: ContextRequest<F> = {},
    options?: CallOptions,
  ): Promise<Contexts[F]> {
    return this.#connection.json({ method: "POST", path: `${this.#path}/context`, body: request }, options);
  }

  /** The log: `for await (const message of session.messages())`. */
  messages({ afterSeq, beforeSeq, branch, limit, ...options }: MessageListOptions = {}): List<Message> {
    const isBackwards = beforeSeq !== undefined && afterSeq === undefined;
    return listOf<Message>((cursor) => {
      const from = isBackwards ? { beforeSeq: cursor ?? beforeSeq } : { afterSeq: cursor ?? afterSeq, beforeSeq };
      return this.#read(`${this.#path}/messages`, options, { ...from, branch, limit });
    });
  }

  message(messageId: string, options?: CallOptions): Promise<Message> {
    return this.#read(this.#messagePath(messageId), options);
  }

  edit(messageId: string, patch: MessagePatch, options?: CallOptions): Promise<EditedMessage> {
    return this.#connection.json({ method: "PATCH", path: this.#messagePath(messageId), body: patch }, options);
  }

  /** Erases a message. Repeat it to see when the archive has confirmed the erasure. */
  erase(messageId: string, options?: CallOptions): Promise<Erasure> {
    return this.#connection.json({ method: "DELETE", path: this.#messagePath(messageId) }, options);
  }

  /** Full-text search in this session. A string is the query. */
  search(request: string | SearchRequest, options?: CallOptions): Promise<SearchResult> {
    const body = typeof request === "string" ? { query: request } : request;
    return this.#connection.json({ method: "POST", path: `${this.#path}/search`, body }, options);
  }

  /** The versions of the summary, newest first. */
  summaries({ limit, ...options }: ListOptions = {}): List<SummaryVersion> {
    return listOf<SummaryVersion>((cursor) => this.#read(`${this.#path}/summaries`, options, { cursor, limit }));
  }

  /** @param request with `expand: "sources"` the answer includes the cited messages */
  summary(version: number, request: CallOptions & { expand?: "sources" } = {}): Promise<ExpandedSummary> {
    const { expand, ...options } = request;
    return this.#read(`${this.#path}/summaries/${version}`, options, { expand });
  }

  /** The differences between a version and another one, by default the one before it. */
  summaryChanges(version: number, request: CallOptions & { from?: number } = {}): Promise<SummaryChanges> {
    const { from, ...options } = request;
    return this.#read(`${this.#path}/summaries/${version}/diff`, options, { from });
  }

  /**
   * The numbers, names and instructions in users' messages that a version covers, but that no item of it contains,
   * oldest first.
   */
  losses(version: number, { limit, ...options }: ListOptions = {}): List<SummaryLoss> {
    return listOf<SummaryLoss>((cursor) =>
      this.#read(`${this.#path}/summaries/${version}/losses`, options, { cursor, limit }),
    );
  }

  /**
   * Makes an earlier version the current summary again, as a new version. The versions after it are deleted: compare
   * them first (`summaryChanges`).
   */
  restoreSummary(version: number, request: RestoreRequest = {}, options?: CallOptions): Promise<Summary> {
    const path = `${this.#path}/summaries/${version}/restore`;
    return this.#connection.json({ method: "POST", path, body: request }, options);
  }

  /** Requests a summary now, and waits for it up to `waitMs`. */
  summarize(request: SummarizeRequest = {}, options?: CallOptions): Promise<SummarizeResult> {
    return this.#connection.json({ method: "POST", path: `${this.#path}/summarize`, body: request }, options);
  }

  /** Creates a session with a copy of the log up to a message. Its active branch ends with that message. */
  fork(request: ForkRequest = {}, options?: CallOptions): Promise<SessionState> {
    const body = { ...request, id: request.id ?? crypto.randomUUID() };
    return this.#connection.json({ method: "POST", path: `${this.#path}/fork`, body }, options);
  }

  /**
   * Makes another branch the active one: the messages that lead to `headSeq`. The `siblings` of a message list its
   * alternatives. The summary of that branch is restored.
   */
  branch(request: BranchRequest, options?: CallOptions): Promise<SessionState> {
    return this.#connection.json({ method: "PUT", path: `${this.#path}/branch`, body: request }, options);
  }

  /** The lines of the session's export, as they arrive. Throws if the export is incomplete. */
  async *export(options: CallOptions = {}): AsyncGenerator<TransferLine> {
    const stream = await this.#connection.stream({ method: "GET", path: `${this.#path}/export` }, options);
    yield* readLines(stream, options.signal);
  }

  /** Follows the session's events: `for await (const event of session.live({ since, signal }))`. */
  live(options: LiveOptions = {}): AsyncGenerator<LiveHello | LiveEvent, void> {
    return follow(this.#connection, this.#path, options);
  }

  /** Issues a ticket for the live feed, for a page that has no key. Pass it on from your back end. */
  ticket(request: TicketRequest = {}, options?: CallOptions): Promise<Ticket> {
    return this.#connection.json({ method: "POST", path: `${this.#path}/tickets`, body: request }, options);
  }

  state(options?: CallOptions): Promise<SessionState> {
    return this.#read(this.#path, options);
  }

  /** Replaces the metadata, the settings or both. */
  update(patch: SessionPatch, options?: CallOptions): Promise<SessionState> {
    return this.#connection.json({ method: "PATCH", path: this.#path, body: patch }, options);
  }

  /** Erases the session. */
  async delete(options?: CallOptions): Promise<Erasure> {
    try {
      return await this.#connection.json<Erasure>({ method: "DELETE", path: this.#path }, options);
    } catch (error) {
      // If an earlier try was sent, its answer was lost and it has erased the session.
      const isDone = error instanceof ThreadkeepError && error.code === "session_not_found" && error.tries > 1;
      if (isDone) return { id: this.id, state: "erasing" };
      throw error;
    }
  }

  #messagePath(messageId: string): string {
    return `${this.#path}/messages/${checkId(messageId, "message id")}`;
  }

  #read<T>(path: string, options?: CallOptions, query: Record<string, string | number | undefined> = {}): Promise<T> {
    return this.#connection.json({ method: "GET", path, query }, options);
  }
}

function withIds(messages: Messages | ProviderMessages): object[] {
  if (typeof messages === "string") return withIds({ role: "user", content: messages });
  const list: readonly (ProviderMessage & { id?: unknown })[] = "role" in messages ? [messages] : messages;
  // Files of the AI SDK may be bytes, which are converted to base64.
  return list.map((message) => JSON.parse(toJsonText({ ...message, id: message.id ?? crypto.randomUUID() }) ?? "{}"));
}
