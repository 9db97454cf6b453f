/** The types of the public API. A test compares them with the schemas of the service. */

import type { ServiceCode } from "./errors.ts";

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };
export type Metadata = Record<string, Json>;

/** What went wrong with one part of an answer, when the rest of it could be given. */
export interface PartFault {
  code: ServiceCode;
  /** What is wrong, and what to do next. */
  detail: string;
}

export type Role = "system" | "developer" | "user" | "assistant" | "tool";

export interface TextPart {
  type: "text";
  text: string;
  providerOptions?: Record<string, Json> | undefined;
}
export interface FilePart {
  type: "file";
  mediaType: string;
  /** A URL, or base64. */
  data: string;
  filename?: string | undefined;
  providerOptions?: Record<string, Json> | undefined;
}
export interface ReasoningPart {
  type: "reasoning";
  text: string;
  providerOptions?: Record<string, Json> | undefined;
}
/** Whether the user allows a tool to run. Only the formats `ai-sdk` and `ui` return it. */
export interface ToolApproval {
  /** Id of the approval request. */
  id: string;
  /** The user's answer; left out while there is none. */
  approved?: boolean | undefined;
  /** Why the user answered so. */
  reason?: string | undefined;
  /** Why the approval was requested. */
  requestReason?: string | undefined;
  isAutomatic?: boolean | undefined;
  signature?: string | undefined;
  inputSchemaInput?: Json | undefined;
  descriptor?: Json | undefined;
}
export interface ToolCallPart {
  type: "tool-call";
  toolCallId: string;
  toolName: string;
  input: Json;
  /** The provider ran the tool itself. The call is not sent to another provider as a tool call. */
  providerExecuted?: boolean | undefined;
  /** The tool was not known when the application was built. */
  dynamic?: boolean | undefined;
  approval?: ToolApproval | undefined;
  providerOptions?: Record<string, Json> | undefined;
}
export interface ToolResultPart {
  type: "tool-result";
  toolCallId: string;
  toolName: string;
  output: Json;
  providerExecuted?: boolean | undefined;
  dynamic?: boolean | undefined;
  providerOptions?: Record<string, Json> | undefined;
}
/** Stored and returned, but never part of a prompt. */
export interface DataPart {
  type: `data-${string}`;
  id?: string | undefined;
  data: Json;
}
export type Part = TextPart | FilePart | ReasoningPart | ToolCallPart | ToolResultPart | DataPart;
export type Content = string | Part[];

/** A message as you append it. */
export interface NewMessage {
  /**
   * An id of your choice, `[A-Za-z0-9._:-]{1,128}`, so that a retry stores nothing twice. If it is missing, the client
   * makes one.
   */
  id?: string | undefined;
  role: Role;
  author?: string | undefined;
  content: Content;
  /** At most 4 KiB as JSON. */
  metadata?: Metadata | undefined;
  /** When it was said, if not now. ISO 8601 with a zone. */
  occurredAt?: string | undefined;
  /** Keep it verbatim in every context, in any budget, until it is unpinned or erased. */
  pinned?: boolean | undefined;
  /**
   * The message that this one follows, or 0 for none. By default it follows the newest message of the active branch, or
   * the previous message of the batch. The messages that followed before are then no longer on the active branch.
   */
  afterSeq?: number | undefined;
}

/** One of several messages that follow the same message. */
export interface Sibling {
  seq: number;
  /** The newest message that continues from it. `session.branch` with this seq makes it part of the active branch. */
  headSeq: number;
}

/** A message after an edit. */
export interface EditedMessage extends Message {
  /** Paths in the request whose content was changed before it was stored; see `AppendResult`. */
  mended?: string[] | undefined;
}

/** The formats of messages that an append accepts beside Threadkeep's own: those of the providers' SDKs. */
export type ProviderFormat = "openai-chat" | "anthropic" | "ai-sdk";
/**
 * A message in one of these formats, such as `response.choices[0].message`. It may also have `id`, `author`,
 * `metadata`, `occurredAt` and `afterSeq`, as a `NewMessage` does.
 */
export interface ProviderMessage {
  readonly role: string;
}

/** A message as it is stored and returned. */
export interface Message {
  id: string;
  /** The number of the message in its session: 1, 2, 3 … without gaps. */
  seq: number;
  role: Role;
  author?: string | undefined;
  content: Content;
  metadata?: Metadata | undefined;
  occurredAt?: string | undefined;
  createdAt: string;
  editedAt?: string | undefined;
  /** It is kept verbatim in every context until it is unpinned or erased. */
  pinned?: true | undefined;
  /** It was erased: its seq remains, its content is gone. */
  erased?: true | undefined;
  /** The message that it follows, if that is not the one before it; 0: none. */
  afterSeq?: number | undefined;
  /** It is not on the active branch. Present where messages are listed or read. */
  offBranch?: true | undefined;
  /**
   * All messages that follow the same message, this one included, if there are several. A page can show "2 of 3" with
   * it. Present where messages are listed or read.
   */
  siblings?: Sibling[] | undefined;
  /** Estimated tokens of the content. */
  tokens: number;
}

