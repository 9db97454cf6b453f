import type { Seq } from "../../api/message.ts";
import type { ItemKind, ItemStatus, KeptItem } from "../../api/summary.ts";
import { byteLength } from "../../api/text.ts";
import type { VectorStore } from "../search/index.ts";
import { NEVER_ENDED, number, stored, type TableGroup, text, UNKNOWN_EPOCH } from "../sqlite/index.ts";

/** How many items a block has at most. The place of an item is the number of its block times this, plus its index. */
const BLOCK_ITEMS = 256;

/**
 * The item as a block stores it, as JSON: a list, because the names of fields would take as much as a short text. It
 * begins with 0 if the item was removed from every version: its text is overwritten with spaces then.
 */
type StoredItem = readonly [
  isLive: 0 | 1,
  id: string,
  kind: ItemKind,
  text: string,
  sourceSeqs: readonly Seq[],
  status: ItemStatus,
  sourceSession?: string,
  sourceEpoch?: string,
];

/** SQL for fields of `item`, a column of `LIVE_ITEMS`. */
export const ITEM = {
  id: "item ->> '$[1]'",
  sourceSeqs: "json_each(item, '$[4]')",
  sourceSession: "item ->> '$[6]'",
  sourceEpoch: "item ->> '$[7]'",
} as const;

/** An item with its place, which is never reused, and the versions that an import brought it with. */
export interface BlockItem {
  readonly place: number;
  readonly item: KeptItem;
  readonly fromVersion: number;
  /** `NEVER_ENDED`, except in an imported session. */
  readonly toVersion: string;
}

/** SQL for all items that were not removed: their places, their versions, and themselves as JSON. */
export const LIVE_ITEMS = `SELECT block, live.key AS at, block * ${BLOCK_ITEMS} + live.key AS place, from_version, to_version, live.value AS item
  FROM item_blocks, json_each(item_blocks.items) AS live WHERE live.value ->> '$[0]' = 1`;

/**
 * The items of all versions. Those that begin with the same version are one row: a block. A block is never deleted, and
 * never changes its size, so no row ever moves, and none leaves a copy behind.
 */
export class ItemBlocks {
  readonly #sql: TableGroup;
  readonly #vectors: VectorStore;

  constructor(sql: TableGroup, vectors: VectorStore) {
    this.#sql = sql;
    this.#vectors = vectors;
  }

