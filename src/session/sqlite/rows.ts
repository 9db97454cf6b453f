import type { JobKind } from "../../api/job.ts";
import type { Seq, StoredMessage, TokenCount } from "../../api/message.ts";
import type { Metadata, Origin, SessionRef } from "../../api/session.ts";
import type { KeptItem, Summary, SummaryUsage } from "../../api/summary.ts";
import type { EndLine } from "../../api/transfer.ts";
import type { Branch } from "../../prompt/branch.ts";
import { messageCost } from "../../prompt/message-text.ts";
import type { SaidAt } from "./said-at.ts";
import type { OwnSettings, TenantTerms } from "./settings.ts";

/** The types of the session object's rows. Times are in ms since 1970. */

export interface SessionRow extends SessionRef {
  readonly epoch: string;
  readonly hashKey: Uint8Array;
  readonly metadata: Metadata;
  readonly settings: OwnSettings;
  /** The newest revision: it rises by one with each change that the archive must receive. */
  readonly archiveRev: number;
  /** The newest revision that the archive has confirmed. */
  readonly archivedRev: number;
  /** The newest version of the summary that the archive has confirmed. */
  readonly archivedVersion: number;
  /**
   * The newest version of the summary that is sent with `archiveRev`. Versions are sent in pages, one page with each
   * revision.
   */
  readonly archiveVersion: number;
  /**
   * The archive must delete what it holds of this session and receive everything again, because something in it was
   * edited or erased.
   */
  readonly archiveReplace: boolean;
  /** How many rows of this session PostgreSQL refuses to store. They exist only here. */
  readonly archiveAside: number;
  /** Which messages the archive holds and is to hold; null if it holds none and is to hold none. */
  readonly messageArchive: MessageArchive | null;
  /** When the session was created, as clients see it. An imported session has the time from its file. */
  readonly createdAt: number;
  /** When this epoch began. Of two epochs of one session id, the one with the later `beganAt` is the current one. */
  readonly beganAt: number;
  /** The time (`grantedAt`) of the newest creation grant that this epoch has recorded; 0 if it has none. */
  readonly grantedAt: number;
  /** The time of the creation grant with which this epoch began; 0 if it had none. */
  readonly begunBy: number;
  /** How often a client has changed the metadata or settings in this epoch. */
  readonly metadataRev: number;
  /**
   * When the session was erased; null if it was not. An erased session keeps only what the archive and the copies still
   * have to confirm.
   */
  readonly erasedAt: number | null;
  /**
   * When the session expired; null if it did not. The archive keeps its summary; here, everything that was said is
   * gone.
   */
  readonly expiredAt: number | null;
  /** The revision of the tenant's settings that this session last applied. */
  readonly tenantRev: number;
  /** Those settings. */
  readonly tenantSettings: TenantTerms;
  /** How many messages were edited or erased so far, counted once for each call. */
  readonly changes: number;
  /** When an edit last changed what a message says; null if none did. */
  readonly editedAt: number | null;
  /**
   * What is added to the `rev` of this epoch's events before clients see it, so that it is above every `rev` of an
   * earlier epoch.
   */
  readonly revBase: number;
  /** The progress of a fork or an import that is not complete yet; null for a session that is. */
  readonly copying: Copying | null;
  /** The import that created this session; null if it was not imported. */
  readonly imported: FinishedImport | null;
  /** Which fan-out objects have sockets of this session: bit n for the object n. */
  readonly fanOuts: number;
}

/**
 * How much of the log the archive holds. What is sent with a revision never changes, so a late or repeated delivery of
 * it writes the same rows.
 */
export interface MessageArchive {
  /** The last message that is sent with the newest revision. */
  readonly sentSeq: Seq;
  /** The last message that the archive is to hold in the end; it gets there page by page. 0 if it is to hold none. */
  readonly targetSeq: Seq;
  /** The last message that the archive has confirmed. */
  readonly confirmedSeq: Seq;
  /**
   * All messages are sent again from this revision on. A confirmation of an earlier revision does not count for them.
   */
  readonly sinceRev: number;
  /** Messages that were edited or erased after they had been sent, each with the revision that sends the change. */
  readonly changed: readonly { readonly seq: Seq; readonly rev: number }[];
}

/** The state of a fork or an import that is not complete yet. Only the caller that makes it can see the session. */
export type Copying = CopyingFork | CopyingImport;

interface CopyingFork {
  readonly kind: "fork";
  readonly until: number;
  /**
   * The source's count of `changes` when copying began: a different count means that the source has changed, and
   * copying starts again. Null before the first page.
   */
  readonly sourceChanges: number | null;
}

export interface CopyingImport {
  readonly kind: "import";
  /** When the import is given up unless more lines arrive before. */
  readonly until: number;
  readonly progress: ImportProgress;
}

