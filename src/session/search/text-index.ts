import type { Content, Seq } from "../../api/message.ts";
import { type Branch, isOn } from "../../prompt/branch.ts";
import { type NearTurn, pointsFor, sharesOf } from "../../prompt/meaning/closeness.ts";
import {
  type Judging,
  scoreItemWords,
  scoreMatches,
  scoreTexts,
  type WeighedTerm,
} from "../../prompt/retrieval/bm25.ts";
import { ANYTHING, type Field, fieldTerm, RARE_FIELDS } from "../../prompt/retrieval/fields.ts";
import { INDEX_VERSION, type IndexText, indexText } from "../../prompt/retrieval/index-text.ts";
import { createTermHasher, hashPrefix, type TermKey } from "../../prompt/retrieval/keyed-terms.ts";
import { isCounted, lookupsOf } from "../../prompt/retrieval/lookups.ts";
import { MessageLengths } from "../../prompt/retrieval/message-lengths.ts";
import { DEFAULT_RANKING, type RankingParameters } from "../../prompt/retrieval/parameters.ts";
import { type Lookup, MAX_MATCHES, planLookups } from "../../prompt/retrieval/plan.ts";
import { allOf, matchExpression, type Query, type QueryTerm, readQuery } from "../../prompt/retrieval/query.ts";
import { type RankedTurn, rankTurns } from "../../prompt/retrieval/ranking.ts";
import { MAX_TIMES, timesTerm } from "../../prompt/retrieval/repeats.ts";
import type { TurnItems } from "../../prompt/retrieval/turn-items.ts";
import { type Matches, TurnScores } from "../../prompt/retrieval/turn-scores.ts";
import { fromStoredTime, localTime, overwriteFreedPages } from "../sqlite/index.ts";
import { firstOfLengths, type SearchState, type SearchStorage, SearchTables } from "./tables.ts";
import { TermCounts } from "./term-counts.ts";

/** How many matches of a date term are read: about a month of a busy chat. */
const MAX_DATE_MATCHES = 500;

/**
 * With several branches, this many times as many matches are read, because some are on other branches and are filtered
 * out.
 */
const UNSEEN_FACTOR = 4;

/** The minimum number of candidates whose author and questions are read for the final order. */
const MIN_CANDIDATES = 150;

/** How many authors' names are looked for in a query, those who wrote first. Each is compared with each word. */
const MAX_KNOWN_AUTHORS = 200;

/** A message is reported as near in meaning if it has at least this share of the nearest message's points. */
const TOLD_SHARE = 0.7;

/**
 * The default slice of `catchUp`: about 50 ms of work in a chat. Long messages take longer each, which the limit in
 * bytes bounds.
 */
const SLICE_MESSAGES = 1_000;
const SLICE_BYTES = 500_000;

/** How far the index got. */
export interface CaughtUp {
  readonly indexedThroughSeq: Seq;
  /** false: more messages are to be indexed, call again. */
  readonly done: boolean;
}

export interface SearchOptions {
  /** The maximum number of hits. */
  readonly limit: number;
  /**
   * Answers as if this message were the last: only messages up to it are found, and only they count for how rare a word
   * is. At most the last indexed message.
   */
  readonly throughSeq?: Seq;
  /** Finds only messages of this branch, up to its head. (The index covers the log with all branches.) */
  readonly branch?: Branch;
  readonly ranking?: RankingParameters;
  /** What the summary says about messages; without it only their own words count. */
  readonly items?: TurnItems | undefined;
  /** Messages that are near to the query's vector; empty if that is not known. */
  readonly near?: readonly NearTurn[];
}

/** Tells whether a message may be found; null: all may. */
type Seen = ((seq: Seq) => boolean) | null;

/**
 * What is kept in memory for one revision of the index. It grows with the session, to 4 MB at the maximum of 100,000
 * messages: 4 to 6 bytes a message for lengths, 24 to 30 for scores, and 1 MB for the counts of at most 10,000 terms.
 */
interface Memory {
  readonly revision: number;
  readonly lengths: MessageLengths;
  readonly counts: TermCounts;
  /** Used by one query at a time. */
  readonly scores: TurnScores;
  readonly key: TermKey;
  /** Hashes a term as it stands in the index. */
  readonly hash: (term: string) => string;
  /** Null until a search needs it. */
  rareFields: ReadonlySet<Field> | null;
}

