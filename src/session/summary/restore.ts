import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import type { TokenCount } from "../../api/message.ts";
import type { RestoreRequest } from "../../api/summary.ts";
import { isOn } from "../../prompt/branch.ts";
import { scheduleArchive } from "../outbox/index.ts";
import type { SummaryRow } from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";
import { scheduleSummaryIfDue, summarizeJob } from "./due.ts";
import { lastSoundVersion } from "./invalidate.ts";
import { settleSummaryWork } from "./rebase.ts";
import { restoreVersion } from "./run.ts";

/** An earlier version of the summary becomes the one that holds, and that the next summary goes on from. */

export interface Restored {
  readonly isChanged: boolean;
  /** Of the summary that was brought back; 0 where it holds already. */
  readonly tokens: TokenCount;
}

/**
 * The versions after it go, in the object and in the archive: they were made of each other, and one that stayed would be taken for the
 * summary of what it covers. What they covered and this one does not is as if it was never summarized. Repeated it changes nothing.
 */
export function restoreSummary(unit: Unit, asked: SummaryRow, { expectedVersion }: RestoreRequest): Restored {
  const { store } = unit;
  const newest = store.summaries.newest() ?? asked;
  // Before all that may be refused, so that a request whose answer was lost can be sent again.
  if (holdsAlready(store, newest, asked)) return { isChanged: false, tokens: 0 };
  const fault =
    expectedVersion === undefined || expectedVersion === newest.version
      ? whyNot(unit, asked)
      : movedOn(expectedVersion, newest.version);
  if (fault !== null) throw new ThreadkeepError(fault);
  const tokens = restoreVersion(unit, newest, asked);
  store.summaries.clearHidden();
  const open = summarizeJob(unit);
  // What was to take the place of versions that are gone has nothing left to replace. It goes on from this one.
  if (open !== undefined) store.jobs.put({ ...open, fromScratch: false, rebuildBase: null, invalidatedFromSeq: null });
  settleSummaryWork(unit, true);
  scheduleArchive(unit, true);
  scheduleSummaryIfDue(unit);
  return { isChanged: true, tokens };
}

/** Whether the newest version is the one that is asked for, or was made by the same request before. */
function holdsAlready({ summaries }: SessionStore, newest: SummaryRow, asked: SummaryRow): boolean {
  if (newest.version === asked.version) return true;
  return (
    newest.throughSeq === asked.throughSeq &&
    newest.degraded === asked.degraded &&
    summaries.backward(newest.version, 1)[0]?.version === asked.version &&
    summaries.itemsChangedBetween(asked.version, newest.version).length === 0
  );
}

function whyNot(unit: Unit, { version, throughSeq }: SummaryRow): Fault | null {
  if (version > lastSoundVersion(unit)) return UNSOUND;
  const tip = unit.store.messages.tip();
  if (tip !== null && throughSeq > 0 && !isOn(tip.branch, throughSeq)) return offBranch(throughSeq);
  return null;
}

const UNSOUND: Fault = {
  code: "summary_not_restorable",
  detail:
    "A new version is being made in the place of this one: something that it rests on was edited or erased, it was made without the model, or an operator has the summary made anew. Restore a version from before that, or wait until `summaryPending` is false and read the list again.",
};

function offBranch(throughSeq: number): Fault {
  return {
    code: "summary_not_restorable",
    detail: `This version covers messages of another branch, through ${throughSeq}. Make that branch the active one first: PUT /v1/sessions/{sessionId}/branch.`,
  };
}

function movedOn(expectedVersion: number, version: number): Fault {
  return {
    code: "summary_version_mismatch",
    detail: `The newest version of the summary is ${version}, not ${expectedVersion}. Compare it with the one that you want to restore, and ask again.`,
    errors: [{ path: "/expectedVersion", detail: `is not the current ${version}` }],
    facts: { version },
  };
}
