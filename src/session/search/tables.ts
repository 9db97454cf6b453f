import type { Role, Seq } from "../../api/message.ts";
import { byteLength } from "../../api/text.ts";
import type { TermKey } from "../../prompt/retrieval/keyed-terms.ts";
import { MessageLengths } from "../../prompt/retrieval/message-lengths.ts";
import { toldJson } from "../sqlite/index.ts";

/** The part of the object's storage that the index uses. */
export interface SearchStorage {
  readonly sql: {
    exec<T extends Record<string, SqlStorageValue>>(
      query: string,
      ...bindings: SqlStorageValue[]
    ): Pick<SqlStorageCursor<T>, "toArray">;
    readonly databaseSize: number;
  };
  transactionSync<T>(closure: () => T): T;
}

/** The one row of `search_state`. */
export interface SearchState {
  /** `INDEX_VERSION` of the code that built the index. An index of another version is dropped and built again. */
  readonly version: number;
  readonly indexedThroughSeq: Seq;
  /** Increases with each write. Memory that was read at another revision is discarded, also after a rollback. */
  readonly revision: number;
  /** The key with which terms are hashed. */
  readonly key: TermKey;
}

interface MessageRow extends Record<string, SqlStorageValue> {
  seq: number;
  role: Role;
  author: string | null;
  content: string;
  said_at: number | string;
}

/** What the index stores of a message. */
export interface IndexedText {
  readonly author: string | null;
  /** Which share of the message is questions, 0 to 1. */
  readonly asks: number;
  /** The message's terms, separated by spaces. */
  readonly terms: string;
}

/** An author's name, and the keyed hash by which it is found. */
export interface IndexedAuthor {
  readonly author: string;
  readonly hash: string;
}

/**
 * The row that holds a message's terms, or held them before they were overwritten. `row` is its row in `search_edits`;
 * null for a row of `search_texts`.
 */
interface TextRow extends Record<string, SqlStorageValue> {
  row: number | null;
  live: number;
  author: string | null;
  terms: string;
  more: string;
}

interface CandidateRow {
  readonly seq: Seq;
  readonly author: string | null;
  readonly asks: number;
}

/** The terms of a message that ranking reads. */
export interface CandidateText {
  readonly seq: Seq;
  /** Its first terms, with a space at either end, so that a whole term can be found with `includes`. */
  readonly terms: string;
}

/** How many message lengths one row holds. A search reads all rows; indexing a message writes one. */
const LENGTHS_PER_ROW = 256;

/**
 * How many characters of a message's terms stand in the column that ranking reads. They are enough to tell what a
 * common word adds to the score of a longer message.
 */
const MAX_RANKED_TERMS_LENGTH = 16_384;

/**
 * How many candidates' texts one result row holds. SQLite in a Durable Object allows no value over 2 MB; a character
 * has at most 4 bytes, so these have at most 800 KB.
 */
const TEXTS_PER_ROW = 12;

/**
 * The minimum size in bytes of a row for an edited text, so that a message that is written word by word, in many edits,
 * seldom needs a new row.
 */
const MIN_EDIT_BYTES = 256;
const MAX_DOUBLED_BYTES = 64 * 1024;

const TEXT_COLUMNS =
  "live INTEGER NOT NULL, asks INTEGER NOT NULL, author TEXT, terms TEXT NOT NULL, more TEXT NOT NULL";

/**
 * The tables of the index. FTS5 stores only which message has which terms (`detail = none`), the terms as keyed hashes,
 * and no text of its own (`content = ''`). The terms stand in `search_texts`, one row for each message, only ever
 * appended, and overwritten in place. An edit that does not fit its row gets a new one at the end of `search_edits`: a
 * row that grew would split its page, and copies of its neighbours would stay in the old page.
 *
 * Short columns come first and long ones last, because SQLite reads the pages of a row only up to the requested column.
 */
