import type { Content, Role, Seq } from "../contracts/message.ts";
import { byteLength } from "../contracts/text.ts";
import { ANALYSIS_VERSION, COLUMN_WEIGHTS, indexText } from "../memory/retrieval/index-text.ts";
import { DEFAULT_RANKING, type RankingParameters } from "../memory/retrieval/parameters.ts";
import { matchExpression, type Query, type QueryTerm, readQuery } from "../memory/retrieval/query.ts";
import { type RankedTurn, rankTurns } from "../memory/retrieval/ranking.ts";
import { type Matches, TurnScores } from "../memory/retrieval/turn-scores.ts";

/**
 * The full-text index of one session, inside its database. It is built on first use and caught up on read, in slices: an
 * append writes nothing here. All methods are synchronous; those that write commit or roll back as a whole.
 */

/**
 * Matches read for one query, all terms together. One costs 1.6 µs in workerd, and what it lends to its neighbours as much
 * again. Terms past the budget are scored on the candidates of the others, and cost no recall in chats of 600 turns even
 * with a tenth of this.
 */
const MAX_MATCHES = 1_000;

/** Matches of a date term: a month of a busy chat. They carry no BM25, so they cost a third. */
const MAX_DATE_MATCHES = 500;

/** Turns whose author and prior are looked up before the final order, at least. */
const MIN_CANDIDATES = 150;

/** Most terms of one query: a long query is told by its rarest. */
const MAX_SEARCHED_TERMS = 16;

/** Authors whose names are looked for in a query: those who wrote most. Each is compared with each word. */
const MAX_KNOWN_AUTHORS = 200;

/** Parameters of BM25, those of FTS5, for terms that are counted here. */
const BM25_K1 = 1.2;
const BM25_B = 0.75;

/** Default slice of `catchUp`: about 40 ms of work. */
const SLICE_MESSAGES = 1_000;
const SLICE_BYTES = 1_000_000;

/** What the index needs of the object's storage. */
export interface SearchStorage {
  readonly sql: Pick<SqlStorage, "exec">;
  transactionSync<T>(closure: () => T): T;
}

export interface CaughtUp {
  readonly indexedThroughSeq: Seq;
  /** false: call again. */
  readonly done: boolean;
}

export interface SearchOptions {
  /** Hits returned, at most. */
  readonly limit: number;
  /** Only turns up to this one. Rarity of words is still that of the whole session. */
  readonly throughSeq?: Seq;
  readonly ranking?: RankingParameters;
}

interface MessageRow extends Record<string, SqlStorageValue> {
  seq: number;
  role: Role;
  author: string | null;
  content: string;
  said_at: number;
}

interface TextRow extends Record<string, SqlStorageValue> {
  said: string;
  answered: string;
  dates: string;
  author: string | null;
}

interface CandidateRow extends Record<string, SqlStorageValue> {
  seq: number;
  author: string | null;
  prior: number;
  terms: string | null;
}

export class SearchIndex {
  readonly #storage: SearchStorage;
  readonly #sql: SearchStorage["sql"];
  /** Terms known to have more matches than a query may read. Counting them anew would take milliseconds each. */
  readonly #commonTerms = new Map<string, number>();

  constructor(storage: SearchStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
  }

  /** The last message that the index covers; 0 before the first use. Reads only. */
  get indexedThroughSeq(): Seq {
    return this.#exists() ? this.#state().indexedThroughSeq : 0;
  }