  /** Adds items that begin with a version, and returns their places. */
  add(items: readonly KeptItem[], fromVersion: number, toVersion = NEVER_ENDED): number[] {
    const places: number[] = [];
    for (let from = 0; from < items.length; from += BLOCK_ITEMS) {
      const inBlock = items.slice(from, from + BLOCK_ITEMS);
      const block = this.#lastBlock() + 1;
      this.#sql.exec(
        "INSERT INTO item_blocks (block, from_version, to_version, items) VALUES (?, ?, ?, ?)",
        block,
        fromVersion,
        toVersion,
        JSON.stringify(inBlock.map(toStoredItem)),
      );
      places.push(...inBlock.map((_, index) => block * BLOCK_ITEMS + index));
    }
    return places;
  }

  #lastBlock(): number {
    const row = this.#sql.exec("SELECT max(block) AS block FROM item_blocks").toArray()[0];
    return row === undefined ? 0 : number(row["block"]);
  }

  /** The items at these places that were not removed, in the order of places. */
  at(places: readonly number[]): BlockItem[] {
    const blocks = new Set(places.map(blockOf));
    if (blocks.size === 0) return [];
    const wanted = new Set(places);
    return this.#sql
      .exec(
        `SELECT block, from_version, to_version, items FROM item_blocks
         WHERE block IN (SELECT value FROM json_each(?)) ORDER BY block`,
        JSON.stringify([...blocks]),
      )
      .toArray()
      .flatMap((row) => {
        const [fromVersion, toVersion] = [number(row["from_version"]), text(row["to_version"])];
        return stored<StoredItem[]>(row["items"]).flatMap((item, index): BlockItem[] => {
          const place = number(row["block"]) * BLOCK_ITEMS + index;
          if (item[0] === 0 || !wanted.has(place)) return [];
          return [{ place, item: toKept(item), fromVersion, toVersion }];
        });
      });
  }

  /** The items that were not removed and meet a condition in terms of the columns of `LIVE_ITEMS`. */
  where(condition: string, ...values: readonly SqlStorageValue[]): BlockItem[] {
    return this.#sql
      .exec(`SELECT * FROM (${LIVE_ITEMS}) WHERE ${condition} ORDER BY block, at`, ...values)
      .toArray()
      .map(toBlockItem);
  }

  /** A page of the items after a place that were not removed and meet a condition. */
  page(afterPlace: number, limit: number, condition: string, ...values: readonly SqlStorageValue[]): BlockItem[] {
    return this.#sql
      .exec(
        `SELECT * FROM (${LIVE_ITEMS}) WHERE block >= ? AND place > ? AND ${condition} ORDER BY block, at LIMIT ?`,
        blockOf(Math.max(0, afterPlace)),
        afterPlace,
        ...values,
        limit,
      )
      .toArray()
      .map(toBlockItem);
  }

  /** The places of the items that were not removed and meet a condition in terms of the columns of `LIVE_ITEMS`. */
  places(condition: string, ...values: readonly SqlStorageValue[]): number[] {
    return this.#sql
      .exec(`SELECT place FROM (${LIVE_ITEMS}) WHERE ${condition}`, ...values)
      .toArray()
      .map((row) => number(row["place"]));
  }

  /** The version with which the last item begins; 0 if there is no item. */
  lastVersion(): number {
    const row = this.#sql.exec(`SELECT from_version FROM (${LIVE_ITEMS}) ORDER BY block DESC LIMIT 1`).toArray()[0];
    return row === undefined ? 0 : number(row["from_version"]);
  }

  /** Removes items from every version, and overwrites their texts and vectors. */
  remove(places: readonly number[]): void {
    if (places.length === 0) return;
    if (this.#vectors.state() !== null) this.#vectors.forgetItems(places);
    for (const [block, indexes] of Map.groupBy(places, blockOf)) {
      const row = this.#sql.exec("SELECT items FROM item_blocks WHERE block = ?", block).toArray()[0];
      const gone = new Set(indexes.map((place) => place % BLOCK_ITEMS));
      const items = stored<StoredItem[]>(row?.["items"]);
      const left = items.map((item, index) => (gone.has(index) ? overwritten(item) : item));
      this.#sql.exec("UPDATE item_blocks SET items = ? WHERE block = ?", JSON.stringify(left), block);
    }
  }
}

function blockOf(place: number): number {
  return Math.floor(place / BLOCK_ITEMS);
}

function toStoredItem(item: KeptItem): StoredItem {
  const own = [1, item.id, item.kind, item.text, item.sourceSeqs, item.status] as const;
  return item.sourceSession === undefined ? own : [...own, item.sourceSession, item.sourceEpoch ?? UNKNOWN_EPOCH];
}

function toKept([, id, kind, said, sourceSeqs, status, sourceSession, sourceEpoch]: StoredItem): KeptItem {
  const epoch = sourceEpoch === undefined || sourceEpoch === UNKNOWN_EPOCH ? {} : { sourceEpoch };
  const source = sourceSession === undefined ? {} : { sourceSession, ...epoch };
  return { id, kind, text: said, sourceSeqs: [...sourceSeqs], ...source, status };
}

function toBlockItem(row: Record<string, SqlStorageValue>): BlockItem {
  return {
    place: number(row["place"]),
    item: toKept(stored<StoredItem>(row["item"])),
    fromVersion: number(row["from_version"]),
    toVersion: text(row["to_version"]),
  };
}

/** The item without its text, as JSON of exactly as many bytes. */
function overwritten([, id, kind, said, ...rest]: StoredItem): StoredItem {
  const quotes = 2;
  return [0, id, kind, " ".repeat(byteLength(JSON.stringify(said)) - quotes), ...rest];
}
