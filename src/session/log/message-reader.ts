import type { Content, Role, Seq } from "../../api/message.ts";
import { type Branch, isOn, branchPiecesOf } from "../../prompt/branch.ts";
import {
  type EarlierRow,
  type FileStore,
  type HashedMessageRow,
  type HeadRow,
  type MessageRow,
  type NewMessageRow,
  number,
  numberOrNull,
  type Row,
  type SizedMessageRow,
  stored,
  type TipRow,
  toEarlier,
  toHashedMessage,
  toMessageRow,
  toSizedMessage,
  type TableGroup,
} from "../sqlite/index.ts";
import type { BranchStore } from "./branch-store.ts";
import type { ClientIdIndex } from "./client-id-index.ts";
import { AMONG_SEQS, SAID_BYTES } from "./message-sql.ts";
import type { MessageTotals } from "./message-totals.ts";
import { GROWING, type PageSizes, type Room, within } from "./page-sizes.ts";
import type { RunningErasure } from "./running-erasure.ts";

// The SQL statements that read messages of the log.

/**
 * Contents up to this size are read with their page, larger ones one by one when they are used. So at most 8 MiB of
 * contents, and one message, are in memory for a page.
 */
const MAX_PAGED_CONTENT_BYTES = 64 * 1024;

/** The columns that are empty in most messages. */
const RARE = ["author", "metadata", "occurred_at", "edited_at", "erased_at", "pinned", "held_bytes"] as const;

/**
 * The columns that are read of a message. Reading costs time for each column, so the rare ones are combined into one,
 * as JSON, and the running sums are left out. The hash is left out because few callers need it, and each blob is an
 * object of its own for the garbage collector. `octet_length`, unlike `length`, reads only the header of the row: a
 * large content is not loaded, and its size is returned in its place.
 */
const MESSAGE = `seq, client_id, role, created_at, tokens,
  CASE WHEN coalesce(author, metadata, occurred_at, edited_at, erased_at) IS NOT NULL OR pinned = 1 OR held_bytes > 0
    THEN json_array(${RARE.join(", ")}) END AS rare,
  CASE WHEN octet_length(content) <= ${MAX_PAGED_CONTENT_BYTES} THEN content ELSE octet_length(content) END AS content`;

/** Puts the rare columns of a row back in their places. */
function withRare({ rare, ...row }: Row): Row {
  if (rare === null || rare === undefined) return row;
  const values = stored<SqlStorageValue[]>(rare);
  for (const [at, name] of RARE.entries()) row[name] = values[at] ?? null;
  return row;
}

/**
 * How files in messages are read. `whole`: with their bytes. `told`: with references in their places, which needs no
 * further statement and is enough to know what is said, how long it is, and what it takes of a budget.
 */
export type FileView = "whole" | "told";

/** Most instructions that are read for one context, the newest first: some agents repeat theirs with each turn. */
const MAX_INSTRUCTIONS = 100;

/** The stores of what belongs to messages. */
interface ReaderParts {
  readonly branches: BranchStore;
  readonly files: FileStore;
  readonly erasure: RunningErasure;
  readonly totals: MessageTotals;
  readonly clientIds: ClientIdIndex;
}

export class MessageReader {
  readonly #sql: TableGroup;
  readonly #instructions: TableGroup;
  readonly #branches: BranchStore;
  readonly #files: FileStore;
  readonly #erasure: RunningErasure;
  readonly #totals: MessageTotals;
  readonly #clientIds: ClientIdIndex;
  /** The newest message, as cached within a call, which asks for it several times. */
  #head: HeadRow | null | undefined;
  /**
   * Up to this message, the log has no instruction and no pinned message. Most chats have none, and each context asks.
   */
  #uninstructedThrough: Seq = 0;

  /** @param instructions the group of the index of instructions and pinned messages: without it, there are none */
  constructor(sql: TableGroup, instructions: TableGroup, { branches, files, erasure, totals, clientIds }: ReaderParts) {
    this.#sql = sql;
    this.#instructions = instructions;
    this.#branches = branches;
    this.#files = files;
    this.#erasure = erasure;
    this.#totals = totals;
    this.#clientIds = clientIds;
  }

  /** Clears what was cached: a message was pinned or unpinned, or a transaction was rolled back. */
  forget(): void {
    this.#uninstructedThrough = 0;
    this.forgetHead();
  }

  /** The session's row changed, or another call begins. */
  forgetHead(): void {
    this.#head = undefined;
  }