  /** Indexes the next slice of messages. At least one message goes in, whatever its size. */
  catchUp(maxMessages: number = SLICE_MESSAGES, maxBytes: number = SLICE_BYTES): CaughtUp {
    const head =
      this.#sql.exec<{ head: number | null }>("SELECT max(seq) AS head FROM messages").toArray()[0]?.head ?? 0;
    if (head === 0) return { indexedThroughSeq: 0, done: true };
    return this.#storage.transactionSync(() => {
      this.#create();
      const { indexedThroughSeq } = this.#state();
      if (indexedThroughSeq >= head) return { indexedThroughSeq, done: true };
      const through = this.#sliceEnd(indexedThroughSeq, head, maxMessages, maxBytes);
      this.#insert(this.#messages(indexedThroughSeq + 1, through));
      this.#sql.exec("UPDATE search_state SET indexed_through_seq = ? WHERE one = 1", through);
      return { indexedThroughSeq: through, done: through >= head };
    });
  }

  /** Takes a message out: its terms are gone from the pages of the index, too. Harmless if it was never in. */
  remove(seq: Seq): void {
    if (!this.#exists()) return;
    this.#storage.transactionSync(() => this.#delete(seq));
  }

  /** Forgets the whole index. */
  drop(): void {
    this.#storage.transactionSync(() => this.#dropTables());
  }

  /** Reads a message anew after an edit. One that the index has not reached yet is left to `catchUp`. */
  update(seq: Seq): void {
    if (!this.#exists()) return;
    this.#storage.transactionSync(() => {
      if (seq > this.#state().indexedThroughSeq) return;
      this.#delete(seq);
      this.#insert(this.#messages(seq, seq));
    });
  }

  /** How the index reads a query; `snippet` takes the same. */
  readQuery(text: string, ranking: RankingParameters = DEFAULT_RANKING): Query {
    const authors = this.#exists()
      ? this.#sql
          .exec<{ author: string }>(
            "SELECT author FROM search_authors ORDER BY messages DESC LIMIT ?",
            MAX_KNOWN_AUTHORS,
          )
          .toArray()
      : [];
    return readQuery(
      text,
      authors.map((row) => row.author),
      ranking,
    );
  }

  /** The turns that matter to the query, best first. Call `catchUp` before. */
  search(
    query: string | Query,
    { limit, throughSeq = Number.MAX_SAFE_INTEGER, ranking = DEFAULT_RANKING }: SearchOptions,
  ): RankedTurn[] {
    if (limit < 1 || !this.#exists()) return [];
    const read = typeof query === "string" ? this.readQuery(query, ranking) : query;
    const { indexedThroughSeq } = this.#state();
    const { listed, deferred } = this.#plan(read.terms);
    const matches = listed.map((lookup) => this.#matches(lookup, throughSeq));
    const dates = read.dates.map((date) => this.#dateMatches(date, throughSeq));
    const scores = new TurnScores(Math.min(indexedThroughSeq, throughSeq), ranking);
    scores.addTerms(matches);
    scores.addPoints(dates);
    const candidates = this.#candidates(scores.top(Math.max(MIN_CANDIDATES, 3 * limit)), deferred.length > 0);
    const common = countDeferred(candidates, deferred, indexedThroughSeq);
    scores.addTerms(common);
    return rankTurns(read, candidates, [...matches, ...common], dates, scores, limit, ranking);
  }

  /**
   * Rare terms first: their matches are read in full while the budget lasts. Terms too common for it
   * are deferred: scored on the candidates that the others bring. If all are, the newest matches of the rarest stand in.
   */
  #plan(terms: readonly QueryTerm[]): { listed: Lookup[]; deferred: Counted[] } {
    const counts = this.#documentCounts(terms);
    const counted = terms
      .map((term, index): Counted => ({ ...term, index, documents: counts.get(term.term) ?? 0 }))
      .filter(({ documents }) => documents > 0)
      .sort((a, b) => a.documents - b.documents)
      .slice(0, MAX_SEARCHED_TERMS);
    let budget = MAX_MATCHES;
    const listed: Lookup[] = [];
    const deferred: Counted[] = [];
    for (const term of counted) {
      if (term.documents > budget) {
        deferred.push(term);
        continue;
      }
      budget -= term.documents;
      listed.push({ ...term, limit: term.documents });
    }
    const [rarest] = deferred;
    if (listed.length === 0 && rarest !== undefined) {
      listed.push({ ...rarest, limit: MAX_MATCHES });
      return { listed, deferred: deferred.slice(1) };
    }
    return { listed, deferred };
  }

  /** In how many messages each term stands. Counting a term walks all its entries. */
  #documentCounts(terms: readonly QueryTerm[]): Map<string, number> {
    const counts = new Map<string, number>();
    const wanted: string[] = [];
    for (const { term, isPrefix } of terms) {
      const known = isPrefix ? this.#prefixCount(term) : this.#commonTerms.get(term);
      if (known === undefined) wanted.push(term);
      else counts.set(term, known);
    }
    const rows = this.#sql.exec<{ term: string; doc: number }>(
      "SELECT term, doc FROM search_vocabulary WHERE term IN (SELECT value FROM json_each(?))",
      JSON.stringify(wanted),
    );
    for (const { term, doc } of rows.toArray()) {
      counts.set(term, doc);
      if (doc > MAX_MATCHES) this.#commonTerms.set(term, doc);
    }
    return counts;
  }

  /** An upper bound: a message with two such terms counts twice. */
  #prefixCount(prefix: string): number {
    const rows = this.#sql.exec<{ documents: number | null }>(
      "SELECT sum(doc) AS documents FROM search_vocabulary WHERE term >= ? AND term < ?",
      prefix,
      `${prefix}\u{10ffff}`,
    );
    return rows.toArray()[0]?.documents ?? 0;
  }

  #matches(lookup: Lookup, throughSeq: Seq): Matches {
    const { said, answered, dates } = COLUMN_WEIGHTS;
    const score = `-bm25(search_index, ${said}, ${answered}, ${dates})`;
    return { term: lookup.index, ...this.#lookUp(score, matchExpression(lookup), throughSeq, lookup.limit) };
  }

  #dateMatches({ term, points }: Query["dates"][number], throughSeq: Seq): Matches {
    return { term: -1, ...this.#lookUp(String(points), matchExpression({ term }), throughSeq, MAX_DATE_MATCHES) };
  }

  /** One row of two JSON arrays: in workerd 40 % faster than a row for each match. Newest first. */
  #lookUp(score: string, expression: string, throughSeq: Seq, limit: number): { seqs: number[]; scores: number[] } {
    const row = this.#sql
      .exec<{ seqs: string; scores: string }>(
        `SELECT json_group_array(seq) AS seqs, json_group_array(score) AS scores FROM (
          SELECT rowid AS seq, ${score} AS score FROM search_index
          WHERE search_index MATCH ? AND rowid <= ? ORDER BY rowid DESC LIMIT ?)`,
        expression,
        throughSeq,
        limit,
      )
      .toArray()[0];
    return row === undefined ? { seqs: [], scores: [] } : { seqs: numbers(row.seqs), scores: numbers(row.scores) };
  }

  #candidates(seqs: readonly Seq[], withTerms: boolean): CandidateRow[] {
    return this.#sql
      .exec<CandidateRow>(
        `SELECT seq, author, prior, ${withTerms ? "said || ' ' || answered" : "NULL"} AS terms
         FROM search_texts WHERE seq IN (SELECT value FROM json_each(?)) AND trim(said || answered) <> ''`,
        JSON.stringify(seqs),
      )
      .toArray();
  }

  #exists(): boolean {
    return (
      this.#sql.exec("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'search_state'").toArray().length > 0
    );
  }

  #state(): { indexedThroughSeq: Seq; version: number } {
    const row = this.#sql
      .exec<{ indexed_through_seq: number; version: number }>(
        "SELECT indexed_through_seq, version FROM search_state WHERE one = 1",
      )
      .toArray()[0];
    return { indexedThroughSeq: row?.indexed_through_seq ?? 0, version: row?.version ?? 0 };
  }

  /** Makes the tables; those of another version of the analysis are dropped, and the index begins anew. */
  #create(): void {
    if (this.#exists()) {
      if (this.#state().version === ANALYSIS_VERSION) return;
      this.#dropTables();
    }
    this.#sql.exec(SCHEMA);
    // A B-tree that outgrows its first page keeps a stale copy of the rows there: let these be blanks, not messages.
    this.#sql.exec(
      `INSERT INTO search_texts (seq, said, answered, dates, prior)
       SELECT value, printf('%2000s', ''), '', '', 0 FROM json_each('[-2,-1,0]')`,
    );
    this.#sql.exec("INSERT INTO search_state (one, version, indexed_through_seq) VALUES (1, ?, 0)", ANALYSIS_VERSION);
  }

  #dropTables(): void {
    for (const table of ["search_vocabulary", "search_index", "search_texts", "search_authors", "search_state"]) {
      this.#sql.exec(`DROP TABLE IF EXISTS ${table}`);
    }
    this.#commonTerms.clear();
  }

  /** The last message of a slice: sizes are read first, lest a thousand large messages stand in memory at once. */
  #sliceEnd(after: Seq, head: Seq, maxMessages: number, maxBytes: number): Seq {
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

  #messages(fromSeq: Seq, throughSeq: Seq): MessageRow[] {
    return this.#sql
      .exec<MessageRow>(
        `SELECT seq, role, author, content, coalesce(occurred_at, created_at) AS said_at FROM messages
         WHERE seq BETWEEN ? AND ? AND erased_at IS NULL AND content IS NOT NULL ORDER BY seq`,
        fromSeq,
        throughSeq,
      )
      .toArray();
  }

  #insert(rows: readonly MessageRow[]): void {
    this.#countAuthors(
      rows.filter((row) => this.#insertOne(row)),
      1,
    );
  }

  /** false: the message has no words; nothing will find it. */
  #insertOne({ seq, role, author, content, said_at: saidAt }: MessageRow): boolean {
    const parsed: Content = JSON.parse(content);
    const { said, answered, dates, prior } = indexText({ role, author, content: parsed, saidAt });
    if (said === "" && answered === "") return false;
    this.#sql.exec(
      "INSERT OR REPLACE INTO search_texts (seq, said, answered, dates, author, prior) VALUES (?, ?, ?, ?, ?, ?)",
      seq,
      said,
      answered,
      dates,
      author,
      prior,
    );
    this.#sql.exec(
      "INSERT INTO search_index (rowid, said, answered, dates) VALUES (?, ?, ?, ?)",
      seq,
      said,
      answered,
      dates,
    );
    return true;
  }

  /**
   * workerd runs without SQLite's secure_delete: a deleted row's bytes stay in its page, and a page that falls empty is freed
   * as it was. Only an update to a row of the same size writes over the old bytes in place, so the row stays, as blanks. In
   * the index proper `secure-delete` does the work.
   */
  #delete(seq: Seq): void {
    const rows = this.#sql
      .exec<TextRow>("SELECT said, answered, dates, author FROM search_texts WHERE seq = ?", seq)
      .toArray()
      .filter(({ said, answered }) => (said + answered).trim() !== "");
    for (const { said, answered, dates, author } of rows) {
      this.#sql.exec(
        "INSERT INTO search_index (search_index, rowid, said, answered, dates) VALUES ('delete', ?, ?, ?, ?)",
        seq,
        said,
        answered,
        dates,
      );
      this.#sql.exec(
        "UPDATE search_texts SET said = ?, answered = ?, author = ? WHERE seq = ?",
        blanks(said),
        blanks(answered),
        author === null ? null : blanks(author),
        seq,
      );
    }
    this.#countAuthors(rows, -1);
  }

  /** Keeps count of each author's messages, so that a name goes with the last message that carries it. */
  #countAuthors(rows: readonly { author: string | null }[], sign: 1 | -1): void {
    for (const [author, group] of Map.groupBy(rows, (row) => row.author)) {
      if (author === null) continue;
      this.#sql.exec(
        `INSERT INTO search_authors (author, messages) VALUES (?, ?)
         ON CONFLICT (author) DO UPDATE SET messages = messages + excluded.messages`,
        author,
        sign * group.length,
      );
    }
    if (sign < 0) this.#sql.exec("DELETE FROM search_authors WHERE messages <= 0");
  }
}

