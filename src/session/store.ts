import type { JobKind } from "../contracts/job.ts";
import type { Seq, TokenCount } from "../contracts/message.ts";
import type { Metadata, SessionRef, SessionSettings } from "../contracts/session.ts";
import type { Item } from "../contracts/summary.ts";
import { AuditStore } from "./audit-store.ts";
import { FeedStore } from "./feed-store.ts";
import { LineageStore } from "./lineage-store.ts";
import {
  type Copying,
  ended,
  type HashedMessageRow,
  type JobRow,
  type MessageRow,
  NEVER_BEGUN,
  NEVER_ENDED,
  number,
  numberOrNull,
  type SessionRow,
  type SummaryRow,
  toHashedMessage,
  toItem,
  toJob,
  toMessage,
  toSession,
  toSummary,
  type VersionedItem,
} from "./rows.ts";

/** Every SQL statement of the session object, but for those of its lineage, its feed, its audit and its search index. No decision is taken here. */

/** Rows of the first page that is read of the log: most contexts need about as many. */
const FIRST_PAGE_ROWS = 32;
/** Bounds what is held of a page, whose messages may be large. */
const MAX_PAGE_ROWS = 128;

/** Without the hash: few need it, and each blob is a buffer of its own for the collector. */
const MESSAGE =
  "seq, client_id, role, author, content, metadata, occurred_at, created_at, edited_at, erased_at, tokens, total_cost, total_bytes";

const CITES_ANY = `EXISTS (SELECT 1 FROM json_each(items.source_seqs) AS cited
  WHERE cited.value IN (SELECT value FROM json_each(?)))`;
const AMONG_SEQS = "seq > 0 AND seq IN (SELECT value FROM json_each(?))";

/** SQL for as many blanks as a column has bytes; NULL stays NULL. */
function blanksOf(column: string): string {
  return `CASE WHEN ${column} IS NOT NULL THEN printf('%*s', length(CAST(${column} AS BLOB)), '') END`;
}

