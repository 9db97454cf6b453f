import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import type { TokenCount } from "../../api/message.ts";
import type { RestoreRequest } from "../../api/summary.ts";
import { isOn } from "../../prompt/branch.ts";
import { scheduleArchive } from "../outbox/index.ts";
import type { SummaryRow } from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";
import { scheduleSummaryIfDue, summarizeJob } from "./due.ts";
import { CONTINUE } from "./goal.ts";
import { discardWork } from "./in-progress.ts";
import { lastSoundVersion } from "./invalidate.ts";
import { settleSummaryWork } from "./rebase.ts";
import { restoreVersion } from "./run.ts";

/**
 * Restores an earlier version of the summary: it becomes the newest version, and the next summary continues from it.
 */

/** The result of restoring a version. */
export interface Restored {
  readonly isChanged: boolean;
  /** The tokens of the restored version; 0 if it was the newest already. */
  readonly tokens: TokenCount;
}

/**
 * Commits a copy of `asked` as the newest version. The versions between are deleted, here and in the archive: each was
 * made from the one before, and one that stayed could be chosen later for the messages that it covers. Messages after
 * the restored version count as unsummarized. Idempotent: a repeated request changes nothing.
 * @throws ThreadkeepError `summary_version_mismatch` if `expectedVersion` is not the newest; `summary_not_restorable`
 *   if something that the version rests on was edited or erased, or if it covers another branch
 */
export function restoreSummary(unit: Unit, asked: SummaryRow, { expectedVersion }: RestoreRequest): Restored {
  const { store } = unit;
  const newest = store.summaries.newest() ?? asked;
  // Checked before anything that can be refused, so that a client whose response was lost can repeat its request.
  if (holdsAlready(store, newest, asked)) return { isChanged: false, tokens: 0 };
  const fault =
    expectedVersion === undefined || expectedVersion === newest.version
      ? findRestoreFault(unit, asked)
      : versionMismatch(expectedVersion, newest.version);
  if (fault !== null) throw new ThreadkeepError(fault);
  const tokens = restoreVersion(unit, newest, asked);
  store.summaries.clearHidden();
  const open = summarizeJob(unit);
  if (open !== undefined) {
    // A job that was to replace the deleted versions has nothing left to replace: it continues from the restored version.
    // If that is a fallback summary, an upgrade has to replace it.
    const goal = open.goal.is === "upgrade" ? { ...open.goal, isFromScratch: false } : CONTINUE;
    store.jobs.put({ ...discardWork(unit, open), goal });
  }
  settleSummaryWork(unit, true);
  scheduleArchive(unit, true);
  scheduleSummaryIfDue(unit);
  return { isChanged: true, tokens };
}

/** Whether the newest version is the requested one, or a copy of it that an earlier identical request made. */
function holdsAlready({ summaries }: SessionStore, newest: SummaryRow, asked: SummaryRow): boolean {
  if (newest.version === asked.version) return true;
  return (
    newest.throughSeq === asked.throughSeq &&
    newest.degraded === asked.degraded &&
    summaries.backward(newest.version, 1)[0]?.version === asked.version &&
    summaries.itemsChangedBetween(asked.version, newest.version).length === 0
  );
}

/** Why the version cannot be restored; null if it can. */
function findRestoreFault(unit: Unit, { version, throughSeq }: SummaryRow): Fault | null {
  if (version > lastSoundVersion(unit)) return UNSOUND;
  const tip = unit.store.messages.tip();
  if (tip !== null && throughSeq > 0 && !isOn(tip.branch, throughSeq)) return offBranch(throughSeq);
  return null;
}

const UNSOUND: Fault = {
  code: "summary_not_restorable",
  detail:
    "This version is about to be replaced: a message that it is based on was edited or erased, it was made without the model, or an operator started a rebuild. Restore an earlier version, or wait until `summaryPending` is false and list the versions again.",
};

function offBranch(throughSeq: number): Fault {
  return {
    code: "summary_not_restorable",
    detail: `This version covers messages 1 to ${throughSeq} of another branch. Switch to that branch first (PUT /v1/sessions/{sessionId}/branch), then restore the version.`,
  };
}

function versionMismatch(expectedVersion: number, version: number): Fault {
  return {
    code: "summary_version_mismatch",
    detail: `The newest version of the summary is ${version}, not ${expectedVersion}. Compare it with the version that you want to restore, then repeat the request with \`expectedVersion\` ${version}.`,
    errors: [{ path: "/expectedVersion", detail: `is not the current ${version}` }],
    facts: { version },
  };
}
