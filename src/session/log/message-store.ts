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

/** Every SQL statement about the messages of the log, but for those of its search index. No decision is taken here. */

/** Rows of the first page that is read of the log: most contexts need about as many. */
const FIRST_PAGE_ROWS = 32;
const MAX_PAGE_ROWS = 128;
/** Rows of a page past what the ones before it promise. */
const SPARE_PAGE_ROWS = 4;
/**
 * What is read of a page at once: larger contents are read one by one, as somebody comes to them. It bounds what is held of a page to
 * 8 MiB and one message, whatever the messages.
 */
const MAX_PAGED_CONTENT_BYTES = 64 * 1024;

/** What most messages have not. */
const RARE = ["author", "metadata", "occurred_at", "edited_at", "erased_at", "pinned", "held_bytes"] as const;

/**
 * Without the hash: few need it, and each blob is a buffer of its own for the collector. `octet_length`, unlike `length`, is told by
 * the head of the row: the content of a large message is not touched, and its size stands in its place. To hand out a row costs by its
 * columns: the running totals, which few need, are not among them, and what most messages have not stands in one, as JSON.
 */
const MESSAGE = `seq, client_id, role, created_at, tokens,
  CASE WHEN coalesce(author, metadata, occurred_at, edited_at, erased_at) IS NOT NULL OR pinned = 1 OR held_bytes > 0
    THEN json_array(${RARE.join(", ")}) END AS rare,
  CASE WHEN octet_length(content) <= ${MAX_PAGED_CONTENT_BYTES} THEN content ELSE octet_length(content) END AS content`;

/** A row with what it has of that. */
function withRare({ rare, ...row }: Row): Row {
  if (rare === null || rare === undefined) return row;
  const values = stored<SqlStorageValue[]>(rare);
  for (const [at, name] of RARE.entries()) row[name] = values[at] ?? null;
  return row;
}

/** What changed of the messages of a block. */
interface BlockChange extends TotalsChange {
  readonly block: number;
}

/**
 * What is read of the files of messages. `whole`: their bytes. `told`: what stands for them, which is enough for whoever asks what is said, how
 * long it is, or what it takes of a budget; it is read without a statement of its own.
 */
export type FileView = "whole" | "told";

/** Bytes of what a message says, wherever they stand. */
const SAID_BYTES = "octet_length(content) + held_bytes";

const AMONG_SEQS = "seq > 0 AND seq IN (SELECT value FROM json_each(?))";

/** Messages whose changes of cost are summed in one row: the totals at a message are told from so many rows of messages at most, and a row a block. */
const BLOCK_BITS = 7;

/** A row's cost and that of the row before it, as they were appended. Below the first message there are blanks, of no cost. */
const APPENDED_COST =
  "(messages.total_cost - (SELECT total_cost FROM messages AS before WHERE before.seq = messages.seq - 1))";

/** Messages that are erased one by one, at once. More go as all up to the last of them. */
const MAX_LISTED = 1_000;
/** One slice of an erasure: some tenths of a second of work, far under what an invocation has. */
const MAX_SLICE_ROWS = 10_000;
const MAX_SLICE_BYTES = 32 * 1024 * 1024;

/** All messages through one of them are erased, though the text of some is still to be written over, slice by slice. */
interface Erasing {
  readonly throughSeq: Seq;
  readonly erasedAt: number;
  /** How far that is. */
  readonly doneSeq: Seq;
}

/** What an erased message says. */
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

/** Filling of the page that the first split would leave behind. */
const FILLING = `INSERT INTO messages (seq, role, content, created_at, tokens, total_cost, total_bytes)
  SELECT value, 'system', printf('%2000s', ''), 0, 0, 0, 0 FROM json_each('[-2,-1,0]')`;

/** Ranges off a branch whose cost is remembered: those of the active branch, and of a few others that were asked for. */
const MAX_OFF_COSTS = 4 * MAX_BRANCHES;

/** So many instructions are looked at for one context, the newest first: some agents give theirs anew with each turn. */
const MAX_INSTRUCTIONS = 100;

/** What messages are read into. */
export interface Room {
  readonly tokens: TokenCount;
  /** What a message of the log takes on average. */
  readonly average: TokenCount;
}

