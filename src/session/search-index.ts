import type { Content, Seq } from "../contracts/message.ts";
import { type LogStatistics, scoreMatches, scoreTexts } from "../memory/retrieval/bm25.ts";
import { INDEX_VERSION, indexText } from "../memory/retrieval/index-text.ts";
import { MessageLengths } from "../memory/retrieval/message-lengths.ts";
import { DEFAULT_RANKING, type RankingParameters } from "../memory/retrieval/parameters.ts";
import { type Lookup, MAX_MATCHES, planLookups } from "../memory/retrieval/plan.ts";
import { matchExpression, type Query, readQuery } from "../memory/retrieval/query.ts";
import { type RankedTurn, rankTurns } from "../memory/retrieval/ranking.ts";
import { MAX_TIMES, timesTerm } from "../memory/retrieval/repeats.ts";
import { type Matches, TurnScores } from "../memory/retrieval/turn-scores.ts";
import { overwriteFreePages } from "./free-pages.ts";
import { type SearchState, type SearchStorage, SearchTables } from "./search-tables.ts";
import { TermCounts } from "./term-counts.ts";

/** Matches of a date term: a month of a busy chat. */
const MAX_DATE_MATCHES = 500;

/** Turns whose author and prior are looked up before the final order, at least. */
const MIN_CANDIDATES = 150;

/** Authors whose names are looked for in a query: those who came first. Each is compared with each word. */
const MAX_KNOWN_AUTHORS = 200;

/** Default slice of `catchUp`: about 40 ms of work. */
const SLICE_MESSAGES = 1_000;
const SLICE_BYTES = 1_000_000;

export interface CaughtUp {
  readonly indexedThroughSeq: Seq;
  /** false: call again. */
  readonly done: boolean;
}

export interface SearchOptions {
  /** Hits returned, at most. */
  readonly limit: number;
  /**
   * Answers as of this message: from those up to it alone, and from how rare words are among them. Past what is indexed it is
   * the last indexed message.
   */
  readonly throughSeq?: Seq;
  readonly ranking?: RankingParameters;
}

/** What is kept in memory of one revision of the index. */
interface Memory {
  readonly revision: number;
  readonly lengths: MessageLengths;
  readonly counts: TermCounts;
  /** Of one query after the other. */
  readonly scores: TurnScores;
}

/**
 * The full-text index of one session, inside its database. It is built on first use and caught up on read, in slices: an
 * append writes nothing here. All methods are synchronous; those that write commit or roll back as a whole.
 *
 * An answer as of a message is a pure function of the messages up to it that are not erased, of the query and of the options.
 */
export class SearchIndex {
  readonly #storage: SearchStorage;
  readonly #tables: SearchTables;
  #memory: Memory | null = null;

  constructor(storage: SearchStorage) {
    this.#storage = storage;
    this.#tables = new SearchTables(storage.sql);
  }

  /** The last message that the index covers; 0 before the first use. Reads only. */
  get indexedThroughSeq(): Seq {
    return this.#state()?.indexedThroughSeq ?? 0;
  }

