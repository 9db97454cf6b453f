import type { Seq, TokenCount } from "../../api/message.ts";
import type { KeptItem } from "../../api/summary.ts";
import { type Branch, isOn } from "../../prompt/branch.ts";
import type { VectorStore } from "../search/index.ts";
import {
  ended,
  type EpochRef,
  NEVER_ENDED,
  number,
  numberOrNull,
  type SeqSet,
  stored,
  type SummaryRow,
  textOrNull,
  toSummaryRow,
  type VersionedItem,
  type TableGroup,
} from "../sqlite/index.ts";
import { type BlockItem, ITEM, ItemBlocks, LIVE_ITEMS } from "./item-blocks.ts";

/**
 * All SQL statements for summary versions, their items, and hidden seqs (messages that the newest version no longer
 * covers). This file decides nothing.
 */

/** The SQL condition for items that cite any of these messages, and the value to bind to it. */
function citing(seqs: SeqSet): readonly [condition: string, value: SqlStorageValue] {
  const among = "throughSeq" in seqs ? "cited.value <= ?" : "cited.value IN (SELECT value FROM json_each(?))";
  const condition = `EXISTS (SELECT 1 FROM ${ITEM.sourceSeqs} AS cited WHERE ${among})`;
  return [condition, "throughSeq" in seqs ? seqs.throughSeq : JSON.stringify(seqs)];
}

/** A range of consecutive seqs that the summary no longer covers. */
export interface HiddenRange {
  readonly fromSeq: Seq;
  readonly throughSeq: Seq;
}

/** An item with its row number, which is never reused. */
export interface PlacedItem {
  readonly row: number;
  readonly item: VersionedItem;
}

/** How many carried items one page has. Each takes a few KiB at most. */
const CARRIED_PAGE_ROWS = 500;

/** The items of a new version, of which those that the version before had are not stored again. */
export interface VersionItems {
  /** The places of items that it has in common with the version before. */
  readonly kept: readonly number[];
  /** The places of those that the version before had, and that end with this one. */
  readonly ended: readonly number[];
  readonly added: readonly KeptItem[];
}

interface ItemsRead {
  readonly version: number;
  readonly items: readonly VersionedItem[];
  /** Of each item. */
  readonly places: readonly number[];
}

const NO_ENDS: ReadonlyMap<number, number> = new Map();

/** @param ends with which versions items ended, by place */
function versioned(
  { place, item, fromVersion, toVersion }: BlockItem,
  ends: ReadonlyMap<number, number>,
): VersionedItem {
  return { ...item, fromVersion, toVersion: ends.get(place) ?? (toVersion === NEVER_ENDED ? null : Number(toVersion)) };
}

/** The item as it was when `version` was the newest: if it ended later, it has not ended yet. */
function asOf(item: VersionedItem, version: number): VersionedItem {
  return item.toVersion !== null && item.toVersion > version ? { ...item, toVersion: null } : item;
}

const OWN = `${ITEM.sourceSession} IS NULL`;
const CARRIED = `${ITEM.sourceSession} IS NOT NULL`;
const OF_EPOCH = `${ITEM.sourceSession} = ? AND ${ITEM.sourceEpoch} = ?`;

/** About how many bytes the archive is sent for an item that ended. */
const ENDED_ITEM_BYTES = 64;

/**
 * The tables of summary versions, items and hidden seqs. A version names the places of its items, and of those that
 * ended with it, so versions share their items, and an item that ends is not written again. Imported versions name
 * none: a file has its items with the versions with which they began and ended.
 */
export class SummaryStore {
  readonly #sql: TableGroup;
  /**
   * Cache of the items of the version that was read last, so that a context does not read them from the table each
   * time.
   */
  #itemsRead: ItemsRead | null = null;

  /** Cache of the newest version; undefined if it was not read yet. */
  #newestRead: SummaryRow | null | undefined;
  /** Its `item_places`. */
  #newestPlaces: string | null = null;
  /** The newest version, as cached within a call, which asks for it several times. */
  #newestInCall: SummaryRow | null | undefined;

  readonly #blocks: ItemBlocks;

  constructor(sql: TableGroup, vectors: VectorStore) {
    this.#sql = sql;
    this.#blocks = new ItemBlocks(sql, vectors);
  }

  /** Clears the caches after a rollback, since they may hold rows that were never committed. */
  forget(): void {
    this.#itemsRead = null;
    this.#forgetNewest();
  }