/** A message as it is indexed. */
interface Indexable extends IndexText {
  readonly seq: Seq;
  readonly author: string | null;
}

/**
 * The full-text index of one session, in its database. It is created on first use and catches up on reads, in slices;
 * an append writes nothing here. All methods are synchronous; those that write commit or roll back as a whole.
 *
 * A result up to some message is a pure function of the messages up to it that are not erased, of the query, and of the
 * options, which include what the summary says.
 */
export class SearchIndex {
  readonly #storage: SearchStorage;
  readonly #tables: SearchTables;
  #memory: Memory | null = null;

  constructor(storage: SearchStorage) {
    this.#storage = storage;
    this.#tables = new SearchTables(storage.sql);
  }

  /** The last message that the index covers; 0 if there is no index. Reads only. */
  get indexedThroughSeq(): Seq {
    return this.#state()?.indexedThroughSeq ?? 0;
  }

  /** Indexes the next slice of messages: at least one, whatever its size. */
  catchUp(maxMessages: number = SLICE_MESSAGES, maxBytes: number = SLICE_BYTES): CaughtUp {
    const head = this.#tables.headSeq();
    const known = this.#state();
    const after = known?.indexedThroughSeq ?? 0;
    if (after >= head) return { indexedThroughSeq: after, done: true };
    // An index of another version cannot be used.
    if (known === null) this.drop();
    const state = known ?? newState();
    return this.#write(state, (memory) => {
      if (known === null) this.#tables.create();
      const first = after + 1;
      const through = this.#tables.sliceEnd(after, head, maxMessages, maxBytes);
      this.#insert(memory, first, through);
      this.#tables.setState({ ...state, revision: memory.revision, indexedThroughSeq: through });
      return { indexedThroughSeq: through, done: through >= head };
    });
  }

  /**
   * Removes messages from the index and overwrites their terms in the database's pages. Ignores messages that are not
   * indexed. For very many messages the whole index is dropped, and the next searches build it again.
   */
  remove(seqs: readonly Seq[]): void {
    const state = this.#state();
    const indexed = state === null ? [] : seqs.filter((seq) => seq <= state.indexedThroughSeq);
    if (state === null || indexed.length === 0) return;
    if (indexed.length > MAX_REMOVED_MESSAGES) {
      this.drop();
      return;
    }
    this.#change(state, (memory) => {
      for (const seq of indexed) this.#delete(memory, seq);
      this.#saveLengths(memory, indexed);
    });
  }

  /**
   * Indexes a message again after an edit. If the index has not reached it yet, nothing is done: `catchUp` will read
   * it.
   */
  update(seq: Seq): void {
    const state = this.#state();
    if (state === null || seq > state.indexedThroughSeq) return;
    this.#change(state, (memory) => {
      const [message] = this.#read(seq, seq);
      if (message === undefined) this.#delete(memory, seq);
      else this.#replace(memory, message);
      this.#saveLengths(memory, [seq]);
    });
  }

  /** Drops the index and overwrites the pages that it used. */
  drop(): void {
    this.#memory = null;
    if (this.#tables.state() === null) return;
    this.#storage.transactionSync(() => {
      this.#tables.drop();
      overwriteFreedPages(this.#storage.sql);
    });
  }

  /** Parses a query. Names of authors up to `throughSeq` are recognized. `snippet` takes the same result. */
  readQuery(
    text: string,
    ranking: RankingParameters = DEFAULT_RANKING,
    throughSeq: Seq = Number.MAX_SAFE_INTEGER,
  ): Query {
    return this.#readQuery(text, ranking, Math.min(throughSeq, this.indexedThroughSeq));
  }

  /** The messages that are relevant to the query, best first. Call `catchUp` first. */
  search(
    query: string | Query,
    {
      limit,
      branch,
      throughSeq = branch?.headSeq ?? Number.MAX_SAFE_INTEGER,
      ranking = DEFAULT_RANKING,
      items,
      near = [],
    }: SearchOptions,
  ): RankedTurn[] {
    const state = this.#state();
    if (limit < 1 || state === null) return [];
    const memory = this.#remembered(state);
    const { lengths, counts, scores } = memory;
    const through = Math.min(throughSeq, state.indexedThroughSeq);
    const read = typeof query === "string" ? this.#readQuery(query, ranking, through) : query;
    const statistics = lengths.statistics(through);
    const judging: Judging = { lengths, statistics, parameters: ranking };
    const count = (terms: readonly QueryTerm[]): number[] =>
      counts.count(
        terms.map((term) => hashedTerm(term, memory)),
        through,
        state.indexedThroughSeq,
      );
    const looked = lookupsOf(read.terms, count, this.#rareFields(memory, state.indexedThroughSeq), ranking);
    const { listed, deferred } = planLookups(looked);
    const isSeen: Seen = branch === undefined || branch.off.length === 0 ? null : (seq) => isOn(branch, seq);
    const told = items === undefined ? [] : itemMatches(items, read, looked, through, judging, isSeen);
    const matches = [...this.#matches(listed, through, memory, judging, isSeen), ...told];
    const dates = this.#dateMatches(read.dates, through, memory, isSeen);
    const isMonologue = statistics.answers.messages === 0 && read.voices <= 1;
    scores.begin({ lastSeq: through, lengths, isMonologue }, ranking);
    scores.addTerms(matches);
    scores.addPoints(dates);
    const close = this.#addMeaning(near, { throughSeq: through, isMonologue }, memory, ranking);
    const best = scores.top(Math.max(MIN_CANDIDATES, 3 * limit) * (isSeen === null ? 1 : UNSEEN_FACTOR));
    const candidates = this.#tables.candidates(isSeen === null ? best : best.filter(isSeen));
    const common = this.#scoreCommon(deferred, candidates, judging);
    scores.addTerms(common);
    const log = { lengths, throughSeq: through, parameters: ranking, items, near: close };
    return rankTurns(read, candidates, [...matches, ...common], dates, scores, limit, log);
  }

  #readQuery(text: string, ranking: RankingParameters, throughSeq: Seq): Query {
    return readQuery(text, throughSeq === 0 ? [] : this.#tables.authors(throughSeq, MAX_KNOWN_AUTHORS), ranking);
  }

  /**
   * Adds points for nearness in meaning.
   * @returns the messages that are near enough to be reported as such
   */
  #addMeaning(
    near: readonly NearTurn[],
    { throughSeq, isMonologue }: { readonly throughSeq: Seq; readonly isMonologue: boolean },
    { lengths, scores }: Memory,
    { meaning, lendMeaning, lendAlone }: RankingParameters,
  ): ReadonlySet<Seq> {
    // A message that is not indexed has no words here, and cannot be a hit.
    const known = near.filter(({ seq }) => seq <= throughSeq && lengths.of(seq) > 0);
    if (known.length === 0 || meaning === 0) return new Set<Seq>();
    const lend = lendMeaning * (isMonologue ? lendAlone : 1);
    const points = pointsFor(known, scores.highest(), meaning, lend);
    scores.addPoints([points]);
    const shares = sharesOf(
      known.map(({ nearness }) => nearness),
      1,
      1,
    );
    return new Set(known.filter((_, at) => shares[at]! >= TOLD_SHARE).map(({ seq }) => seq));
  }

  /** Scores terms that are too common to look up, only for the candidates that the other terms found. */
  #scoreCommon(
    terms: readonly WeighedTerm[],
    candidates: readonly { readonly seq: Seq }[],
    judging: Judging,
  ): Matches[] {
    if (terms.length === 0) return [];
    const texts = this.#tables.candidateTexts(candidates.map(({ seq }) => seq));
    return terms.map((term) => scoreTexts(term, texts, judging));
  }

  /** The matches of each expression that may be found, newest first. */
  #seenMatches(expressions: readonly string[], throughSeq: Seq, limit: number, isSeen: Seen): Seq[][] {
    if (isSeen === null) return this.#tables.matches(expressions, throughSeq, limit);
    const lists = this.#tables.matches(expressions, throughSeq, UNSEEN_FACTOR * limit);
    return lists.map((seqs) => seqs.filter(isSeen).slice(0, limit));
  }

  /**
   * Looks up each term and scores its matches. Whether a message repeats a term is found with further lookups, of "the
   * term twice", "three times", and so on.
   */
  #matches(lookups: readonly Lookup[], throughSeq: Seq, memory: Memory, judging: Judging, isSeen: Seen): Matches[] {
    const found = lookups.map((lookup) => ({ lookup, seqs: [] as readonly Seq[], times: [] as number[] }));
    let repeated = found;
    for (let count = 1; count <= MAX_TIMES && repeated.length > 0; count++) {
      const expressions = repeated.map(({ lookup }) =>
        allOf(
          lookup.tokens.map((token) => hashedTerm({ ...lookup, term: timesTerm(token, count) }, memory).term),
          lookup.isPrefix,
        ),
      );
      const lists = this.#seenMatches(expressions, throughSeq, MAX_MATCHES, isSeen);
      for (const [at, one] of repeated.entries()) {
        const seqs = lists[at] ?? [];
        if (count > 1) setRepeats(one.times, one.seqs, seqs, count);
        else {
          one.seqs = seqs;
          one.times = seqs.map(() => 1);
        }
      }
      repeated = repeated.filter(({ lookup }, at) => isCounted(lookup) && (lists[at] ?? []).length > 0);
    }
    return found.map(({ lookup, seqs, times }) => scoreMatches(lookup, seqs, times, judging));
  }

  #dateMatches(dates: Query["dates"], throughSeq: Seq, { hash }: Memory, isSeen: Seen): Matches[] {
    if (dates.length === 0) return [];
    const expressions = dates.map(({ term }) => matchExpression({ term: hash(term) }));
    const lists = this.#seenMatches(expressions, throughSeq, MAX_DATE_MATCHES, isSeen);
    return dates.map(({ points }, at) => {
      const seqs = lists[at] ?? [];
      return { term: -1, seqs, scores: seqs.map(() => points), lends: false };
    });
  }

  /** The rare fields that at least one message uses. */
  #rareFields(memory: Memory, indexedThroughSeq: Seq): ReadonlySet<Field> {
    if (memory.rareFields === null) {
      const expressions = RARE_FIELDS.map((field) =>
        matchExpression({ term: memory.hash(fieldTerm(field, ANYTHING)) }),
      );
      const lists = this.#tables.matches(expressions, indexedThroughSeq, 1);
      memory.rareFields = new Set(RARE_FIELDS.filter((_, at) => (lists[at] ?? []).length > 0));
    }
    return memory.rareFields;
  }

  /** The state of the index; null if there is none, or if another version built it. */
  #state(): SearchState | null {
    const state = this.#tables.state();
    return state?.version === INDEX_VERSION ? state : null;
  }

  #remembered({ revision, key }: SearchState): Memory {
    if (this.#memory?.revision !== revision) {
      this.#memory = this.#newMemory(revision, this.#tables.readLengths(), key);
    }
    return this.#memory;
  }

  /**
   * Runs `body` in a transaction, with the memory for the next revision. The memory is kept only if `body` completes.
   * If an outer transaction rolls back, the revision is rolled back too, and the memory is discarded when it is next
   * read.
   */
  #write<T>(state: SearchState, body: (memory: Memory) => T): T {
    const before =
      state.indexedThroughSeq === 0
        ? this.#newMemory(state.revision, new MessageLengths(), state.key)
        : this.#remembered(state);
    const memory: Memory = { ...before, revision: state.revision + 1, rareFields: null };
    this.#memory = null;
    const result = this.#storage.transactionSync(() => body(memory));
    this.#memory = memory;
    return result;
  }

  #newMemory(revision: number, lengths: MessageLengths, key: TermKey): Memory {
    const counts = new TermCounts(this.#tables);
    return { revision, lengths, counts, scores: new TurnScores(), key, hash: createTermHasher(key), rareFields: null };
  }

  /** Changes messages that are indexed. */
  #change(state: SearchState, body: (memory: Memory) => void): void {
    this.#write(state, (memory) => {
      body(memory);
      this.#tables.setState({ ...state, revision: memory.revision });
    });
  }

  /** Reads messages to index. Those without words are left out, since nothing would find them. */
  #read(fromSeq: Seq, throughSeq: Seq): Indexable[] {
    return this.#tables.messages(fromSeq, throughSeq).flatMap(({ seq, role, author, content, said_at: stored }) => {
      const parsed: Content = JSON.parse(content);
      const saidAt = localTime({ ...fromStoredTime(stored), createdAt: 0 });
      const text = indexText({ role, author, content: parsed, saidAt });
      return text.length === 0 ? [] : [{ ...text, seq, author }];
    });
  }

  #insert({ lengths, hash }: Memory, fromSeq: Seq, throughSeq: Seq): void {
    for (const message of this.#read(fromSeq, throughSeq)) {
      const { seq, author } = message;
      this.#tables.insertText(seq, message, hashedTerms(message.terms, hash).join(" "));
      if (author !== null) this.#tables.noteAuthor({ author, hash: hash(author) }, seq);
      lengths.set(seq, message.length);
    }
    this.#tables.saveLengths(lengths, fromSeq, throughSeq);
  }

  #replace({ lengths, counts, hash }: Memory, message: Indexable): void {
    const { seq, author } = message;
    const known = this.#tables.text(seq);
    const before = new Set(known === null ? [] : hashedTerms(known.terms, hash));
    const after = new Set(hashedTerms(message.terms, hash));
    // Only the difference is written: an answer that is written word by word keeps most of its terms, and replacing all
    // would cost ten times as much.
    const gone = [...before].filter((term) => !after.has(term));
    const come = [...after].filter((term) => !before.has(term));
    this.#tables.replaceText(seq, message, { gone: known === null ? null : gone.join(" "), come: come.join(" ") });
    // An edit does not change the author, who is recorded already if the message had terms.
    if (known === null && author !== null) this.#tables.noteAuthor({ author, hash: hash(author) }, seq);
    counts.change(seq, gone, come);
    lengths.set(seq, message.length);
  }

  #delete({ lengths, counts, hash }: Memory, seq: Seq): void {
    const known = this.#tables.text(seq);
    if (known === null) return;
    const { author } = known;
    const before = hashedTerms(known.terms, hash);
    this.#tables.overwriteText(seq, before.join(" "));
    if (author !== null) this.#tables.forgetAuthor({ author, hash: hash(author) }, seq);
    counts.change(seq, before, []);
    lengths.set(seq, 0);
  }

  #saveLengths({ lengths }: Memory, seqs: readonly Seq[]): void {
    for (const seq of new Set(seqs.map(firstOfLengths))) this.#tables.saveLengths(lengths, seq, seq);
  }
}

