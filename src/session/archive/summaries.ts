import type { SummaryRow, VersionedItem } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";

/**
 * Which versions of the summary go to the archive at a revision. There are as many as a session is old, each with the items that began or
 * ended with it: they follow page by page, oldest first. As with messages, what belongs to a revision is settled when it is made.
 */

/**
 * Bounds what one delivery carries: a consumer holds those of several sessions at once. One version may be more, and makes a page of its
 * own; it is bounded as a summary is, by its tokens, and by what an item may cite.
 */
const MAX_PAGE_BYTES = 256 * 1024;
const MAX_PAGE_ROWS = 1_000;

/** Where a page of the history ends. */
export interface PageEnd {
  /** The version before it if there is none after that. */
  readonly throughVersion: number;
  readonly isLast: boolean;
}

/** The page after a version. */
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

/** The last version of the summary that the archive holds at the next revision. */
export function planVersions(unit: Unit, isReplaced: boolean): number {
  const { archivedVersion } = unit.session;
  return pageEnd(unit, isReplaced ? 0 : archivedVersion).throughVersion;
}

/** A page of the summary's history. */
export interface SummaryDelta {
  readonly summaries: SummaryRow[];
  readonly items: VersionedItem[];
}

/** What the archive lacks of the versions at the newest revision. */
export function readSummaryDelta(unit: Unit): SummaryDelta {
  const { store } = unit;
  const { archiveReplace, archivedVersion, archiveVersion } = unit.session;
  const afterVersion = archiveReplace ? 0 : archivedVersion;
  return {
    summaries: store.summaries.between(afterVersion, archiveVersion, MAX_PAGE_ROWS),
    items: store.summaries.itemsChangedBetween(afterVersion, archiveVersion),
  };
}

/** Whether there are versions after the last that the archive confirmed. */
export function isMoreSummaryPending(unit: Unit, version: number): boolean {
  return (unit.store.summaries.newest()?.version ?? 0) > version;
}