  #forgetNewest(): void {
    this.#newestRead = undefined;
    this.beginCall();
  }

  beginCall(): void {
    this.#newestInCall = undefined;
  }

  // Versions

  insert(row: SummaryRow, { kept, ended: endedPlaces, added }: VersionItems): void {
    const places = [...kept, ...this.#blocks.add(added, row.version)];
    this.#insert(row, JSON.stringify(places), JSON.stringify(endedPlaces));
  }

  /** Inserts a version from a file. Its items follow one by one: see `insertItem`. */
  insertImported(row: SummaryRow): void {
    this.#insert(row, null, "[]");
  }

  #insert(row: SummaryRow, itemPlaces: string | null, endedPlaces: string): void {
    this.forget();
    this.#sql.exec(
      `INSERT INTO summaries (version, through_seq, tokens, summarizer, degraded, dropped_items, usage, created_at,
         item_places, ended_places) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.version,
      row.throughSeq,
      row.tokens,
      row.summarizer,
      row.degraded ? 1 : 0,
      row.droppedItems,
      row.usage === null ? null : JSON.stringify(row.usage),
      row.createdAt,
      itemPlaces,
      endedPlaces,
    );
  }

  /** Stores which items an imported version has, so that they are found at once. */
  noteItems(version: number): void {
    const places = this.placedItems(version).map(({ row }) => row);
    this.#forgetNewest();
    this.#sql.exec("UPDATE summaries SET item_places = ? WHERE version = ?", JSON.stringify(places), version);
  }

  newest(): SummaryRow | null {
    if (this.#newestInCall === undefined) this.#newestInCall = this.#readNewest();
    return this.#newestInCall;
  }

  #readNewest(): SummaryRow | null {
    const row = this.#sql.exec("SELECT * FROM summaries ORDER BY version DESC LIMIT 1").toArray()[0];
    const newest = row === undefined ? null : toSummaryRow(row);
    this.#newestRead = newest;
    this.#newestPlaces = textOrNull(row?.["item_places"] ?? null);
    return newest;
  }

  /** The same as `at`, but cached if the session has a single branch, because each context asks for it. */
  shownAt(branch: Branch): SummaryRow | null {
    if (!branch.isSole) return this.at(branch);
    const newest = this.#newestRead === undefined ? this.newest() : this.#newestRead;
    return newest === null || newest.throughSeq <= branch.headSeq ? newest : this.at(branch);
  }

  /**
   * The version up to `maxVersion` that covers the most of a branch and nothing outside of it; of several, the latest.
   * A version covers the messages that lead to its `throughSeq`, so it lies on the branch if that message does.
   * @param which `good`: only versions that are not degraded
   */
  at(branch: Branch, maxVersion: number = Number.MAX_SAFE_INTEGER, which: "any" | "good" = "any"): SummaryRow | null {
    if (branch.isSole && which === "any") return this.#newestThrough(branch.headSeq, maxVersion);
    const rows = this.#sql
      .exec(
        `SELECT version, through_seq FROM summaries WHERE through_seq <= ? AND version <= ? AND degraded <= ?
         ORDER BY through_seq DESC, version DESC`,
        branch.headSeq,
        maxVersion,
        which === "good" ? 0 : 1,
      )
      .toArray();
    const row = rows.find(({ through_seq: throughSeq }) => isOn(branch, number(throughSeq)));
    return row === undefined ? null : this.byVersion(number(row["version"]));
  }

  /** `at` for a session with a single branch, where a later version never covers less than an earlier one. */
  #newestThrough(seq: Seq, maxVersion: number): SummaryRow | null {
    const row = this.#sql
      .exec(
        "SELECT * FROM summaries WHERE through_seq <= ? AND version <= ? ORDER BY version DESC LIMIT 1",
        seq,
        maxVersion,
      )
      .toArray()[0];
    return row === undefined ? null : toSummaryRow(row);
  }

  /** The last message that any version covers, on whichever branch; 0 if there is no version. */
  coveredSeq(): Seq {
    const row = this.#sql.exec("SELECT max(through_seq) AS seq FROM summaries").toArray()[0];
    return numberOrNull(row?.["seq"]) ?? 0;
  }

  /** The distinct `throughSeq` of all versions, on all branches. */
  lastSeqs(): Seq[] {
    const rows = this.#sql.exec("SELECT DISTINCT through_seq FROM summaries").toArray();
    return rows.map((row) => number(row["through_seq"]));
  }

  byVersion(version: number): SummaryRow | null {
    const row = this.#sql.exec("SELECT * FROM summaries WHERE version = ?", version).toArray()[0];
    return row === undefined ? null : toSummaryRow(row);
  }

  /** The highest version up to `version` that is not degraded; 0 if there is none. */
  lastGoodVersion(version: number): number {
    const row = this.#sql
      .exec("SELECT max(version) AS version FROM summaries WHERE version <= ? AND degraded = 0", version)
      .toArray()[0];
    return numberOrNull(row?.["version"]) ?? 0;
  }

  /** Versions below `beforeVersion`, newest first, at most `limit`. */
  backward(beforeVersion: number, limit: number): SummaryRow[] {
    return this.#sql
      .exec("SELECT * FROM summaries WHERE version < ? ORDER BY version DESC LIMIT ?", beforeVersion, limit)
      .toArray()
      .map(toSummaryRow);
  }

  /** Versions after `afterVersion` and up to `version`, oldest first, at most `limit`. */
  between(afterVersion: number, version: number, limit: number): SummaryRow[] {
    return this.#sql
      .exec(
        "SELECT * FROM summaries WHERE version > ? AND version <= ? ORDER BY version LIMIT ?",
        afterVersion,
        version,
        limit,
      )
      .toArray()
      .map(toSummaryRow);
  }

  setTokens(version: number, tokens: TokenCount): void {
    this.#forgetNewest();
    this.#sql.exec("UPDATE summaries SET tokens = ? WHERE version = ?", tokens, version);
  }

  /** The items that are valid in `version`. */
  items(version: number): readonly VersionedItem[] {
    return this.#read(version).items;
  }

  /** The same, each with its row number. */
  placedItems(version: number): PlacedItem[] {
    const { items, places } = this.#read(version);
    return items.map((item, at) => ({ row: places[at] ?? 0, item }));
  }

  #read(version: number): ItemsRead {
    if (this.#itemsRead?.version === version) return this.#itemsRead;
    const isNewest = this.#newestRead?.version === version;
    const named = isNewest ? this.#newestPlaces : this.#readPlaces(version);
    const found =
      named === null
        ? this.#blocks.where(
            `from_version <= ? AND to_version > ? AND place NOT IN (
               SELECT places.value FROM summaries, json_each(summaries.ended_places) AS places WHERE version <= ?)`,
            version,
            ended(version),
            version,
          )
        : this.#blocks.at(stored<number[]>(named));
    const ends = isNewest ? NO_ENDS : this.#endsBetween(version, Number.MAX_SAFE_INTEGER);
    this.#itemsRead = {
      version,
      items: found.map((each) => versioned(each, ends)),
      places: found.map(({ place }) => place),
    };
    return this.#itemsRead;
  }

  #readPlaces(version: number): string | null {
    const row = this.#sql.exec("SELECT item_places FROM summaries WHERE version = ?", version).toArray()[0];
    return textOrNull(row?.["item_places"] ?? null);
  }

  /** With which of the versions after `afterVersion` and up to `version` items ended, by their places. */
  #endsBetween(afterVersion: number, version: number): ReadonlyMap<number, number> {
    const rows = this.#sql
      .exec(
        `SELECT places.value AS place, version FROM summaries, json_each(summaries.ended_places) AS places
         WHERE version > ? AND version <= ?`,
        afterVersion,
        version,
      )
      .toArray();
    return new Map(rows.map((row) => [number(row["place"]), number(row["version"])]));
  }

  /**
   * For each version after `version`, oldest first: how many rows of the archive it added or ended (its own, and those
   * of items), and their bytes. Returns at most `limit` versions, since each may have changed all items of a summary.
   */
  sizesAfter(
    version: number,
    limit: number,
  ): { readonly version: number; readonly rows: number; readonly bytes: number }[] {
    const last = this.#sql
      .exec(
        `SELECT max(version) AS last FROM (
           SELECT version FROM summaries WHERE version > ?1
           UNION SELECT from_version FROM (${LIVE_ITEMS}) WHERE from_version > ?1
           ORDER BY version LIMIT ?2)`,
        version,
        limit,
      )
      .toArray()[0]?.["last"];
    if (last === null || last === undefined) return [];
    return this.#sql
      .exec(
        `SELECT version, sum(rows) AS rows, sum(bytes) AS bytes FROM (
           SELECT version, 1 + json_array_length(ended_places) AS rows,
             coalesce(octet_length(usage), 0) + ${ENDED_ITEM_BYTES} * json_array_length(ended_places) AS bytes
           FROM summaries WHERE version > ?1 AND version <= ?2
           UNION ALL
           SELECT from_version, 1, octet_length(item) FROM (${LIVE_ITEMS}) WHERE from_version > ?1 AND from_version <= ?2
           UNION ALL
           SELECT CAST(to_version AS INTEGER), 1, ${ENDED_ITEM_BYTES} FROM (${LIVE_ITEMS})
           WHERE to_version > ?3 AND to_version <= ?4)
         GROUP BY version ORDER BY version`,
        version,
        number(last),
        ended(version),
        ended(number(last)),
      )
      .toArray()
      .map((row) => ({ version: number(row["version"]), rows: number(row["rows"]), bytes: number(row["bytes"]) }));
  }

  /**
   * Items that began or ended with a version after `afterVersion` and up to `version`, as they were when `version` was
   * the newest.
   */
  itemsChangedBetween(afterVersion: number, version: number): VersionedItem[] {
    const ends = this.#endsBetween(afterVersion, version);
    const begunOrBrought = this.#blocks.where(
      "from_version <= ? AND (from_version > ? OR (to_version > ? AND to_version <= ?))",
      version,
      afterVersion,
      ended(afterVersion),
      ended(version),
    );
    const found = new Set(begunOrBrought.map(({ place }) => place));
    const endedBefore = this.#blocks.at([...ends.keys()].filter((place) => !found.has(place)));
    return [...begunOrBrought, ...endedBefore]
      .toSorted((a, b) => a.place - b.place)
      .map((each) => asOf(versioned(each, ends), version));
  }

  /** Items that began with a version after `afterVersion` and up to `version`. */
  itemsBegunBetween(afterVersion: number, version: number): VersionedItem[] {
    const ends = this.#endsBetween(afterVersion, Number.MAX_SAFE_INTEGER);
    return this.#blocks
      .where("from_version > ? AND from_version <= ?", afterVersion, version)
      .map((each) => versioned(each, ends));
  }

  /**
   * A page of the items that were valid in any version up to `version`, in the order in which they were inserted, each
   * with its row number and as it was when `version` was the newest.
   */
  itemPage(version: number, afterRow: number, limit: number): PlacedItem[] {
    const ends = this.#endsBetween(0, version);
    return this.#blocks
      .page(afterRow, limit, "from_version <= ?", version)
      .map((each) => ({ row: each.place, item: asOf(versioned(each, ends), version) }));
  }

  /** How many versions there are up to `version`, and how many items were valid in any of them. */
  countThrough(version: number): { readonly summaries: number; readonly items: number } {
    const row = this.#sql
      .exec(
        `SELECT (SELECT count(*) FROM summaries WHERE version <= ?) AS summaries,
           (SELECT count(*) FROM (${LIVE_ITEMS}) WHERE from_version <= ?) AS items`,
        version,
        version,
      )
      .toArray()[0];
    return { summaries: number(row?.["summaries"] ?? 0), items: number(row?.["items"] ?? 0) };
  }

  /** The version with which the most recently inserted item began; 0 if there is no item. */
  lastBegunVersion(): number {
    return this.#blocks.lastVersion();
  }

  /**
   * Inserts an item from a file, which is valid from `fromVersion` until before `toVersion`; to the newest version if
   * that is null.
   */
  insertItem(item: KeptItem, fromVersion: number, toVersion: number | null): void {
    this.#itemsRead = null;
    this.#blocks.add([item], fromVersion, toVersion === null ? NEVER_ENDED : ended(toVersion));
  }

  /**
   * The highest version before all those that cover the message `seq` or a later one, on whichever branch; 0 if there
   * is none. A rebuild after a change of `seq` continues from it.
   */
  versionBefore(seq: Seq): number {
    const row = this.#sql
      .exec(
        `SELECT max(version) AS version FROM summaries
         WHERE version < coalesce((SELECT min(version) FROM summaries WHERE through_seq >= ?1), ?2)`,
        seq,
        Number.MAX_SAFE_INTEGER,
      )
      .toArray()[0];
    return numberOrNull(row?.["version"]) ?? 0;
  }

  /**
   * Deletes the items that cite one of these messages of this session, from every version.
   * @returns those that were valid in the newest version
   */
  deleteItemsCiting(seqs: SeqSet): VersionedItem[] {
    const [cites, value] = citing(seqs);
    return this.#deleteItems(`${OWN} AND ${cites}`, value);
  }

  /**
   * Deletes the items that were carried over from this epoch of a session and cite one of these messages there; all of
   * them if `seqs` is null.
   * @returns those that were valid in the newest version
   */
  deleteCarriedItems({ session, epoch }: EpochRef, seqs: SeqSet | null): VersionedItem[] {
    if (seqs === null) return this.#deleteItems(OF_EPOCH, session, epoch);
    const [cites, value] = citing(seqs);
    return this.#deleteItems(`${OF_EPOCH} AND ${cites}`, session, epoch, value);
  }

  /**
   * Deletes all items that were carried over, from whichever session.
   * @returns those that were valid in the newest version
   */
  deleteAllCarriedItems(): VersionedItem[] {
    return this.#deleteItems(CARRIED);
  }

  /**
   * A page of the carried items of all versions, from whichever session, each with its row number.
   * @param afterRow the last row number of the page before; 0 for the first page
   */
  carriedItems(afterRow: number): PlacedItem[] {
    return this.#blocks
      .page(afterRow, CARRIED_PAGE_ROWS, CARRIED)
      .map((each) => ({ row: each.place, item: versioned(each, NO_ENDS) }));
  }

  /** Deletes the items with these ids from every version. */
  deleteItems(ids: readonly string[]): void {
    this.#deleteItems(`${ITEM.id} IN (SELECT value FROM json_each(?))`, JSON.stringify(ids));
  }

  /** Returns those that were valid in the newest version. */
  #deleteItems(condition: string, ...values: readonly SqlStorageValue[]): VersionedItem[] {
    const places = new Set(this.#blocks.places(condition, ...values));
    const newest = places.size === 0 ? null : this.newest();
    const current = newest === null ? [] : this.placedItems(newest.version);
    this.#itemsRead = null;
    this.#blocks.remove([...places]);
    return current.filter(({ row }) => places.has(row)).map(({ item }) => item);
  }

  /** Deletes the versions after `base`, so that `base` is the newest again, with the items that it had. */
  deleteVersionsAfter(base: number): void {
    this.forget();
    this.#sql.exec("DELETE FROM summaries WHERE version > ?", base);
    this.#blocks.remove(this.#blocks.places("from_version > ?", base));
    this.#sql.exec("UPDATE item_blocks SET to_version = ? WHERE to_version > ?", NEVER_ENDED, ended(base));
  }

  // Hidden seqs: messages that the newest version no longer covers

  hide(seqs: Iterable<Seq>): void {
    this.#sql.exec("INSERT OR IGNORE INTO hidden (seq) SELECT value FROM json_each(?)", JSON.stringify([...seqs]));
  }

  /**
   * The hidden seqs up to `throughSeq` as ranges, oldest first. If there are more than `limit` ranges, the last one
   * extends to the last hidden seq: a reader may then take a message for hidden that is not, but never one for covered
   * that is not.
   */
  hiddenRanges(throughSeq: Seq, limit: number): HiddenRange[] {
    const ranges = this.#sql
      .exec(
        `SELECT min(seq) AS from_seq, max(seq) AS through_seq FROM (
           SELECT seq, seq - row_number() OVER (ORDER BY seq) AS island FROM hidden WHERE seq <= ?)
         GROUP BY island ORDER BY from_seq LIMIT ?`,
        throughSeq,
        limit,
      )
      .toArray()
      .map((row) => ({ fromSeq: number(row["from_seq"]), throughSeq: number(row["through_seq"]) }));
    const last = ranges.at(-1);
    if (last === undefined || ranges.length < limit) return ranges;
    const end = this.#sql.exec("SELECT max(seq) AS seq FROM hidden WHERE seq <= ?", throughSeq).one()["seq"];
    return [...ranges.slice(0, -1), { ...last, throughSeq: number(end) }];
  }

  isAnyHidden(): boolean {
    return this.#sql.exec("SELECT 1 FROM hidden LIMIT 1").toArray().length > 0;
  }

  /** Marks these seqs as covered again: an item cites them after all. */
  reveal(seqs: Iterable<Seq>): void {
    this.#sql.exec("DELETE FROM hidden WHERE seq IN (SELECT value FROM json_each(?))", JSON.stringify([...seqs]));
  }

  clearHidden(): void {
    this.#sql.exec("DELETE FROM hidden");
  }

  /** Deletes every version and every item. */
  clear(): void {
    this.forget();
    this.#sql.drop();
  }
}
