import type { Seq, TokenCount } from "../../api/message.ts";
import type { KeptItem } from "../../api/summary.ts";
import { type Branch, isOn } from "../../prompt/branch.ts";
import type { VectorStore } from "../search/index.ts";
import {
  overwritten,
  ended,
  type EpochRef,
  NEVER_BEGUN,
  NEVER_ENDED,
  number,
  numberOrNull,
  type SeqSet,
  type SummaryRow,
  toItemRow,
  toSummaryRow,
  UNKNOWN_EPOCH,
  type VersionedItem,
  type TableGroup,
} from "../sqlite/index.ts";

/**
 * All SQL statements for summary versions, their items, and hidden seqs (messages that the newest version no longer
 * covers). This file decides nothing.
 */

/** The SQL condition for items that cite any of these messages, and the value to bind to it. */
function citing(seqs: SeqSet): readonly [condition: string, value: SqlStorageValue] {
  const among = "throughSeq" in seqs ? "cited.value <= ?" : "cited.value IN (SELECT value FROM json_each(?))";
  const condition = `EXISTS (SELECT 1 FROM json_each(items.source_seqs) AS cited WHERE ${among})`;
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

/** SQL for the bytes of an item's content as it is stored. */
const ITEM_BYTES = "octet_length(text) + octet_length(source_seqs)";

/** The item as it was when `version` was the newest: if it ended later, it has not ended yet. */
function asOf(item: VersionedItem, version: number): VersionedItem {
  return item.toVersion !== null && item.toVersion > version ? { ...item, toVersion: null } : item;
}

const OF_EPOCH = "source_session = ? AND source_epoch = ?";

/**
 * The tables of summary versions, items and hidden seqs. An item is valid from `from_version` until before
 * `to_version`, so versions share their items.
 */
export class SummaryStore {
  readonly #sql: TableGroup;
  /**
   * Cache of the items of the version that was read last, so that a context does not read them from the table each
   * time.
   */
  #itemsRead: { readonly version: number; readonly items: readonly VersionedItem[] } | null = null;

  /** Cache of the newest version; undefined if it was not read yet. */
  #newestRead: SummaryRow | null | undefined;

  readonly #vectors: VectorStore;

  constructor(sql: TableGroup, vectors: VectorStore) {
    this.#sql = sql;
    this.#vectors = vectors;
  }

  /** Clears the caches after a rollback, since they may hold rows that were never committed. */
  forget(): void {
    this.#itemsRead = null;
    this.#newestRead = undefined;
  }

  // Versions

  insert(row: SummaryRow): void {
    this.#newestRead = undefined;
    this.#sql.exec(
      `INSERT INTO summaries (version, through_seq, tokens, summarizer, degraded, dropped_items, usage, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      row.version,
      row.throughSeq,
      row.tokens,
      row.summarizer,
      row.degraded ? 1 : 0,
      row.droppedItems,
      row.usage === null ? null : JSON.stringify(row.usage),
      row.createdAt,
    );
  }

  newest(): SummaryRow | null {
    const row = this.#sql.exec("SELECT * FROM summaries ORDER BY version DESC LIMIT 1").toArray()[0];
    return row === undefined ? null : toSummaryRow(row);
  }

  /** The same as `at`, but cached if the session has a single branch, because each context asks for it. */
  shownAt(branch: Branch): SummaryRow | null {
    if (!branch.isSole) return this.at(branch);
    const newest = this.#newestRead === undefined ? this.newest() : this.#newestRead;
    this.#newestRead = newest;
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
    this.#newestRead = undefined;
    this.#sql.exec("UPDATE summaries SET tokens = ? WHERE version = ?", tokens, version);
  }

  /** The items that are valid in `version`. */
  items(version: number): readonly VersionedItem[] {
    if (this.#itemsRead?.version === version) return this.#itemsRead.items;
    const items = this.#sql
      .exec("SELECT * FROM items WHERE row > 0 AND from_version <= ? AND to_version > ?", version, ended(version))
      .toArray()
      .map(toItemRow);
    this.#itemsRead = { version, items };
    return items;
  }

  /** The same, each with its row number. Not cached. */
  placedItems(version: number): PlacedItem[] {
    return this.#sql
      .exec("SELECT * FROM items WHERE row > 0 AND from_version <= ? AND to_version > ?", version, ended(version))
      .toArray()
      .map((row) => ({ row: number(row["row"]), item: toItemRow(row) }));
  }

  /**
   * For each version after `version`, oldest first: how many rows it added or ended (its own, and those of items), and
   * their bytes. Returns at most `limit` versions, since each may have changed all items of a summary.
   */
  sizesAfter(
    version: number,
    limit: number,
  ): { readonly version: number; readonly rows: number; readonly bytes: number }[] {
    const last = this.#sql
      .exec(
        `SELECT max(version) AS last FROM (
           SELECT version FROM summaries WHERE version > ?1
           UNION SELECT from_version FROM items WHERE row > 0 AND to_version > '${NEVER_BEGUN}' AND from_version > ?1
           ORDER BY version LIMIT ?2)`,
        version,
        limit,
      )
      .toArray()[0]?.["last"];
    if (last === null || last === undefined) return [];
    return this.#sql
      .exec(
        `SELECT version, sum(rows) AS rows, sum(bytes) AS bytes FROM (
           SELECT version, 1 AS rows, coalesce(octet_length(usage), 0) AS bytes FROM summaries WHERE version > ?1 AND version <= ?2
           UNION ALL
           SELECT from_version, 1, ${ITEM_BYTES} FROM items
           WHERE row > 0 AND to_version > '${NEVER_BEGUN}' AND from_version > ?1 AND from_version <= ?2
           UNION ALL
           SELECT CAST(to_version AS INTEGER), 1, ${ITEM_BYTES} FROM items WHERE row > 0 AND to_version > ?3 AND to_version <= ?4)
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
    return this.#sql
      .exec(
        `SELECT * FROM items WHERE row > 0 AND to_version > '${NEVER_BEGUN}' AND from_version <= ?1
           AND (from_version > ?2 OR (to_version > ?3 AND to_version <= ?4))`,
        version,
        afterVersion,
        ended(afterVersion),
        ended(version),
      )
      .toArray()
      .map(toItemRow)
      .map((item) => asOf(item, version));
  }

  /** Items that began with a version after `afterVersion` and up to `version`. */
  itemsBegunBetween(afterVersion: number, version: number): VersionedItem[] {
    return this.#sql
      .exec(
        `SELECT * FROM items WHERE row > 0 AND to_version > '${NEVER_BEGUN}' AND from_version > ? AND from_version <= ?`,
        afterVersion,
        version,
      )
      .toArray()
      .map(toItemRow);
  }

  /**
   * A page of the items that were valid in any version up to `version`, in the order in which they were inserted, each
   * with its row number and as it was when `version` was the newest.
   */
  itemPage(version: number, afterRow: number, limit: number): PlacedItem[] {
    return this.#sql
      .exec(
        `SELECT * FROM items WHERE row > max(?, 0) AND from_version <= ? AND to_version > '${NEVER_BEGUN}' ORDER BY row LIMIT ?`,
        afterRow,
        version,
        limit,
      )
      .toArray()
      .map((row) => ({ row: number(row["row"]), item: asOf(toItemRow(row), version) }));
  }

  /** How many versions there are up to `version`, and how many items were valid in any of them. */
  countThrough(version: number): { readonly summaries: number; readonly items: number } {
    const row = this.#sql
      .exec(
        `SELECT (SELECT count(*) FROM summaries WHERE version <= ?) AS summaries,
           (SELECT count(*) FROM items WHERE row > 0 AND from_version <= ? AND to_version > '${NEVER_BEGUN}') AS items`,
        version,
        version,
      )
      .toArray()[0];
    return { summaries: number(row?.["summaries"] ?? 0), items: number(row?.["items"] ?? 0) };
  }

  /** The version with which the most recently inserted item began; 0 if there is no item. */
  lastBegunVersion(): number {
    const row = this.#sql
      .exec(`SELECT from_version FROM items WHERE row > 0 AND to_version > '${NEVER_BEGUN}' ORDER BY row DESC LIMIT 1`)
      .toArray()[0];
    return row === undefined ? 0 : number(row["from_version"]);
  }

  /** Inserts an item that is valid from `fromVersion` on. */
  insertItem(item: KeptItem, fromVersion: number): void {
    this.#itemsRead = null;
    this.#sql.exec(
      `INSERT INTO items (item_id, from_version, kind, text, source_seqs, source_session, source_epoch, status)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      item.id,
      fromVersion,
      item.kind,
      item.text,
      JSON.stringify(item.sourceSeqs),
      item.sourceSession ?? null,
      item.sourceSession === undefined ? null : (item.sourceEpoch ?? UNKNOWN_EPOCH),
      item.status,
    );
  }

  /**
   * Ends an item: it is not valid in `toVersion` and later. One that was deleted from every version stays deleted, even
   * though a rebuilt version may use its id again.
   */
  endItem(id: string, fromVersion: number, toVersion: number): void {
    this.#itemsRead = null;
    this.#sql.exec(
      `UPDATE items SET to_version = ? WHERE item_id = ? AND from_version = ? AND to_version > '${NEVER_BEGUN}'`,
      ended(toVersion),
      id,
      fromVersion,
    );
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
    return this.#deleteItems(`source_session IS NULL AND ${cites}`, value);
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
    return this.#deleteItems("source_session IS NOT NULL");
  }

  /**
   * A page of the carried items of all versions, from whichever session, each with its row number.
   * @param afterRow the last row number of the page before; 0 for the first page
   */
  carriedItems(afterRow: number): PlacedItem[] {
    return this.#sql
      .exec(
        `SELECT * FROM items WHERE row > max(?, 0) AND to_version <> '${NEVER_BEGUN}' AND source_session IS NOT NULL
         ORDER BY row LIMIT ${CARRIED_PAGE_ROWS}`,
        afterRow,
      )
      .toArray()
      .map((row) => ({ row: number(row["row"]), item: toItemRow(row) }));
  }

  /** Deletes the items with these ids from every version. */
  deleteItems(ids: readonly string[]): void {
    this.#retireItems("row > 0 AND item_id IN (SELECT value FROM json_each(?))", JSON.stringify(ids));
  }

  #deleteItems(condition: string, ...values: readonly SqlStorageValue[]): VersionedItem[] {
    const current = this.#sql
      .exec(`SELECT * FROM items WHERE row > 0 AND to_version = '${NEVER_ENDED}' AND ${condition}`, ...values)
      .toArray()
      .map(toItemRow);
    this.#retireItems(`row > 0 AND ${condition}`, ...values);
    return current;
  }

  /**
   * Overwrites the text of items and removes them from every version. Their rows stay, because deleting rows lets
   * SQLite merge pages, which leaves copies of other rows behind.
   */
  #retireItems(condition: string, ...values: readonly SqlStorageValue[]): void {
    this.#itemsRead = null;
    if (this.#vectors.state() !== null) {
      const rows = this.#sql.exec(`SELECT row FROM items WHERE ${condition}`, ...values).toArray();
      this.#vectors.forgetItems(rows.map(({ row }) => number(row)));
    }
    this.#sql.exec(
      `UPDATE items SET text = ${overwritten("text")}, to_version = '${NEVER_BEGUN}' WHERE ${condition}`,
      ...values,
    );
  }

  /** Deletes the versions after `base`, so that `base` is the newest again, with the items that it had. */
  deleteVersionsAfter(base: number): void {
    this.#newestRead = undefined;
    this.#sql.exec("DELETE FROM summaries WHERE version > ?", base);
    this.#retireItems("row > 0 AND from_version > ?", base);
    this.#sql.exec("UPDATE items SET to_version = ? WHERE to_version > ?", NEVER_ENDED, ended(base));
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
