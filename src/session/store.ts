import type { JobKind } from "../contracts/job.ts";
import type { Content, NewMessage, Role, Seq, TokenCount } from "../contracts/message.ts";
import type { Metadata, SessionRef, SessionSettings } from "../contracts/session.ts";
import type { SummarizerAnswer } from "../contracts/summarizer.ts";
import type { Item, ItemKind, ItemStatus, Summary } from "../contracts/summary.ts";

/** Every SQL statement of the session object. No decision is taken here. */

export interface SessionRow extends SessionRef {
  readonly incarnation: string;
  readonly hashKey: Uint8Array;
  readonly metadata: Metadata;
  readonly settings: SessionSettings;
  /** Rises with each change that the archive must learn of. */
  readonly archiveRev: number;
  /** The last of them that the archive confirmed. */
  readonly archivedRev: number;
  readonly archivedVersion: number;
  /** What the archive holds has to go, and everything to be sent anew: something in it was changed or erased. */
  readonly archiveReplace: boolean;
  readonly createdAt: number;
  /** Erased: only what the archive has yet to confirm is left. */
  readonly erasedAt: number | null;
}

export interface MessageRow {
  readonly seq: Seq;
  readonly clientId: string | null;
  readonly role: Role;
  readonly author: string | null;
  /** null once erased. */
  readonly content: Content | null;
  readonly metadata: Metadata | null;
  readonly occurredAt: number | null;
  readonly createdAt: number;
  readonly editedAt: number | null;
  readonly erasedAt: number | null;
  readonly hash: Uint8Array | null;
  readonly tokens: TokenCount;
  /** What all messages through this one take of a context's budget, as appended. */
  readonly totalCost: TokenCount;
  readonly totalBytes: number;
}

export interface SummaryRow extends Omit<Summary, "items" | "createdAt"> {
  readonly createdAt: number;
  readonly usage: SummarizerAnswer["usage"] | null;
}

/** What a job has summarized so far: the answers of its earlier chunks, saved before anything else is done with them. */
export interface Draft {
  readonly baseVersion: number;
  readonly throughSeq: Seq;
  readonly items: Item[];
  readonly dropped: number;
  readonly summarizer: string;
  readonly degraded: boolean;
  readonly usage: { inputTokens: number; outputTokens: number } | null;
}

export interface JobRow {
  readonly id: string;
  /** The life of the session that it belongs to. */
  readonly incarnation: string;
  readonly kind: JobKind;
  readonly state: "owed" | "failed";
  readonly throughSeq: Seq;
  readonly fromScratch: boolean;
  /** The version to summarize again from, because a message after it was changed; null for a summary that goes on. */
  readonly redoBase: number | null;
  /** The lowest seq that was changed after a summarizer had been given it. */
  readonly taintedFromSeq: Seq | null;
  readonly sends: number;
  readonly failures: number;
  readonly nextSendAt: number;
  readonly lease: string | null;
  readonly leaseUntil: number | null;
  /** While a summarizer is at work: the version that it goes on from, and the last message that it was given. */
  readonly baseVersion: number | null;
  readonly chunkThroughSeq: Seq | null;
  readonly draft: Draft | null;
  readonly lastError: string | null;
  readonly firstFailedAt: number | null;
  readonly lastFailedAt: number | null;
  readonly createdAt: number;
}

/** An item with the versions between which it holds. */
export interface VersionedItem extends Item {
  readonly fromVersion: number;
  readonly toVersion: number | null;
}

type Row = Record<string, SqlStorageValue>;

/** A version as `items.to_version` holds it: all of one width, in order as text. */
function ended(version: number): string {
  return String(version).padStart(NEVER_ENDED.length, "0");
}
const NEVER_ENDED = "9999999999";
/** Of an item that holds in no version any more. */
const NEVER_BEGUN = "0000000000";

/** Rows of the first page that is read of the log: most contexts need about as many. */
const FIRST_PAGE_ROWS = 32;
/** Bounds what is held of a page, whose messages may be large. */
const MAX_PAGE_ROWS = 128;