const SCHEMA = `
  CREATE VIRTUAL TABLE search_index USING fts5(terms, content = '', columnsize = 0, detail = none, tokenize = 'ascii');
  INSERT INTO search_index (search_index, rank) VALUES ('secure-delete', 1);
  CREATE VIRTUAL TABLE search_vocabulary USING fts5vocab(search_index, row);
  CREATE TABLE search_texts (seq INTEGER PRIMARY KEY, ${TEXT_COLUMNS});
  CREATE TABLE search_edits (row INTEGER PRIMARY KEY, seq INTEGER NOT NULL, ${TEXT_COLUMNS});
  CREATE INDEX search_edits_of ON search_edits (seq);
  CREATE TABLE search_lengths (block INTEGER PRIMARY KEY, lengths TEXT NOT NULL);
  -- first_seq has one width, so that no row is ever moved and leaves a copy of a name behind. They are found by a hash of the name.
  CREATE TABLE search_authors (row INTEGER PRIMARY KEY, author TEXT NOT NULL, hash TEXT NOT NULL, first_seq TEXT NOT NULL);
  CREATE INDEX search_authors_by_hash ON search_authors (hash);
  CREATE INDEX search_authors_by_first_seq ON search_authors (first_seq);
  CREATE TABLE search_state (
    one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, indexed_through_seq INTEGER NOT NULL, revision INTEGER NOT NULL,
    key TEXT NOT NULL
  );
`;

/**
 * The maximum length in bytes of the placeholder that a row has instead of its content, if that is stored as a file.
 */
const MAX_WORD_BYTES = 60;

/** The value of `first_seq` for an author without messages: greater than every seq, and of the same width. */
const NEVER = "9".repeat(10);

/**
 * When a table outgrows its first page, SQLite leaves a stale copy of that page's rows behind. These rows fill it with
 * spaces first, so that the copy contains no messages or names.
 */
const PLACEHOLDER_ROWS = `
  INSERT INTO search_texts (seq, live, asks, terms, more) SELECT value, 0, 0, printf('%2000s', ''), '' FROM json_each('[-2,-1,0]');
  INSERT INTO search_edits (row, seq, live, asks, terms, more) SELECT value, 0, 0, 0, printf('%2000s', ''), '' FROM json_each('[-2,-1,0]');
  INSERT INTO search_authors (row, author, hash, first_seq) SELECT value, printf('%2000s', ''), '', '${NEVER}' FROM json_each('[-2,-1,0]');
`;

const TABLES = [
  "search_vocabulary",
  "search_index",
  "search_texts",
  "search_edits",
  "search_lengths",
  "search_authors",
  "search_state",
] as const;

/** SQL for the current rows of these messages; messages without terms have none. */
const textsOf = (columns: string, seqs: string): string => `
  SELECT seq, ${columns} FROM search_texts WHERE seq IN (SELECT value FROM json_each(${seqs})) AND live = 1
  UNION ALL SELECT seq, ${columns} FROM search_edits WHERE seq IN (SELECT value FROM json_each(${seqs})) AND live = 1`;

/** All SQL statements of the index. This class begins no transactions and decides nothing. */
export class SearchTables {
  readonly #sql: SearchStorage["sql"];

  constructor(sql: SearchStorage["sql"]) {
    this.#sql = sql;
  }

  /** The state of the index; null if there is none. Reads only. */
  state(): SearchState | null {
    const isThere = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'search_state'");
    if (isThere.toArray().length === 0) return null;
    // `*`, because an index of another version may lack some of these columns.
    const row = this.#sql.exec("SELECT * FROM search_state WHERE one = 1").toArray()[0];
    return {
      version: Number(row?.["version"] ?? 0),
      indexedThroughSeq: Number(row?.["indexed_through_seq"] ?? 0),
      revision: Number(row?.["revision"] ?? 0),
      key: readKey(String(row?.["key"] ?? "")),
    };
  }

