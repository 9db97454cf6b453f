import { MAX_BRANCHES } from "../../api/limits.ts";
import type { Content, Role, Seq, TokenCount } from "../../api/message.ts";
import { byteLength } from "../../api/text.ts";
import { type Branch, isOn, branchPiecesOf, type SeqRange } from "../../prompt/branch.ts";
import { MESSAGE_OVERHEAD_TOKENS } from "../../prompt/message-text.ts";
import type { Changes } from "../changes.ts";
import type { VectorStore } from "../search/index.ts";
import {
  overwritten,
  type EarlierRow,
  type FileStore,
  type HashedMessageRow,
  type HeadRow,
  type LedgerRow,
  type MessageRow,
  type NewMessageRow,
  number,
  numberOrNull,
  renewTable,
  type Row,
  type SeqSet,
  type SizedMessageRow,
  stored,
  type TipRow,
  toEarlier,
  toHashedMessage,
  toLedger,
  toMessageRow,
  toSizedMessage,
  toStoredTime,
  type TotalsChange,
} from "../sqlite/index.ts";
import type { BranchStore } from "./branch-store.ts";

// The SQL statements about the messages of the log, except those of the search index. It makes no decisions.

/** Rows of the first page that is read: most contexts need about as many. */
const FIRST_PAGE_ROWS = 32;
const MAX_PAGE_ROWS = 128;
/** How many rows more than estimated a page has. */
const SPARE_PAGE_ROWS = 4;
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

/** By how much the messages of one block changed. */
interface BlockChange extends TotalsChange {
  readonly block: number;
}

/**
 * How files in messages are read. `whole`: with their bytes. `told`: with references in their places, which needs no
 * further statement and is enough to know what is said, how long it is, and what it takes of a budget.
 */
export type FileView = "whole" | "told";

/** SQL for the bytes of a message's content, including what is stored outside of its row. */
const SAID_BYTES = "octet_length(content) + held_bytes";

const AMONG_SEQS = "seq > 0 AND seq IN (SELECT value FROM json_each(?))";

/**
 * A block is 2^BLOCK_BITS messages, whose changes of cost are summed up in one row. To compute the sum at a message, it
 * takes the rows of its block and one row for each block before.
 */
const BLOCK_BITS = 7;

/**
 * SQL for what a message cost when it was appended: its running sum less that of the row before. Before the first
 * message there are rows of spaces that cost nothing.
 */
const APPENDED_COST =
  "(messages.total_cost - (SELECT total_cost FROM messages AS before WHERE before.seq = messages.seq - 1))";

/** Most messages that are listed to be erased at once. More are erased as all messages up to the last of them. */
const MAX_LISTED = 1_000;
/** Limits of one step of an erasure: it takes some tenths of a second, far less than an invocation may take. */
const MAX_SLICE_ROWS = 10_000;
const MAX_SLICE_BYTES = 32 * 1024 * 1024;

/**
 * A running erasure: all messages through `throughSeq` count as erased, but the text of some is still to be
 * overwritten, step by step.
 */
interface Erasing {
  readonly throughSeq: Seq;
  readonly erasedAt: number;
  /** The last message whose text is overwritten. */
  readonly doneSeq: Seq;
}

/** The columns of an erased message. */
const ERASED = {
  content: null,
  author: null,
  metadata: null,
  occurred_at: null,
  edited_at: null,
  pinned: 0,
  hash: null,
  tokens: 0,
  bytes: 0,
  held_bytes: 0,
};

/**
 * The rows of spaces with which the table begins: they fill the first page, of which SQLite leaves a copy behind when
 * the table outgrows it. See the schema.
 */
const FILLING = `INSERT INTO messages (seq, role, content, created_at, tokens, total_cost, total_bytes)
  SELECT value, 'system', printf('%2000s', ''), 0, 0, 0, 0 FROM json_each('[-2,-1,0]')`;

/** How many ranges of messages off a branch have their cost cached: enough for the active branch and a few others. */
const MAX_OFF_COSTS = 4 * MAX_BRANCHES;

/** Most instructions that are read for one context, the newest first: some agents repeat theirs with each turn. */
const MAX_INSTRUCTIONS = 100;

/** The budget for which messages are read. */
export interface Room {
  readonly tokens: TokenCount;
  /** The average cost of a message of this log. */
  readonly average: TokenCount;
}

/** How many rows each page has. */
interface PageSizes {
  readonly first: number;
  /**
   * The rows of the next page.
   * @param limit the rows of the last page, at most
   * @param rows those that it had
   */
  next(limit: number, rows: readonly Row[]): number;
}

