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
  /** Refuse with `head_seq_mismatch` unless the newest message of the active branch is this one. */
  expectedHeadSeq?: number | undefined;
  /** Return this context, taken right after the append, in the same round trip. */
  context?: ContextRequest<F> | undefined;
}

/** For messages in the shape of a provider's SDK. */
export interface ProviderAppendOptions<F extends ContextFormat = ContextFormat> extends AppendOptions<F> {
  format: ProviderFormat;
}

type Messages = string | NewMessage | readonly NewMessage[];
type ProviderMessages = ProviderMessage | readonly ProviderMessage[];

export interface AppendResult {
  messages: AppendedMessage[];
  headSeq: number;
  /**
   * Paths of what was sent where a character that no store keeps was replaced with U+FFFD, or JSON that nests deeper than 32 levels is kept as
   * a text.
   */
  mended?: string[] | undefined;
  /** Why the context did not come along at first. */
  contextError?: PartFault | undefined;
}

export interface MessageListOptions extends CallOptions {
  /** Only messages after this one. */
  afterSeq?: number | undefined;
  /** Only messages before this one; alone, the pages go backwards from it, each in rising order. */
  beforeSeq?: number | undefined;
  /** Only messages of the active branch; without it all of the log. */
  branch?: "active" | undefined;
  /** Entries in a page, 1 to 100; 20 by default. */
  limit?: number | undefined;
}

export interface ListOptions extends CallOptions {
  /** Entries in a page, 1 to 100; 20 by default. */
  limit?: number | undefined;
}

/** One chat. Making one of these asks nothing of the service: the first append creates the session. */
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
   * Appends 1 to 100 messages as one, creating the session if need be. Those without an id get one before the first try, so
   * that nothing is stored twice. A string is what the user says. With `format`, messages are what a provider's SDK takes and gives:
   * `append(response.choices[0].message, { format: "openai-chat" })`.
   *
   * A context that could not be made along with them is asked for once more, by itself. If that fails as well, the error says in
   * `facts.headSeq` that the messages are stored: append them no more.
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

  /** What goes into the next prompt, within its budget, in the format asked for. */
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

  /** Erases a message. Ask again to see when the archive has confirmed it. */
  erase(messageId: string, options?: CallOptions): Promise<Erasure> {
    return this.#connection.json({ method: "DELETE", path: this.#messagePath(messageId) }, options);
  }

  /** Full text in this session. A string is the query. */
  search(request: string | SearchRequest, options?: CallOptions): Promise<SearchResult> {
    const body = typeof request === "string" ? { query: request } : request;
    return this.#connection.json({ method: "POST", path: `${this.#path}/search`, body }, options);
  }

  /** The versions of the summary, newest first. */
  summaries({ limit, ...options }: ListOptions = {}): List<SummaryVersion> {
    return listOf<SummaryVersion>((cursor) => this.#read(`${this.#path}/summaries`, options, { cursor, limit }));
  }

  /** @param request `expand: "sources"` brings the cited messages along */
  summary(version: number, request: CallOptions & { expand?: "sources" } = {}): Promise<ExpandedSummary> {
    const { expand, ...options } = request;
    return this.#read(`${this.#path}/summaries/${version}`, options, { expand });
  }

  /** What a version has that another has not: by default the one before it. */
  summaryChanges(version: number, request: CallOptions & { from?: number } = {}): Promise<SummaryChanges> {
    const { from, ...options } = request;
    return this.#read(`${this.#path}/summaries/${version}/diff`, options, { from });
  }

  /** What users said that a version covers and does not say: numbers, names and standing wishes, oldest first. */
  losses(version: number, { limit, ...options }: ListOptions = {}): List<SummaryLoss> {
    return listOf<SummaryLoss>((cursor) =>
      this.#read(`${this.#path}/summaries/${version}/losses`, options, { cursor, limit }),
    );
  }

  /**
   * Makes an earlier version of the summary the one that prompts get, and that the next one goes on from. It comes back as a new version. Those
   * after it are deleted: compare them first (`summaryChanges`).
   */
  restoreSummary(version: number, request: RestoreRequest = {}, options?: CallOptions): Promise<Summary> {
    const path = `${this.#path}/summaries/${version}/restore`;
    return this.#connection.json({ method: "POST", path, body: request }, options);
  }

  /** Schedules a summary now, and waits for it up to `waitMs`. */
  summarize(request: SummarizeRequest = {}, options?: CallOptions): Promise<SummarizeResult> {
    return this.#connection.json({ method: "POST", path: `${this.#path}/summarize`, body: request }, options);
  }

  /** A new session of the log up to a message, whose active branch ends with it. */
  fork(request: ForkRequest = {}, options?: CallOptions): Promise<SessionState> {
    const body = { ...request, id: request.id ?? crypto.randomUUID() };
    return this.#connection.json({ method: "POST", path: `${this.#path}/fork`, body }, options);
  }

  /**
   * Makes another branch the active one: what leads to `headSeq`. Each of a message's `siblings` says where it leads. The summary of that branch
   * comes back with it.
   */
  branch(request: BranchRequest, options?: CallOptions): Promise<SessionState> {
    return this.#connection.json({ method: "PUT", path: `${this.#path}/branch`, body: request }, options);
  }

  /** The session as lines, as they come. An export that was cut off throws. */
  async *export(options: CallOptions = {}): AsyncGenerator<TransferLine> {
    const stream = await this.#connection.stream({ method: "GET", path: `${this.#path}/export` }, options);
    yield* readLines(stream, options.signal);
  }

  /** What happens in the session, as it happens: `for await (const event of session.live({ since, signal }))`. */
  live(options: LiveOptions = {}): AsyncGenerator<LiveHello | LiveEvent, void> {
    return follow(this.#connection, this.#path, options);
  }

  /** A ticket for the live feed, for a page that has no key: hand it out from your back end. */
  ticket(request: TicketRequest = {}, options?: CallOptions): Promise<Ticket> {
    return this.#connection.json({ method: "POST", path: `${this.#path}/tickets`, body: request }, options);
  }

  state(options?: CallOptions): Promise<SessionState> {
    return this.#read(this.#path, options);
  }

  /** Replaces metadata, settings or both. */
  update(patch: SessionPatch, options?: CallOptions): Promise<SessionState> {
    return this.#connection.json({ method: "PATCH", path: this.#path, body: patch }, options);
  }

  /** Erases the session. */
  async delete(options?: CallOptions): Promise<Erasure> {
    try {
      return await this.#connection.json<Erasure>({ method: "DELETE", path: this.#path }, options);
    } catch (error) {
      // The answer of an earlier try was lost, and it was that try which erased the session.
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
  // The AI SDK has files as bytes, too.
  return list.map((message) => JSON.parse(toJsonText({ ...message, id: message.id ?? crypto.randomUUID() }) ?? "{}"));
}