  /** Indexes the next slice of messages. At least one message goes in, whatever its size. */
  catchUp(maxMessages: number = SLICE_MESSAGES, maxBytes: number = SLICE_BYTES): CaughtUp {
    const head = this.#tables.headSeq();
    const state = this.#state() ?? UNUSED;
    if (state.indexedThroughSeq >= head) return { indexedThroughSeq: state.indexedThroughSeq, done: true };
    return this.#write(state, (memory) => {
      if (state === UNUSED) {
        this.#tables.drop();
        this.#tables.create();
      }
      const first = state.indexedThroughSeq + 1;
      const through = this.#tables.sliceEnd(state.indexedThroughSeq, head, maxMessages, maxBytes);
      this.#insert(memory, first, through);
      this.#tables.setState({ ...state, revision: memory.revision, indexedThroughSeq: through });
      return { indexedThroughSeq: through, done: through >= head };
    });
  }

  /** Takes messages out: their terms are gone from the pages of the database, too. Harmless for one that was never in. */
  remove(seqs: readonly Seq[]): void {
    if (this.#state() === null || seqs.length === 0) return;
    this.#storage.transactionSync(() => {
      for (const seq of seqs) this.#change(seq, (memory) => this.#delete(memory, seq));
      this.#purge();
    });
  }

  /** Reads a message anew after an edit. One that the index has not reached yet is left to `catchUp`. */
  update(seq: Seq): void {
    if (this.#state() === null) return;
    this.#storage.transactionSync(() => {
      this.#change(seq, (memory) => {
        this.#delete(memory, seq);
        this.#insert(memory, seq, seq);
      });
      this.#purge();
    });
  }

  /** A small segment that loses a term keeps its bytes in the page: all become one, in pages of their own, and the old ones go. */
  #purge(): void {
    if (this.indexedThroughSeq > MAX_PURGED_MESSAGES) {
      this.drop();
      return;
    }
    this.#tables.mergeSegments();
    this.#tables.fillSegmentPage();
    overwriteFreePages(this.#storage.sql);
  }

  /** Forgets the whole index, and leaves nothing of it in the pages of the database. */
  drop(): void {
    this.#memory = null;
    if (this.#tables.state() === null) return;
    this.#storage.transactionSync(() => {
      this.#tables.drop();
      overwriteFreePages(this.#storage.sql);
    });
  }

  /** How the index reads a query, as of a message; `snippet` takes the same. */
  readQuery(
    text: string,
    ranking: RankingParameters = DEFAULT_RANKING,
    throughSeq: Seq = Number.MAX_SAFE_INTEGER,
  ): Query {
    return this.#readQuery(text, ranking, Math.min(throughSeq, this.indexedThroughSeq));
  }

  /** The turns that matter to the query, best first. Call `catchUp` before. */
  search(
    query: string | Query,
    { limit, throughSeq = Number.MAX_SAFE_INTEGER, ranking = DEFAULT_RANKING }: SearchOptions,
  ): RankedTurn[] {
    const state = this.#state();
    if (limit < 1 || state === null) return [];
    const { lengths, counts, scores } = this.#remembered(state);
    const through = Math.min(throughSeq, state.indexedThroughSeq);
    const read = typeof query === "string" ? this.#readQuery(query, ranking, through) : query;
    const statistics = lengths.statistics(through);
    const { listed, deferred } = planLookups(read.terms, counts.count(read.terms, through, state.indexedThroughSeq));
    const matches = this.#matches(listed, through, lengths, statistics);
    const dates = this.#dateMatches(read.dates, through);
    scores.begin(through, ranking);
    scores.addTerms(matches);
    scores.addPoints(dates);
    const candidates = this.#tables.candidates(scores.top(Math.max(MIN_CANDIDATES, 3 * limit)), deferred.length > 0);
    const common = deferred.map((term) => scoreTexts(term, candidates, lengths, statistics));
    scores.addTerms(common);
    return rankTurns(read, candidates, [...matches, ...common], dates, scores, limit, ranking);
  }

  #readQuery(text: string, ranking: RankingParameters, throughSeq: Seq): Query {
    return readQuery(text, throughSeq === 0 ? [] : this.#tables.authors(throughSeq, MAX_KNOWN_AUTHORS), ranking);
  }

  #matches(lookups: readonly Lookup[], throughSeq: Seq, lengths: MessageLengths, statistics: LogStatistics): Matches[] {
    const found = lookups.map((lookup) => ({ lookup, seqs: [] as readonly Seq[], times: [] as number[] }));
    let repeated = found;
    for (let count = 1; count <= MAX_TIMES && repeated.length > 0; count++) {
      const expressions = repeated.map(({ lookup }) =>
        matchExpression({ ...lookup, term: timesTerm(lookup.term, count) }),
      );
      const lists = this.#tables.matches(expressions, throughSeq, MAX_MATCHES);
      for (const [at, one] of repeated.entries()) {
        const seqs = lists[at] ?? [];
        if (count > 1) raise(one.times, one.seqs, seqs, count);
        else {
          one.seqs = seqs;
          one.times = seqs.map(() => 1);
        }
      }
      repeated = repeated.filter(({ lookup }, at) => !lookup.isPrefix && (lists[at] ?? []).length > 0);
    }
    return found.map(({ lookup, seqs, times }) => scoreMatches(lookup, seqs, times, lengths, statistics));
  }

  #dateMatches(dates: Query["dates"], throughSeq: Seq): Matches[] {
    if (dates.length === 0) return [];
    const expressions = dates.map(({ term }) => matchExpression({ term }));
    const lists = this.#tables.matches(expressions, throughSeq, MAX_DATE_MATCHES);
    return dates.map(({ points }, at) => {
      const seqs = lists[at] ?? [];
      return { term: -1, seqs, scores: seqs.map(() => points) };
    });
  }

  /** Null if there is no index, or one of another version. */
  #state(): SearchState | null {
    const state = this.#tables.state();
    return state?.version === INDEX_VERSION ? state : null;
  }

  #remembered({ revision }: SearchState): Memory {
    if (this.#memory?.revision !== revision) {
      this.#memory = this.#newMemory(revision, this.#tables.readLengths());
    }
    return this.#memory;
  }

  /**
   * Runs in a transaction, with the memory of the next revision. It is kept only if the body comes to its end; a transaction
   * around this one that rolls back takes the revision back too, and with it what is remembered.
   */
  #write<T>(state: SearchState, body: (memory: Memory) => T): T {
    const before = state === UNUSED ? this.#newMemory(0, new MessageLengths()) : this.#remembered(state);
    const memory: Memory = { ...before, revision: state.revision + 1 };
    this.#memory = null;
    const result = this.#storage.transactionSync(() => body(memory));
    this.#memory = memory;
    return result;
  }

  #newMemory(revision: number, lengths: MessageLengths): Memory {
    return { revision, lengths, counts: new TermCounts(this.#tables), scores: new TurnScores(0) };
  }

  /** Changes a message that the index has. */
  #change(seq: Seq, body: (memory: Memory) => void): void {
    const state = this.#state();
    if (state === null || seq > state.indexedThroughSeq) return;
    this.#write(state, (memory) => {
      body(memory);
      memory.counts.forget();
      this.#tables.setState({ ...state, revision: memory.revision });
    });
  }

  #insert({ lengths }: Memory, fromSeq: Seq, throughSeq: Seq): void {
    for (const { seq, role, author, content, said_at: saidAt } of this.#tables.messages(fromSeq, throughSeq)) {
      const parsed: Content = JSON.parse(content);
      const text = indexText({ role, author, content: parsed, saidAt });
      // Without words nothing will find it.
      if (text.length === 0) continue;
      this.#tables.insertText(seq, author, text);
      if (author !== null) this.#tables.noteAuthor(author, seq);
      lengths.set(seq, text.length);
    }
    this.#tables.saveLengths(lengths, fromSeq, throughSeq);
  }

  #delete({ lengths }: Memory, seq: Seq): void {
    const text = this.#tables.blankText(seq);
    if (text === null) return;
    if (text.author !== null) this.#tables.forgetAuthor(text.author, seq);
    lengths.set(seq, 0);
    this.#tables.saveLengths(lengths, seq, seq);
  }
}

/** Says of those messages that repeat a term how often they say it. All of them are among `seqs`, and in the same order. */
function raise(times: number[], seqs: readonly Seq[], repeating: readonly Seq[], count: number): void {
  for (let at = 0, next = 0; next < repeating.length && at < seqs.length; at++) {
    if (seqs[at] !== repeating[next]) continue;
    times[at] = count;
    next++;
  }
}

/** To write an index of more messages anew, several times, would hold the session up: it is made again with the next searches. */
const MAX_PURGED_MESSAGES = 5_000;

const UNUSED: SearchState = { version: INDEX_VERSION, indexedThroughSeq: 0, revision: 0 };
