import type { Role, Seq } from "../../api/message.ts";
import { byteLength } from "../../api/text.ts";
import type { TermKey } from "../../prompt/retrieval/keyed-terms.ts";
import { MessageLengths } from "../../prompt/retrieval/message-lengths.ts";
import { FileStore } from "../sqlite/index.ts";

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
  /** What its terms are hashed with. */
  readonly key: TermKey;
}

interface MessageRow extends Record<string, SqlStorageValue> {
  seq: number;
  role: Role;
  author: string | null;
  content: string;
  said_at: number | string;
}

/** What the index has of a message, in words. */
export interface IndexedText {
  readonly author: string | null;
  /** How much of it is questions, 0 to 1. */
  readonly asks: number;
  /** Ready-made terms, with a space between each. */
  readonly terms: string;
}

export interface IndexedAuthor {
  readonly author: string;
  readonly hash: string;
}

/** The row that holds a message's words, or did. `row` is its place in `search_edits`; null in `search_texts`. */
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

export interface CandidateText {
  readonly seq: Seq;
  /** Its first terms, with a space at either end so that a whole term can be looked for. */
  readonly terms: string;
}

/** Lengths of messages in one row: a search reads all, an append writes one. */
const LENGTHS_PER_ROW = 256;

/** Of a message's terms in the column that ranking reads: what a common word adds to the score of a longer one is told by these. */
export const MAX_RANKED_TERMS_LENGTH = 16_384;

/**
 * Texts of candidates in one row of an answer. SQLite in a Durable Object takes no value over 2 MB; a character has 4 bytes at most,
 * so that these have 800 KB.
 */
const TEXTS_PER_ROW = 12;

/** Bytes of a row for an edited text, at least: what is written word by word, by edit after edit, moves seldom. */
const MIN_EDIT_BYTES = 256;
const MAX_DOUBLED_BYTES = 64 * 1024;

const TEXT_COLUMNS =
  "live INTEGER NOT NULL, asks INTEGER NOT NULL, author TEXT, terms TEXT NOT NULL, more TEXT NOT NULL";

/**
 * The tables of the index, and every statement that touches them. FTS5 keeps which message has which terms and nothing else
 * (`detail = none`), the terms as keyed hashes, and no text of its own (`content = ''`). The words stand in `search_texts`, one row a
 * message, only ever added at the end, and written over in place. An edit that does not fit its row gets another, at the end of
 * `search_edits`: a row that grew would split its page, and leave copies of its neighbours in the halves.
 *
 * What is small comes first in a row and what is long last: SQLite reads the pages of a row no further than the column asked for.
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

/** What stands for all that a message says, where that is too long for its row, is no longer. */
const MAX_WORD_BYTES = 60;

/** Stands in `first_seq` where there is no message: after every seq, and as wide. */
const NEVER = "9".repeat(10);

/** A B-tree that outgrows its first page keeps a stale copy of the rows there: let these be blanks, not messages and names. */
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

/** The rows of messages that have words, of those that are asked for. */
const textsOf = (columns: string, seqs: string): string => `
  SELECT seq, ${columns} FROM search_texts WHERE seq IN (SELECT value FROM json_each(${seqs})) AND live = 1
  UNION ALL SELECT seq, ${columns} FROM search_edits WHERE seq IN (SELECT value FROM json_each(${seqs})) AND live = 1`;

/** Statements alone: no transaction and no decision of its own. */
export class SearchTables {
  readonly #sql: SearchStorage["sql"];
  readonly #files: FileStore;