  /** A message was added at the end of the log. */
  noteHead({ seq, createdAt, totalCost, totalBytes }: NewMessageRow): void {
    const before = this.#head ?? null;
    if (before === null) return this.forgetHead();
    this.#head = {
      seq,
      createdAt,
      totalCost: totalCost + before.totalCost - before.appendedCost,
      totalBytes: totalBytes + before.totalBytes - before.appendedBytes,
      appendedCost: totalCost,
      appendedBytes: totalBytes,
    };
  }

  /** A message that is no instruction and not pinned was added at the end of the log. */
  noteUninstructed(seq: Seq): void {
    if (seq === this.#uninstructedThrough + 1) this.#uninstructedThrough = seq;
  }

  /**
   * Finds messages by their clients' ids, for a comparison with new ones. The content is read only if there is no hash.
   */
  earlier(ids: readonly string[]): EarlierRow[] {
    const seqs = this.#clientIds.seqsOf(ids);
    if (seqs.length === 0) return [];
    return this.#sql
      .exec(
        `SELECT seq, client_id, role, author, occurred_at, erased_at, hash,
           CASE WHEN hash IS NULL THEN content END AS content, held_bytes
         FROM messages WHERE ${AMONG_SEQS}`,
        JSON.stringify(seqs),
      )
      .toArray()
      .map((row) => this.#withFiles(row, toEarlier(this.#erasure.standing(row)), "whole"));
  }

  byClientId(id: string, view: FileView = "whole"): MessageRow | null {
    const [seq] = this.#clientIds.seqsOf([id]);
    return seq === undefined ? null : this.bySeq(seq, view);
  }

  bySeq(seq: Seq, view: FileView = "whole"): MessageRow | null {
    const row = this.#sql.exec(`SELECT ${MESSAGE} FROM messages WHERE seq = ?`, seq).toArray()[0];
    return row === undefined ? null : this.#read(row, toMessageRow, view);
  }

  /**
   * Finds messages by their seqs, in the given order; those that do not exist are left out. It uses one statement for
   * all, since each statement leaves something for the garbage collector.
   */
  *bySeqs(seqs: readonly Seq[], view: FileView = "whole"): Generator<MessageRow> {
    const rows = this.#sql.exec(`SELECT ${MESSAGE} FROM messages WHERE ${AMONG_SEQS}`, JSON.stringify(seqs)).toArray();
    const bySeq = new Map(rows.map((row) => [number(row["seq"]), row]));
    for (const seq of seqs) {
      const row = bySeq.get(seq);
      if (row !== undefined) yield this.#read(row, toMessageRow, view);
    }
  }

  /**
   * The newest message of a role on a branch that was not erased, from `fromSeq` down to `throughSeq`; with references
   * in place of files.
   */
  newestOf(role: Role, branch: Branch, fromSeq: Seq, throughSeq: Seq): MessageRow | null {
    for (const piece of branchPiecesOf(branch, throughSeq, fromSeq).toReversed()) {
      const row = this.#sql
        .exec(
          "SELECT seq FROM messages WHERE seq <= ? AND seq >= ? AND role = ? AND content IS NOT NULL ORDER BY seq DESC LIMIT 1",
          piece.throughSeq,
          Math.max(piece.fromSeq, this.#erasure.throughSeq() + 1),
          role,
        )
        .toArray()[0];
      if (row !== undefined) return this.bySeq(number(row["seq"]), "told");
    }
    return null;
  }

  /**
   * The messages of the roles `system` and `developer` and the pinned ones on a branch that were not erased, from
   * `fromSeq` down, the newest first: MAX_INSTRUCTIONS at most, with references in place of files.
   */
  *instructions(branch: Branch, fromSeq: Seq): Generator<MessageRow> {
    let next = Math.min(fromSeq, branch.headSeq);
    if (next <= this.#uninstructedThrough || !this.#instructions.isThere) return;
    for (let left = MAX_INSTRUCTIONS; left > 0;) {
      const seqs = this.#sql
        .exec(
          "SELECT seq FROM messages WHERE (role IN ('system', 'developer') OR pinned = 1) AND seq <= ? AND seq > ? AND content IS NOT NULL ORDER BY seq DESC LIMIT ?",
          next,
          this.#erasure.throughSeq(),
          MAX_INSTRUCTIONS,
        )
        .toArray()
        .map(({ seq }) => number(seq));
      if (seqs.length === 0 && left === MAX_INSTRUCTIONS) this.#uninstructedThrough = next;
      const on = seqs.filter((seq) => isOn(branch, seq)).slice(0, left);
      for (const seq of on) {
        const row = this.bySeq(seq, "told");
        if (row !== null) yield row;
      }
      if (seqs.length < MAX_INSTRUCTIONS) return;
      left -= on.length;
      next = (seqs.at(-1) ?? 1) - 1;
    }
  }

  hashedBySeq(seq: Seq): HashedMessageRow | null {
    const row = this.#sql.exec(`SELECT ${MESSAGE}, hash FROM messages WHERE seq = ?`, seq).toArray()[0];
    return row === undefined ? null : this.#read(row, toHashedMessage, "whole");
  }

  /** Reads a message from its row, in its current state, with its files as `view` says. */
  #read<Message extends { readonly content: Content | null }>(
    row: Row,
    read: (row: Row) => Message,
    view: FileView,
  ): Message {
    const whole = row["rare"] === null ? row : withRare(row);
    return this.#withFiles(whole, read(this.#whole(whole)), view);
  }

  #withFiles<Message extends { readonly content: Content | null }>(
    row: Row,
    message: Message,
    view: FileView,
  ): Message {
    if ((row["held_bytes"] ?? 0) === 0 || message.content === null) return message;
    const content = this.#files.told(message.content);
    return { ...message, content: view === "told" ? content : this.#files.whole(content) };
  }

  /**
   * Completes a row: as erased if it is being erased, with what it follows, and with a content that was left out
   * because of its size.
   */
  #whole(given: Row): Row {
    const row = this.#placed(this.#erasure.standing(given));
    if (typeof row["content"] !== "number") return row;
    const content = this.#sql.exec("SELECT content FROM messages WHERE seq = ?", row["seq"] ?? null).toArray()[0];
    return { ...row, ...content };
  }

  /** Adds what the message follows, if that is not the one right before it. */
  #placed(row: Row): Row {
    const afterSeq = this.#branches.afterOf(number(row["seq"]));
    return afterSeq === null ? row : { ...row, after_seq: afterSeq };
  }

  /** The seqs of users' messages after `afterSeq` that were not erased, on any branch, the oldest first. */
  userSeqs(afterSeq: Seq, limit: number): Seq[] {
    return this.#sql
      .exec(
        "SELECT seq FROM messages WHERE seq > ? AND role = 'user' AND content IS NOT NULL ORDER BY seq LIMIT ?",
        Math.max(afterSeq, this.#erasure.throughSeq()),
        limit,
      )
      .toArray()
      .map(({ seq }) => number(seq));
  }

  /** When a message was appended, in ms since 1970; null if it does not exist. */
  createdAt(seq: Seq): number | null {
    const row = this.#sql.exec("SELECT created_at FROM messages WHERE seq = ?", seq).toArray()[0];
    return numberOrNull(row?.["created_at"]);
  }

  /** The newest message of the log, with the sums over all messages; null if there is none. */
  head(): HeadRow | null {
    if (this.#head === undefined) this.#head = this.#readHead();
    return this.#head;
  }

  #readHead(): HeadRow | null {
    const row = this.#sql
      .exec(
        `SELECT messages.seq, messages.created_at, total_cost, total_bytes, session.cost_change, session.bytes_change
         FROM session CROSS JOIN messages WHERE one = 1 AND seq > 0 ORDER BY seq DESC LIMIT 1`,
      )
      .toArray()[0];
    if (row === undefined) return null;
    const [appendedCost, appendedBytes] = [number(row["total_cost"]), number(row["total_bytes"])];
    return {
      seq: number(row["seq"]),
      createdAt: number(row["created_at"]),
      totalCost: appendedCost + number(row["cost_change"]),
      totalBytes: appendedBytes + number(row["bytes_change"]),
      appendedCost,
      appendedBytes,
    };
  }

  /** The newest message of the active branch, with the sum over that branch; null if there is none. */
  tip(): TipRow | null {
    const head = this.head();
    if (head === null) return null;
    const branch = this.#branches.active(head.seq);
    if (branch.headSeq === head.seq) {
      const { seq, createdAt, totalCost } = head;
      return { seq, lastSeq: seq, createdAt, branch, totalCost: totalCost - this.#totals.offCost(branch, seq) };
    }
    const { headSeq } = branch;
    const createdAt = this.createdAt(headSeq) ?? head.createdAt;
    return { seq: headSeq, lastSeq: head.seq, createdAt, branch, totalCost: this.#totals.costOn(branch, headSeq) };
  }

  /** Bytes of the contents of these messages. */
  bytesOf(seqs: readonly Seq[]): number {
    const row = this.#sql
      .exec(`SELECT sum(${SAID_BYTES}) AS bytes FROM messages WHERE ${AMONG_SEQS}`, JSON.stringify(seqs))
      .toArray()[0];
    return numberOrNull(row?.["bytes"]) ?? 0;
  }

  /** How many of these messages exist and were not erased. */
  countUnerased(seqs: readonly Seq[]): number {
    const row = this.#sql
      .exec(
        `SELECT count(*) AS messages FROM messages WHERE ${AMONG_SEQS} AND seq > ? AND content IS NOT NULL`,
        JSON.stringify(seqs),
        this.#erasure.throughSeq(),
      )
      .one();
    return number(row["messages"]);
  }

  /** How many messages there are, with the erased ones. */
  count(): number {
    return number(this.#sql.exec("SELECT count(*) AS messages FROM messages WHERE seq > 0").one()["messages"]);
  }

  /**
   * The messages from `fromSeq` through `throughSeq`, the oldest first. They are read in pages as the caller iterates,
   * so stop when you have enough.
   */
  *forward(fromSeq: Seq, throughSeq: Seq, view: FileView = "whole"): Generator<MessageRow> {
    yield* this.#inPages(fromSeq, 1, toMessageRow, view, (next, limit) =>
      this.#sql.exec(
        `SELECT ${MESSAGE} FROM messages WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?`,
        next,
        throughSeq,
        limit,
      ),
    );
  }

  /** Does the same for the messages of a branch. */
  *forwardOn(branch: Branch, fromSeq: Seq, throughSeq: Seq, view: FileView = "whole"): Generator<MessageRow> {
    for (const piece of branchPiecesOf(branch, fromSeq, throughSeq)) {
      yield* this.forward(piece.fromSeq, piece.throughSeq, view);
    }
  }

  *hashedForward(fromSeq: Seq, throughSeq: Seq): Generator<HashedMessageRow> {
    yield* this.#inPages(fromSeq, 1, toHashedMessage, "whole", (next, limit) =>
      this.#sql.exec(
        `SELECT ${MESSAGE}, hash FROM messages WHERE seq >= ? AND seq <= ? ORDER BY seq LIMIT ?`,
        next,
        throughSeq,
        limit,
      ),
    );
  }

  /**
   * The messages from `fromSeq` down to `throughSeq`, the newest first, with their bytes. They are read in pages as the
   * caller iterates, so stop when you have enough.
   * @param room the budget that they are for: about as many rows are read as fit into it
   */
  *backward(fromSeq: Seq, throughSeq: Seq, view: FileView = "whole", room?: Room): Generator<SizedMessageRow> {
    yield* this.#inPages(
      fromSeq,
      -1,
      toSizedMessage,
      view,
      (next, limit) =>
        this.#sql.exec(
          `SELECT ${MESSAGE}, coalesce(${SAID_BYTES}, 0) + coalesce(octet_length(metadata), 0) AS bytes FROM messages WHERE seq <= ? AND seq >= ? ORDER BY seq DESC LIMIT ?`,
          next,
          throughSeq,
          limit,
        ),
      room === undefined ? GROWING : within(room),
    );
  }

  /** Does the same for the messages of a branch. */
  *backwardOn(
    branch: Branch,
    fromSeq: Seq,
    throughSeq: Seq,
    view: FileView = "whole",
    room?: Room,
  ): Generator<SizedMessageRow> {
    for (const piece of branchPiecesOf(branch, throughSeq, fromSeq).toReversed()) {
      yield* this.backward(piece.throughSeq, piece.fromSeq, view, room);
    }
  }

  /**
   * Reads messages in pages. Each page's statement is read to its end, because an open cursor would lock the tables
   * until it is garbage-collected.
   */
  *#inPages<Message extends { readonly content: Content | null }>(
    fromSeq: Seq,
    direction: 1 | -1,
    read: (row: Row) => Message,
    view: FileView,
    query: (next: Seq, limit: number) => Pick<SqlStorageCursor<Row>, "toArray">,
    sizes: PageSizes = GROWING,
  ): Generator<Message> {
    let next = fromSeq;
    for (let limit = sizes.first; ;) {
      const rows = query(next, limit).toArray();
      for (const row of rows) yield this.#read(row, read, view);
      const last = rows.at(-1);
      if (last === undefined || rows.length < limit) return;
      next = number(last["seq"]) + direction;
      limit = sizes.next(limit, rows);
    }
  }
}
