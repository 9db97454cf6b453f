import type { Fault } from "../../api/errors.ts";
import { itemsTokens, ownSources } from "../../prompt/items.ts";
import { hasUnscheduledMessages } from "../archive/index.ts";
import { settleBranch } from "../log/index.ts";
import { scheduleArchive } from "../outbox/index.ts";
import type { FinishedImport, ImportProgress } from "../sqlite/index.ts";
import { scheduleSummaryIfDue, rebuildFromStart } from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { lineFault } from "./import.ts";

/** What is wrong with a file at its end; null if it is complete. */
export function importFault(unit: Unit, { end, summaries, items, throughLine }: ImportProgress): Fault | null {
  if (end === null)
    return lineFault(throughLine + 1, "is missing: the file ends before its end line. It was cut off on its way");
  const headSeq = unit.store.messages.head()?.seq ?? 0;
  const { branchHeadSeq = headSeq } = end;
  if (branchHeadSeq > headSeq) {
    return lineFault(throughLine, `ends the active branch with message ${branchHeadSeq}, and the last is ${headSeq}`);
  }
  if (end.messages === headSeq && end.summaries === summaries && end.items === items) return null;
  return {
    code: "validation_failed",
    detail: `The file has ${headSeq} messages, ${summaries} summaries and ${items} items, and its end counts ${end.messages}, ${end.summaries} and ${end.items}. Nothing was imported; export it anew.`,
    errors: [{ path: "end", detail: "does not count what came before it" }],
  };
}

/** Finishes an import: from now on, clients can use the session. */
export function finishImport(unit: Unit, progress: ImportProgress): FinishedImport {
  const { store } = unit;
  const { branchHeadSeq = null } = progress.end ?? {};
  if (branchHeadSeq !== null && branchHeadSeq < (store.messages.head()?.seq ?? 0)) store.branches.follow(branchHeadSeq);
  const standing = withoutHollowSummary(unit, progress);
  const newest = store.summaries.newest();
  store.lineage.forgetSourceErasures();
  store.setCopying(null);
  const messages = store.messages.head()?.seq ?? 0;
  const finished = { id: progress.id, messages, ...standing };
  store.setImported(finished);
  if (newest !== null) {
    store.summaries.noteItems(newest.version);
    const items = store.summaries.items(newest.version);
    // The tokens in the file counted all items, also those that were left out.
    store.summaries.setTokens(newest.version, itemsTokens(items));
    store.summaries.reveal(items.flatMap(ownSources));
    if (store.summaries.isAnyHidden()) rebuildFromStart(unit);
  }
  if (newest !== null || hasUnscheduledMessages(unit)) scheduleArchive(unit);
  if (!store.branches.isSole) settleBranch(unit);
  scheduleSummaryIfDue(unit);
  return finished;
}

/**
 * If all items of the newest version were left out, the summary says nothing. It is deleted, so that its messages are
 * in contexts again until they are summarized here.
 * @returns the counts of what remains
 */
function withoutHollowSummary(
  unit: Unit,
  { summaries, items, dropped }: ImportProgress,
): Omit<FinishedImport, "id" | "messages"> {
  const { store } = unit;
  const newest = store.summaries.newest();
  const isHollow = newest !== null && dropped > 0 && store.summaries.items(newest.version).length === 0;
  if (!isHollow) return { summaries, items: items - dropped, droppedItems: dropped };
  store.summaries.deleteVersionsAfter(0);
  store.summaries.clearHidden();
  return { summaries: 0, items: 0, droppedItems: items };
}