/** A change of a message. Fields that are left out keep their values. */
export interface MessagePatch {
  content?: Content | undefined;
  /** Replaces all metadata. */
  metadata?: Metadata | undefined;
  /** true pins the message, false unpins it. A change of `pinned` alone is not an edit of the content. */
  pinned?: boolean | undefined;
}

export interface AppendedMessage {
  id: string;
  seq: number;
  /** false: the message existed already. */
  created: boolean;
  erased?: true | undefined;
}

export interface Erasure {
  id: string;
  seq?: number | undefined;
  /**
   * erasing: it is erased from the session, but the summary, the archive or copies have not followed yet; erased: it is
   * erased everywhere.
   */
  state: "erasing" | "erased";
}

/** A page of a list. `nextCursor` is null on the last page. */
export interface Page<T> {
  readonly data: T[];
  readonly hasMore: boolean;
  readonly nextCursor: string | null;
}

/** The settings of a session. Those that it leaves out come from the tenant, then from its profile. */
export interface SessionSettings {
  profile?: "chat" | "agent" | undefined;
  /** The default token budget of a context: 256 to 1,000,000. */
  maxTokens?: number | undefined;
  summarizeAfterTokens?: number | undefined;
  keepRecentTokens?: number | undefined;
  summaryMaxTokens?: number | undefined;
  /** null: no limit. */
  summarizerTokensPerDay?: number | null | undefined;
  /** null: never. */
  summarizeAfterIdleSeconds?: number | null | undefined;
  /** null: never. */
  expireAfterIdleSeconds?: number | null | undefined;
  /** Whether messages are copied to the archive too, not only summaries. */
  archiveMessages?: boolean | undefined;
}

export interface NewSession {
  /** An id of your choice. If it is missing, the client makes one. */
  id?: string | undefined;
  metadata?: Metadata | undefined;
  settings?: SessionSettings | undefined;
  /** Id of another session of yours, whose summary items are carried over. */
  continueFrom?: string | undefined;
  /** Start with the user's facts and preferences from all of their sessions. Not together with `continueFrom`. */
  seedFromUser?: true | undefined;
}

export interface SessionPatch {
  /** Replaces all metadata. */
  metadata?: Metadata | undefined;
  /** Replaces all settings. */
  settings?: SessionSettings | undefined;
}

export interface ForkRequest {
  /** Id of the new session. If it is missing, the client makes one. */
  id?: string | undefined;
  /** The last message to copy; by default the newest of the active branch. */
  throughSeq?: number | undefined;
  metadata?: Metadata | undefined;
  settings?: SessionSettings | undefined;
}

export interface BranchRequest {
  /** The last message of the branch to activate, usually the newest message of another branch. */
  headSeq: number;
  /** Refuse with `head_seq_mismatch` unless this is the newest message of the active branch. */
  expectedHeadSeq?: number | undefined;
}

export interface Origin {
  session: string;
  kind: "fork" | "continuation";
  throughSeq: number;
  state: "pending" | "done" | "lost";
}

export interface SessionState {
  id: string;
  createdAt: string;
  /** seq of the newest message of the active branch; 0 if none. */
  headSeq: number;
  /** seq of the newest message on any branch; 0 if none. */
  lastSeq: number;
  messageTokens: number;
  messageBytes: number;
  summary: { version: number; throughSeq: number; tokens: number; items: number; createdAt: string } | null;
  summaryPending: boolean;
  /** Present if some messages of users or summary items have no vectors yet. */
  vectorsPending?: true | undefined;
  /** Whether everything that belongs in the archive is stored there. */
  archived: boolean;
  /** How many rows of the session PostgreSQL refuses. */
  archiveSetAside?: number | undefined;
  /** copying: a fork or an import that is not complete yet. */
  status: "active" | "copying";
  origin: Origin | null;
  expiresAt: string | null;
  metadata: Record<string, unknown>;
  settings: SessionSettings;
}

export interface ListedSession {
  id: string;
  createdAt: string;
  metadata: Record<string, unknown>;
  /** When it expired. Requests for it answer 410; a new session may continue from it. */
  expiredAt?: string | undefined;
}

export type ItemKind = "fact" | "preference" | "decision" | "task" | "question" | "event" | "instruction";
export type ItemStatus = "current" | "done" | "superseded";

/** One statement of a summary, and the messages that it is based on. */
export interface SummaryItem {
  id: string;
  kind: ItemKind;
  text: string;
  sourceSeqs: number[];
  /** The session of the cited messages, if the item was carried over. */
  sourceSession?: string | undefined;
  status: ItemStatus;
}

export interface Summary {
  version: number;
  /** The summary covers messages 1 to this one. */
  throughSeq: number;
  items: SummaryItem[];
  tokens: number;
  summarizer: string;
  /** It was made without the configured model. A better one will replace it. */
  degraded: boolean;
  droppedItems: number;
  createdAt: string;
}

