import type { JobKind } from "../../api/job.ts";
import type { Content, Role, Seq, StoredMessage, TokenCount } from "../../api/message.ts";
import type { Metadata, Origin, SessionRef } from "../../api/session.ts";
import type { ItemKind, ItemStatus, KeptItem, Summary, SummaryUsage } from "../../api/summary.ts";
import type { EndLine } from "../../api/transfer.ts";
import type { Branch } from "../../prompt/branch.ts";
import { messageCost } from "../../prompt/message-text.ts";
import { fromStoredTime, type SaidAt } from "./said-at.ts";
import type { OwnSettings, TenantTerms } from "./settings.ts";

/** The rows of the session object, and how each is read. */

export interface SessionRow extends SessionRef {
  readonly epoch: string;
  readonly hashKey: Uint8Array;
  readonly metadata: Metadata;
  readonly settings: OwnSettings;
  /** Rises with each change that the archive must learn of. */
  readonly archiveRev: number;
  /** The last of them that the archive confirmed. */
  readonly archivedRev: number;
  readonly archivedVersion: number;
  /** The last version of the summary that it holds at the newest revision: a page of them goes with each. */
  readonly archiveVersion: number;
  /** What the archive holds has to go, and everything to be sent anew: something in it was changed or erased. */
  readonly archiveReplace: boolean;
  /** Rows that PostgreSQL refuses, and that are here alone. */
  readonly archiveAside: number;
  /** How far the messages are archived, too; null if the archive holds none. */
  readonly messageArchive: MessageArchive | null;
  /** When the session was created, as clients see it: an import brings it along. */
  readonly createdAt: number;
  /** When this epoch of the session began: of two epochs the one that began later is the last. */
  readonly beganAt: number;
  /** The newest word of the directory, that the session may be created, that this epoch heard of; 0 if none. */
  readonly grantedAt: number;
  /** The one by which this epoch began; 0 if none. */
  readonly begunBy: number;
  /** Changes of its metadata and settings so far, in this epoch. */
  readonly metadataRev: number;
  /** Erased: only what the archive and the copies have yet to confirm is left. */
  readonly erasedAt: number | null;
  /** Expired: the archive holds its summary, and nothing that was said is left here. */
  readonly expiredAt: number | null;
  /** The tenant's settings as this session last heard of them, and their revision. */
  readonly tenantRev: number;
  readonly tenantSettings: TenantTerms;
  /** Edits and erasures so far. */
  readonly changes: number;
  /** When an edit last said something else; null if none did. */
  readonly editedAt: number | null;
  /** What its feed's revs begin at, as clients see them. */
  readonly revBase: number;
  /** How far it is while it is a copy that is not whole yet; null else. */
  readonly copying: Copying | null;
  /** The import that it came of; null if of none. */
  readonly imported: FinishedImport | null;
}

/** How much of the log the archive holds. What belongs to a revision never changes: a late delivery of it writes the same. */
export interface MessageArchive {
  /** The last message that the archive holds at the newest revision. */
  readonly sentSeq: Seq;
  /** The last one that it is to hold, page by page; 0 if it is to hold none. */
  readonly targetSeq: Seq;
  /** The last one that it confirmed. */
  readonly confirmedSeq: Seq;
  /** The messages are sent anew since that revision: what is confirmed of an earlier one says nothing of them. */
  readonly sinceRev: number;
  /** Messages that were edited or erased since they were sent, each with the revision that tells the archive. */
  readonly changed: readonly { readonly seq: Seq; readonly rev: number }[];
}

/** A copy that is not whole yet: nobody but who makes it may see it. */
export type Copying = CopyingFork | CopyingImport;

export interface CopyingFork {
  readonly kind: "fork";
  readonly until: number;
  /** What the source's `changes` were when it was begun; null before the first page. */
  readonly sourceChanges: number | null;
}

export interface CopyingImport {
  readonly kind: "import";
  /** Given up by then, if nothing more comes; ms since 1970. */
  readonly until: number;
  readonly progress: ImportProgress;
}

/** How far the file of an import is in. */
export interface ImportProgress {
  /** Who sends it names it by this. */
  readonly id: string;
  /** The last line of the file that is in, as an editor counts. */
  readonly throughLine: number;
  /** Given up so long after the last line. */
  readonly patienceMs: number;
  readonly summaries: number;
  /** With those that were left out. */
  readonly items: number;
  readonly dropped: number;
  /** What the items hold that were not left out. */
  readonly itemBytes: number;
  /** Characters of messages that were read to check items. */
  readonly evidence: number;
  /** The last line of all, once it is in. */
  readonly end: EndLine | null;
  /** It was found that it may end: from then on a list may show it, though whoever is to end it breaks off. */
  readonly isEnding?: true;
}