/** SQL for as many blanks as a column has bytes; NULL stays NULL. */
function blanksOf(column: string): string {
  return `CASE WHEN ${column} IS NOT NULL THEN printf('%*s', length(CAST(${column} AS BLOB)), '') END`;
}

function text(value: SqlStorageValue | undefined): string {
  if (typeof value !== "string") throw new TypeError("a column that holds text holds something else");
  return value;
}
function textOrNull(value: SqlStorageValue | undefined): string | null {
  return value === null || value === undefined ? null : text(value);
}
function number(value: SqlStorageValue | undefined): number {
  if (typeof value !== "number") throw new TypeError("a column that holds a number holds something else");
  return value;
}
function numberOrNull(value: SqlStorageValue | undefined): number | null {
  return value === null || value === undefined ? null : number(value);
}
function bytesOrNull(value: SqlStorageValue | undefined): Uint8Array | null {
  return value instanceof ArrayBuffer ? new Uint8Array(value) : null;
}
/** JSON that this object wrote itself. */
function stored<T>(value: SqlStorageValue | undefined): T {
  return JSON.parse(text(value));
}

function toMessage(row: Row): MessageRow {
  const content = textOrNull(row["content"]);
  const metadata = textOrNull(row["metadata"]);
  return {
    seq: number(row["seq"]),
    clientId: textOrNull(row["client_id"]),
    role: text(row["role"]) as Role,
    author: textOrNull(row["author"]),
    content: content === null ? null : stored<Content>(content),
    metadata: metadata === null ? null : stored<Metadata>(metadata),
    occurredAt: numberOrNull(row["occurred_at"]),
    createdAt: number(row["created_at"]),
    editedAt: numberOrNull(row["edited_at"]),
    erasedAt: numberOrNull(row["erased_at"]),
    hash: bytesOrNull(row["hash"]),
    tokens: number(row["tokens"]),
    totalCost: number(row["total_cost"]),
    totalBytes: number(row["total_bytes"]),
  };
}

function toItem(row: Row): VersionedItem {
  return {
    id: text(row["item_id"]),
    kind: text(row["kind"]) as ItemKind,
    text: text(row["text"]),
    sourceSeqs: stored<Seq[]>(row["source_seqs"]),
    status: text(row["status"]) as ItemStatus,
    fromVersion: number(row["from_version"]),
    toVersion: row["to_version"] === NEVER_ENDED ? null : Number(row["to_version"]),
  };
}

