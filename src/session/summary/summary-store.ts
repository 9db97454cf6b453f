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
  renewTable,
  type SeqSet,
  type SummaryRow,
  toItemRow,
  toSummaryRow,
  UNKNOWN_EPOCH,
  type VersionedItem,
} from "../sqlite/index.ts";

/** Every SQL statement about the versions of the summary, their items, and the seqs that they cover no more. No decision is taken here. */

/** SQL for the items that cite any of some messages, and what it is bound to. */
function citing(seqs: SeqSet): readonly [condition: string, value: SqlStorageValue] {
  const among = "throughSeq" in seqs ? "cited.value <= ?" : "cited.value IN (SELECT value FROM json_each(?))";
  const condition = `EXISTS (SELECT 1 FROM json_each(items.source_seqs) AS cited WHERE ${among})`;
  return [condition, "throughSeq" in seqs ? seqs.throughSeq : JSON.stringify(seqs)];
}

/** Filling of the page that the first split would leave behind. */
const FILLING = `INSERT INTO items (row, item_id, from_version, kind, text, source_seqs, status)
  SELECT value, '', 9999999999, '', printf('%2000s', ''), '[]', '' FROM json_each('[-2,-1,0]')`;

/** Seqs, one after the other, that the summary covers no more. */
export interface HiddenRange {
  readonly fromSeq: Seq;
  readonly throughSeq: Seq;
}

/** An item and its place in the table, which no other item ever gets. */
export interface PlacedItem {
  readonly row: number;
  readonly item: VersionedItem;
}

/** Items of a page of what was carried over: each is a few KiB at most. */
const CARRIED_PAGE_ROWS = 500;

/** What an item holds, as it is stored. */
const ITEM_BYTES = "octet_length(text) + octet_length(source_seqs)";

/** An item as it was when a version was the newest: what ended later had not ended. */
function asOf(item: VersionedItem, version: number): VersionedItem {
  return item.toVersion !== null && item.toVersion > version ? { ...item, toVersion: null } : item;
}

const OF_EPOCH = "source_session = ? AND source_epoch = ?";

export class SummaryStore {
  readonly #sql: SqlStorage;
  /** The items of the version that was read last: a long history of items is not read again with each context. */
  #itemsRead: { readonly version: number; readonly items: readonly VersionedItem[] } | null = null;

  /** The newest version, as it was read; undefined until it is. */
  #newestRead: SummaryRow | null | undefined;

  readonly #vectors: VectorStore;

  constructor(sql: SqlStorage, vectors: VectorStore) {
    this.#sql = sql;
    this.#vectors = vectors;
  }

  /** Forgets what was read: a transaction was rolled back, and with it perhaps what a read has seen. */
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

  /** The same as `at`, for contexts, which ask each time: where there is no other branch the newest version is remembered. */
  shownAt(branch: Branch): SummaryRow | null {
    if (!branch.isSole) return this.at(branch);
    const newest = this.#newestRead === undefined ? this.newest() : this.#newestRead;
    this.#newestRead = newest;
    return newest === null || newest.throughSeq <= branch.headSeq ? newest : this.at(branch);
  }

  /**
   * The version, up to `maxVersion`, that covers the most of a branch, the highest of several, and nothing that is not on it: what leads to
   * the last message that a version covers is what it covers.
   * @param which good: those alone that were made with what was asked for
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

  /** Where there is no other branch later versions cover no less. */
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

  /** The last message that any version covers, on whichever branch; 0 if there is none. */
  coveredSeq(): Seq {
    const row = this.#sql.exec("SELECT max(through_seq) AS seq FROM summaries").toArray()[0];
    return numberOrNull(row?.["seq"]) ?? 0;
  }

  /** The last messages that versions cover, of whichever branch, each once. */
  lastSeqs(): Seq[] {
    const rows = this.#sql.exec("SELECT DISTINCT through_seq FROM summaries").toArray();
    return rows.map((row) => number(row["through_seq"]));
  }

  byVersion(version: number): SummaryRow | null {
    const row = this.#sql.exec("SELECT * FROM summaries WHERE version = ?", version).toArray()[0];
    return row === undefined ? null : toSummaryRow(row);
  }

  /** The highest version up to one that was made with what was asked for; 0 if there is none. */
  lastGoodVersion(version: number): number {
    const row = this.#sql
      .exec("SELECT max(version) AS version FROM summaries WHERE version <= ? AND degraded = 0", version)
      .toArray()[0];
    return numberOrNull(row?.["version"]) ?? 0;
  }

  /** Newest first, versions below `beforeVersion`. */
  backward(beforeVersion: number, limit: number): SummaryRow[] {
    return this.#sql
      .exec("SELECT * FROM summaries WHERE version < ? ORDER BY version DESC LIMIT ?", beforeVersion, limit)
      .toArray()
      .map(toSummaryRow);
  }

  /** Oldest first, versions above one and up to another. */
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

