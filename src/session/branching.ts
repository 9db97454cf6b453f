import type { Fault, Outcome } from "../contracts/errors.ts";
import type { Seq, TokenCount } from "../contracts/message.ts";
import type { BranchRequest } from "../contracts/session.ts";
import type { UsersMay } from "../contracts/users-may.ts";
import { type Branch, isOn, sharedThrough } from "../memory/branch.ts";
import { noteBranch } from "./feed-changes.ts";
import { endSummary, isMadeAnew, oweSummaryIfDue, summarizeJob, withoutWork } from "./owed-summaries.ts";
import { newJob, oweArchive } from "./owed-work.ts";
import { begunThrough, soundSummaryAt } from "./redo.ts";
import type { JobRow, SessionRow } from "./rows.ts";
import type { SessionStore } from "./store.ts";
import { bringBack } from "./summarizing.ts";
import { oweUpgrade } from "./upgrading.ts";

/** Another branch becomes the active one: what leads to one of the messages is from now on what prompts, search and summaries see. */

/** What became of it. */
export interface Switched {
  readonly isChanged: boolean;
  /** Of the summary that was brought back. */
  readonly tokens: TokenCount;
}

/** Makes a message the head of the active branch. Repeated it changes nothing. */
export function switchBranch(
  store: SessionStore,
  session: SessionRow,
  { headSeq, expectedHeadSeq }: BranchRequest,
  newId: () => string,
  now: number,
): Outcome<Switched> {
  const lastSeq = store.messages.head()?.seq ?? 0;
  const active = store.branches.active(lastSeq);
  if (headSeq > lastSeq) return { ok: false, fault: pastTheLog(headSeq, lastSeq) };
  if (active.headSeq === headSeq) return { ok: true, value: { isChanged: false, tokens: 0 } };
  if (expectedHeadSeq !== undefined && expectedHeadSeq !== active.headSeq) {
    return { ok: false, fault: movedOn(expectedHeadSeq, active.headSeq) };
  }
  noteBranch(store, active, store.branches.through(headSeq));
  store.branches.follow(headSeq === lastSeq ? null : headSeq);
  const tokens = settleBranch(store, session, newId, now);
  oweSummaryIfDue(store, session, newId, now);
  return { ok: true, value: { isChanged: true, tokens } };
}

/**
 * Why a user may not leave a branch: what was instructed on it would not be on the one that is active now. Null if nothing was.
 * @param opened roles that the tenant opened to its users
 */
export function leftInstructionFault(
  store: SessionStore,
  left: Branch,
  opened: UsersMay["write"],
  path: string,
): Fault | null {
  const tip = store.messages.tip();
  if (tip === null || opened === "all") return null;
  const shared = sharedThrough(left, tip.branch);
  for (const { seq, role } of store.messages.instructions(left, left.headSeq)) {
    if (seq <= shared) return null;
    if (opened?.includes(role) === true) continue;
    return {
      code: "role_not_allowed",
      detail: `Message ${seq} has the role ${role}, and would not be on the branch any more: a user leaves no instruction behind. Begin the branch after it, let your back end do it with its key, or ask the operator to open the role (usersMay.write of the tenant). Nothing was changed.`,
      errors: [{ path, detail: `leaves message ${seq} behind, of the role ${role}` }],
      facts: { seq },
    };
  }
  return null;
}

/**
 * Fits the summary, and the work for it, to the branch that is active now. The version that covers the most of it holds: another one is
 * brought back where the newest is of the branch that was left. What is under way for that branch comes to nothing.
 * @returns the tokens of the summary that was brought back; 0 where it stays
 */
export function settleBranch(store: SessionStore, session: SessionRow, newId: () => string, now: number): TokenCount {
  const tip = store.messages.tip();
  const newest = store.summaries.newest();
  if (tip === null) return 0;
  let tokens = 0;
  let isRebased = false;
  if (newest !== null) {
    const best = soundSummaryAt(store, tip.branch);
    const isHolding = isOn(tip.branch, newest.throughSeq) && (best?.throughSeq ?? 0) <= newest.throughSeq;
    if (!isHolding) {
      tokens = bringBack(store, newest, best, now);
      isRebased = true;
      oweArchive(store, session, newId, now);
    }
  }
  settleWork(store, isRebased, now);
  const brought = isRebased ? store.summaries.newest() : null;
  if (brought?.degraded === true && summarizeJob(store) === undefined) {
    oweUpgrade(store, session, newJob("summarize", session.incarnation, newId(), 0, now, now), null, newId, now);
  }
  return tokens;
}

/** @param isRebased the summary that it went on from is not the newest any more */
function settleWork(store: SessionStore, isRebased: boolean, now: number): void {
  const open = summarizeJob(store);
  const tip = store.messages.tip();
  if (open === undefined || tip === null) return;
  const { branch } = tip;
  const isStill = !isRebased && isOn(branch, begunThrough(open)) && isOn(branch, open.draft?.throughSeq ?? 0);
  const job = isStill ? open : { ...withoutWork(open), nextSendAt: now };
  const newest = store.summaries.newest();
  const covered = newest?.throughSeq ?? 0;
  const throughSeq = isOn(branch, job.throughSeq) ? job.throughSeq : Math.max(begunThrough(job), covered);
  if (open.isUpgrade && newest?.degraded === true) {
    const redoBase = store.summaries.lastGoodVersion(newest.version);
    store.jobs.put(isRebased ? { ...job, throughSeq: covered, redoBase } : { ...job, throughSeq });
    return;
  }
  const left: JobRow = open.isUpgrade ? { ...job, isUpgrade: false, redoBase: null, fromScratch: false } : job;
  const isOver = !isMadeAnew(left) && throughSeq <= covered;
  if (isOver && newest?.degraded === true) {
    // There is nothing more to cover, and what covers it is to be made better: under the name by which operators may know the job.
    const redoBase = store.summaries.lastGoodVersion(newest.version);
    store.jobs.put({ ...left, throughSeq: covered, isUpgrade: true, redoBase });
    return;
  }
  if (isOver) endSummary(store, left, now);
  else store.jobs.put({ ...left, throughSeq });
}

function pastTheLog(headSeq: Seq, lastSeq: Seq): Fault {
  return {
    code: "validation_failed",
    detail: `The session has ${lastSeq} messages, and no message ${headSeq}. Name one of them: a branch ends with its last message.`,
    errors: [{ path: "/headSeq", detail: `is past the newest message, ${lastSeq}` }],
    facts: { lastSeq },
  };
}

function movedOn(expectedHeadSeq: Seq, headSeq: Seq): Fault {
  return {
    code: "head_seq_mismatch",
    detail: `The newest message of the active branch is ${headSeq}, not ${expectedHeadSeq}. Read the messages since, and ask again.`,
    errors: [{ path: "/expectedHeadSeq", detail: `is not the current ${headSeq}` }],
    facts: { headSeq },
  };
}
