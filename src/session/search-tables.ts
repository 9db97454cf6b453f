import type { Role, Seq } from "../contracts/message.ts";
import { byteLength } from "../contracts/text.ts";
import type { IndexText } from "../memory/retrieval/index-text.ts";
import { MessageLengths } from "../memory/retrieval/message-lengths.ts";

/** What the index needs of the object's storage. */
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

export interface SearchState {
  readonly version: number;
  readonly indexedThroughSeq: Seq;
  /** Another after each write: what is remembered of another revision is forgotten, also where a write was rolled back. */
  readonly revision: number;
}

interface MessageRow extends Record<string, SqlStorageValue> {
  seq: number;
  role: Role;
  author: string | null;
  content: string;
  said_at: number;
}

interface TextRow extends Record<string, SqlStorageValue> {
  terms: string;
  author: string | null;
}

interface CandidateRow {
  readonly seq: Seq;
  readonly author: string | null;
  readonly prior: number;
  readonly terms: string | null;
}

/** Lengths of messages in one row: a search reads all, an append writes one. */
const LENGTHS_PER_ROW = 256;

/**
 * The tables of the index, and every statement that touches them. FTS5 keeps which message has which terms and nothing else
 * (`detail = none`), and no text of its own (`content = ''`): the terms stand in `search_texts`, where deleting can write over
 * them. They are ready-made; the tokenizer `ascii` splits them at spaces and leaves all that is not ASCII alone.
 */
const SCHEMA = `
  CREATE VIRTUAL TABLE search_index USING fts5(terms, content = '', columnsize = 0, detail = none, tokenize = 'ascii');
  INSERT INTO search_index (search_index, rank) VALUES ('secure-delete', 1);
  CREATE VIRTUAL TABLE search_vocabulary USING fts5vocab(search_index, row);
  CREATE TABLE search_texts (seq INTEGER PRIMARY KEY, terms TEXT NOT NULL, author TEXT, prior REAL NOT NULL);
  CREATE TABLE search_lengths (block INTEGER PRIMARY KEY, lengths TEXT NOT NULL);
  -- first_seq has one width, so that no row is ever moved and leaves a copy of a name behind.
  CREATE TABLE search_authors (row INTEGER PRIMARY KEY, author TEXT NOT NULL, first_seq TEXT NOT NULL);
  CREATE TABLE search_state (
    one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, indexed_through_seq INTEGER NOT NULL, revision INTEGER NOT NULL
  );
`;

/** With a space at either end, so that a whole term can be looked for. */
const TERMS = "' ' || terms || ' '";

const TABLES = [
  "search_vocabulary",
  "search_index",
  "search_texts",
  "search_lengths",
  "search_authors",
  "search_state",
] as const;

/** Statements alone: no transaction and no decision of its own. */
export class SearchTables {
  readonly #sql: SearchStorage["sql"];

  constructor(sql: SearchStorage["sql"]) {
    this.#sql = sql;
  }

  /** Null if there is no index. Reads only. */
  state(): SearchState | null {
    const isThere = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'search_state'");
    if (isThere.toArray().length === 0) return null;
    // Every column: an index of another version may lack some.
    const row = this.#sql.exec("SELECT * FROM search_state WHERE one = 1").toArray()[0];
    return {
      version: Number(row?.["version"] ?? 0),
      indexedThroughSeq: Number(row?.["indexed_through_seq"] ?? 0),
      revision: Number(row?.["revision"] ?? 0),
    };
  }