/** How much of an import's file has been saved. */
export interface ImportProgress {
  /** The id that the client chose for this import. */
  readonly id: string;
  /** The last line of the file that is saved; the first line is 1. */
  readonly throughLine: number;
  /** The import is given up when no line has arrived for this long, in ms. */
  readonly patienceMs: number;
  readonly summaries: number;
  /** Items read so far, with those that were dropped. */
  readonly items: number;
  /** Items that were left out because no message supports them. */
  readonly dropped: number;
  /** Bytes of the items that were kept. */
  readonly itemBytes: number;
  /** Characters of messages that were read to check items. */
  readonly evidence: number;
  /** The end line of the file; null until it is read. */
  readonly end: EndLine | null;
  /**
   * The import passed its last check, so the directory may already list the session, even if the caller then fails
   * before it finishes the import.
   */
  readonly isEnding?: true;
  /**
   * The directory listed a session of this id already when it announced the import: another request may still create
   * that session, with the grant that it got then.
   */
  readonly isContested?: true;
}

/** The result of a complete import. It is stored so that a client whose response was lost can ask for it again. */
export interface FinishedImport {
  readonly id: string;
  readonly messages: number;
  readonly summaries: number;
  readonly items: number;
  readonly droppedItems: number;
}

/** A session from which this one took messages or items. */
export interface OriginRow {
  readonly session: string;
  readonly epoch: string;
  /** `further`: its items came along with those of another origin, which had carried them over itself. */
  readonly kind: Origin["kind"] | "further";
  readonly throughSeq: Seq;
  /**
   * `stale`: something was erased there that its items may repeat in other words, so it will be asked again for its
   * items.
   */
  readonly state: Origin["state"] | "stale";
}

/** One epoch of one session id. */
export interface EpochRef {
  readonly session: string;
  readonly epoch: string;
}

/** In place of a session's name: the items come from all sessions of a user. No session has this name. */
export const ALL_SESSIONS = "";

/** What was erased of an epoch: one message, all messages up to one, or everything that the epoch contained. */
export type ErasedPart = Seq | { readonly throughSeq: Seq } | "all";

export interface MessageRow extends Omit<StoredMessage, "id">, SaidAt {
  readonly clientId: string | null;
  /** Pinning affects this session's prompts only, so it is not sent to the archive. */
  readonly isPinned: boolean;
  readonly tokens: TokenCount;
}

/** How many tokens a message takes of a context's budget now: 0 once it is erased. */
export function messageCostOf({
  content,
  tokens,
  author,
}: Pick<MessageRow, "content" | "tokens" | "author">): TokenCount {
  return content === null ? 0 : messageCost({ tokens, author: author ?? undefined });
}

/**
 * The newest message of the log, with the sums over all messages up to it: `Cost` in tokens of a context's budget,
 * `Bytes` in bytes of content JSON.
 */
export interface HeadRow extends Pick<MessageRow, "seq" | "createdAt"> {
  /** The sums as they are now, after edits and erasures. */
  readonly totalCost: TokenCount;
  readonly totalBytes: number;
  /** The sums as they were when the messages were appended. */
  readonly appendedCost: TokenCount;
  readonly appendedBytes: number;
}

/** The newest message of the active branch. */
export interface TipRow extends Pick<MessageRow, "seq" | "createdAt"> {
  /** The newest message in the whole log, on whichever branch it is. */
  readonly lastSeq: Seq;
  readonly branch: Branch;
  /** How many tokens the messages of this branch take of a context's budget now. */
  readonly totalCost: TokenCount;
}

/** By how much an edit or an erasure changes the sums; negative where it makes them smaller. */
export interface TotalsChange {
  readonly cost: TokenCount;
  readonly bytes: number;
}

/** A message with the bytes of its content and metadata as they are stored. */
export interface SizedMessageRow extends MessageRow {
  readonly bytes: number;
}

/**
 * A message with the hash of the content that was first appended. It is null if the message was erased, or if nobody
 * can append it again.
 */
export interface HashedMessageRow extends MessageRow {
  readonly hash: Uint8Array | null;
}

/** A message as it is appended, copied or imported. */
export interface NewMessageRow extends HashedMessageRow {
  /** Tokens that all messages up to this one take of a context's budget, each counted as it was appended. */
  readonly totalCost: TokenCount;
  readonly totalBytes: number;
}

/** What an append compares with, to tell a retry from a conflict. `content` is read only if there is no hash. */
export type EarlierRow = Pick<
  HashedMessageRow,
  "seq" | "clientId" | "role" | "author" | "content" | "occurredAt" | "erasedAt" | "hash"
>;

/** One message's part of the running sums. */
export interface LedgerRow extends Pick<NewMessageRow, "seq" | "author" | "tokens" | "totalCost" | "totalBytes"> {
  readonly isErased: boolean;
  /** By how many tokens edits and erasures changed what the message takes of a context's budget. */
  readonly costChange: TokenCount;
}