  setState({ version, indexedThroughSeq, revision, key }: SearchState): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO search_state (one, version, indexed_through_seq, revision, key) VALUES (1, ?, ?, ?, ?)",
      version,
      indexedThroughSeq,
      revision,
      writeKey(key),
    );
  }

  create(): void {
    this.#sql.exec(SCHEMA);
    this.#sql.exec(PLACEHOLDER_ROWS);
  }

  drop(): void {
    for (const table of TABLES) this.#sql.exec(`DROP TABLE IF EXISTS ${table}`);
  }

  // The session's messages

  headSeq(): Seq {
    return this.#sql.exec<{ head: number | null }>("SELECT max(seq) AS head FROM messages").toArray()[0]?.head ?? 0;
  }

  /**
   * The last message of the next slice to index. Only sizes are read, so that a thousand large messages are never in
   * memory at once. `octet_length` is used because `length` would read a whole text to count its characters.
   */
  sliceEnd(after: Seq, head: Seq, maxMessages: number, maxBytes: number): Seq {
    const rows = this.#sql
      .exec<{ seq: number; size: number }>(
        `SELECT seq, CASE WHEN octet_length(content) <= ${MAX_WORD_BYTES} THEN octet_length(content) + held_bytes ELSE octet_length(content) END AS size
         FROM messages WHERE seq > ? AND erased_at IS NULL AND content IS NOT NULL ORDER BY seq LIMIT ?`,
        after,
        maxMessages,
      )
      .toArray();
    let bytes = 0;
    for (const { seq, size } of rows) {
      bytes += size;
      if (bytes >= maxBytes) return seq;
    }
    return rows.length < maxMessages ? head : (rows.at(-1)?.seq ?? head);
  }

  /** The messages of a range that are not erased, with placeholders for the content of files. */
  messages(fromSeq: Seq, throughSeq: Seq): MessageRow[] {
    return this.#sql
      .exec<MessageRow>(
        `SELECT seq, role, author, content, coalesce(occurred_at, created_at) AS said_at FROM messages
         WHERE seq BETWEEN ? AND ? AND erased_at IS NULL AND content IS NOT NULL ORDER BY seq`,
        fromSeq,
        throughSeq,
      )
      .toArray()
      .map((row) => ({ ...row, content: toldJson(this.#sql, row.content) }));
  }

  // What the index stores of each message

  /**
   * Adds a message to the index.
   * @param hashed its hashed terms, separated by spaces
   */
  insertText(seq: Seq, text: IndexedText, hashed: string): void {
    const { terms, more } = splitTerms(text.terms);
    this.#sql.exec(
      "INSERT INTO search_texts (seq, live, asks, author, terms, more) VALUES (?, 1, ?, ?, ?, ?)",
      seq,
      asPercent(text.asks),
      text.author,
      terms,
      more,
    );
    this.#index(seq, hashed);
  }

  /** What the index stores of a message; null if it has no terms. */
  text(seq: Seq): Omit<IndexedText, "asks"> | null {
    const row = this.#textRow(seq);
    return row === null || row.live === 0 ? null : { author: row.author, terms: row.terms + row.more };
  }

  /**
   * Replaces the terms of a message, or adds them if it had none.
   * @param change the hashed terms that are removed (null: the message had none) and those that are added
   */
  replaceText(
    seq: Seq,
    text: IndexedText,
    { gone, come }: { readonly gone: string | null; readonly come: string },
  ): void {
    // One delete for each insert, even if it removes no terms: FTS5 counts documents by them.
    if (gone !== null) this.#unindex(seq, gone);
    this.#index(seq, come);
    const row = this.#textRow(seq);
    const { terms, more } = splitTerms(text.terms);
    const fits = row !== null && byteLength(terms) <= byteLength(row.terms) && byteLength(more) <= byteLength(row.more);
    if (row !== null) this.#overwrite(row, seq, fits ? { ...text, terms, more } : null);
    if (fits) return;
    this.#sql.exec(
      "INSERT INTO search_edits (seq, live, asks, author, terms, more) VALUES (?, 1, ?, ?, ?, ?)",
      seq,
      asPercent(text.asks),
      text.author,
      padded(terms, roomFor(terms)),
      padded(more, more === "" ? 0 : roomFor(more)),
    );
  }

  /**
   * Removes a message from the index. workerd runs without SQLite's `secure_delete`: the bytes of a deleted row stay in
   * its page, and an emptied page is freed with its content. Only an update that keeps the row's size overwrites the
   * old bytes in place, so the row stays, filled with spaces.
   */
  overwriteText(seq: Seq, hashed: string): void {
    const row = this.#textRow(seq);
    if (row === null || row.live === 0) return;
    this.#unindex(seq, hashed);
    this.#overwrite(row, seq, null);
  }

  #index(seq: Seq, hashed: string): void {
    this.#sql.exec("INSERT INTO search_index (rowid, terms) VALUES (?, ?)", seq, hashed);
  }

  /** FTS5's option `secure-delete` removes the entries at once and leaves no delete marker. */
  #unindex(seq: Seq, hashed: string): void {
    this.#sql.exec("INSERT INTO search_index (search_index, rowid, terms) VALUES ('delete', ?, ?)", seq, hashed);
  }

  /**
   * The row that holds a message's terms, or the spaces that replaced them. If an edit did not fit, it is the last row
   * in `search_edits`.
   */
  #textRow(seq: Seq): TextRow | null {
    const edited = this.#sql
      .exec<TextRow>(
        "SELECT row, live, author, terms, more FROM search_edits WHERE seq = ? AND row > 0 ORDER BY row DESC LIMIT 1",
        seq,
      )
      .toArray()[0];
    if (edited !== undefined) return edited;
    const first = this.#sql.exec<TextRow>(
      "SELECT NULL AS row, live, author, terms, more FROM search_texts WHERE seq = ?",
      seq,
    );
    return first.toArray()[0] ?? null;
  }

  /** Overwrites a row. Every column keeps its size in bytes, so SQLite overwrites the row in place. */
  #overwrite(
    { row, author, terms, more }: TextRow,
    seq: Seq,
    text: {
      readonly asks: number;
      readonly author: string | null;
      readonly terms: string;
      readonly more: string;
    } | null,
  ): void {
    const [table, place] = row === null ? ["search_texts", "seq"] : ["search_edits", "row"];
    this.#sql.exec(
      `UPDATE ${table} SET live = ?, asks = ?, author = ?, terms = ?, more = ? WHERE ${place} = ?`,
      text === null ? 0 : 1,
      asPercent(text?.asks ?? 0),
      author === null ? null : padded(text?.author ?? "", byteLength(author)),
      padded(text?.terms ?? "", byteLength(terms)),
      padded(text?.more ?? "", byteLength(more)),
      row ?? seq,
    );
  }

  /** Author and share of questions of these messages, without those that have no terms. */
  candidates(seqs: readonly Seq[]): CandidateRow[] {
    const row = this.#sql
      .exec<{ rows: string }>(
        `SELECT json_group_array(json_array(seq, author, asks)) AS rows FROM (${textsOf("author, asks", "?1")})`,
        JSON.stringify(seqs),
      )
      .toArray()[0];
    const rows: [Seq, string | null, number][] = JSON.parse(row?.rows ?? "[]");
    return rows.map(([seq, author, asks]) => ({ seq, author, asks: fromPercent(asks) }));
  }

  /**
   * The terms of these messages, as far as ranking reads them. Returned in several rows, each far below the maximum
   * size of a value.
   */
  candidateTexts(seqs: readonly Seq[]): CandidateText[] {
    return this.#sql
      .exec<{ texts: string }>(
        `SELECT (SELECT json_group_array(json_array(seq, ' ' || terms || ' ')) FROM (${textsOf("terms", "part.value")})) AS texts
         FROM json_each(?) AS part`,
        JSON.stringify(chunksOf(seqs, TEXTS_PER_ROW)),
      )
      .toArray()
      .flatMap(({ texts }): CandidateText[] => {
        const rows: [Seq, string][] = JSON.parse(texts);
        return rows.map(([seq, terms]) => ({ seq, terms }));
      });
  }

  // Lengths

  readLengths(): MessageLengths {
    const lengths = new MessageLengths();
    for (const row of this.#sql
      .exec<{ block: number; lengths: string }>("SELECT block, lengths FROM search_lengths")
      .toArray()) {
      for (const [at, length] of numbers(row.lengths).entries()) lengths.set(row.block * LENGTHS_PER_ROW + at, length);
    }
    return lengths;
  }

  /** Writes the rows that contain the lengths of messages in a range. */
  saveLengths(lengths: MessageLengths, fromSeq: Seq, throughSeq: Seq): void {
    const last = Math.floor(throughSeq / LENGTHS_PER_ROW);
    for (let block = firstOfLengths(fromSeq) / LENGTHS_PER_ROW; block <= last; block++) {
      this.#sql.exec(
        "INSERT OR REPLACE INTO search_lengths (block, lengths) VALUES (?, ?)",
        block,
        JSON.stringify(lengths.slice(block * LENGTHS_PER_ROW, LENGTHS_PER_ROW)),
      );
    }
  }

  // Authors

  /** The authors of messages up to `throughSeq`, in the order of their first message. */
  authors(throughSeq: Seq, limit: number): string[] {
    return this.#sql
      .exec<{ author: string }>(
        "SELECT author FROM search_authors WHERE first_seq <= ? ORDER BY first_seq, row LIMIT ?",
        digits(throughSeq),
        limit,
      )
      .toArray()
      .map(({ author }) => author);
  }

  /** Records the author of a message. Writes only if it is their first message. */
  noteAuthor({ author, hash }: IndexedAuthor, seq: Seq): void {
    const known = this.#author(hash);
    if (known === undefined) {
      this.#sql.exec(
        "INSERT INTO search_authors (author, hash, first_seq) VALUES (?, ?, ?)",
        author,
        hash,
        digits(seq),
      );
    } else if (known.first_seq > digits(seq)) this.#setFirstSeq(known.row, digits(seq));
  }

  /** Removes a message from an author's. If it was the last one that the index has, the name is overwritten. */
  forgetAuthor({ author, hash }: IndexedAuthor, seq: Seq): void {
    const known = this.#author(hash);
    if (known === undefined || known.first_seq !== digits(seq)) return;
    const next = this.#sql
      .exec<{ seq: number }>(
        `SELECT seq FROM (
           SELECT * FROM (SELECT seq FROM search_texts WHERE seq > ?1 AND live = 1 AND author = ?2 ORDER BY seq LIMIT 1)
           UNION ALL SELECT seq FROM search_edits WHERE seq > ?1 AND live = 1 AND author = ?2
         ) ORDER BY seq LIMIT 1`,
        seq,
        author,
      )
      .toArray()[0];
    this.#setFirstSeq(known.row, next === undefined ? NEVER : digits(next.seq));
    if (next !== undefined) return;
    this.#sql.exec(
      "UPDATE search_authors SET author = ?, hash = ? WHERE row = ?",
      spacesFor(author),
      spacesFor(hash),
      known.row,
    );
  }

  #author(hash: string): { row: number; first_seq: string } | undefined {
    return this.#sql
      .exec<{ row: number; first_seq: string }>("SELECT row, first_seq FROM search_authors WHERE hash = ?", hash)
      .toArray()[0];
  }

  #setFirstSeq(row: number, firstSeq: string): void {
    this.#sql.exec("UPDATE search_authors SET first_seq = ? WHERE row = ?", firstSeq, row);
  }

  // Lookups

  /**
   * The messages up to `throughSeq` that each expression matches, newest first. One statement for all expressions and
   * one JSON row for each, because in workerd a statement costs as much as a hundred matches, and a row as much as ten.
   */
  matches(expressions: readonly string[], throughSeq: Seq, limit: number): Seq[][] {
    return this.#sql
      .exec<{ seqs: string }>(
        `SELECT (SELECT json_group_array(seq) FROM (
           SELECT rowid AS seq FROM search_index WHERE search_index MATCH asked.value AND rowid <= ? ORDER BY rowid DESC LIMIT ?
         )) AS seqs FROM json_each(?) AS asked ORDER BY asked.key`,
        throughSeq,
        limit,
        JSON.stringify(expressions),
      )
      .toArray()
      .map(({ seqs }) => numbers(seqs));
  }

  /** How many messages contain each term; terms that none contains are absent. Walks all entries of each term. */
  documentCounts(terms: readonly string[]): Map<string, number> {
    const rows = this.#sql.exec<{ term: string; doc: number }>(
      "SELECT term, doc FROM search_vocabulary WHERE term IN (SELECT value FROM json_each(?))",
      JSON.stringify(terms),
    );
    return new Map(rows.toArray().map(({ term, doc }) => [term, doc]));
  }

  /** How many messages after `afterSeq` and up to `throughSeq` match an expression. Walks only these, newest first. */
  countMatches(expression: string, afterSeq: Seq, throughSeq: Seq): number {
    const rows = this.#sql.exec<{ documents: number }>(
      // Without a limit SQLite drops the order as useless, and FTS5 would then walk from the oldest message.
      `SELECT count(*) AS documents FROM (
        SELECT rowid FROM search_index WHERE search_index MATCH ? AND rowid > ? AND rowid <= ? ORDER BY rowid DESC LIMIT ?)`,
      expression,
      afterSeq,
      throughSeq,
      throughSeq,
    );
    return rows.toArray()[0]?.documents ?? 0;
  }
}

