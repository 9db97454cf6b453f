import type { MeaningUse, QueryMeaning, QueryVector } from "../../api/embedding.ts";
import type { Seq } from "../../api/message.ts";
import { type Branch, isOn } from "../../prompt/branch.ts";
import { ownSources } from "../../prompt/items.ts";
import type { NearTurn } from "../../prompt/meaning/closeness.ts";
import { CodeScan } from "../../prompt/meaning/codes.ts";
import { nearness, soughtVector } from "../../prompt/meaning/vector.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";

/** Turns that are near to a query in meaning. */

/** Vectors that are compared number by number, of those with the nearest codes. Past 200, recall among the first 20 turns stays the same. */
const MAX_COMPARED = 200;

/** The query has a vector in the space of the session's, or says why not. */
export interface FoundNear {
  readonly use: MeaningUse;
  readonly near: readonly NearTurn[];
}

/** Of one query after the other, and of all sessions of an isolate: queries do not overlap. */
const scan = new CodeScan();

/**
 * What a session has that is near to a query's vector: turns of users on a branch, and turns that are cited by items of the summary which
 * holds for it. Reads alone.
 */
export function nearTurns(unit: Unit, asked: QueryMeaning, branch: Branch): FoundNear {
  const { store } = unit;
  if ("without" in asked) return { use: asked.without, near: [] };
  const state = store.vectors.state();
  if (state === null) return { use: "none-yet", near: [] };
  if (!store.vectors.isOf(asked.model, asked.vector.length)) return { use: "other-model", near: [] };
  const sought = soughtVector(asked.vector);
  const cited = citedTurns(store, branch);
  const isSeen = (seq: Seq): boolean => isOn(branch, seq);
  const isFound = (owner: number): boolean => (owner > 0 ? isSeen(owner) : (cited.get(-owner) ?? []).some(isSeen));
  const places = scan.nearest(store.vectors.codes(), sought.code, MAX_COMPARED, isFound);
  const best = new Map<Seq, number>();
  for (const [at, stored] of store.vectors.vectorsOf(places).entries()) {
    const owner = places[at]?.owner ?? 0;
    const near = nearness(sought.unit, stored, 0);
    for (const seq of owner > 0 ? [owner] : (cited.get(-owner) ?? []).filter(isSeen)) {
      best.set(seq, Math.max(best.get(seq) ?? -1, near));
    }
  }
  return { use: "used", near: [...best].map(([seq, near]) => ({ seq, nearness: near })) };
}

/** An item that rests on more turns says too little of each. */
const MAX_SOURCES = 5;

/** By the items that they are of: these are others as soon as any of them changes. */
const CITED = new WeakMap<object, ReadonlyMap<number, readonly Seq[]>>();
const NONE: ReadonlyMap<number, readonly Seq[]> = new Map();

/** The turns that the items of the summary cite which holds for a branch, by the place of the item. */
function citedTurns({ summaries }: SessionStore, branch: Branch): ReadonlyMap<number, readonly Seq[]> {
  const summary = summaries.shownAt(branch);
  if (summary === null) return NONE;
  const items = summaries.items(summary.version);
  const known = CITED.get(items);
  if (known !== undefined) return known;
  const cited = new Map<number, readonly Seq[]>();
  for (const { row, item } of summaries.placedItems(summary.version)) {
    const seqs = ownSources(item);
    if (item.status !== "superseded" && seqs.length > 0 && seqs.length <= MAX_SOURCES) cited.set(row, seqs);
  }
  CITED.set(items, cited);
  return cited;
}

export interface ItemScores {
  readonly use: MeaningUse;
  /** The cosine of the angle between the two. */
  readonly scores: readonly { readonly id: string; readonly score: number }[];
}

/** How near items of the newest version are to a query's vector, whichever session they came from; without those that have none. */
export function scoreItems(unit: Unit, { model, vector }: QueryVector, itemIds: readonly string[]): ItemScores {
  const { store } = unit;
  const state = store.vectors.state();
  if (state === null) return { use: "none-yet", scores: [] };
  if (!store.vectors.isOf(model, vector.length)) return { use: "other-model", scores: [] };
  const sought = soughtVector(vector);
  const asked = new Set(itemIds);
  const newest = store.summaries.newest();
  const placed = newest === null ? [] : store.summaries.placedItems(newest.version);
  const idOf = new Map(placed.filter(({ item }) => asked.has(item.id)).map(({ row, item }) => [-row, item.id]));
  const places = scan.nearest(store.vectors.codes(), sought.code, idOf.size, (owner) => idOf.has(owner));
  const scores = store.vectors.vectorsOf(places).map((stored, at) => ({
    id: idOf.get(places[at]?.owner ?? 0) ?? "",
    score: nearness(sought.unit, stored, 0),
  }));
  return { use: "used", scores };
}
