import type { SummaryRow, VersionedItem } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";

// Decides which versions of the summary the archive receives. A session has more of them the longer it is used, so they
// are sent in pages, the oldest first. The archive keeps the items of the last version only, so a page carries the items
// that began with it and still hold at its end, and names those that ended. What belongs to a revision is fixed when the
// revision is made, as with messages.

/**
 * Limit on the bytes in one delivery: a consumer holds those of several sessions at once. A single version may be
 * larger, and is then a page of its own. Its size is limited by the tokens of a summary and by how much an item may
 * cite.
 */
const MAX_PAGE_BYTES = 256 * 1024;
const MAX_PAGE_ROWS = 1_000;

/** The end of a page of versions. */
export interface PageEnd {
  /** The last version of the page; if there is none, the version after which the page begins. */
  readonly throughVersion: number;
  readonly isLast: boolean;
}

/** Finds the end of the page that begins after a version. */
export function pageEnd(unit: Unit, afterVersion: number): PageEnd {
  let throughVersion = afterVersion;
  let rows = 0;
  let bytes = 0;
  const sizes = unit.store.summaries.sizesAfter(afterVersion, MAX_PAGE_ROWS);
  for (const size of sizes) {
    rows += size.rows;
    bytes += size.bytes;
    if (throughVersion > afterVersion && (rows > MAX_PAGE_ROWS || bytes > MAX_PAGE_BYTES)) {
      return { throughVersion, isLast: false };
    }
    throughVersion = size.version;
  }
  return { throughVersion, isLast: sizes.length < MAX_PAGE_ROWS };
}

/**
 * The last version that is to be sent with the next revision.
 * @param isReplaced whether everything is sent again, from the first version on
 */
export function planVersions(unit: Unit, isReplaced: boolean): number {
  const { archivedVersion } = unit.session;
  return pageEnd(unit, isReplaced ? 0 : archivedVersion).throughVersion;
}

/** A page of the summary's history. */
export interface SummaryDelta {
  readonly summaries: SummaryRow[];
  /** The items that began with these versions and hold in the last of them. */
  readonly items: VersionedItem[];
  /** The items that the archive may hold, and that ended with one of these versions. */
  readonly endedItems: Pick<VersionedItem, "id" | "fromVersion">[];
}

/** The versions to send with the newest revision. */
export function readSummaryDelta(unit: Unit): SummaryDelta {
  const { store } = unit;
  const { archiveReplace, archivedVersion, archiveVersion } = unit.session;
  const afterVersion = archiveReplace ? 0 : archivedVersion;
  const changed = store.summaries.itemsChangedBetween(afterVersion, archiveVersion);
  const ended = changed.filter(({ toVersion }) => toVersion !== null);
  return {
    summaries: store.summaries.between(afterVersion, archiveVersion, MAX_PAGE_ROWS),
    items: changed.filter(({ toVersion }) => toVersion === null),
    // An archive that deletes everything first has none of them. Otherwise also items that began after `afterVersion`
    // are named: an earlier page, which was not confirmed, may have stored them.
    endedItems: archiveReplace ? [] : ended.map(({ id, fromVersion }) => ({ id, fromVersion })),
  };
}

/** Whether there are versions after the last one that the archive has confirmed. */
export function isMoreSummaryPending(unit: Unit, version: number): boolean {
  return (unit.store.summaries.newest()?.version ?? 0) > version;
}