/** The first seq of the row that contains a message's length. */
export const firstOfLengths = (seq: Seq): Seq => seq - (seq % LENGTHS_PER_ROW);

const digits = (seq: Seq): string => String(seq).padStart(10, "0");

const spacesFor = (text: string): string => " ".repeat(byteLength(text));

/** The text, padded with spaces to `bytes` bytes. */
const padded = (text: string, bytes: number): string => text + " ".repeat(bytes - byteLength(text));

/**
 * The size of the row for an edited text: powers of two, so that a text that grows with each edit needs only a few
 * rows. Large texts get multiples of `MAX_DOUBLED_BYTES`, which leaves less of a row's 2 MB unused.
 */
function roomFor(text: string): number {
  const bytes = byteLength(text);
  if (bytes > MAX_DOUBLED_BYTES) return Math.ceil(bytes / MAX_DOUBLED_BYTES) * MAX_DOUBLED_BYTES;
  let room = MIN_EDIT_BYTES;
  while (room < bytes) room *= 2;
  return room;
}

/**
 * Percentages are stored from 2 on, so that each takes one byte: SQLite stores 0 and 1 without a byte, and the row's
 * size would change.
 */
const LEAST_BYTE = 2;
const asPercent = (share: number): number => LEAST_BYTE + Math.round(share * 100);
const fromPercent = (stored: number): number => (stored - LEAST_BYTE) / 100;

/** Splits terms into those that ranking reads and the rest, between two terms. */
function splitTerms(terms: string): { terms: string; more: string } {
  if (terms.length <= MAX_RANKED_TERMS_LENGTH) return { terms, more: "" };
  const end = terms.lastIndexOf(" ", MAX_RANKED_TERMS_LENGTH);
  return { terms: terms.slice(0, end), more: terms.slice(end) };
}

const KEY_DIGITS = 8;
const writeKey = (key: TermKey): string => key.map((half) => half.toString(16).padStart(KEY_DIGITS, "0")).join("");
const readKey = (text: string): TermKey => [
  Number.parseInt(text.slice(0, KEY_DIGITS), 16),
  Number.parseInt(text.slice(KEY_DIGITS), 16),
];

function chunksOf(seqs: readonly Seq[], size: number): Seq[][] {
  return Array.from({ length: Math.ceil(seqs.length / size) }, (_, at) => seqs.slice(at * size, (at + 1) * size));
}

const numbers = (json: string): number[] => JSON.parse(json);