/** How many rows pages have. */
interface PageSizes {
  readonly first: number;
  /** After a page of so many. */
  next(limit: number, rows: readonly Row[]): number;
}

/** More with each page, while somebody reads on. */
const GROWING: PageSizes = {
  first: FIRST_PAGE_ROWS,
  next: (limit) => Math.min(MAX_PAGE_ROWS, 2 * limit),
};

/** As many as a budget has room for, as far as the rows so far tell. */
function within(room: Room): PageSizes {
  let read = 0;
  let tokens = 0;
  const pageOf = (fitting: number, most: number): number => Math.min(most, Math.ceil(fitting) + SPARE_PAGE_ROWS);
  return {
    // The newest may be longer than most.
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
  /** The total that was read last: each append asks for that at the end of the summary. */
  #totalRead: { readonly seq: Seq; readonly cost: TokenCount } | null = null;
  /** Undefined until it is read. */
  #erasing: Erasing | null | undefined;
  /** There is no instruction through this message: most chats have none, and each context asks. */
  #uninstructedThrough: Seq = 0;
  readonly #branches: BranchStore;
  readonly #files: FileStore;
  readonly #vectors: VectorStore;
  readonly #changes: Changes;
  /** What ranges off a branch take, as it was read last. */
  readonly #offCosts = new Map<string, TokenCount>();

  constructor(sql: SqlStorage, branches: BranchStore, files: FileStore, vectors: VectorStore, changes: Changes) {
    this.#sql = sql;
    this.#branches = branches;
    this.#files = files;
    this.#vectors = vectors;
    this.#changes = changes;
  }

  /** Forgets what was read: a transaction was rolled back, and with it perhaps what a read has seen. */
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
   * @param contentJson the same as JSON; null for a tombstone, which only a copy brings along
   * @param isNamed it says itself what it follows
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

  /** What is known of messages by their clients' ids, to compare others with. The content of one that has a hash is not read. */
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

  /** Those that there are, in the order in which they are asked for. One statement, however many: each leaves something to the collector. */
  *bySeqs(seqs: readonly Seq[], view: FileView = "whole"): Generator<MessageRow> {
    const rows = this.#sql.exec(`SELECT ${MESSAGE} FROM messages WHERE ${AMONG_SEQS}`, JSON.stringify(seqs)).toArray();
    const bySeq = new Map(rows.map((row) => [number(row["seq"]), row]));
    for (const seq of seqs) {
      const row = bySeq.get(seq);
      if (row !== undefined) yield this.#read(row, toMessageRow, view);
    }
  }

  /** The newest message of a role on a branch, without its files, from `fromSeq` down to `throughSeq`, that was not erased. */
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

  /** What systems and developers said on a branch, and what was pinned, that was not erased, without files, newest first, from `fromSeq` down: `MAX_INSTRUCTIONS` at most. */
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

  /** As it stands, as whole as it is asked for. */
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

  /** As it stands, and with its content, if that was left out for its size. */
  #whole(given: Row): Row {
    const row = this.#placed(this.#standing(given));
    if (typeof row["content"] !== "number") return row;
    const content = this.#sql.exec("SELECT content FROM messages WHERE seq = ?", row["seq"] ?? null).toArray()[0];
    return { ...row, ...content };
  }

  /** With what it follows, where that is not the message before it. */
  #placed(row: Row): Row {
    const afterSeq = this.#branches.afterOf(number(row["seq"]));
    return afterSeq === null ? row : { ...row, after_seq: afterSeq };
  }

  /** Messages of users after one that say something, on whichever branch, oldest first. */
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

  /** In milliseconds since 1970; null if there is no such message. */
  createdAt(seq: Seq): number | null {
    const row = this.#sql.exec("SELECT created_at FROM messages WHERE seq = ?", seq).toArray()[0];
    return numberOrNull(row?.["created_at"]);
  }

  /** Null if there is no message. */
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

  /** The newest message of the active branch; null if there is none. */
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

  /** Oldest first, from `fromSeq` through `throughSeq`. Stop reading when enough is read. */
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

  /** The same of a branch. */
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
   * Newest first, from `fromSeq` down to `throughSeq`. Stop reading when enough is read.
   * @param room about as many rows are read as fit in it
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

  /** The same of a branch. */
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

  /** In pages, each read to its end: a cursor left open would lock the tables until it is collected. */
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
   * @param cost what the message takes of a context's budget from now on
   * @returns what that adds to the totals, for the session's row
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

  /** What messages take now, by block. */
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
   * Writes blanks over what messages say, in place. SQLite frees a cell without clearing it (its `secure_delete` is off here, and
   * the pragma refused), but a row that keeps its size keeps its bytes' place.
   */
  #overwrite(seqs: readonly Seq[], columns: readonly string[]): void {
    const zeros = columns.map((column) => `${column} = ${overwritten(column)}`);
    this.#sql.exec(`UPDATE messages SET ${zeros.join(", ")} WHERE ${AMONG_SEQS}`, JSON.stringify(seqs));
  }

  /**
   * Leaves tombstones: seqs and ids stay, what was said is gone, and the hashes that could confirm a guess of it.
   * @returns what that adds to the totals, for the session's row
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

  // Erasing more than one transaction ought to

  /** The message as it stands, whatever is left of it. */
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

  /** Whether text of messages that are erased is still to be written over. */
  isErasing(): boolean {
    return this.#readErasing() !== null;
  }

  /**
   * Erases all messages through one: from here on none of them says anything, nor counts. What is more than a slice is written over later.
   * @returns what that adds to the totals, for the session's row
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
    // At once, also of what is written over in later slices. Those of what stays are made anew.
    this.#vectors.clear();
    this.eraseSlice();
    return { cost: -cost, bytes: -bytes };
  }

  /** Writes over a slice of what is erased. Call again while `isErasing`. */
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
    // What that adds to the totals was counted as the messages were erased, and the search index went with them.
    this.#erase(
      slice.map((row) => number(row["seq"])),
      erasing.erasedAt,
    );
    this.#erasing = undefined;
    if (slice.length < rows.length || rows.length === MAX_SLICE_ROWS) {
      this.#sql.exec("UPDATE erasing SET done_seq = ?", number(slice.at(-1)?.["seq"]));
    } else this.#sql.exec("DELETE FROM erasing");
  }

  /** Bytes of what these messages say. */
  bytesOf(seqs: readonly Seq[]): number {
    const row = this.#sql
      .exec(`SELECT sum(${SAID_BYTES}) AS bytes FROM messages WHERE ${AMONG_SEQS}`, JSON.stringify(seqs))
      .toArray()[0];
    return numberOrNull(row?.["bytes"]) ?? 0;
  }

  /** Of some messages those that still say something; of many all up to the last. Null if there is none. */
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

  /** How many of these messages still say something. */
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

  /** How many there are, tombstones among them. */
  count(): number {
    return number(this.#sql.exec("SELECT count(*) AS messages FROM messages WHERE seq > 0").one()["messages"]);
  }

  /** Oldest first, those after `afterSeq`: what they add to the totals, and nothing of what they say. */
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

  /** Bytes of what all messages through one say now. Reads a row each. */
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

  /** What lies off a branch up to a message. */
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

  /** The same where those through `erasedSeq` are erased, and the sums of their blocks are not mended yet. */
  #totalCostAfter(erasedSeq: Seq, seq: Seq): TokenCount {
    if (seq <= erasedSeq) return 0;
    const changes = this.#sql
      .exec("SELECT sum(cost_change) AS cost FROM messages WHERE seq > ? AND seq <= ?", erasedSeq, seq)
      .one()["cost"];
    return this.appendedCostAt(seq) - this.appendedCostAt(erasedSeq) + (numberOrNull(changes) ?? 0);
  }

  /** What all messages through one took as they were appended; 0 before the first. */
  appendedCostAt(seq: Seq): TokenCount {
    const row = this.#sql.exec("SELECT total_cost FROM messages WHERE seq = ?", seq).toArray()[0];
    return row === undefined ? 0 : number(row["total_cost"]);
  }

  /** Whether the totals are those of the messages: by blocks, and as a whole on the session's row. */
  areTotalsTrue(): boolean {
    // The sums of what is erased are mended with each slice that is written over.
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

  /** Takes out every message. */
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