/**
 * The index keeps no text of its own (`content = ''`): it stands in `search_texts`, where deleting can write over it. Terms are
 * ready-made; the tokenizer `ascii` splits them at spaces and leaves all that is not ASCII alone.
 */
const SCHEMA = `
  CREATE VIRTUAL TABLE search_index USING fts5(said, answered, dates, content = '', tokenize = 'ascii');
  INSERT INTO search_index (search_index, rank) VALUES ('secure-delete', 1);
  CREATE VIRTUAL TABLE search_vocabulary USING fts5vocab(search_index, row);
  CREATE TABLE search_texts (
    seq INTEGER PRIMARY KEY, said TEXT NOT NULL, answered TEXT NOT NULL, dates TEXT NOT NULL, author TEXT, prior REAL NOT NULL
  );
  CREATE TABLE search_authors (author TEXT PRIMARY KEY, messages INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE search_state (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, indexed_through_seq INTEGER NOT NULL);
`;

/** A term of the query with the number of messages it stands in. */
interface Counted {
  /** Its place in the query. */
  readonly index: number;
  readonly term: string;
  readonly isPrefix: boolean;
  readonly documents: number;
}

interface Lookup extends Counted {
  /** Matches read, at most: the newest. */
  readonly limit: number;
}

const blanks = (text: string): string => " ".repeat(byteLength(text));

const numbers = (json: string): number[] => JSON.parse(json);

/** BM25 of terms in the stored terms of the candidates, whose mean length stands in for that of all messages. */
function countDeferred(candidates: readonly CandidateRow[], deferred: readonly Counted[], total: number): Matches[] {
  if (deferred.length === 0) return [];
  const texts = candidates.map(({ seq, terms }) => ({ seq, words: (terms ?? "").split(" ") }));
  const meanLength = texts.reduce((sum, { words }) => sum + words.length, 0) / Math.max(1, texts.length);
  return deferred.map(({ index, term, documents, isPrefix }) => {
    const rarity = Math.max(0, Math.log((total - documents + 0.5) / (documents + 0.5)));
    const seqs: number[] = [];
    const scores: number[] = [];
    for (const { seq, words } of texts) {
      const count = words.filter((word) => (isPrefix ? word.startsWith(term) : word === term)).length;
      if (count === 0) continue;
      const length = 1 - BM25_B + (BM25_B * words.length) / meanLength;
      seqs.push(seq);
      scores.push((rarity * count * (BM25_K1 + 1)) / (count + BM25_K1 * length));
    }
    return { term: index, seqs, scores };
  });
}