  setState({ version, indexedThroughSeq, revision }: SearchState): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO search_state (one, version, indexed_through_seq, revision) VALUES (1, ?, ?, ?)",
      version,
      indexedThroughSeq,
      revision,
    );
  }

  create(): void {
    this.#sql.exec(SCHEMA);
    // A B-tree that outgrows its first page keeps a stale copy of the rows there: let these be blanks, not messages and names.
    this.#sql.exec(
      `INSERT INTO search_texts (seq, terms, prior)
       SELECT value, printf('%2000s', ''), 0 FROM json_each('[-2,-1,0]')`,
    );
    this.#sql.exec(
      `INSERT INTO search_authors (row, author, first_seq)
       SELECT value, printf('%2000s', ''), '${digits(0)}' FROM json_each('[-2,-1,0]')`,
    );
    // The same for the pages of FTS5, which hold terms: these are nobody's. Written now, not with the first messages.
    this.#sql.exec("INSERT INTO search_index (rowid, terms) VALUES (0, ?)", STAND_INS);
    this.mergeSegments();
  }

  /** Writes the whole index anew, if it is in several segments. */
  mergeSegments(): void {
    this.#sql.exec("INSERT INTO search_index (search_index) VALUES ('optimize')");
  }

  /**
   * Lets words that are nobody's take the place, for a moment, that small segments had in the page of the index's own records. The
   * largest that the page has room for covers it; how large that is depends on what else stands there.
   */
  fillSegmentPage(): void {
    for (const count of FILLINGS) {
      const words = STAND_INS.split(" ").slice(0, count).join(" ");
      this.#sql.exec("INSERT INTO search_index (rowid, terms) VALUES (-1, ?)", words);
      this.mergeSegments();
      this.#sql.exec("INSERT INTO search_index (search_index, rowid, terms) VALUES ('delete', -1, ?)", words);
      this.mergeSegments();
    }
  }

  drop(): void {
    for (const table of TABLES) this.#sql.exec(`DROP TABLE IF EXISTS ${table}`);
  }

  // The session's messages

  headSeq(): Seq {
    return this.#sql.exec<{ head: number | null }>("SELECT max(seq) AS head FROM messages").toArray()[0]?.head ?? 0;
  }

  /** The last message of a slice: sizes are read first, lest a thousand large messages stand in memory at once. */
  sliceEnd(after: Seq, head: Seq, maxMessages: number, maxBytes: number): Seq {
    const rows = this.#sql
      .exec<{ seq: number; size: number }>(
        `SELECT seq, length(content) AS size FROM messages
         WHERE seq > ? AND erased_at IS NULL AND content IS NOT NULL ORDER BY seq LIMIT ?`,
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

  messages(fromSeq: Seq, throughSeq: Seq): MessageRow[] {
    return this.#sql
      .exec<MessageRow>(
        `SELECT seq, role, author, content, coalesce(occurred_at, created_at) AS said_at FROM messages
         WHERE seq BETWEEN ? AND ? AND erased_at IS NULL AND content IS NOT NULL ORDER BY seq`,
        fromSeq,
        throughSeq,
      )
      .toArray();
  }

  // What the index has of each message

  insertText(seq: Seq, author: string | null, { terms, prior }: IndexText): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO search_texts (seq, terms, author, prior) VALUES (?, ?, ?, ?)",
      seq,
      terms,
      author,
      prior,
    );
    this.#sql.exec("INSERT INTO search_index (rowid, terms) VALUES (?, ?)", seq, terms);
  }

  /**
   * Takes a message out; returns what there was of it. workerd runs without SQLite's secure_delete: a deleted row's bytes stay in
   * its page, and a page that falls empty is freed as it was. Only an update to a row of the same size writes over the old bytes
   * in place, so the row stays, as blanks. In the index proper `secure-delete` does the work.
   */
  blankText(seq: Seq): TextRow | null {
    const text = this.#sql
      .exec<TextRow>("SELECT terms, author FROM search_texts WHERE seq = ? AND trim(terms) <> ''", seq)
      .toArray()[0];
    if (text === undefined) return null;
    const { terms, author } = text;
    this.#sql.exec("INSERT INTO search_index (search_index, rowid, terms) VALUES ('delete', ?, ?)", seq, terms);
    this.#sql.exec(
      "UPDATE search_texts SET terms = ?, author = ? WHERE seq = ?",
      blanks(terms),
      author === null ? null : blanks(author),
      seq,
    );
    return text;
  }

  /** Turns by seq, without those that have no words. Terms are read only if wanted, with a space at either end. */
  candidates(seqs: readonly Seq[], withTerms: boolean): CandidateRow[] {
    const row = this.#sql
      .exec<{ rows: string }>(
        `SELECT json_group_array(json_array(seq, author, prior, ${withTerms ? TERMS : "NULL"})) AS rows
         FROM search_texts WHERE seq IN (SELECT value FROM json_each(?)) AND trim(terms) <> ''`,
        JSON.stringify(seqs),
      )
      .toArray()[0];
    const rows: [Seq, string | null, number, string | null][] = JSON.parse(row?.rows ?? "[]");
    return rows.map(([seq, author, prior, terms]) => ({ seq, author, prior, terms }));
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

  /** Writes the rows that hold the lengths of a range. */
  saveLengths(lengths: MessageLengths, fromSeq: Seq, throughSeq: Seq): void {
    const last = Math.floor(throughSeq / LENGTHS_PER_ROW);
    for (let block = Math.floor(fromSeq / LENGTHS_PER_ROW); block <= last; block++) {
      this.#sql.exec(
        "INSERT OR REPLACE INTO search_lengths (block, lengths) VALUES (?, ?)",
        block,
        JSON.stringify(lengths.slice(block * LENGTHS_PER_ROW, LENGTHS_PER_ROW)),
      );
    }
  }

  // Authors

  /** Authors of messages through a seq, in the order in which they came. */
  authors(throughSeq: Seq, limit: number): string[] {
    return this.#sql
      .exec<{ author: string }>(
        "SELECT author FROM search_authors WHERE row > 0 AND first_seq <= ? AND trim(author) <> '' ORDER BY first_seq, row LIMIT ?",
        digits(throughSeq),
        limit,
      )
      .toArray()
      .map(({ author }) => author);
  }

  /** Notes that a message is an author's. Writes only where it is their first. */
  noteAuthor(author: string, seq: Seq): void {
    const known = this.#author(author);
    if (known === undefined) {
      this.#sql.exec("INSERT INTO search_authors (author, first_seq) VALUES (?, ?)", author, digits(seq));
    } else if (known.first_seq > digits(seq)) this.#setFirstSeq(known.row, seq);
  }

  /** A name goes with the last message that carries it. */
  forgetAuthor(author: string, seq: Seq): void {
    const known = this.#author(author);
    if (known === undefined || known.first_seq !== digits(seq)) return;
    const next = this.#sql
      .exec<{ seq: number }>(
        "SELECT seq FROM search_texts WHERE seq > ? AND author = ? ORDER BY seq LIMIT 1",
        seq,
        author,
      )
      .toArray()[0];
    if (next !== undefined) this.#setFirstSeq(known.row, next.seq);
    else this.#sql.exec("UPDATE search_authors SET author = ? WHERE row = ?", blanks(author), known.row);
  }

  #author(author: string): { row: number; first_seq: string } | undefined {
    return this.#sql
      .exec<{ row: number; first_seq: string }>("SELECT row, first_seq FROM search_authors WHERE author = ?", author)
      .toArray()[0];
  }

  #setFirstSeq(row: number, seq: Seq): void {
    this.#sql.exec("UPDATE search_authors SET first_seq = ? WHERE row = ?", digits(seq), row);
  }

  // Lookups

  /**
   * The messages through a seq that each expression finds, newest first. One statement for all, and a row of JSON for each: in
   * workerd a statement costs as much as a hundred matches, and a row as much as ten.
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

  /** How many messages each term stands in; without those that stand in none. Walks all entries of each. */
  documentCounts(terms: readonly string[]): Map<string, number> {
    const rows = this.#sql.exec<{ term: string; doc: number }>(
      "SELECT term, doc FROM search_vocabulary WHERE term IN (SELECT value FROM json_each(?))",
      JSON.stringify(terms),
    );
    return new Map(rows.toArray().map(({ term, doc }) => [term, doc]));
  }

  /** How many messages after a seq and through another an expression finds. Walks them, newest first, and no others. */
  countMatches(expression: string, afterSeq: Seq, throughSeq: Seq): number {
    const rows = this.#sql.exec<{ documents: number }>(
      // SQLite takes an order without a limit for idle, and then FTS5 begins with the oldest.
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

/** Terms that nothing looks for, 10 KB of them: more than two pages, whatever FTS5 merges them with. */
const STAND_INS = Array.from(
  { length: 400 },
  (_, at) => `§§${((at * 2_654_435_761) % 2 ** 32).toString(36)}${"x".repeat(16)}`,
).join(" ");

/** So many of them make one segment of about a page, of 1 KB to a little more than fits. */
const FILLINGS = [40, 110, 120, 126, 130, 134, 138, 142];

const digits = (seq: Seq): string => String(seq).padStart(10, "0");

const blanks = (text: string): string => " ".repeat(byteLength(text));

const numbers = (json: string): number[] => JSON.parse(json);
