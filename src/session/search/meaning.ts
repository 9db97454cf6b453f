import type { MeaningUse, NearItem, NearItems, NearItemsRequest, QueryMeaning } from "../../api/embedding.ts";
import type { Seq } from "../../api/message.ts";
import type { Item } from "../../api/summary.ts";
import { type Branch, isOn } from "../../prompt/branch.ts";
import type { NearTurn } from "../../prompt/meaning/closeness.ts";
import { nearness, soughtVector } from "../../prompt/meaning/vector.ts";
import type { SessionStore } from "../store.ts";
import { toPlainItem } from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { citedBy, findNear, scan } from "./near-turns.ts";

/** Search by vectors: finds messages whose meaning is close to that of a query. */

/** The messages that are near to a query, and whether vectors could be used; if not, why. */
export interface FoundNear {
  readonly use: MeaningUse;
  readonly near: readonly NearTurn[];
}

/**
 * Finds the messages near to a query's vector: users' messages on the branch, and messages that are cited by near items
 * of the branch's summary. Reads only.
 */
export function nearTurns({ store }: Unit, asked: QueryMeaning, branch: Branch): FoundNear {
  if ("without" in asked) return { use: asked.without, near: [] };
  const state = store.vectors.state();
  if (state === null) return { use: "none-yet", near: [] };
  if (!store.vectors.isOf(asked.model, asked.vector.length)) return { use: "other-model", near: [] };
  const near = findNear(store.vectors, asked.vector, citedTurns(store, branch), (seq) => isOn(branch, seq));
  return { use: "used", near };
}

/** Cache by the array of items, which is a new one as soon as any item changes. */
const CITED = new WeakMap<object, ReadonlyMap<number, readonly Seq[]>>();
const NONE: ReadonlyMap<number, readonly Seq[]> = new Map();

/** The messages that each item of the branch's summary cites, by the item's row number. */
function citedTurns({ summaries }: SessionStore, branch: Branch): ReadonlyMap<number, readonly Seq[]> {
  const summary = summaries.shownAt(branch);
  if (summary === null) return NONE;
  const items = summaries.items(summary.version);
  const known = CITED.get(items) ?? citedBy(summaries.placedItems(summary.version));
  CITED.set(items, known);
  return known;
}

/**
 * The items of the newest version that are nearest to a query's vector, nearest first, including carried items. Items
 * without a vector are left out. Reads only.
 */
export function nearItems({ store }: Unit, { query, limit, kinds, statuses }: NearItemsRequest): NearItems {
  const { model, vector } = query;
  if (store.vectors.state() === null) return { use: "none-yet", items: [] };
  if (!store.vectors.isOf(model, vector.length)) return { use: "other-model", items: [] };
  const newest = store.summaries.newest();
  const placed = newest === null ? [] : store.summaries.placedItems(newest.version);
  const isWanted = ({ kind, status }: Item): boolean =>
    (kinds?.includes(kind) ?? true) && (statuses?.includes(status) ?? true);
  const wanted = new Map(placed.filter(({ item }) => isWanted(item)).map(({ row, item }) => [-row, item]));
  const sought = soughtVector(vector);
  const places = scan.nearest(store.vectors.codes(), sought.code, wanted.size, (owner) => wanted.has(owner));
  const stored = store.vectors.vectorsOf(places);
  const items = places.flatMap(({ owner }, at): NearItem[] => {
    const item = wanted.get(owner);
    const bytes = stored[at];
    if (item === undefined || bytes === undefined) return [];
    const madeAt = (store.summaries.byVersion(item.fromVersion) ?? newest)?.createdAt ?? 0;
    return [{ item: toPlainItem(item), nearness: nearness(sought.unit, bytes, 0), madeAt }];
  });
  return { use: "used", items: items.toSorted((a, b) => b.nearness - a.nearness).slice(0, limit) };
}