  /** The items of one version. */
  items(version: number): readonly VersionedItem[] {
    if (this.#itemsRead?.version === version) return this.#itemsRead.items;
    const items = this.#sql
      .exec("SELECT * FROM items WHERE row > 0 AND from_version <= ? AND to_version > ?", version, ended(version))
      .toArray()
      .map(toItemRow);
    this.#itemsRead = { version, items };
    return items;
  }

  /** The same, each with its place. */
  placedItems(version: number): PlacedItem[] {
    return this.#sql
      .exec("SELECT * FROM items WHERE row > 0 AND from_version <= ? AND to_version > ?", version, ended(version))
      .toArray()
      .map((row) => ({ row: number(row["row"]), item: toItemRow(row) }));
  }

  /**
   * How much came with each version after one, and how much ended with it, oldest first: its own row and those of items. Of so many
   * versions at most, since each of them may have changed all of a summary's items.
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
      .one()["last"];
    if (last === null) return [];
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

  /** Items that began or ended with a version after one and up to another; what ended later has not ended yet. */
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

  /** Items that began with a version after one and up to another. */
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
   * Items that hold in a version up to one, in the order in which they came, each with its place in it; one that ended later has not ended
   * yet.
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

  /** How many versions there are up to one, and items that hold in any of them. */
  countThrough(version: number): { readonly summaries: number; readonly items: number } {
    const row = this.#sql
      .exec(
        `SELECT (SELECT count(*) FROM summaries WHERE version <= ?) AS summaries,
           (SELECT count(*) FROM items WHERE row > 0 AND from_version <= ? AND to_version > '${NEVER_BEGUN}') AS items`,
        version,
        version,
      )
      .one();
    return { summaries: number(row["summaries"]), items: number(row["items"]) };
  }

  /** The version in which the item began that came last; 0 if there is none. */
  lastBegunVersion(): number {
    const row = this.#sql
      .exec(`SELECT from_version FROM items WHERE row > 0 AND to_version > '${NEVER_BEGUN}' ORDER BY row DESC LIMIT 1`)
      .toArray()[0];
    return row === undefined ? 0 : number(row["from_version"]);
  }

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

  /** One that was taken out of every version stays out: a version that is made anew may use its id again. */
  endItem(id: string, fromVersion: number, toVersion: number): void {
    this.#itemsRead = null;
    this.#sql.exec(
      `UPDATE items SET to_version = ? WHERE item_id = ? AND from_version = ? AND to_version > '${NEVER_BEGUN}'`,
      ended(toVersion),
      id,
      fromVersion,
    );
  }

  /** The highest version that came before all that cover any of the messages from `seq` on, on whichever branch; 0 if there is none. */
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

  /** Deletes every item of every version that cites one of these messages of this session, and returns those that were current. */
  deleteItemsCiting(seqs: SeqSet): VersionedItem[] {
    const [cites, value] = citing(seqs);
    return this.#deleteItems(`source_session IS NULL AND ${cites}`, value);
  }

  /** Deletes every item that was carried over from an epoch of a session and cites one of these messages there; all of them if null. */
  deleteCarriedItems({ session, epoch }: EpochRef, seqs: SeqSet | null): VersionedItem[] {
    if (seqs === null) return this.#deleteItems(OF_EPOCH, session, epoch);
    const [cites, value] = citing(seqs);
    return this.#deleteItems(`${OF_EPOCH} AND ${cites}`, session, epoch, value);
  }

  /** Items of any version that were carried over, whichever session they came from: a page of them, each with its place. */
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

  /** Deletes items from every version. */
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

  /** Blanks items and takes them out of every version. Their rows stay: pages that empty are merged, and leave copies behind. */
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

  /** Deletes the versions after `base`, so that what holds at `base` holds again. */
  deleteVersionsAfter(base: number): void {
    this.#newestRead = undefined;
    this.#sql.exec("DELETE FROM summaries WHERE version > ?", base);
    this.#retireItems("row > 0 AND from_version > ?", base);
    this.#sql.exec("UPDATE items SET to_version = ? WHERE to_version > ?", NEVER_ENDED, ended(base));
  }

  // Seqs that the summary covers no more

  hide(seqs: Iterable<Seq>): void {
    this.#sql.exec("INSERT OR IGNORE INTO hidden (seq) SELECT value FROM json_each(?)", JSON.stringify([...seqs]));
  }

  /**
   * The seqs up to one that are hidden, as ranges, oldest first. Of more than `limit` the last one goes on to the end of them all: a
   * reader takes more for hidden than is, and nothing for covered that is not.
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

  /** Of some seqs something is told after all. */
  reveal(seqs: Iterable<Seq>): void {
    this.#sql.exec("DELETE FROM hidden WHERE seq IN (SELECT value FROM json_each(?))", JSON.stringify([...seqs]));
  }

  clearHidden(): void {
    this.#sql.exec("DELETE FROM hidden");
  }

  /** Takes out every version and every item. */
  clear(): void {
    this.forget();
    renewTable(this.#sql, "items", FILLING);
    this.#sql.exec("DELETE FROM summaries");
    this.clearHidden();
  }
}
