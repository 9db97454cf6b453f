import type { Seq, TokenCount } from "../contracts/message.ts";
import { blanksOf } from "./blanks.ts";
import {
  type HashedMessageRow,
  type LedgerRow,
  type MessageRow,
  number,
  numberOrNull,
  toHashedMessage,
  toLedger,
  toMessage,
} from "./rows.ts";

/** Every SQL statement about the messages of the log, but for those of its search index. No decision is taken here. */

/** Rows of the first page that is read of the log: most contexts need about as many. */
const FIRST_PAGE_ROWS = 32;
/** Bounds what is held of a page, whose messages may be large. */
const MAX_PAGE_ROWS = 128;

/** Without the hash: few need it, and each blob is a buffer of its own for the collector. */
const MESSAGE =
  "seq, client_id, role, author, content, metadata, occurred_at, created_at, edited_at, erased_at, tokens, total_cost, total_bytes";

const AMONG_SEQS = "seq > 0 AND seq IN (SELECT value FROM json_each(?))";

export class MessageStore {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** @param contentJson the content as it is stored; null for a tombstone, which only a copy brings along */
  insert(message: Omit<HashedMessageRow, "content">, contentJson: string | null): void {
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

  byClientId(ids: readonly string[]): HashedMessageRow[] {
    if (ids.length === 0) return [];
    return this.#sql
      .exec(
        "SELECT * FROM messages WHERE client_id IN (SELECT value FROM json_each(?)) AND client_id IS NOT NULL",
        JSON.stringify(ids),
      )
      .toArray()
      .map(toHashedMessage);
  }

  bySeq(seq: Seq): MessageRow | null {
    const row = this.#sql.exec(`SELECT ${MESSAGE} FROM messages WHERE seq = ?`, seq).toArray()[0];
    return row === undefined ? null : toMessage(row);
  }

  /** Those that there are, oldest first. One statement, however many: each leaves something to the collector. */
  bySeqs(seqs: readonly Seq[]): MessageRow[] {
    return this.#sql
      .exec(`SELECT ${MESSAGE} FROM messages WHERE ${AMONG_SEQS} ORDER BY seq`, JSON.stringify(seqs))
      .toArray()
      .map(toMessage);
  }

  hashedBySeq(seq: Seq): HashedMessageRow | null {
    const row = this.#sql.exec(`SELECT ${MESSAGE}, hash FROM messages WHERE seq = ?`, seq).toArray()[0];
    return row === undefined ? null : toHashedMessage(row);
  }

  /** In milliseconds since 1970; null if there is no such message. */
  createdAt(seq: Seq): number | null {
    const row = this.#sql.exec("SELECT created_at FROM messages WHERE seq = ?", seq).toArray()[0];
    return numberOrNull(row?.["created_at"]);
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
  *forward(fromSeq: Seq, throughSeq: Seq): Generator<MessageRow> {
    yield* this.#inPages(fromSeq, 1, toMessage, (next, limit) =>
      this.#sql.exec(
        `SELECT ${MESSAGE} FROM messages WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?`,
        next,
        throughSeq,
        limit,
      ),
    );
  }

  *hashedForward(fromSeq: Seq, throughSeq: Seq): Generator<HashedMessageRow> {
    yield* this.#inPages(fromSeq, 1, toHashedMessage, (next, limit) =>
      this.#sql.exec(
        `SELECT ${MESSAGE}, hash FROM messages WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?`,
        next,
        throughSeq,
        limit,
      ),
    );
  }

  /** Newest first, from `fromSeq` down to `throughSeq`. Stop reading when enough is read. */
  *backward(fromSeq: Seq, throughSeq: Seq): Generator<MessageRow> {
    yield* this.#inPages(fromSeq, -1, toMessage, (next, limit) =>
      this.#sql.exec(
        `SELECT ${MESSAGE} FROM messages WHERE seq <= ? AND seq >= ? ORDER BY seq DESC LIMIT ?`,
        next,
        throughSeq,
        limit,
      ),
    );
  }

  /** In pages that grow, each read to its end: a cursor left open would lock the tables until it is collected. */
  *#inPages<Message>(
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

  edit(seq: Seq, contentJson: string, metadataJson: string | null, tokens: TokenCount, editedAt: number): void {
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
  erase(seqs: readonly Seq[], erasedAt: number): void {
    this.#blank(seqs, ["content", "metadata", "author"]);
    this.#sql.exec(
      `UPDATE messages SET content = NULL, author = NULL, metadata = NULL, occurred_at = NULL, hash = NULL, tokens = 0,
         edited_at = NULL, erased_at = ? WHERE ${AMONG_SEQS}`,
      erasedAt,
      JSON.stringify(seqs),
    );
  }

  /** Bytes of what these messages say. */
  bytesOf(seqs: readonly Seq[]): number {
    const row = this.#sql
      .exec(
        `SELECT sum(length(CAST(content AS BLOB))) AS bytes FROM messages WHERE ${AMONG_SEQS}`,
        JSON.stringify(seqs),
      )
      .toArray()[0];
    return numberOrNull(row?.["bytes"]) ?? 0;
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

  /** How many there are, tombstones among them. */
  count(): number {
    return number(this.#sql.exec("SELECT count(*) AS messages FROM messages WHERE seq > 0").one()["messages"]);
  }

  /** Oldest first, those after `afterSeq`: what they add to the totals, and nothing of what they say. */
  ledger(afterSeq: Seq, limit: number): LedgerRow[] {
    return this.#sql
      .exec(
        `SELECT seq, author, tokens, total_cost, total_bytes, edited_at, erased_at
         FROM messages WHERE seq > max(?, 0) ORDER BY seq LIMIT ?`,
        afterSeq,
        limit,
      )
      .toArray()
      .map(toLedger);
  }

  /** `total_cost` at a seq; 0 before the first message. */
  totalCostAt(seq: Seq): TokenCount {
    const row = this.#sql.exec("SELECT total_cost FROM messages WHERE seq = ?", seq).toArray()[0];
    return row === undefined ? 0 : number(row["total_cost"]);
  }

  /** Takes out every message, blanks first. */
  clear(): void {
    this.#sql.exec(
      `UPDATE messages SET content = ${blanksOf("content")}, author = ${blanksOf("author")}, metadata = ${blanksOf("metadata")}`,
    );
    this.#sql.exec("DELETE FROM messages WHERE seq > 0");
  }
}