/** An import that is whole, for whoever asks again because the answer was lost. */
export interface FinishedImport {
  readonly id: string;
  readonly messages: number;
  readonly summaries: number;
  readonly items: number;
  readonly droppedItems: number;
}

/** A session that this one took something from. */
export interface OriginRow {
  readonly session: string;
  readonly epoch: string;
  /** `further`: items of it came along with those of another origin. */
  readonly kind: Origin["kind"] | "further";
  readonly throughSeq: Seq;
  /** `stale`: something that it may say in other words was erased there, and it is asked anew what it holds. */
  readonly state: Origin["state"] | "stale";
}

/** Which messages: these, or all up to one of them. */
export type SeqSet = readonly Seq[] | { readonly throughSeq: Seq };

/** One epoch of a session. */
export interface EpochRef {
  readonly session: string;
  readonly epoch: string;
}

/** What a copy has yet to be told, or to confirm: that something of an epoch of a session was erased. */
export interface PendingErasure {
  readonly copy: string;
  readonly source: EpochRef;
  /** One message, all up to one of them, or all there was. */
  readonly what: Seq | { readonly throughSeq: Seq } | "all";
  /** The epoch by which the copy has what it took from the source; null where it took it from there. */
  readonly via: EpochRef | null;
}

export interface MessageRow extends Omit<StoredMessage, "id">, SaidAt {
  readonly clientId: string | null;
  /** A state of the prompts of this session: the archive, which keeps what was said, knows nothing of it. */
  readonly isPinned: boolean;
  readonly tokens: TokenCount;
}

/** What a message takes of a context's budget now: nothing once it is erased. */
export function messageCostOf({
  content,
  tokens,
  author,
}: Pick<MessageRow, "content" | "tokens" | "author">): TokenCount {
  return content === null ? 0 : messageCost({ tokens, author: author ?? undefined });
}

/** The newest message, and the totals through it. */
export interface HeadRow extends Pick<MessageRow, "seq" | "createdAt"> {
  /** As the messages are now. */
  readonly totalCost: TokenCount;
  readonly totalBytes: number;
  /** As they were appended. */
  readonly appendedCost: TokenCount;
  readonly appendedBytes: number;
}

/** The newest message of the active branch. */
export interface TipRow extends Pick<MessageRow, "seq" | "createdAt"> {
  /** The newest message of the log, on whichever branch. */
  readonly lastSeq: Seq;
  readonly branch: Branch;
  /** What the messages of the branch take of a context's budget now. */
  readonly totalCost: TokenCount;
}

/** What an edit or an erasure adds to the totals; less than nothing where it takes away. */
export interface TotalsChange {
  readonly cost: TokenCount;
  readonly bytes: number;
}

/** With the bytes of its content and metadata, as they are stored. */
export interface SizedMessageRow extends MessageRow {
  readonly bytes: number;
}

/** With the hash of what was first appended; null of a tombstone, and where nobody can append it again. */
export interface HashedMessageRow extends MessageRow {
  readonly hash: Uint8Array | null;
}

/** As it is appended. */
export interface NewMessageRow extends HashedMessageRow {
  /** What all messages through this one took of a context's budget, each as it was appended. */
  readonly totalCost: TokenCount;
  readonly totalBytes: number;
}

/** What is known of a message, to compare another with. Its content is there only without a hash. */
export type EarlierRow = Pick<
  HashedMessageRow,
  "seq" | "clientId" | "role" | "author" | "content" | "occurredAt" | "erasedAt" | "hash"
>;

/** What a message adds to the running totals. */
export interface LedgerRow extends Pick<NewMessageRow, "seq" | "author" | "tokens" | "totalCost" | "totalBytes"> {
  readonly isErased: boolean;
  /** What the message takes now, beyond what it took as it was appended. */
  readonly costChange: TokenCount;
}

export interface SummaryRow extends Omit<Summary, "items" | "createdAt"> {
  readonly createdAt: number;
  readonly usage: SummaryUsage | null;
}

/** A part of a summary that the summarizer made which was asked for. */
export interface GoodPart {
  readonly throughSeq: Seq;
  readonly items: KeptItem[];
  readonly dropped: number;
  readonly summarizer: string;
}

/** What a job has summarized so far: the answers of its earlier chunks, saved before anything else is done with them. */
export interface Draft extends GoodPart {
  readonly baseVersion: number;
  readonly degraded: boolean;
  /** Of a degraded one: what it holds up to the first fallback summary in it. The better summary goes on from there; null if there is nothing. */
  readonly good: GoodPart | null;
}