/** Pages that grow the longer the caller reads. */
const GROWING: PageSizes = {
  first: FIRST_PAGE_ROWS,
  next: (limit) => Math.min(MAX_PAGE_ROWS, 2 * limit),
};

/** Pages of about as many rows as the budget has room for, estimated from the rows that were read. */
function within(room: Room): PageSizes {
  let read = 0;
  let tokens = 0;
  const pageOf = (fitting: number, most: number): number => Math.min(most, Math.ceil(fitting) + SPARE_PAGE_ROWS);
  return {
    // At most twice the usual first page: the newest messages may be longer than the average.
    first: pageOf(room.tokens / Math.max(1, room.average), 2 * FIRST_PAGE_ROWS),
    next(limit, rows) {
      read += rows.length;
      for (const row of rows) tokens += number(row["tokens"]) + MESSAGE_OVERHEAD_TOKENS;
      const fitting = ((room.tokens - tokens) * read) / tokens;
      return fitting > 0 ? pageOf(fitting, MAX_PAGE_ROWS) : GROWING.next(limit, rows);
    },
  };
}

export class MessageStore {
  readonly #sql: SqlStorage;
  /** The sum that was read last, as cached: each append asks for the sum at the end of the summary. */
  #totalRead: { readonly seq: Seq; readonly cost: TokenCount } | null = null;
  /** Undefined if it has not been read. */
  #erasing: Erasing | null | undefined;
  /**
   * Up to this message, the log has no instruction and no pinned message. Most chats have none, and each context asks.
   */
  #uninstructedThrough: Seq = 0;
  readonly #branches: BranchStore;
  readonly #files: FileStore;
  readonly #vectors: VectorStore;
  readonly #changes: Changes;
  /** The cost of ranges of messages off a branch, as cached. */
  readonly #offCosts = new Map<string, TokenCount>();

  constructor(sql: SqlStorage, branches: BranchStore, files: FileStore, vectors: VectorStore, changes: Changes) {
    this.#sql = sql;
    this.#branches = branches;
    this.#files = files;
    this.#vectors = vectors;
    this.#changes = changes;
  }

  /** Clears what was cached: a transaction was rolled back, and what was read may be from inside it. */
  forget(): void {
    this.#forgetTotals();
    this.#erasing = undefined;
    this.#uninstructedThrough = 0;
  }