/** Scores what the summary's items say about messages that may be found. */
function itemMatches(
  items: TurnItems,
  { terms }: Query,
  looked: readonly WeighedTerm[],
  throughSeq: Seq,
  judging: Judging,
  isSeen: Seen,
): Matches[] {
  const { lengths, parameters } = judging;
  if (parameters.itemWord === 0) return [];
  // A message without words, such as an erased one, is never a hit, whatever an item says about it.
  const isHit = (seq: Seq): boolean => seq <= throughSeq && lengths.of(seq) > 0 && (isSeen === null || isSeen(seq));
  return scoreItemWords(terms, looked, items, isHit, judging);
}

/** Hashes a term of a query as it stands in the index. */
function hashedTerm({ term, isPrefix }: QueryTerm, { key, hash }: Memory): QueryTerm {
  return { term: isPrefix ? hashPrefix(term, key) : hash(term), isPrefix };
}

/** Hashes the terms of a row. The row may be padded with spaces. */
function hashedTerms(terms: string, hash: (term: string) => string): string[] {
  return terms.split(" ").flatMap((term) => (term === "" ? [] : [hash(term)]));
}

function newState(): SearchState {
  const [k0 = 0, k1 = 0] = crypto.getRandomValues(new Uint32Array(2));
  return { version: INDEX_VERSION, indexedThroughSeq: 0, revision: 0, key: [k0, k1] };
}

/** Sets `times` to `count` for the messages in `repeating`. All of them are in `seqs`, in the same order. */
function setRepeats(times: number[], seqs: readonly Seq[], repeating: readonly Seq[], count: number): void {
  for (let at = 0, next = 0; next < repeating.length && at < seqs.length; at++) {
    if (seqs[at] !== repeating[next]) continue;
    times[at] = count;
    next++;
  }
}

/**
 * How many messages one call removes one by one: about a second of work, since removing one costs as much as indexing
 * ten.
 */
const MAX_REMOVED_MESSAGES = 500;
