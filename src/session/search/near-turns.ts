import type { Seq } from "../../api/message.ts";
import type { Item } from "../../api/summary.ts";
import { ownSources } from "../../prompt/items.ts";
import type { NearTurn } from "../../prompt/meaning/closeness.ts";
import { CodeScan } from "../../prompt/meaning/codes.ts";
import { nearness, soughtVector } from "../../prompt/meaning/vector.ts";
import type { VectorStore } from "./vector-store.ts";

/** Compares a query's vector with those of messages and items. */

/**
 * How many vectors are compared in full, namely those with the nearest binary codes. With more than 200, recall among
 * the first 20 messages does not improve.
 */
const MAX_COMPARED = 200;

/**
 * Items count for less than messages: this share of how much nearer they are than the farthest one compared. An item is
 * mostly a sentence of its turn, so that turns with items would come before others that say as much.
 */
const ITEM_SHARE = 0.8;

/** Shared by all sessions of an isolate. Queries run synchronously, so they never overlap. */
export const scan = new CodeScan();

/**
 * The messages near to a query's vector, which vectors can be compared with: users' messages, and those that near items
 * cite.
 * @param cited the messages that each item cites, by the item's row number
 */
export function findNear(
  vectors: VectorStore,
  vector: Float32Array,
  cited: ReadonlyMap<number, readonly Seq[]>,
  isSeen: (seq: Seq) => boolean,
): NearTurn[] {
  const sought = soughtVector(vector);
  const isFound = (owner: number): boolean => (owner > 0 ? isSeen(owner) : (cited.get(-owner) ?? []).some(isSeen));
  const places = scan.nearest(vectors.codes(), sought.code, MAX_COMPARED, isFound);
  const compared = vectors.vectorsOf(places).map((stored) => nearness(sought.unit, stored, 0));
  const farthest = Math.min(...compared);
  const best = new Map<Seq, number>();
  for (const [at, whole] of compared.entries()) {
    const owner = places[at]?.owner ?? 0;
    const near = owner > 0 ? whole : farthest + (whole - farthest) * ITEM_SHARE;
    for (const seq of owner > 0 ? [owner] : (cited.get(-owner) ?? []).filter(isSeen)) {
      best.set(seq, Math.max(best.get(seq) ?? -1, near));
    }
  }
  return [...best].map(([seq, near]) => ({ seq, nearness: near }));
}

/** An item that cites more messages than this says too little about each. */
const MAX_SOURCES = 5;

/** The messages that each item cites, by the item's row number. */
export function citedBy(
  placed: readonly { readonly row: number; readonly item: Item }[],
): ReadonlyMap<number, readonly Seq[]> {
  const cited = new Map<number, readonly Seq[]>();
  for (const { row, item } of placed) {
    const seqs = ownSources(item);
    if (item.status !== "superseded" && seqs.length > 0 && seqs.length <= MAX_SOURCES) cited.set(row, seqs);
  }
  return cited;
}