export class SessionStore {
  readonly #sql: SqlStorage;
  readonly lineage: LineageStore;
  readonly feed: FeedStore;
  readonly audit: AuditStore;
  /** The items of the version that was read last: a long history of items is not read again with each context. */
  #itemsRead: { readonly version: number; readonly items: readonly VersionedItem[] } | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.lineage = new LineageStore(sql);
    this.feed = new FeedStore(sql);
    this.audit = new AuditStore(sql);
  }

  /** Forgets what was read: a transaction was rolled back, and with it perhaps what a read has seen. */
  forget(): void {
    this.#itemsRead = null;
  }

  // The session

  insertSession(
    row: Pick<
      SessionRow,
      | keyof SessionRef
      | "incarnation"
      | "hashKey"
      | "metadata"
      | "settings"
      | "createdAt"
      | "beganAt"
      | "tenantRev"
      | "tenantSettings"
      | "copying"
      | "revBase"
    >,
  ): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO session (one, tenant, owner, session, incarnation, hash_key, metadata, settings, created_at, began_at,
         tenant_rev, tenant_settings, copying, rev_base)
       VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.tenant,
      row.owner,
      row.session,
      row.incarnation,
      row.hashKey,
      JSON.stringify(row.metadata),
      JSON.stringify(row.settings),
      row.createdAt,
      row.beganAt,
      row.tenantRev,
      JSON.stringify(row.tenantSettings),
      row.copying === null ? null : JSON.stringify(row.copying),
      row.revBase,
    );
  }

  session(): SessionRow | null {
    const row = this.#sql.exec("SELECT * FROM session WHERE one = 1").toArray()[0];
    if (row === undefined) return null;
    return toSession(row);
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

  setBeganAt(beganAt: number): void {
    this.#sql.exec("UPDATE session SET began_at = ? WHERE one = 1", beganAt);
  }

  setTenantSettings(rev: number, settings: SessionSettings): void {
    this.#sql.exec(
      "UPDATE session SET tenant_rev = ?, tenant_settings = ? WHERE one = 1",
      rev,
      JSON.stringify(settings),
    );
  }

  /** Counts an edit or an erasure. */
  countChange(): void {
    this.#sql.exec("UPDATE session SET changes = changes + 1 WHERE one = 1");
  }

  setCopying(copying: Copying | null): void {
    this.#sql.exec("UPDATE session SET copying = ? WHERE one = 1", copying === null ? null : JSON.stringify(copying));
  }

  /** A copy retries and edits as its source does: it takes over what appended messages are told apart by. */
  setHashKey(hashKey: Uint8Array): void {
    this.#sql.exec("UPDATE session SET hash_key = ? WHERE one = 1", hashKey);
  }

  setArchived(rev: number, version: number): void {
    this.#sql.exec("UPDATE session SET archived_rev = ?, archived_version = ? WHERE one = 1", rev, version);
  }

  /**
   * Forgets all that was said and all that was owed but erasures. The names stay, for what the archive and the copies have yet to
   * confirm; so do the blanks that the next life's rows must not take the place of.
   */
  wipe(erasedAt: number): void {
    this.#forgetContent();
    this.#sql.exec("DELETE FROM jobs WHERE kind NOT IN ('erase', 'erase-copies')");
    this.#sql.exec("UPDATE session SET erased_at = ?, copying = NULL WHERE one = 1", erasedAt);
  }

  /** Forgets all that was said, and keeps what says that the session was, and who took something from it. */
  expire(expiredAt: number): void {
    this.#forgetContent();
    this.#sql.exec("UPDATE session SET expired_at = ? WHERE one = 1", expiredAt);
  }

  #forgetContent(): void {
    this.deleteLog();
    this.#sql.exec("UPDATE session SET metadata = '{}', settings = '{}', hash_key = x'' WHERE one = 1");
  }

  /** Takes out every message and every summary, blanks first. */
  deleteLog(): void {
    this.#itemsRead = null;
    this.#sql.exec(
      `UPDATE messages SET content = ${blanksOf("content")}, author = ${blanksOf("author")}, metadata = ${blanksOf("metadata")}`,
    );
    this.#sql.exec(`UPDATE items SET text = ${blanksOf("text")}`);
    this.#sql.exec("DELETE FROM messages WHERE seq > 0");
    this.#sql.exec("DELETE FROM items WHERE row > 0");
    for (const table of ["summaries", "hidden", "changes"]) this.#sql.exec(`DELETE FROM ${table}`);
  }

  // Messages

  /** @param contentJson the content as it is stored; null for a tombstone, which only a copy brings along */
  insertMessage(message: Omit<HashedMessageRow, "content">, contentJson: string | null): void {
    this.#sql.exec(
      `INSERT INTO messages (seq, client_id, role, author, content, metadata, occurred_at, created_at, edited_at, erased_at,
         hash, tokens, total_cost, total_bytes)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      message.seq,
      message.clientId,
      message.role,
      message.author,
      contentJson,
      message.metadata === null ? null : JSON.stringify(message.metadata),
      message.occurredAt,
      message.createdAt,
      message.editedAt,
      message.erasedAt,
      message.hash,
      message.tokens,
      message.totalCost,
      message.totalBytes,
    );
  }

  messagesByClientId(ids: readonly string[]): HashedMessageRow[] {
    if (ids.length === 0) return [];
    return this.#sql
      .exec(
        "SELECT * FROM messages WHERE client_id IN (SELECT value FROM json_each(?)) AND client_id IS NOT NULL",
        JSON.stringify(ids),
      )
      .toArray()
      .map(toHashedMessage);
  }

  messageBySeq(seq: Seq): MessageRow | null {
    const row = this.#sql.exec(`SELECT ${MESSAGE} FROM messages WHERE seq = ?`, seq).toArray()[0];
    return row === undefined ? null : toMessage(row);
  }

  hashedMessageBySeq(seq: Seq): HashedMessageRow | null {
    const row = this.#sql.exec(`SELECT ${MESSAGE}, hash FROM messages WHERE seq = ?`, seq).toArray()[0];
    return row === undefined ? null : toHashedMessage(row);
  }

  /** The newest message's place, and the totals through it; null if there is none. */
  head(): Pick<MessageRow, "seq" | "totalCost" | "totalBytes" | "createdAt"> | null {
    const row = this.#sql
      .exec("SELECT seq, total_cost, total_bytes, created_at FROM messages WHERE seq > 0 ORDER BY seq DESC LIMIT 1")
      .toArray()[0];
    if (row === undefined) return null;
    return {
      seq: number(row["seq"]),
      totalCost: number(row["total_cost"]),
      totalBytes: number(row["total_bytes"]),
      createdAt: number(row["created_at"]),
    };
  }

  /** Oldest first, from `fromSeq` through `throughSeq`. Stop reading when enough is read. */
  *messagesForward(fromSeq: Seq, throughSeq: Seq): Generator<MessageRow> {
    yield* this.#messagesInPages(fromSeq, 1, toMessage, (next, limit) =>
      this.#sql.exec(
        `SELECT ${MESSAGE} FROM messages WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?`,
        next,
        throughSeq,
        limit,
      ),
    );
  }

  *hashedMessagesForward(fromSeq: Seq, throughSeq: Seq): Generator<HashedMessageRow> {
    yield* this.#messagesInPages(fromSeq, 1, toHashedMessage, (next, limit) =>
      this.#sql.exec(
        `SELECT ${MESSAGE}, hash FROM messages WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?`,
        next,
        throughSeq,
        limit,
      ),
    );
  }

  /** Newest first, from `fromSeq` down to `throughSeq`. Stop reading when enough is read. */
  *messagesBackward(fromSeq: Seq, throughSeq: Seq): Generator<MessageRow> {
    yield* this.#messagesInPages(fromSeq, -1, toMessage, (next, limit) =>
      this.#sql.exec(
        `SELECT ${MESSAGE} FROM messages WHERE seq <= ? AND seq >= ? ORDER BY seq DESC LIMIT ?`,
        next,
        throughSeq,
        limit,
      ),
    );
  }

  /** In pages that grow, each read to its end: a cursor left open would lock the tables until it is collected. */
  *#messagesInPages<Message>(
    fromSeq: Seq,
    direction: 1 | -1,
    read: (row: Record<string, SqlStorageValue>) => Message,
    query: (next: Seq, limit: number) => SqlStorageCursor<Record<string, SqlStorageValue>>,
  ): Generator<Message> {
    let next = fromSeq;
    for (let limit = FIRST_PAGE_ROWS; ; limit = Math.min(MAX_PAGE_ROWS, 2 * limit)) {
      const rows = query(next, limit).toArray();
      for (const row of rows) yield read(row);
      const last = rows.at(-1);
      if (last === undefined || rows.length < limit) return;
      next = number(last["seq"]) + direction;
    }
  }

  editMessage(seq: Seq, contentJson: string, metadataJson: string | null, tokens: TokenCount, editedAt: number): void {
    this.#blank([seq], ["content", "metadata"]);
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
   * Writes blanks over what messages say, in place. SQLite frees a cell without clearing it (its `secure_delete` is off here, and
   * the pragma refused), but a row that keeps its size keeps its bytes' place.
   */
  #blank(seqs: readonly Seq[], columns: readonly string[]): void {
    const blanks = columns.map((column) => `${column} = ${blanksOf(column)}`);
    this.#sql.exec(`UPDATE messages SET ${blanks.join(", ")} WHERE ${AMONG_SEQS}`, JSON.stringify(seqs));
  }

  /** Leaves tombstones: seqs and ids stay, what was said is gone, and the hashes that could confirm a guess of it. */
  eraseMessages(seqs: readonly Seq[], erasedAt: number): void {
    this.#blank(seqs, ["content", "metadata", "author"]);
    this.#sql.exec(
      `UPDATE messages SET content = NULL, author = NULL, metadata = NULL, occurred_at = NULL, hash = NULL, tokens = 0,
         edited_at = NULL, erased_at = ? WHERE ${AMONG_SEQS}`,
      erasedAt,
      JSON.stringify(seqs),
    );
  }

  /** Of the messages from `fromSeq` through `throughSeq`, those that still say something. */
  unerasedSeqs(fromSeq: Seq, throughSeq: Seq): Seq[] {
    return this.#sql
      .exec(
        "SELECT seq FROM messages WHERE seq >= ? AND seq <= ? AND content IS NOT NULL ORDER BY seq",
        fromSeq,
        throughSeq,
      )
      .toArray()
      .map((row) => number(row["seq"]));
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
      row.usage === null ? null : JSON.stringify(row.usage),
      row.createdAt,
    );
  }

  newestSummary(): SummaryRow | null {
    const row = this.#sql.exec("SELECT * FROM summaries ORDER BY version DESC LIMIT 1").toArray()[0];
    return row === undefined ? null : toSummary(row);
  }

  /** The highest version, up to `maxVersion`, that covers no message after `seq`. */
  summaryAt(seq: Seq, maxVersion: number = Number.MAX_SAFE_INTEGER): SummaryRow | null {
    const row = this.#sql
      .exec(
        "SELECT * FROM summaries WHERE through_seq <= ? AND version <= ? ORDER BY version DESC LIMIT 1",
        seq,
        maxVersion,
      )
      .toArray()[0];
    return row === undefined ? null : toSummary(row);
  }

  summary(version: number): SummaryRow | null {
    const row = this.#sql.exec("SELECT * FROM summaries WHERE version = ?", version).toArray()[0];
    return row === undefined ? null : toSummary(row);
  }

  /** The highest version up to one that was made with what was asked for; 0 if there is none. */
  lastGoodVersion(version: number): number {
    const row = this.#sql
      .exec("SELECT max(version) AS version FROM summaries WHERE version <= ? AND degraded = 0", version)
      .toArray()[0];
    return numberOrNull(row?.["version"]) ?? 0;
  }

  /** What the summaries since a moment cost, in tokens in and out. */
  usedTokensSince(since: number): number {
    const row = this.#sql
      .exec(
        `SELECT sum(json_extract(usage, '$.inputTokens') + json_extract(usage, '$.outputTokens')) AS tokens
         FROM summaries WHERE created_at >= ? AND usage IS NOT NULL`,
        since,
      )
      .toArray()[0];
    return numberOrNull(row?.["tokens"]) ?? 0;
  }

  /** Newest first, versions below `beforeVersion`. */
  summariesBackward(beforeVersion: number, limit: number): SummaryRow[] {
    return this.#sql
      .exec("SELECT * FROM summaries WHERE version < ? ORDER BY version DESC LIMIT ?", beforeVersion, limit)
      .toArray()
      .map(toSummary);
  }

  /** Oldest first, versions up to one. */
  summariesThrough(version: number): SummaryRow[] {
    return this.#sql
      .exec("SELECT * FROM summaries WHERE version <= ? ORDER BY version", version)
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

  /** Every item that holds in a version up to one, in the order in which they came; one that ended later has not ended yet. */
  itemsThrough(version: number): VersionedItem[] {
    return this.#sql
      .exec(
        `SELECT * FROM items WHERE row > 0 AND from_version <= ? AND to_version > '${NEVER_BEGUN}' ORDER BY row`,
        version,
      )
      .toArray()
      .map(toItem)
      .map((item) => (item.toVersion !== null && item.toVersion > version ? { ...item, toVersion: null } : item));
  }

  insertItem(item: Item, fromVersion: number): void {
    this.#itemsRead = null;
    this.#sql.exec(
      "INSERT INTO items (item_id, from_version, kind, text, source_seqs, source_session, status) VALUES (?, ?, ?, ?, ?, ?, ?)",
      item.id,
      fromVersion,
      item.kind,
      item.text,
      JSON.stringify(item.sourceSeqs),
      item.sourceSession ?? null,
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

  /** Deletes every item of every version that cites one of these messages of this session, and returns those that were current. */
  deleteItemsCiting(seqs: readonly Seq[]): VersionedItem[] {
    return this.#deleteItems(`source_session IS NULL AND ${CITES_ANY}`, JSON.stringify(seqs));
  }

  /** Deletes every item that was carried over from a session and cites one of these messages there; all of them if null. */
  deleteCarriedItems(sourceSession: string, seqs: readonly Seq[] | null): VersionedItem[] {
    if (seqs === null) return this.#deleteItems("source_session = ?", sourceSession);
    return this.#deleteItems(`source_session = ? AND ${CITES_ANY}`, sourceSession, JSON.stringify(seqs));
  }

  /** Every item of every version that was carried over, whichever session it came from. */
  carriedItems(): VersionedItem[] {
    return this.#sql
      .exec(`SELECT * FROM items WHERE row > 0 AND to_version <> '${NEVER_BEGUN}' AND source_session IS NOT NULL`)
      .toArray()
      .map(toItem);
  }

  /** Deletes items from every version. */
  deleteItems(ids: readonly string[]): void {
    this.#retireItems("row > 0 AND item_id IN (SELECT value FROM json_each(?))", JSON.stringify(ids));
  }

  #deleteItems(condition: string, ...values: readonly SqlStorageValue[]): VersionedItem[] {
    const current = this.#sql
      .exec(`SELECT * FROM items WHERE row > 0 AND to_version = '${NEVER_ENDED}' AND ${condition}`, ...values)
      .toArray()
      .map(toItem);
    this.#retireItems(`row > 0 AND ${condition}`, ...values);
    return current;
  }

  /** Blanks items and takes them out of every version. Their rows stay: pages that empty are merged, and leave copies behind. */
  #retireItems(condition: string, ...values: readonly SqlStorageValue[]): void {
    this.#itemsRead = null;
    this.#sql.exec(
      `UPDATE items SET text = ${blanksOf("text")}, to_version = '${NEVER_BEGUN}' WHERE ${condition}`,
      ...values,
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
         sends, failures, next_send_at, lease, lease_until, base_version, chunk_through_seq, draft, usage, is_upgrade, last_error,
         first_failed_at, last_failed_at, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
      job.usage === null ? null : JSON.stringify(job.usage),
      job.isUpgrade ? 1 : 0,
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