export interface SummaryRow extends Omit<Summary, "items" | "createdAt"> {
  readonly createdAt: number;
  readonly usage: SummaryUsage | null;
}

/** A part of a draft that the configured summarizer made, and not its fallback. */
export interface GoodPart {
  readonly throughSeq: Seq;
  readonly items: KeptItem[];
  readonly dropped: number;
  readonly summarizer: string;
}

/**
 * What a job has summarized so far. The answer to each chunk is saved here before the next step, so that none is paid
 * for twice.
 */
export interface Draft extends GoodPart {
  readonly baseVersion: number;
  readonly degraded: boolean;
  /**
   * Of a degraded draft: the part before its first fallback summary, from which a better summary can go on; null if
   * there is none.
   */
  readonly good: GoodPart | null;
}

/** What every job has. */
export interface JobBase {
  readonly id: string;
  /** The epoch of the session for which the job works. */
  readonly epoch: string;
  readonly state: "pending" | "failed";
  readonly throughSeq: Seq;
  readonly sends: number;
  readonly failures: number;
  readonly nextSendAt: number;
  readonly lease: string | null;
  readonly leaseUntil: number | null;
  readonly firstError: string | null;
  readonly lastError: string | null;
  readonly firstFailedAt: number | null;
  readonly lastFailedAt: number | null;
  readonly createdAt: number;
}

/** The kind of a job, and what only jobs of this kind have. */
export type JobDetails =
  | { readonly kind: "summarize"; readonly goal: SummaryGoal }
  | { readonly kind: "embed"; readonly goal: EmbeddingGoal }
  | { readonly kind: "erase"; readonly erased: ErasedEpoch }
  | { readonly kind: Exclude<JobKind, "summarize" | "embed" | "erase"> };

export type JobRow = JobBase & JobDetails;
export type SummarizeJob = Extract<JobRow, { readonly kind: "summarize" }>;
export type EmbedJob = Extract<JobRow, { readonly kind: "embed" }>;
export type EraseJob = Extract<JobRow, { readonly kind: "erase" }>;

/**
 * Nothing is left to do, but operators may have the job on their list of failed jobs: its consumer takes it from there.
 */
interface CalledOff {
  readonly is: "called-off";
}

/** What a summarize job is to do. */
export type SummaryGoal =
  /** To add newer messages to the newest version. */
  | { readonly is: "continue" }
  /** To summarize everything anew, because a client asked for it. The earlier versions stay. */
  | { readonly is: "from-scratch" }
  | Replacement
  | CalledOff;

/** A summary that replaces versions. */
export interface Replacement {
  /**
   * `rebuild`: because a message that these versions cover was edited or erased, or because an operator asked for it.
   * `upgrade`: only because they are fallback summaries. An upgrade can wait for a model; whatever is more urgent makes
   * a rebuild of it.
   */
  readonly is: "rebuild" | "upgrade";
  /** All versions after this one are replaced; 0 if all are. */
  readonly lastKept: number;
  /** Whether everything is summarized anew, instead of from version `lastKept` on. */
  readonly isFromScratch: boolean;
}

/** What an embed job is to do: to make the vectors that are missing, or nothing any more. */
export type EmbeddingGoal = { readonly is: "embed" } | CalledOff;

/** What an erasure knows of the epoch that was erased. */
export interface ErasedEpoch {
  /**
   * Ids of jobs that ended with the session and that may be on the operators' list of failed jobs. They are removed
   * from the list when the erasure is done.
   */
  readonly settles: readonly string[];
  /** The time of the newest creation grant that the epoch had recorded; 0 if it had none. */
  readonly grantedAt: number;
  readonly beganAt: number;
}

/** What a summarize job has once a consumer has taken it. */
export interface SummaryInProgress {
  /** What was last given to a summarizer. Its answer counts only while the job has the lease under which it was given. */
  readonly chunk: Chunk | null;
  readonly draft: Draft | null;
  /**
   * The lowest seq of a message that was edited or erased after a summarizer had received it: from there on, the draft
   * and the next answer are invalid. Null if there is none.
   */
  readonly invalidatedFromSeq: Seq | null;
  /** The tokens spent so far, including failed attempts. */
  readonly usage: SummaryUsage | null;
}

interface Chunk {
  /** The version that the summary continues from. */
  readonly baseVersion: number;
  /** The last message that the summarizer received. */
  readonly throughSeq: Seq;
}

export const NOTHING_IN_PROGRESS: SummaryInProgress = {
  chunk: null,
  draft: null,
  invalidatedFromSeq: null,
  usage: null,
};

/**
 * An item, with the first version that contains it and the first that does not any more (null: the newest still does).
 */
export interface VersionedItem extends KeptItem {
  readonly fromVersion: number;
  readonly toVersion: number | null;
}
