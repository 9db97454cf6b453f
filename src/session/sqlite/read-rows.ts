import type { JobKind } from "../../api/job.ts";
import type { Content, Role } from "../../api/message.ts";
import type { Metadata } from "../../api/session.ts";
import type { SummaryUsage } from "../../api/summary.ts";
import type {
  SessionRow,
  MessageArchive,
  Copying,
  FinishedImport,
  MessageRow,
  SizedMessageRow,
  HashedMessageRow,
  EarlierRow,
  SummaryRow,
  Draft,
  EmbeddingGoal,
  ErasedEpoch,
  JobDetails,
  JobRow,
  SummaryGoal,
  SummaryInProgress,
  LedgerRow,
} from "./rows.ts";
import { fromStoredTime } from "./said-at.ts";
import type { OwnSettings, TenantTerms } from "./settings.ts";

/** The functions that read a row of a table into its type. They throw a `TypeError` if a column holds another type. */

export type Row = Record<string, SqlStorageValue>;

export function text(value: SqlStorageValue | undefined): string {
  if (typeof value !== "string") throw new TypeError("expected a column to hold text");
  return value;
}

export function textOrNull(value: SqlStorageValue | undefined): string | null {
  return value === null || value === undefined ? null : text(value);
}

export function number(value: SqlStorageValue | undefined): number {
  if (typeof value !== "number") throw new TypeError("expected a column to hold a number");
  return value;
}

export function numberOrNull(value: SqlStorageValue | undefined): number | null {
  return value === null || value === undefined ? null : number(value);
}

export function bytesOrNull(value: SqlStorageValue | undefined): Uint8Array | null {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : null;
}

/** Parses JSON that this object has written itself, so it is not validated again. */
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
    fanOuts: number(row["fan_outs"]),
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

/**
 * A version in the form in which `item_blocks.to_version` stores it: padded with zeros to ten digits, so that versions
 * sort as text, and a row keeps its size when it changes.
 */
export function ended(version: number): string {
  return String(version).padStart(NEVER_ENDED.length, "0");
}

/** In `item_blocks.to_version`: the newest version still contains the item, unless one names it as ended. */
export const NEVER_ENDED = "9999999999";

/**
 * Stands for an item's source epoch while that is not known. It is as long as an epoch's id, so that the row keeps its
 * size when the epoch is filled in.
 */
export const UNKNOWN_EPOCH = " ".repeat(36);

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
  return {
    id: text(row["id"]),
    epoch: text(row["epoch"]),
    state: text(row["state"]) as JobRow["state"],
    throughSeq: number(row["through_seq"]),
    sends: number(row["sends"]),
    failures: number(row["failures"]),
    nextSendAt: number(row["next_send_at"]),
    lease: textOrNull(row["lease"]),
    leaseUntil: numberOrNull(row["lease_until"]),
    firstError: textOrNull(row["first_error"]),
    lastError: textOrNull(row["last_error"]),
    firstFailedAt: numberOrNull(row["first_failed_at"]),
    lastFailedAt: numberOrNull(row["last_failed_at"]),
    createdAt: number(row["created_at"]),
    ...toJobDetails(row),
  };
}

function toJobDetails(row: Row): JobDetails {
  const kind = text(row["kind"]) as JobKind;
  switch (kind) {
    case "summarize":
      return { kind, goal: stored<SummaryGoal>(row["details"]) };
    case "embed":
      return { kind, goal: stored<EmbeddingGoal>(row["details"]) };
    case "erase":
      return { kind, erased: stored<ErasedEpoch>(row["details"]) };
    default:
      return { kind };
  }
}

/** What `jobs.details` stores of a job. */
export function storedDetails(job: JobDetails): string | null {
  if ("goal" in job) return JSON.stringify(job.goal);
  return "erased" in job ? JSON.stringify(job.erased) : null;
}

export function toSummaryInProgress(row: Row): SummaryInProgress {
  const baseVersion = numberOrNull(row["base_version"]);
  return {
    chunk: baseVersion === null ? null : { baseVersion, throughSeq: number(row["chunk_through_seq"]) },
    draft: row["draft"] === null ? null : stored<Draft>(row["draft"]),
    invalidatedFromSeq: numberOrNull(row["invalidated_from_seq"]),
    usage: row["usage"] === null ? null : stored<SummaryUsage>(row["usage"]),
  };
}
