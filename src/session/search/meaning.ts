import type { MeaningUse, QueryMeaning, QueryVector } from "../../api/embedding.ts";
import type { Seq } from "../../api/message.ts";
import { type Branch, isOn } from "../../prompt/branch.ts";
import { ownSources } from "../../prompt/items.ts";
import type { NearTurn } from "../../prompt/meaning/closeness.ts";
import { CodeScan } from "../../prompt/meaning/codes.ts";
import { nearness, soughtVector } from "../../prompt/meaning/vector.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";

/** Search by vectors: finds messages whose meaning is close to that of a query. */

/**
 * How many vectors are compared in full, namely those with the nearest binary codes. With more than 200, recall among
 * the first 20 messages does not improve.
 */
const MAX_COMPARED = 200;

/** The messages that are near to a query, and whether vectors could be used; if not, why. */
export interface FoundNear {
  readonly use: MeaningUse;
  readonly near: readonly NearTurn[];
}

/** Shared by all sessions of an isolate. Queries run synchronously, so they never overlap. */
const scan = new CodeScan();

/**
 * Finds the messages near to a query's vector: users' messages on the branch, and messages that are cited by near items
 * of the branch's summary. Reads only.
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

/** An item that cites more messages than this says too little about each. */
const MAX_SOURCES = 5;

/** Cache by the array of items, which is a new one as soon as any item changes. */
const CITED = new WeakMap<object, ReadonlyMap<number, readonly Seq[]>>();
const NONE: ReadonlyMap<number, readonly Seq[]> = new Map();

/** The messages that each item of the branch's summary cites, by the item's row number. */
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

/** The scores of items, and whether vectors could be used; if not, why. */
export interface ItemScores {
  readonly use: MeaningUse;
  /** Cosine similarity of the item's vector and the query's. */
  readonly scores: readonly { readonly id: string; readonly score: number }[];
}

/**
 * Scores items of the newest version by a query's vector, including carried items. Items without a vector are left out.
 */
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