export interface JobRow {
  readonly id: string;
  /** The epoch of the session that it belongs to. */
  readonly epoch: string;
  readonly kind: JobKind;
  readonly state: "pending" | "failed";
  readonly throughSeq: Seq;
  readonly fromScratch: boolean;
  /** The version to summarize again from, because a message after it was changed; null for a summary that goes on. */
  readonly rebuildBase: number | null;
  /** The lowest seq that was changed after a summarizer had been given it. */
  readonly invalidatedFromSeq: Seq | null;
  readonly sends: number;
  readonly failures: number;
  readonly nextSendAt: number;
  readonly lease: string | null;
  readonly leaseUntil: number | null;
  /** While a summarizer is at work: the version that it goes on from, and the last message that it was given. */
  readonly baseVersion: number | null;
  readonly chunkThroughSeq: Seq | null;
  readonly draft: Draft | null;
  /** What it took so far, also in vain. */
  readonly usage: SummaryUsage | null;
  /** It only makes a degraded summary better: it can wait for a model, and whatever is more urgent takes it over. */
  readonly isUpgrade: boolean;
  readonly firstError: string | null;
  readonly lastError: string | null;
  readonly firstFailedAt: number | null;
  readonly lastFailedAt: number | null;
  readonly createdAt: number;
  /** Jobs that ended with the session, and that operators may have on their lists. */
  readonly settles: readonly string[];
  /** Of an erasure: the newest word of the directory that the erased epoch had heard of; 0 if none. */
  readonly grantedAt: number;
  /** Of an erasure: when the epoch began that it erases; 0 if that was not kept. */
  readonly beganAt: number;
}

/** An item with the versions between which it holds. */
export interface VersionedItem extends KeptItem {
  readonly fromVersion: number;
  readonly toVersion: number | null;
}

export type Row = Record<string, SqlStorageValue>;

export function text(value: SqlStorageValue | undefined): string {
  if (typeof value !== "string") throw new TypeError("a column that holds text holds something else");
  return value;
}
export function textOrNull(value: SqlStorageValue | undefined): string | null {
  return value === null || value === undefined ? null : text(value);
}
export function number(value: SqlStorageValue | undefined): number {
  if (typeof value !== "number") throw new TypeError("a column that holds a number holds something else");
  return value;
}
export function numberOrNull(value: SqlStorageValue | undefined): number | null {
  return value === null || value === undefined ? null : number(value);
}
export function bytesOrNull(value: SqlStorageValue | undefined): Uint8Array | null {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : null;
}
/** JSON that this object wrote itself. */
export function stored<T>(value: SqlStorageValue | undefined): T {
  return JSON.parse(text(value));
}

export function toSession(row: Row): SessionRow {
  return {
    tenant: text(row["tenant"]),
    owner: text(row["owner"]),
    session: text(row["session"]),
    epoch: text(row["epoch"]),
    hashKey: bytesOrNull(row["hash_key"]) ?? new Uint8Array(),
    metadata: stored<Metadata>(row["metadata"]),
    settings: stored<OwnSettings>(row["settings"]),
    archiveRev: number(row["archive_rev"]),
    archivedRev: number(row["archived_rev"]),
    archivedVersion: number(row["archived_version"]),
    archiveVersion: number(row["archive_version"]),
    archiveReplace: number(row["archive_replace"]) === 1,
    archiveAside: number(row["archive_aside"]),
    messageArchive: row["message_archive"] === null ? null : stored<MessageArchive>(row["message_archive"]),
    createdAt: number(row["created_at"]),
    metadataRev: number(row["metadata_rev"]),
    beganAt: number(row["began_at"]),
    grantedAt: number(row["granted_at"]),
    begunBy: number(row["begun_by"]),
    erasedAt: numberOrNull(row["erased_at"]),
    expiredAt: numberOrNull(row["expired_at"]),
    tenantRev: number(row["tenant_rev"]),
    tenantSettings: stored<TenantTerms>(row["tenant_settings"]),
    changes: number(row["changes"]),
    editedAt: numberOrNull(row["edited_at"]),
    revBase: number(row["rev_base"]),
    copying: row["copying"] === null ? null : stored<Copying>(row["copying"]),
    imported: row["imported"] === null ? null : stored<FinishedImport>(row["imported"]),
  };
}

export function toMessageRow(row: Row): MessageRow {
  const content = textOrNull(row["content"]);
  const metadata = textOrNull(row["metadata"]);
  return {
    seq: number(row["seq"]),
    afterSeq: numberOrNull(row["after_seq"]),
    clientId: textOrNull(row["client_id"]),
    role: text(row["role"]) as Role,
    author: textOrNull(row["author"]),
    content: content === null ? null : stored<Content>(content),
    metadata: metadata === null ? null : stored<Metadata>(metadata),
    ...fromStoredTime(row["occurred_at"]),
    createdAt: number(row["created_at"]),
    editedAt: numberOrNull(row["edited_at"]),
    erasedAt: numberOrNull(row["erased_at"]),
    isPinned: row["pinned"] === 1,
    tokens: number(row["tokens"]),
  };
}

