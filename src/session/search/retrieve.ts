import type { QueryMeaning, MeaningUse } from "../../api/embedding.ts";
import type { Content, Seq } from "../../api/message.ts";
import type { SearchHit, SearchRequest, SearchResult } from "../../api/search.ts";
import type { Branch } from "../../prompt/branch.ts";
import { messageText } from "../../prompt/message-text.ts";
import type { RankedTurn } from "../../prompt/retrieval/ranking.ts";
import { snippet } from "../../prompt/retrieval/snippet.ts";
import { TurnItems } from "../../prompt/retrieval/turn-items.ts";
import type { RetrievedMessage } from "../../prompt/retrieved.ts";
import { tellRetrieval } from "../../prompt/told-retrieval.ts";
import { type FileView, prompted, toMessage } from "../log/index.ts";
import { type MessageRow, pageOf } from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";
import { type FoundNear, nearTurns } from "./meaning.ts";

/** How many slices one request indexes, about a tenth of a second of work. The next request continues. */
const MAX_SLICES_PER_REQUEST = 3;
const DEFAULT_HITS = 10;
/** UTF-16 units of a snippet. */
const MAX_SNIPPET_LENGTH = 240;

/**
 * Indexes new messages in slices until the index reaches `throughSeq`, or until this request has done its share. While
 * the text of erased messages still has to be overwritten, nothing is indexed, because the index reads the log's table
 * directly and would see it.
 * @returns the last message that the index covers
 */
function catchUp(unit: Unit, throughSeq: Seq): Seq {
  const { search: index } = unit;
  if (unit.store.erasure.isRunning()) return index.indexedThroughSeq;
  let reached = { indexedThroughSeq: index.indexedThroughSeq, done: false };
  for (let slice = 0; slice < MAX_SLICES_PER_REQUEST; slice += 1) {
    if (reached.done || reached.indexedThroughSeq >= throughSeq) break;
    reached = index.catchUp();
  }
  return reached.indexedThroughSeq;
}

/** The query that stands for the newest message of a user. */
const AUTO = "auto";
/** How many messages `auto` looks back for the newest message of a user. Beyond that there is no current question. */
const MAX_AUTO_REACH = 50;
/** UTF-16 units of the message that `auto` uses as a query. The first words tell what it is about. */
const MAX_AUTO_LENGTH = 2_000;
/** How many older messages are offered to a context. Few of them fit into its budget. */
const MAX_CANDIDATES = 20;

/**
 * The messages that were found, and whether vectors were used; `meaning` is absent if the caller passed no
 * `QueryMeaning`.
 */
export interface Retrieved {
  readonly found: RetrievedMessage[];
  readonly meaning?: MeaningUse;
}

/**
 * Finds older messages that are relevant to a context's query, best first. Each request indexes a few thousand more
 * messages; messages that the index has not reached are not found. Once the index has reached the branch's head, the
 * result is a pure function of the branch's messages, its summary, the query and the stored vectors.
 */
export function retrieveForContext(unit: Unit, query: string, branch: Branch, asked?: QueryMeaning): Retrieved {
  const question = query === AUTO ? newestQuestion(unit, branch) : query;
  if (question === null) return { found: [] };
  catchUp(unit, branch.headSeq);
  const { near, ...use } = meaningOf(unit, branch, asked);
  const hits = unit.search.search(question, {
    limit: MAX_CANDIDATES,
    branch,
    items: turnItemsOf(unit.store, branch),
    near,
  });
  return { found: pageOf(found(unit, hits, promptedMessage, "told"), MAX_CANDIDATES).data, ...use };
}

/** Finds messages by their vectors; none if the caller passed no `QueryMeaning`. */
function meaningOf(
  unit: Unit,
  branch: Branch,
  asked: QueryMeaning | undefined,
): Pick<FoundNear, "near"> & Pick<Retrieved, "meaning"> {
  if (asked === undefined) return { near: [] };
  const { near, use } = nearTurns(unit, asked, branch);
  return { near, meaning: use };
}

/** The text that a query searches for: of `auto`, the newest message of a user; null if no user wrote recently. */
export function soughtText(unit: Unit, query: string): string | null {
  return query === AUTO ? questionOf(unit) : query;
}

/** The text that the query `auto` stands for now; null if no user wrote recently. */
export function questionOf(unit: Unit): string | null {
  const { store } = unit;
  return newestQuestion(unit, store.messages.tip()?.branch ?? store.branches.active(0));
}

function promptedMessage({ score, why }: RankedTurn, row: MessageRow, content: Content): RetrievedMessage {
  return { message: { ...toMessage(row), content: prompted(content) }, score, why };
}

/** The hits with their messages, best first, each read only when it is needed. */
function* found<T>(
  unit: Unit,
  hits: readonly RankedTurn[],
  tell: (hit: RankedTurn, row: MessageRow, content: Content) => T,
  view: FileView,
): Generator<T> {
  const hitOf = new Map(hits.map((hit) => [hit.seq, hit]));
  for (const row of unit.store.messages.bySeqs([...hitOf.keys()], view)) {
    const hit = hitOf.get(row.seq);
    if (hit !== undefined && row.content !== null) yield tell(hit, row, row.content);
  }
}

/** Cache by the array of items, which is a new one as soon as any item changes. */
const TURN_ITEMS = new WeakMap<object, TurnItems>();

/** What the branch's summary says about its messages; undefined if there is no summary. */
function turnItemsOf({ summaries }: SessionStore, branch: Branch): TurnItems | undefined {
  const summary = summaries.shownAt(branch);
  if (summary === null) return undefined;
  const items = summaries.items(summary.version);
  const known = TURN_ITEMS.get(items) ?? new TurnItems(items);
  TURN_ITEMS.set(items, known);
  return known;
}

function newestQuestion(unit: Unit, branch: Branch): string | null {
  const { headSeq } = branch;
  const row = unit.store.messages.newestOf("user", branch, headSeq, Math.max(1, headSeq - MAX_AUTO_REACH));
  return row === null || row.content === null ? null : messageText(row.content).slice(0, MAX_AUTO_LENGTH);
}

/** Handles a client's search: the most relevant messages of the active branch, best first. */
export function searchMessages(unit: Unit, request: SearchRequest, asked?: QueryMeaning): SearchResult {
  const { store } = unit;
  const branch = store.messages.tip()?.branch ?? store.branches.active(0);
  const { headSeq } = branch;
  const indexedThroughSeq = Math.min(headSeq, catchUp(unit, headSeq));
  const query = unit.search.readQuery(request.query);
  const limit = request.limit ?? DEFAULT_HITS;
  const { near, ...use } = meaningOf(unit, branch, asked);
  const hits = unit.search.search(query, { limit, branch, items: turnItemsOf(store, branch), near });
  const tell = ({ score, why }: RankedTurn, row: MessageRow, content: Content): SearchHit => ({
    message: toMessage(row),
    score,
    snippet: snippet(messageText(content), query, MAX_SNIPPET_LENGTH),
    why,
  });
  return {
    ...pageOf(found(unit, hits, tell, "whole"), hits.length),
    indexedThroughSeq,
    headSeq,
    ...tellRetrieval(use.meaning),
  };
}
