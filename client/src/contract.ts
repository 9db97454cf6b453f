/** The public language of the service, as types. A test holds them against the schemas that the service parses with. */

import type { ServiceCode } from "./errors.ts";

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };
export type Metadata = Record<string, Json>;

/** What went wrong with a part of an answer, where the rest of it came all the same. */
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
/** Whether the user lets a tool run. Only the formats `ai-sdk` and `ui` give it back. */
export interface ToolApproval {
  /** Of the request for it. */
  id: string;
  /** What the user answered; left out while nobody has answered. */
  approved?: boolean | undefined;
  /** Why the user answered so. */
  reason?: string | undefined;
  /** Why it was asked for. */
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
  /** The provider ran the tool itself: no other provider gets the call back as one of its own. */
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
/** Kept and given back, never prompted. */
export interface DataPart {
  type: `data-${string}`;
  id?: string | undefined;
  data: Json;
}
export type Part = TextPart | FilePart | ReasoningPart | ToolCallPart | ToolResultPart | DataPart;
export type Content = string | Part[];

/** A message as you append it. */
export interface NewMessage {
  /** Yours, `[A-Za-z0-9._:-]{1,128}`; the client makes one where it is missing, so that a retry stores nothing twice. */
  id?: string | undefined;
  role: Role;
  author?: string | undefined;
  content: Content;
  /** At most 4 KiB as JSON. */
  metadata?: Metadata | undefined;
  /** ISO 8601 with a zone: when it was said, if not now. */
  occurredAt?: string | undefined;
  /** In each context in its words, in every budget, until it is unpinned or erased. */
  pinned?: boolean | undefined;
  /**
   * The message that it follows, 0 for none, if not the head of the active branch or the one before it in the batch. What stood behind that
   * message is then off the branch.
   */
  afterSeq?: number | undefined;
}

/** One of several messages that follow the same one. */
export interface Sibling {
  seq: number;
  /** The newest message that leads on from it: `session.branch` with this makes it one of the active branch. */
  headSeq: number;
}

/** A message as it is after an edit. */
export interface EditedMessage extends Message {
  /** Paths of what was sent where content was mended: see `AppendResult`. */
  mended?: string[] | undefined;
}

/** The shapes of messages that an append takes besides our own: as the SDKs take and give them. */
export type ProviderFormat = "openai-chat" | "anthropic" | "ai-sdk";
/**
 * A message in one of those shapes, such as `response.choices[0].message`. Its `id`, `author`, `metadata`, `occurredAt` and `afterSeq` may stand in it, as
 * in a `NewMessage`.
 */
export interface ProviderMessage {
  readonly role: string;
}

/** A message as it is stored and given back. */
export interface Message {
  id: string;
  /** Its place in the session: 1, 2, 3 … without gaps. */
  seq: number;
  role: Role;
  author?: string | undefined;
  content: Content;
  metadata?: Metadata | undefined;
  occurredAt?: string | undefined;
  createdAt: string;
  editedAt?: string | undefined;
  /** In each context in its words, until it is unpinned or erased. */
  pinned?: true | undefined;
  /** The seq stays, the content is gone. */
  erased?: true | undefined;
  /** The message that it follows, where that is not the one before it; 0: none. */
  afterSeq?: number | undefined;
  /** It is not on the active branch. Said where messages are listed or read. */
  offBranch?: true | undefined;
  /** All that follow the same message, itself among them, where there are several: "2 of 3". Said where messages are listed or read. */
  siblings?: Sibling[] | undefined;
  /** Estimated. */
  tokens: number;
}

/** A change of a message. What is left out stays. */
export interface MessagePatch {
  content?: Content | undefined;
  /** Replaces all metadata. */
  metadata?: Metadata | undefined;
  /** true pins the message, false unpins it. Alone it is no edit of what was said. */
  pinned?: boolean | undefined;
}

export interface AppendedMessage {
  id: string;
  seq: number;
  /** false: it was there already. */
  created: boolean;
  erased?: true | undefined;
}

export interface Erasure {
  id: string;
  seq?: number | undefined;
  /** erasing: gone from the session; a new summary, the archive or copies have yet to follow; erased: gone everywhere. */
  state: "erasing" | "erased";
}

/** A page of a list. `nextCursor` is null on the last page. */
export interface Page<T> {
  readonly data: T[];
  readonly hasMore: boolean;
  readonly nextCursor: string | null;
}

/** What a session may set for itself; what it leaves out comes from its profile. */
export interface SessionSettings {
  profile?: "chat" | "agent" | undefined;
  /** Of a context, where it is asked for without a budget: 256 to 1,000,000. */
  maxTokens?: number | undefined;
  summarizeAfterTokens?: number | undefined;
  keepRecentTokens?: number | undefined;
  summaryMaxTokens?: number | undefined;
  /** null: no bound. */
  summarizerTokensPerDay?: number | null | undefined;
  /** null: never. */
  summarizeAfterIdleSeconds?: number | null | undefined;
  /** null: never. */
  expireAfterIdleSeconds?: number | null | undefined;
  /** Whether the messages go to the archive as well as the summaries. */
  archiveMessages?: boolean | undefined;
}

export interface NewSession {
  /** Yours; the client makes one where it is missing. */
  id?: string | undefined;
  metadata?: Metadata | undefined;
  settings?: SessionSettings | undefined;
  /** Another of your sessions: what its summary holds is carried over. */
  continueFrom?: string | undefined;
  /** Begin with what all sessions of the user hold. Not beside `continueFrom`. */
  seedFromUser?: true | undefined;
}

export interface SessionPatch {
  /** Replaces all metadata. */
  metadata?: Metadata | undefined;
  /** Replaces all settings. */
  settings?: SessionSettings | undefined;
}

export interface ForkRequest {
  /** Of the new session; the client makes one where it is missing. */
  id?: string | undefined;
  /** The last message that it takes along; by default the newest of the active branch. */
  throughSeq?: number | undefined;
  metadata?: Metadata | undefined;
  settings?: SessionSettings | undefined;
}

export interface BranchRequest {
  /** The message that the branch ends with: as a rule the last of another branch. */
  headSeq: number;
  /** Refuse with `head_seq_mismatch` unless the newest message of the active branch is this one. */
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
  /** seq of the newest message of the active branch, 0 if none. */
  headSeq: number;
  /** seq of the newest message, on whichever branch; 0 if none. */
  lastSeq: number;
  messageTokens: number;
  messageBytes: number;
  summary: { version: number; throughSeq: number; tokens: number; items: number; createdAt: string } | null;
  summaryPending: boolean;
  /** What users said, or what the summary says of it, is still to get vectors. */
  vectorsPending?: true | undefined;
  /** Everything that belongs in the archive is there. */
  archived: boolean;
  /** Rows of it that PostgreSQL refuses. */
  archiveSetAside?: number | undefined;
  /** copying: a fork or an import that is not whole yet. */
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
  /** Its id answers 410 since then; a new session may continue from it. */
  expiredAt?: string | undefined;
}

export type ItemKind = "fact" | "preference" | "decision" | "task" | "question" | "event" | "instruction";
export type ItemStatus = "current" | "done" | "superseded";

/** One statement of a summary, and the messages that it rests on. */
export interface SummaryItem {
  id: string;
  kind: ItemKind;
  text: string;
  sourceSeqs: number[];
  /** Whose messages these are, if the item was carried over. */
  sourceSession?: string | undefined;
  status: ItemStatus;
}

export interface Summary {
  version: number;
  /** It covers messages 1 to this one. */
  throughSeq: number;
  items: SummaryItem[];
  tokens: number;
  summarizer: string;
  /** Made without the model that was asked for; a better one follows. */
  degraded: boolean;
  droppedItems: number;
  createdAt: string;
}

/** What making a version took, also in vain. What is left out is not known, or nothing of the kind was asked. */
export interface SummaryUsage {
  inputTokens?: number | undefined;
  outputTokens?: number | undefined;
  /** Millionths of a US dollar. */
  costMicroDollars?: number | undefined;
  durationMs?: number | undefined;
}

/** A version in the history of the summary. */
export interface SummaryVersion extends Summary {
  /** Not told to users. */
  usage?: SummaryUsage | undefined;
}

export interface ExpandedSummary extends SummaryVersion {
  /** The cited messages, in order, if they were asked for. */
  sources?: Message[] | undefined;
  /** Whether more are cited than came along: the others are read by their seqs. */
  hasMoreSources?: boolean | undefined;
}

/** Two versions of a summary, item by item. */
export interface SummaryChanges {
  version: number;
  /** The version that it is held against; null if there is none before it. */
  from: number | null;
  kept: SummaryItem[];
  reworded: { before: SummaryItem; after: SummaryItem }[];
  dropped: SummaryItem[];
  added: SummaryItem[];
}

/** A message of a user that a version covers, and what of it no item of the version says. */
export interface SummaryLoss {
  seq: number;
  id: string;
  words: { kind: "number" | "name" | "instruction"; text: string }[];
}

export interface RestoreRequest {
  /** Refuse with `summary_version_mismatch` unless this is the newest version, which the restored one replaces. */
  expectedVersion?: number | undefined;
}

export interface SummarizeRequest {
  /** Wait this long for the summary: at most 10,000 ms. */
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
  /** The newest, if it came in time. */
  summary: Summary | null;
}

export interface SearchRequest {
  query: string;
  /** 1 to 100; 10 by default. */
  limit?: number | undefined;
}

export interface SearchHit {
  message: Message;
  /** Comparable within one answer only. */
  score: number;
  snippet: string;
  why: string;
}

/** How older messages were looked for. */
export interface Retrieval {
  by: "words" | "words-and-meaning";
  /** Why by words alone: `late` may be in time when the same is asked again. */
  because?: "late" | "unavailable" | "budget" | "none-yet" | "other-model" | undefined;
}

export interface SearchResult {
  /** Best first. */
  data: SearchHit[];
  /** Whether more was found, and left out since the answer would be too large. */
  hasMore: boolean;
  /** Messages after this one are not searched yet: ask again where it lags behind `headSeq`. */
  indexedThroughSeq: number;
  headSeq: number;
  /** Not there where embeddings are off. */
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
}

export interface ImportResult {
  id: string;
  messages: number;
  summaries: number;
  items: number;
  droppedItems: number;
  /** Of the lines that this request sent: see `AppendResult`. */
  mended?: string[] | undefined;
}

/** Where an import in parts stands. */
export interface ImportState {
  id: string;
  sessionId: string;
  /** open: nobody sees the session yet. */
  state: "open" | "complete" | "abandoned";
  /** The last line of the file that is in, counted from 1; null once it is complete. */
  throughLine: number | null;
  messages: number;
  summaries: number;
  items: number;
  droppedItems: number;
  /** It is given up by then if no line comes; null once it is complete. */
  expiresAt: string | null;
  /** Of the lines that this request sent: see `AppendResult`. */
  mended?: string[] | undefined;
}

/** How far the erasure of a user is. */
export interface UserErasure {
  userId: string;
  /** `erased`: a look at every place found nothing. */
  state: "erasing" | "erased";
  sessions: number;
  erased: number;
  startedAt: string;
  finishedAt?: string | undefined;
  /** About when the id may be used anew. */
  returnsAt?: string | undefined;
  /** What the last look found; anything found is erased again. */
  found?: { checkedAt: string; sessions: number; directory: number; archive: number; failedJobs: number } | undefined;
  /** Why it does not go on at the moment; it is tried again by itself. */
  lastError?: string | undefined;
}