function toSummary(row: Row): SummaryRow {
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

function toJob(row: Row): JobRow {
  const draft = textOrNull(row["draft"]);
  return {
    id: text(row["id"]),
    incarnation: text(row["incarnation"]),
    kind: text(row["kind"]) as JobKind,
    state: text(row["state"]) as JobRow["state"],
    throughSeq: number(row["through_seq"]),
    fromScratch: number(row["from_scratch"]) === 1,
    redoBase: numberOrNull(row["redo_base"]),
    taintedFromSeq: numberOrNull(row["tainted_from_seq"]),
    sends: number(row["sends"]),
    failures: number(row["failures"]),
    nextSendAt: number(row["next_send_at"]),
    lease: textOrNull(row["lease"]),
    leaseUntil: numberOrNull(row["lease_until"]),
    baseVersion: numberOrNull(row["base_version"]),
    chunkThroughSeq: numberOrNull(row["chunk_through_seq"]),
    draft: draft === null ? null : stored<Draft>(draft),
    lastError: textOrNull(row["last_error"]),
    firstFailedAt: numberOrNull(row["first_failed_at"]),
    lastFailedAt: numberOrNull(row["last_failed_at"]),
    createdAt: number(row["created_at"]),
  };
}

export class SessionStore {
  readonly #sql: SqlStorage;
  /** The items of the version that was read last: a long history of items is not read again with each context. */
  #itemsRead: { readonly version: number; readonly items: readonly VersionedItem[] } | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Forgets what was read: a transaction was rolled back, and with it perhaps what a read has seen. */
  forget(): void {
    this.#itemsRead = null;
  }

  // The session

  insertSession(
    row: Pick<SessionRow, keyof SessionRef | "incarnation" | "hashKey" | "metadata" | "settings" | "createdAt">,
  ): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO session (one, tenant, owner, session, incarnation, hash_key, metadata, settings, created_at)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.tenant,
      row.owner,
      row.session,
      row.incarnation,
      row.hashKey,
      JSON.stringify(row.metadata),
      JSON.stringify(row.settings),
      row.createdAt,
    );
  }

  session(): SessionRow | null {
    const row = this.#sql.exec("SELECT * FROM session WHERE one = 1").toArray()[0];
    if (row === undefined) return null;
    return {
      tenant: text(row["tenant"]),
      owner: text(row["owner"]),
      session: text(row["session"]),
      incarnation: text(row["incarnation"]),
      hashKey: bytesOrNull(row["hash_key"]) ?? new Uint8Array(),
      metadata: stored<Metadata>(row["metadata"]),
      settings: stored<SessionSettings>(row["settings"]),
      archiveRev: number(row["archive_rev"]),
      archivedRev: number(row["archived_rev"]),
      archivedVersion: number(row["archived_version"]),
      archiveReplace: number(row["archive_replace"]) === 1,
      createdAt: number(row["created_at"]),
      erasedAt: numberOrNull(row["erased_at"]),
    };
  }

  updateSession(metadata: Metadata, settings: SessionSettings): void {
    this.#sql.exec(
      "UPDATE session SET metadata = ?, settings = ? WHERE one = 1",
      JSON.stringify(metadata),
      JSON.stringify(settings),
    );
  }

  setArchiveRev(rev: number, isReplaced: boolean): void {
    this.#sql.exec("UPDATE session SET archive_rev = ?, archive_replace = ? WHERE one = 1", rev, isReplaced ? 1 : 0);
  }

  setCreatedAt(createdAt: number): void {
    this.#sql.exec("UPDATE session SET created_at = ? WHERE one = 1", createdAt);
  }

  setArchived(rev: number, version: number): void {
    this.#sql.exec("UPDATE session SET archived_rev = ?, archived_version = ? WHERE one = 1", rev, version);
  }

  /**
   * Forgets all that was said and all that was owed. The names stay, and the erasures of earlier lives, for what the archive has yet
   * to confirm; so do the blanks that the next life's rows must not take the place of.
   */
  wipe(erasedAt: number): void {
    this.#itemsRead = null;
    this.#sql.exec(
      `UPDATE messages SET content = ${blanksOf("content")}, author = ${blanksOf("author")}, metadata = ${blanksOf("metadata")}`,
    );
    this.#sql.exec(`UPDATE items SET text = ${blanksOf("text")}`);
    this.#sql.exec("DELETE FROM messages WHERE seq > 0");
    this.#sql.exec("DELETE FROM items WHERE row > 0");
    for (const table of ["summaries", "hidden"]) this.#sql.exec(`DELETE FROM ${table}`);
    this.#sql.exec("DELETE FROM jobs WHERE kind <> 'erase'");
    this.#sql.exec(
      "UPDATE session SET metadata = '{}', settings = '{}', hash_key = x'', erased_at = ? WHERE one = 1",
      erasedAt,
    );
  }

  // Messages

  insertMessage(
    message: Pick<NewMessage, "role" | "author" | "content" | "metadata"> &
      Pick<
        MessageRow,
        "seq" | "clientId" | "occurredAt" | "createdAt" | "hash" | "tokens" | "totalCost" | "totalBytes"
      >,
    contentJson: string,
  ): void {
    this.#sql.exec(
      `INSERT INTO messages (seq, client_id, role, author, content, metadata, occurred_at, created_at, hash, tokens, total_cost, total_bytes)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      message.seq,
      message.clientId,
      message.role,
      message.author ?? null,
      contentJson,
      message.metadata === undefined ? null : JSON.stringify(message.metadata),
      message.occurredAt,
      message.createdAt,
      message.hash,
      message.tokens,
      message.totalCost,
      message.totalBytes,
    );
  }

  messagesByClientId(ids: readonly string[]): MessageRow[] {
    if (ids.length === 0) return [];
    return this.#sql
      .exec(
        "SELECT * FROM messages WHERE client_id IN (SELECT value FROM json_each(?)) AND client_id IS NOT NULL",
        JSON.stringify(ids),
      )
      .toArray()
      .map(toMessage);
  }

  messageBySeq(seq: Seq): MessageRow | null {
    const row = this.#sql.exec("SELECT * FROM messages WHERE seq = ?", seq).toArray()[0];
    return row === undefined ? null : toMessage(row);
  }

  /** The newest message's place, and the totals through it; null if there is none. */
  head(): { readonly seq: Seq; readonly totalCost: TokenCount; readonly totalBytes: number } | null {
    const row = this.#sql
      .exec("SELECT seq, total_cost, total_bytes FROM messages WHERE seq > 0 ORDER BY seq DESC LIMIT 1")
      .toArray()[0];
    if (row === undefined) return null;
    return { seq: number(row["seq"]), totalCost: number(row["total_cost"]), totalBytes: number(row["total_bytes"]) };
  }

  /** Oldest first, from `fromSeq` through `throughSeq`. Stop reading when enough is read. */
  *messagesForward(fromSeq: Seq, throughSeq: Seq): Generator<MessageRow> {
    yield* this.#messagesInPages(fromSeq, 1, (next, limit) =>
      this.#sql.exec(
        "SELECT * FROM messages WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?",
        next,
        throughSeq,
        limit,
      ),
    );
  }

  /** Newest first, from `fromSeq` down to `throughSeq`. Stop reading when enough is read. */
  *messagesBackward(fromSeq: Seq, throughSeq: Seq): Generator<MessageRow> {
    yield* this.#messagesInPages(fromSeq, -1, (next, limit) =>
      this.#sql.exec(
        "SELECT * FROM messages WHERE seq <= ? AND seq >= ? ORDER BY seq DESC LIMIT ?",
        next,
        throughSeq,
        limit,
      ),
    );
  }

  /** In pages that grow, each read to its end: a cursor left open would lock the tables until it is collected. */
  *#messagesInPages(
    fromSeq: Seq,
    direction: 1 | -1,
    query: (next: Seq, limit: number) => SqlStorageCursor<Record<string, SqlStorageValue>>,
  ): Generator<MessageRow> {
    let next = fromSeq;
    for (let limit = FIRST_PAGE_ROWS; ; limit = Math.min(MAX_PAGE_ROWS, 2 * limit)) {
      const rows = query(next, limit).toArray();
      for (const row of rows) yield toMessage(row);
      const last = rows.at(-1);
      if (last === undefined || rows.length < limit) return;
      next = number(last["seq"]) + direction;
    }
  }

  editMessage(seq: Seq, contentJson: string, metadataJson: string | null, tokens: TokenCount, editedAt: number): void {
    this.#blank(seq, ["content", "metadata"]);
    this.#sql.exec(
      "UPDATE messages SET content = ?, metadata = ?, tokens = ?, edited_at = ? WHERE seq = ?",
      contentJson,
      metadataJson,
      tokens,
      editedAt,
      seq,
    );
  }

  /**
   * Writes blanks over what a message says, in place. SQLite frees a cell without clearing it (its `secure_delete` is off here, and
   * the pragma refused), but a row that keeps its size keeps its bytes' place.
   */
  #blank(seq: Seq, columns: readonly string[]): void {
    const blanks = columns.map((column) => `${column} = ${blanksOf(column)}`);
    this.#sql.exec(`UPDATE messages SET ${blanks.join(", ")} WHERE seq = ?`, seq);
  }

  /** Leaves a tombstone: the seq and the id stay, what was said is gone, and the hash that could confirm a guess of it. */
  eraseMessage(seq: Seq, erasedAt: number): void {
    this.#blank(seq, ["content", "metadata", "author"]);
    this.#sql.exec(
      `UPDATE messages SET content = NULL, author = NULL, metadata = NULL, occurred_at = NULL, hash = NULL, tokens = 0,
         edited_at = NULL, erased_at = ? WHERE seq = ?`,
      erasedAt,
      seq,
    );
  }

  /** `total_cost` at a seq; 0 before the first message. */
  totalCostAt(seq: Seq): TokenCount {
    const row = this.#sql.exec("SELECT total_cost FROM messages WHERE seq = ?", seq).toArray()[0];
    return row === undefined ? 0 : number(row["total_cost"]);
  }

  // Summaries

  insertSummary(row: SummaryRow): void {
    this.#sql.exec(
      `INSERT INTO summaries (version, through_seq, tokens, summarizer, degraded, dropped_items, usage, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      row.version,
      row.throughSeq,
      row.tokens,
      row.summarizer,
      row.degraded ? 1 : 0,
      row.droppedItems,
      row.usage === null || row.usage === undefined ? null : JSON.stringify(row.usage),
      row.createdAt,
    );
  }

  newestSummary(): SummaryRow | null {
    const row = this.#sql.exec("SELECT * FROM summaries ORDER BY version DESC LIMIT 1").toArray()[0];
    return row === undefined ? null : toSummary(row);
  }

  /** The highest version that covers no message after `seq`. */
  summaryAt(seq: Seq): SummaryRow | null {
    const row = this.#sql
      .exec("SELECT * FROM summaries WHERE through_seq <= ? ORDER BY version DESC LIMIT 1", seq)
      .toArray()[0];
    return row === undefined ? null : toSummary(row);
  }

  summary(version: number): SummaryRow | null {
    const row = this.#sql.exec("SELECT * FROM summaries WHERE version = ?", version).toArray()[0];
    return row === undefined ? null : toSummary(row);
  }

  /** Newest first, versions below `beforeVersion`. */
  summariesBackward(beforeVersion: number, limit: number): SummaryRow[] {
    return this.#sql
      .exec("SELECT * FROM summaries WHERE version < ? ORDER BY version DESC LIMIT ?", beforeVersion, limit)
      .toArray()
      .map(toSummary);
  }

  /** Oldest first, versions above `afterVersion`. */
  summariesAfter(afterVersion: number): SummaryRow[] {
    return this.#sql
      .exec("SELECT * FROM summaries WHERE version > ? ORDER BY version", afterVersion)
      .toArray()
      .map(toSummary);
  }

  /** The items of one version. */
  items(version: number): readonly VersionedItem[] {
    if (this.#itemsRead?.version === version) return this.#itemsRead.items;
    const items = this.#sql
      .exec("SELECT * FROM items WHERE row > 0 AND from_version <= ? AND to_version > ?", version, ended(version))
      .toArray()
      .map(toItem);
    this.#itemsRead = { version, items };
    return items;
  }

  /** Items that began or ended after a version. */
  itemsChangedAfter(version: number): VersionedItem[] {
    return this.#sql
      .exec(
        `SELECT * FROM items WHERE row > 0 AND to_version > '${NEVER_BEGUN}'
           AND (from_version > ? OR (to_version > ? AND to_version < '${NEVER_ENDED}'))`,
        version,
        ended(version),
      )
      .toArray()
      .map(toItem);
  }

  insertItem(item: Item, fromVersion: number): void {
    this.#itemsRead = null;
    this.#sql.exec(
      "INSERT INTO items (item_id, from_version, kind, text, source_seqs, status) VALUES (?, ?, ?, ?, ?, ?)",
      item.id,
      fromVersion,
      item.kind,
      item.text,
      JSON.stringify(item.sourceSeqs),
      item.status,
    );
  }

  endItem(id: string, fromVersion: number, toVersion: number): void {
    this.#itemsRead = null;
    this.#sql.exec(
      "UPDATE items SET to_version = ? WHERE item_id = ? AND from_version = ?",
      ended(toVersion),
      id,
      fromVersion,
    );
  }

  /** The highest version that covers none of the messages from `seq` on; 0 if there is none. */
  versionBefore(seq: Seq): number {
    const row = this.#sql.exec("SELECT max(version) AS version FROM summaries WHERE through_seq < ?", seq).toArray()[0];
    return numberOrNull(row?.["version"]) ?? 0;
  }

  /** Deletes every item of every version that cites a message, and returns those that were current. */
  deleteItemsCiting(seq: Seq): VersionedItem[] {
    const citing = "EXISTS (SELECT 1 FROM json_each(items.source_seqs) WHERE json_each.value = ?)";
    const current = this.#sql
      .exec(`SELECT * FROM items WHERE to_version = '${NEVER_ENDED}' AND ${citing}`, seq)
      .toArray()
      .map(toItem);
    this.#retireItems(citing, seq);
    return current;
  }

  /** Blanks items and takes them out of every version. Their rows stay: pages that empty are merged, and leave copies behind. */
  #retireItems(condition: string, value: number): void {
    this.#itemsRead = null;
    this.#sql.exec(
      `UPDATE items SET text = ${blanksOf("text")}, to_version = '${NEVER_BEGUN}' WHERE ${condition}`,
      value,
    );
  }

  /** Deletes the versions after `base`, so that what holds at `base` holds again. */
  deleteVersionsAfter(base: number): void {
    this.#sql.exec("DELETE FROM summaries WHERE version > ?", base);
    this.#retireItems("row > 0 AND from_version > ?", base);
    this.#sql.exec("UPDATE items SET to_version = ? WHERE to_version > ?", NEVER_ENDED, ended(base));
  }

  // Seqs that the summary covers no more

  hide(seqs: Iterable<Seq>): void {
    this.#sql.exec("INSERT OR IGNORE INTO hidden (seq) SELECT value FROM json_each(?)", JSON.stringify([...seqs]));
  }

  hiddenSeqs(): Seq[] {
    return this.#sql
      .exec("SELECT seq FROM hidden ORDER BY seq")
      .toArray()
      .map((row) => number(row["seq"]));
  }

  clearHidden(): void {
    this.#sql.exec("DELETE FROM hidden");
  }

  // Owed work

  jobs(): JobRow[] {
    return this.#sql.exec("SELECT * FROM jobs ORDER BY created_at, id").toArray().map(toJob);
  }

  /** Whether a job of a kind is owed. */
  isOwed(kind: JobKind): boolean {
    return this.#sql.exec("SELECT 1 FROM jobs WHERE kind = ? AND state = 'owed' LIMIT 1", kind).toArray().length > 0;
  }

  /** When the next owed job has to be sent; null if none is owed. */
  nextSendAt(): number | null {
    const row = this.#sql.exec("SELECT min(next_send_at) AS at FROM jobs WHERE state = 'owed'").toArray()[0];
    return numberOrNull(row?.["at"]);
  }

  job(id: string): JobRow | null {
    const row = this.#sql.exec("SELECT * FROM jobs WHERE id = ?", id).toArray()[0];
    return row === undefined ? null : toJob(row);
  }

  putJob(job: JobRow): void {
    this.#blankDraft(job.id);
    this.#sql.exec(
      `INSERT OR REPLACE INTO jobs (id, incarnation, kind, state, through_seq, from_scratch, redo_base, tainted_from_seq,
         sends, failures, next_send_at, lease, lease_until, base_version, chunk_through_seq, draft, last_error, first_failed_at,
         last_failed_at, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      job.id,
      job.incarnation,
      job.kind,
      job.state,
      job.throughSeq,
      job.fromScratch ? 1 : 0,
      job.redoBase,
      job.taintedFromSeq,
      job.sends,
      job.failures,
      job.nextSendAt,
      job.lease,
      job.leaseUntil,
      job.baseVersion,
      job.chunkThroughSeq,
      job.draft === null ? null : JSON.stringify(job.draft),
      job.lastError,
      job.firstFailedAt,
      job.lastFailedAt,
      job.createdAt,
    );
  }

  #blankDraft(id: string): void {
    this.#sql.exec(`UPDATE jobs SET draft = ${blanksOf("draft")} WHERE id = ? AND draft IS NOT NULL`, id);
  }

  deleteJob(id: string): void {
    this.#blankDraft(id);
    this.#sql.exec("DELETE FROM jobs WHERE id = ?", id);
  }
}
