import type { SessionRow, SummaryRow, VersionedItem } from "./rows.ts";
import type { SessionStore } from "./store.ts";

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
export function pageEnd(store: SessionStore, afterVersion: number): PageEnd {
  let throughVersion = afterVersion;
  let rows = 0;
  let bytes = 0;
  const sizes = store.summaries.sizesAfter(afterVersion, MAX_PAGE_ROWS);
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
export function planVersions(store: SessionStore, { archivedVersion }: SessionRow, isReplaced: boolean): number {
  return pageEnd(store, isReplaced ? 0 : archivedVersion).throughVersion;
}

/** A page of the summary's history. */
export interface SummaryDelta {
  readonly summaries: SummaryRow[];
  readonly items: VersionedItem[];
}

/** What the archive lacks of the versions at the newest revision. */
export function readSummaryDelta(store: SessionStore, session: SessionRow): SummaryDelta {
  const { archiveReplace, archivedVersion, archiveVersion } = session;
  const afterVersion = archiveReplace ? 0 : archivedVersion;
  return {
    summaries: store.summaries.between(afterVersion, archiveVersion, MAX_PAGE_ROWS),
    items: store.summaries.itemsChangedBetween(afterVersion, archiveVersion),
  };
}

/** Whether there are versions after the last that the archive confirmed. */
export function isMoreSummaryOwed(store: SessionStore, version: number): boolean {
  return (store.summaries.newest()?.version ?? 0) > version;
}