  constructor(sql: SearchStorage["sql"]) {
    this.#sql = sql;
    this.#files = new FileStore(sql);
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
   * The last message of a slice: sizes are read first, lest a thousand large messages stand in memory at once. `octet_length`, since
   * `length` reads the whole of a text to count its characters.
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

  messages(fromSeq: Seq, throughSeq: Seq): MessageRow[] {
    return this.#sql
      .exec<MessageRow>(
        `SELECT seq, role, author, content, coalesce(occurred_at, created_at) AS said_at FROM messages
         WHERE seq BETWEEN ? AND ? AND erased_at IS NULL AND content IS NOT NULL ORDER BY seq`,
        fromSeq,
        throughSeq,
      )
      .toArray()
      .map((row) => ({ ...row, content: this.#files.toldJson(row.content) }));
  }

  // What the index has of each message

  /** @param hashed the terms as the index has them */
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

  /** What the index has of a message; null if that is nothing. */
  text(seq: Seq): Omit<IndexedText, "asks"> | null {
    const row = this.#textRow(seq);
    return row === null || row.live === 0 ? null : { author: row.author, terms: row.terms + row.more };
  }

  /** Puts words in the place of those that a message had, or of none. @param change of what the index has of it; null: of nothing */
  replaceText(
    seq: Seq,
    text: IndexedText,
    { gone, come }: { readonly gone: string | null; readonly come: string },
  ): void {
    // One for each that was put in, also where it takes nothing out: FTS5 counts them against each other.
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
   * Takes a message out. workerd runs without SQLite's secure_delete: a deleted row's bytes stay in its page, and a page that falls
   * empty is freed as it was. Only an update to a row of the same size writes over the old bytes in place, so the row stays, as blanks.
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

  /** With `secure-delete` the entries go at once, and no marker of them stays. */
  #unindex(seq: Seq, hashed: string): void {
    this.#sql.exec("INSERT INTO search_index (search_index, rowid, terms) VALUES ('delete', ?, ?)", seq, hashed);
  }

  /** The row of a message's words, or of the blanks that they left. An edit that did not fit has the last one. */
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

  /** Every column keeps its bytes: SQLite then writes over the row where it stands. */
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

  /** Turns by seq, without those that have no words. */
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

  /** The words of turns, as far as ranking reads them. In several rows, each far under what a value may have. */
  candidateTexts(seqs: readonly Seq[]): CandidateText[] {
    return this.#sql
      .exec<{ texts: string }>(
        `SELECT (SELECT json_group_array(json_array(seq, ' ' || terms || ' ')) FROM (${textsOf("terms", "part.value")})) AS texts
         FROM json_each(?) AS part`,
        JSON.stringify(inParts(seqs, TEXTS_PER_ROW)),
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

  /** Writes the rows that hold the lengths of a range. */
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

  /** Authors of messages through a seq, in the order in which they came. */
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

  /** Notes that a message is an author's. Writes only where it is their first. */
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

  /** A name goes with the last message that carries it. */
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

/** The first seq of the row that holds a message's length. */
export const firstOfLengths = (seq: Seq): Seq => seq - (seq % LENGTHS_PER_ROW);

const digits = (seq: Seq): string => String(seq).padStart(10, "0");

const spacesFor = (text: string): string => " ".repeat(byteLength(text));

/** A text of so many bytes, with blanks behind it. */
const padded = (text: string, bytes: number): string => text + " ".repeat(bytes - byteLength(text));

/** Room that doubles: a text that grows by edit after edit moves a few times. A large one leaves less of a row's 2 MB unused. */
function roomFor(text: string): number {
  const bytes = byteLength(text);
  if (bytes > MAX_DOUBLED_BYTES) return Math.ceil(bytes / MAX_DOUBLED_BYTES) * MAX_DOUBLED_BYTES;
  let room = MIN_EDIT_BYTES;
  while (room < bytes) room *= 2;
  return room;
}

/** One byte, whatever it is: SQLite keeps 0 and 1 without any. */
const LEAST_BYTE = 2;
const asPercent = (share: number): number => LEAST_BYTE + Math.round(share * 100);
const fromPercent = (stored: number): number => (stored - LEAST_BYTE) / 100;

/** The terms that ranking reads, and the others. No term is halved. */
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

function inParts(seqs: readonly Seq[], size: number): Seq[][] {
  return Array.from({ length: Math.ceil(seqs.length / size) }, (_, at) => seqs.slice(at * size, (at + 1) * size));
}

const numbers = (json: string): number[] => JSON.parse(json);