  #forgetTotals(): void {
    this.#totalRead = null;
    this.#offCosts.clear();
  }

  /**
   * Adds a message at the end of the log.
   * @param contentJson the content as JSON; null for an erased message, which only forks and imports add
   * @param isNamed whether the client named the message that this one follows
   */
  insert(message: NewMessageRow, contentJson: string | null, isNamed = false): void {
    const { seq, afterSeq, content } = message;
    const packed = content === null || contentJson === null ? null : this.#files.pack(content, contentJson);
    if (afterSeq !== null && afterSeq < seq - 1) this.#branches.insert({ seq, afterSeq }, isNamed);
    this.#sql.exec(
      `INSERT INTO messages (seq, client_id, role, author, content, metadata, occurred_at, created_at, edited_at, erased_at,
         pinned, hash, tokens, total_cost, total_bytes, held_bytes)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      message.seq,
      message.clientId,
      message.role,
      message.author,
      packed?.json ?? null,
      message.metadata === null ? null : JSON.stringify(message.metadata),
      toStoredTime(message),
      message.createdAt,
      message.editedAt,
      message.erasedAt,
      message.isPinned ? 1 : 0,
      message.hash,
      message.tokens,
      message.totalCost,
      message.totalBytes,
      packed?.heldBytes ?? 0,
    );
    if (packed !== null && packed.files.length > 0) this.#files.cite(seq, packed.files);
    this.#changes.isAppended = true;
    const isInstruction = message.isPinned || message.role === "system" || message.role === "developer";
    if (!isInstruction && seq === this.#uninstructedThrough + 1) this.#uninstructedThrough = seq;
  }

  /**
   * Finds messages by their clients' ids, for a comparison with new ones. The content is read only if there is no hash.
   */
  earlier(ids: readonly string[]): EarlierRow[] {
    if (ids.length === 0) return [];
    return this.#sql
      .exec(
        `SELECT seq, client_id, role, author, occurred_at, erased_at, hash,
           CASE WHEN hash IS NULL THEN content END AS content, held_bytes
         FROM messages WHERE client_id IN (SELECT value FROM json_each(?)) AND client_id IS NOT NULL`,
        JSON.stringify(ids),
      )
      .toArray()
      .map((row) => this.#withFiles(row, toEarlier(this.#standing(row)), "whole"));
  }

  byClientId(id: string, view: FileView = "whole"): MessageRow | null {
    return this.#one(`SELECT ${MESSAGE} FROM messages WHERE client_id = ?`, id, view);
  }

  bySeq(seq: Seq, view: FileView = "whole"): MessageRow | null {
    return this.#one(`SELECT ${MESSAGE} FROM messages WHERE seq = ?`, seq, view);
  }

  #one(query: string, value: SqlStorageValue, view: FileView): MessageRow | null {
    const row = this.#sql.exec(query, value).toArray()[0];
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
          Math.max(piece.fromSeq, (this.#readErasing()?.throughSeq ?? 0) + 1),
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
    if (next <= this.#uninstructedThrough) return;
    for (let left = MAX_INSTRUCTIONS; left > 0;) {
      const seqs = this.#sql
        .exec(
          "SELECT seq FROM messages WHERE (role IN ('system', 'developer') OR pinned = 1) AND seq <= ? AND seq > ? AND content IS NOT NULL ORDER BY seq DESC LIMIT ?",
          next,
          this.#readErasing()?.throughSeq ?? 0,
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
    const row = this.#placed(this.#standing(given));
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
        Math.max(afterSeq, this.#readErasing()?.throughSeq ?? 0),
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
      return { seq, lastSeq: seq, createdAt, branch, totalCost: totalCost - this.#offCost(branch, seq) };
    }
    const { headSeq } = branch;
    const createdAt = this.createdAt(headSeq) ?? head.createdAt;
    return { seq: headSeq, lastSeq: head.seq, createdAt, branch, totalCost: this.totalCostOn(branch, headSeq) };
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
    query: (next: Seq, limit: number) => SqlStorageCursor<Row>,
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

  /**
   * Replaces the content and metadata of a message. The old ones are overwritten first.
   * @param cost what the message takes of a context's budget from now on, in tokens
   * @returns by how much the sums change, to be added on the session's row
   */
  edit(
    seq: Seq,
    content: Content,
    contentJson: string,
    metadataJson: string | null,
    { tokens, cost }: { readonly tokens: TokenCount; readonly cost: TokenCount },
    editedAt: number,
  ): TotalsChange {
    const before = this.#sizesOf([seq]);
    const packed = this.#files.pack(content, contentJson);
    if (this.#vectors.state() !== null && !this.#saysStill(seq, packed.json)) this.#vectors.forgetMessages([seq]);
    this.#overwrite([seq], ["content", "metadata"]);
    this.#sql.exec(
      `UPDATE messages SET content = ?, held_bytes = ?, metadata = ?, tokens = ?, edited_at = ?,
         cost_change = ? - ${APPENDED_COST} WHERE seq = ?`,
      packed.json,
      packed.heldBytes,
      metadataJson,
      tokens,
      editedAt,
      cost,
      seq,
    );
    this.#files.cite(seq, packed.files);
    this.#changes.edited.add(seq);
    return this.#noteChanges(
      before.map((block) => ({ ...block, cost: cost - block.cost, bytes: byteLength(contentJson) - block.bytes })),
    );
  }

  #saysStill(seq: Seq, packedJson: string): boolean {
    return this.#sql.exec("SELECT 1 FROM messages WHERE seq = ? AND content = ?", seq, packedJson).toArray().length > 0;
  }

  pin(seq: Seq, isPinned: boolean): void {
    this.#uninstructedThrough = 0;
    this.#sql.exec("UPDATE messages SET pinned = ? WHERE seq = ?", isPinned ? 1 : 0, seq);
  }

  /** What messages take now, summed up by block. */
  #sizesOf(seqs: readonly Seq[]): BlockChange[] {
    return this.#sql
      .exec(
        `SELECT seq >> ${BLOCK_BITS} AS block, sum(${APPENDED_COST} + cost_change) AS cost,
           sum(coalesce(${SAID_BYTES}, 0)) AS bytes
         FROM messages WHERE ${AMONG_SEQS} GROUP BY block`,
        JSON.stringify(seqs),
      )
      .toArray()
      .map((row) => ({ block: number(row["block"]), cost: number(row["cost"]), bytes: number(row["bytes"]) }));
  }

  #noteChanges(changes: readonly BlockChange[]): TotalsChange {
    this.#forgetTotals();
    const costs = changes.filter(({ cost }) => cost !== 0);
    for (const { block, cost } of costs) {
      this.#sql.exec(
        "INSERT INTO cost_changes (block, cost) VALUES (?, ?) ON CONFLICT (block) DO UPDATE SET cost = cost + excluded.cost",
        block,
        cost,
      );
    }
    return {
      cost: costs.reduce((sum, { cost }) => sum + cost, 0),
      bytes: changes.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }

  /**
   * Overwrites columns of messages with zeros, in place. SQLite does not clear what it frees (the runtime has `PRAGMA
   * secure_delete` off and refuses to set it), but a row that keeps its size keeps its place.
   */
  #overwrite(seqs: readonly Seq[], columns: readonly string[]): void {
    const zeros = columns.map((column) => `${column} = ${overwritten(column)}`);
    this.#sql.exec(`UPDATE messages SET ${zeros.join(", ")} WHERE ${AMONG_SEQS}`, JSON.stringify(seqs));
  }

  /**
   * Erases messages: their seqs and ids stay; their content is gone, and so are the hashes against which a guess could
   * be checked.
   * @returns by how much the sums change, to be added on the session's row
   */
  erase(seqs: readonly Seq[], erasedAt: number): TotalsChange {
    for (const seq of seqs) this.#changes.erased.add(seq);
    return this.#erase(seqs, erasedAt);
  }

  #erase(seqs: readonly Seq[], erasedAt: number): TotalsChange {
    const before = this.#sizesOf(seqs);
    this.#overwrite(seqs, ["content", "metadata", "author"]);
    this.#sql.exec(
      `UPDATE messages SET content = NULL, author = NULL, metadata = NULL, occurred_at = NULL, hash = NULL, tokens = 0,
         edited_at = NULL, pinned = 0, held_bytes = 0, erased_at = ?, cost_change = -${APPENDED_COST} WHERE ${AMONG_SEQS}`,
      erasedAt,
      JSON.stringify(seqs),
    );
    this.#files.release(seqs);
    this.#vectors.forgetMessages(seqs);
    return this.#noteChanges(before.map(({ block, cost, bytes }) => ({ block, cost: -cost, bytes: -bytes })));
  }

  // Erasures that are too large for one transaction

  /** The row as erased if it is part of a running erasure, whether its text was overwritten already or not. */
  #standing(row: Row): Row {
    const erasing = this.#readErasing();
    if (erasing === null || number(row["seq"]) > erasing.throughSeq) return row;
    return { ...row, ...ERASED, erased_at: row["erased_at"] ?? erasing.erasedAt };
  }

  #readErasing(): Erasing | null {
    if (this.#erasing === undefined) {
      const row = this.#sql.exec("SELECT * FROM erasing WHERE one = 1").toArray()[0];
      this.#erasing =
        row === undefined
          ? null
          : {
              throughSeq: number(row["through_seq"]),
              erasedAt: number(row["erased_at"]),
              doneSeq: number(row["done_seq"]),
            };
    }
    return this.#erasing;
  }

  /** Whether the text of erased messages is still to be overwritten. */
  isErasing(): boolean {
    return this.#readErasing() !== null;
  }

  /**
   * Erases all messages through one. They count as erased at once; the text that is more than one step can overwrite is
   * overwritten later, by the alarm.
   * @returns by how much the sums change, to be added on the session's row
   */
  eraseThrough(throughSeq: Seq, erasedAt: number): TotalsChange {
    const cost = this.totalCostAt(throughSeq);
    const bytes = this.bytesThrough(throughSeq);
    this.#sql.exec(
      `INSERT INTO erasing (one, through_seq, erased_at) VALUES (1, ?, ?)
       ON CONFLICT (one) DO UPDATE SET through_seq = max(through_seq, excluded.through_seq)`,
      throughSeq,
      erasedAt,
    );
    this.#erasing = undefined;
    this.#changes.isLogCleared = true;
    this.#changes.isRescheduled = true;
    // All vectors go at once, also those of messages that are overwritten later. Vectors of messages that stay are made
    // again.
    this.#vectors.clear();
    this.eraseSlice();
    return { cost: -cost, bytes: -bytes };
  }

  /** Overwrites the next part of the messages that are being erased. Call it again while `isErasing`. */
  eraseSlice(): void {
    const erasing = this.#readErasing();
    if (erasing === null) return;
    const rows = this.#sql
      .exec(
        `SELECT seq, ${SAID_BYTES} AS bytes FROM messages
         WHERE seq > ? AND seq <= ? AND content IS NOT NULL ORDER BY seq LIMIT ?`,
        erasing.doneSeq,
        erasing.throughSeq,
        MAX_SLICE_ROWS,
      )
      .toArray();
    let bytes = 0;
    const slice = rows.filter((row) => {
      const isWithin = bytes < MAX_SLICE_BYTES;
      bytes += number(row["bytes"]);
      return isWithin;
    });
    this.#changes.isRescheduled = true;
    // The changes of the sums were counted when the messages were erased, and the search index was dropped then.
    this.#erase(
      slice.map((row) => number(row["seq"])),
      erasing.erasedAt,
    );
    this.#erasing = undefined;
    if (slice.length < rows.length || rows.length === MAX_SLICE_ROWS) {
      this.#sql.exec("UPDATE erasing SET done_seq = ?", number(slice.at(-1)?.["seq"]));
    } else this.#sql.exec("DELETE FROM erasing");
  }

  /** Bytes of the contents of these messages. */
  bytesOf(seqs: readonly Seq[]): number {
    const row = this.#sql
      .exec(`SELECT sum(${SAID_BYTES}) AS bytes FROM messages WHERE ${AMONG_SEQS}`, JSON.stringify(seqs))
      .toArray()[0];
    return numberOrNull(row?.["bytes"]) ?? 0;
  }

  /**
   * Those of the messages that were not erased; null if there are none. If they are too many to erase at once, and
   * `seqs` is a range, the range itself.
   */
  unerased(seqs: SeqSet): SeqSet | null {
    const [condition, value] =
      "throughSeq" in seqs ? ["seq > 0 AND seq <= ?", seqs.throughSeq] : [AMONG_SEQS, JSON.stringify(seqs)];
    const left = this.#sql
      .exec(
        `SELECT seq FROM messages WHERE ${condition} AND seq > ? AND content IS NOT NULL ORDER BY seq LIMIT ?`,
        value,
        this.#readErasing()?.throughSeq ?? 0,
        MAX_LISTED + 1,
      )
      .toArray()
      .map((row) => number(row["seq"]));
    if (left.length === 0) return null;
    const isLarge = left.length > MAX_LISTED || this.bytesOf(left) > MAX_SLICE_BYTES;
    return isLarge && "throughSeq" in seqs ? seqs : left;
  }

  /** How many of these messages exist and were not erased. */
  countUnerased(seqs: readonly Seq[]): number {
    const row = this.#sql
      .exec(
        `SELECT count(*) AS messages FROM messages WHERE ${AMONG_SEQS} AND seq > ? AND content IS NOT NULL`,
        JSON.stringify(seqs),
        this.#readErasing()?.throughSeq ?? 0,
      )
      .one();
    return number(row["messages"]);
  }

  /** How many messages there are, with the erased ones. */
  count(): number {
    return number(this.#sql.exec("SELECT count(*) AS messages FROM messages WHERE seq > 0").one()["messages"]);
  }

  /** What the messages after `afterSeq` add to the running sums, the oldest first, without their contents. */
  ledger(afterSeq: Seq, limit: number): LedgerRow[] {
    return this.#sql
      .exec(
        `SELECT seq, author, tokens, total_cost, total_bytes, cost_change, erased_at
         FROM messages WHERE seq > max(?, 0) ORDER BY seq LIMIT ?`,
        afterSeq,
        limit,
      )
      .toArray()
      .map(toLedger);
  }

  /** Bytes of the contents of all messages through one, as they are now. Reads each row. */
  bytesThrough(seq: Seq): number {
    const erased = this.#readErasing()?.throughSeq ?? 0;
    const sum = this.#sql.exec(
      `SELECT sum(${SAID_BYTES}) AS bytes FROM messages WHERE seq > ? AND seq <= ?`,
      erased,
      seq,
    );
    return numberOrNull(sum.one()["bytes"]) ?? 0;
  }

  /** What the messages of a branch through one take of a context's budget now. */
  totalCostOn(branch: Branch, seq: Seq): TokenCount {
    return this.totalCostAt(seq) - this.#offCost(branch, seq);
  }

  /** The cost of the messages up to one that are not on the branch. */
  #offCost({ off }: Branch, throughSeq: Seq): TokenCount {
    let cost = 0;
    for (const range of off) {
      if (range.fromSeq > throughSeq) break;
      cost += this.#rangeCost({ ...range, throughSeq: Math.min(range.throughSeq, throughSeq) });
    }
    return cost;
  }

  #rangeCost({ fromSeq, throughSeq }: SeqRange): TokenCount {
    const key = `${fromSeq}-${throughSeq}`;
    const known = this.#offCosts.get(key);
    if (known !== undefined) return known;
    if (this.#offCosts.size >= MAX_OFF_COSTS) this.#offCosts.clear();
    const cost = this.#readTotalCost(throughSeq) - this.#readTotalCost(fromSeq - 1);
    this.#offCosts.set(key, cost);
    return cost;
  }

  /** What all messages through one take of a context's budget now; 0 before the first. */
  totalCostAt(seq: Seq): TokenCount {
    if (this.#totalRead?.seq === seq) return this.#totalRead.cost;
    const cost = this.#readTotalCost(seq);
    this.#totalRead = { seq, cost };
    return cost;
  }

  #readTotalCost(seq: Seq): TokenCount {
    const erasing = this.#readErasing();
    if (erasing !== null) return this.#totalCostAfter(erasing.throughSeq, seq);
    const first = (seq >> BLOCK_BITS) << BLOCK_BITS;
    const row = this.#sql
      .exec(
        `SELECT total_cost
           + coalesce((SELECT sum(cost) FROM cost_changes WHERE block < ?2), 0)
           + CASE WHEN EXISTS (SELECT 1 FROM cost_changes WHERE block = ?2)
               THEN coalesce((SELECT sum(cost_change) FROM messages WHERE seq > 0 AND seq >= ?3 AND seq <= ?1), 0)
               ELSE 0 END AS cost
         FROM messages WHERE seq = ?1`,
        seq,
        seq >> BLOCK_BITS,
        first,
      )
      .toArray()[0];
    return row === undefined ? 0 : number(row["cost"]);
  }

  /**
   * Does the same while an erasure of the messages through `erasedSeq` is running: the sums of their blocks are not
   * corrected until they are overwritten.
   */
  #totalCostAfter(erasedSeq: Seq, seq: Seq): TokenCount {
    if (seq <= erasedSeq) return 0;
    const changes = this.#sql
      .exec("SELECT sum(cost_change) AS cost FROM messages WHERE seq > ? AND seq <= ?", erasedSeq, seq)
      .one()["cost"];
    return this.appendedCostAt(seq) - this.appendedCostAt(erasedSeq) + (numberOrNull(changes) ?? 0);
  }

  /** What all messages through one took of a context's budget when they were appended; 0 before the first. */
  appendedCostAt(seq: Seq): TokenCount {
    const row = this.#sql.exec("SELECT total_cost FROM messages WHERE seq = ?", seq).toArray()[0];
    return row === undefined ? 0 : number(row["total_cost"]);
  }

  /** Whether the sums by block and on the session's row agree with the messages. Part of the integrity check. */
  areTotalsTrue(): boolean {
    // During an erasure they do not: they are corrected with each step.
    if (this.isErasing()) return true;
    const wrong = this.#sql
      .exec(
        `WITH blocks AS (SELECT seq >> ${BLOCK_BITS} AS block, sum(cost_change) AS cost FROM messages WHERE seq > 0 GROUP BY block)
         SELECT 1 FROM blocks LEFT JOIN cost_changes USING (block) WHERE blocks.cost <> coalesce(cost_changes.cost, 0)
         UNION ALL SELECT 1 FROM session WHERE cost_change <> coalesce((SELECT sum(cost) FROM cost_changes), 0)
         LIMIT 1`,
      )
      .toArray();
    const bytes = this.#sql.exec(`SELECT sum(${SAID_BYTES}) AS bytes FROM messages WHERE seq > 0`).one();
    return wrong.length === 0 && (numberOrNull(bytes["bytes"]) ?? 0) === (this.head()?.totalBytes ?? 0);
  }

  /** Deletes every message, and everything that belongs to messages. */
  clear(): void {
    this.#changes.isLogCleared = true;
    this.#forgetTotals();
    this.#erasing = undefined;
    this.#uninstructedThrough = 0;
    this.#branches.clear();
    this.#sql.exec("DELETE FROM cost_changes");
    this.#sql.exec("UPDATE session SET cost_change = 0, bytes_change = 0");
    renewTable(this.#sql, "messages", FILLING);
    this.#files.clear();
    this.#vectors.drop();
    this.#sql.exec("DELETE FROM erasing");
  }
}
