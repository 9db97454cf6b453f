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

/** Slices that one request indexes at most: about a tenth of a second of work. The next request goes on from there. */
const MAX_SLICES_PER_REQUEST = 3;
const DEFAULT_HITS = 10;
/** A snippet is read at a glance. */
const MAX_SNIPPET_LENGTH = 240;

/**
 * Indexes what was said since the last search, in slices, at least as far as a message if that is within reach. Not while text of
 * erased messages is still to be written over: the index reads the log by itself.
 */
function catchUp(unit: Unit, throughSeq: Seq): Seq {
  const { search: index } = unit;
  if (unit.store.messages.isErasing()) return index.indexedThroughSeq;
  let reached = { indexedThroughSeq: index.indexedThroughSeq, done: false };
  for (let slice = 0; slice < MAX_SLICES_PER_REQUEST; slice += 1) {
    if (reached.done || reached.indexedThroughSeq >= throughSeq) break;
    reached = index.catchUp();
  }
  return reached.indexedThroughSeq;
}

/** Asks the newest message of a user. */
const AUTO = "auto";
/** How far back the newest message of a user is looked for: past so many tool calls there is no question at hand. */
const MAX_AUTO_REACH = 50;
/** A question longer than this is cut: its first words say what it is about. */
const MAX_AUTO_LENGTH = 2_000;
/** Older messages that a context is offered. Few of them fit. */
const MAX_CANDIDATES = 20;

/** Messages that were found, and how far meaning went into it; that is absent where nobody asked. */
export interface Retrieved {
  readonly found: RetrievedMessage[];
  readonly meaning?: MeaningUse;
}

/**
 * Older messages that matter to a context's query, best first: a pure function of the messages of the branch, of the summary that holds for
 * it, of the query, of the vectors that there are by then and of nothing else, from the moment that the index has reached its head. Each request takes it some thousand
 * messages further; until then the answer is that as of the message that it has reached, and what lies between is not found.
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

function meaningOf(
  unit: Unit,
  branch: Branch,
  asked: QueryMeaning | undefined,
): Pick<FoundNear, "near"> & Pick<Retrieved, "meaning"> {
  if (asked === undefined) return { near: [] };
  const { near, use } = nearTurns(unit, asked, branch);
  return { near, meaning: use };
}

/** What the query `auto` asks now; null if no user spoke of late. */
export function questionOf(unit: Unit): string | null {
  const { store } = unit;
  return newestQuestion(unit, store.messages.tip()?.branch ?? store.branches.active(0));
}

function promptedMessage({ score, why }: RankedTurn, row: MessageRow, content: Content): RetrievedMessage {
  return { message: { ...toMessage(row), content: prompted(content) }, score, why };
}

/** What was found, best first, each read as it is asked for. */
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

/** By the items that they are of: these are others as soon as any of them changes. */
const TURN_ITEMS = new WeakMap<object, TurnItems>();

/** What the summary that holds for a branch tells of its turns; undefined where there is none. */
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

/** The messages that matter to a query, best first. */
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