export function toLedger(row: Row): LedgerRow {
  return {
    seq: number(row["seq"]),
    author: textOrNull(row["author"]),
    tokens: number(row["tokens"]),
    totalCost: number(row["total_cost"]),
    totalBytes: number(row["total_bytes"]),
    isErased: row["erased_at"] !== null,
    costChange: number(row["cost_change"]),
  };
}

export function toSizedMessage(row: Row): SizedMessageRow {
  return { ...toMessageRow(row), bytes: number(row["bytes"]) };
}

export function toEarlier(row: Row): EarlierRow {
  const content = textOrNull(row["content"]);
  return {
    seq: number(row["seq"]),
    clientId: textOrNull(row["client_id"]),
    role: text(row["role"]) as Role,
    author: textOrNull(row["author"]),
    content: content === null ? null : stored<Content>(content),
    occurredAt: fromStoredTime(row["occurred_at"]).occurredAt,
    erasedAt: numberOrNull(row["erased_at"]),
    hash: bytesOrNull(row["hash"]),
  };
}

export function toHashedMessage(row: Row): HashedMessageRow {
  return { ...toMessageRow(row), hash: bytesOrNull(row["hash"]) };
}

/** A version as `items.to_version` holds it: all of one width, in order as text. */
export function ended(version: number): string {
  return String(version).padStart(NEVER_ENDED.length, "0");
}
export const NEVER_ENDED = "9999999999";
/** Stands for the epoch of a session that an item was carried over from, while it is not known: of the width of one, so that no row moves. */
export const UNKNOWN_EPOCH = " ".repeat(36);
/** Of an item that holds in no version any more. */
export const NEVER_BEGUN = "0000000000";

export function toItemRow(row: Row): VersionedItem {
  return {
    id: text(row["item_id"]),
    kind: text(row["kind"]) as ItemKind,
    text: text(row["text"]),
    sourceSeqs: stored<Seq[]>(row["source_seqs"]),
    ...(row["source_session"] === null ? {} : { sourceSession: text(row["source_session"]) }),
    ...(row["source_epoch"] === null || row["source_epoch"] === UNKNOWN_EPOCH
      ? {}
      : { sourceEpoch: text(row["source_epoch"]) }),
    status: text(row["status"]) as ItemStatus,
    fromVersion: number(row["from_version"]),
    toVersion: row["to_version"] === NEVER_ENDED ? null : Number(row["to_version"]),
  };
}

export function toSummaryRow(row: Row): SummaryRow {
  const usage = textOrNull(row["usage"]);
  return {
    version: number(row["version"]),
    throughSeq: number(row["through_seq"]),
    tokens: number(row["tokens"]),
    summarizer: text(row["summarizer"]),
    degraded: number(row["degraded"]) === 1,
    droppedItems: number(row["dropped_items"]),
    usage: usage === null ? null : stored(usage),
    createdAt: number(row["created_at"]),
  };
}

export function toJobRow(row: Row): JobRow {
  const draft = textOrNull(row["draft"]);
  return {
    id: text(row["id"]),
    epoch: text(row["epoch"]),
    kind: text(row["kind"]) as JobKind,
    state: text(row["state"]) as JobRow["state"],
    throughSeq: number(row["through_seq"]),
    fromScratch: number(row["from_scratch"]) === 1,
    rebuildBase: numberOrNull(row["rebuild_base"]),
    invalidatedFromSeq: numberOrNull(row["invalidated_from_seq"]),
    sends: number(row["sends"]),
    failures: number(row["failures"]),
    nextSendAt: number(row["next_send_at"]),
    lease: textOrNull(row["lease"]),
    leaseUntil: numberOrNull(row["lease_until"]),
    baseVersion: numberOrNull(row["base_version"]),
    chunkThroughSeq: numberOrNull(row["chunk_through_seq"]),
    draft: draft === null ? null : stored<Draft>(draft),
    usage: row["usage"] === null ? null : stored<SummaryUsage>(row["usage"]),
    isUpgrade: number(row["is_upgrade"]) === 1,
    firstError: textOrNull(row["first_error"]),
    lastError: textOrNull(row["last_error"]),
    firstFailedAt: numberOrNull(row["first_failed_at"]),
    lastFailedAt: numberOrNull(row["last_failed_at"]),
    createdAt: number(row["created_at"]),
    settles: row["settles"] === null ? [] : stored<string[]>(row["settles"]),
    grantedAt: number(row["granted_at"]),
    beganAt: number(row["began_at"]),
  };
}