/** What making a version used, including failed attempts. A field is left out if its value is not known. */
export interface SummaryUsage {
  inputTokens?: number | undefined;
  outputTokens?: number | undefined;
  /** Millionths of a US dollar. */
  costMicroDollars?: number | undefined;
  durationMs?: number | undefined;
}

/** A version in the history of the summary. */
export interface SummaryVersion extends Summary {
  /** Left out for users. */
  usage?: SummaryUsage | undefined;
}

export interface ExpandedSummary extends SummaryVersion {
  /** The cited messages, in order, if they were requested. */
  sources?: Message[] | undefined;
  /** Whether more messages are cited than returned. Read the others by their seqs. */
  hasMoreSources?: boolean | undefined;
}

/** The differences between two versions of a summary, item by item. */
export interface SummaryChanges {
  version: number;
  /** The version it is compared with; null if it is the first version. */
  from: number | null;
  kept: SummaryItem[];
  reworded: { before: SummaryItem; after: SummaryItem }[];
  dropped: SummaryItem[];
  added: SummaryItem[];
}

/** A user's message that a version covers, and the words of it that no item of the version contains. */
export interface SummaryLoss {
  seq: number;
  id: string;
  words: { kind: "number" | "name" | "instruction"; text: string }[];
}

export interface RestoreRequest {
  /** Refuse with `summary_version_mismatch` unless this is the newest version. The restored version replaces it. */
  expectedVersion?: number | undefined;
}

export interface SummarizeRequest {
  /** Wait up to this long for the summary; at most 10,000 ms. */
  waitMs?: number | undefined;
  keepRecentTokens?: number | undefined;
  fromScratch?: boolean | undefined;
}

export interface Job {
  id: string;
  kind: "summarize" | "archive" | "erase" | "erase-copies" | "expire" | "fork" | "restore" | "embed" | "list";
  state: "pending" | "done" | "failed";
  throughSeq: number;
  attempts: number;
  createdAt: string;
  lastError?: string | undefined;
}

export interface SummarizeResult {
  /** null if there is nothing to summarize. */
  job: Job | null;
  /** The newest summary, if it was ready in time. */
  summary: Summary | null;
}

export interface SearchRequest {
  query: string;
  /** 1 to 100; 10 by default. */
  limit?: number | undefined;
}

export interface SearchHit {
  message: Message;
  /** Higher is better. Comparable only within one answer. */
  score: number;
  snippet: string;
  why: string;
}

/** How older messages were searched. */
export interface Retrieval {
  by: "words" | "words-and-meaning";
  /** Why only words were used. With `late`, repeating the request may find more. */
  because?: "late" | "unavailable" | "budget" | "none-yet" | "other-model" | undefined;
}

export interface SearchResult {
  /** Best first. */
  data: SearchHit[];
  /** Whether more hits were found but left out, because the answer would be too large. */
  hasMore: boolean;
  /** Messages after this one are not searched yet. If it is less than `headSeq`, repeat the request. */
  indexedThroughSeq: number;
  headSeq: number;
  /** Left out if embeddings are off. */
  retrieval?: Retrieval | undefined;
}

export interface MemorySearchRequest {
  query: string;
  limit?: number | undefined;
  kinds?: ItemKind[] | undefined;
  status?: ItemStatus | "any" | undefined;
  sessions?: string[] | undefined;
}

export interface MemoryHit {
  sessionId: string;
  item: SummaryItem;
  score: number;
  snippet: string;
  summarizedAt: string;
}

export interface MemorySearchResult {
  data: MemoryHit[];
  /** Left out if embeddings are off. */
  retrieval?: Retrieval | undefined;
}

export interface ImportResult {
  id: string;
  messages: number;
  summaries: number;
  items: number;
  droppedItems: number;
  /** Changed content in the lines of this request; see `AppendResult`. */
  mended?: string[] | undefined;
}

/** The progress of an import in parts. */
export interface ImportState {
  id: string;
  sessionId: string;
  /** open: the session is not visible yet. */
  state: "open" | "complete" | "abandoned";
  /** The last line of the file that was received, counted from 1; null once it is complete. */
  throughLine: number | null;
  messages: number;
  summaries: number;
  items: number;
  droppedItems: number;
  /** When the import is abandoned if no further line arrives; null once it is complete. */
  expiresAt: string | null;
  /** Changed content in the lines of this request; see `AppendResult`. */
  mended?: string[] | undefined;
}

/** The progress of a user's erasure. */
export interface UserErasure {
  userId: string;
  /** `erased`: a search of every place found nothing. */
  state: "erasing" | "erased";
  sessions: number;
  erased: number;
  startedAt: string;
  finishedAt?: string | undefined;
  /** About when the id may be used again. */
  returnsAt?: string | undefined;
  /** What the last search found; everything found is erased again. */
  found?: { checkedAt: string; sessions: number; directory: number; archive: number; failedJobs: number } | undefined;
  /** Why the erasure does not proceed at the moment. It is retried automatically. */
  lastError?: string | undefined;
}
