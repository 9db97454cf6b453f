import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import type { Seq, TokenCount } from "../../api/message.ts";
import type { BranchRequest } from "../../api/session.ts";
import { type Branch, isOn, sharedThrough } from "../../prompt/branch.ts";
import { scheduleArchive } from "../outbox/index.ts";
import { bringBack, scheduleSummaryIfDue, settleSummaryWork, soundSummaryAt } from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { noteBranch } from "./feed-changes.ts";

/** Another branch becomes the active one: what leads to one of the messages is from now on what prompts, search and summaries see. */

/** What became of it. */
export interface Switched {
  readonly isChanged: boolean;
  /** Of the summary that was brought back. */
  readonly tokens: TokenCount;
}

/** Makes a message the head of the active branch. Repeated it changes nothing. */
export function switchBranch(unit: Unit, { headSeq, expectedHeadSeq }: BranchRequest): Switched {
  const { store } = unit;
  const lastSeq = store.messages.head()?.seq ?? 0;
  const active = store.branches.active(lastSeq);
  if (headSeq > lastSeq) throw new ThreadkeepError(pastTheLog(headSeq, lastSeq));
  if (active.headSeq === headSeq) return { isChanged: false, tokens: 0 };
  if (expectedHeadSeq !== undefined && expectedHeadSeq !== active.headSeq) {
    throw new ThreadkeepError(movedOn(expectedHeadSeq, active.headSeq));
  }
  noteBranch(unit, active, store.branches.through(headSeq));
  store.branches.follow(headSeq === lastSeq ? null : headSeq);
  const tokens = settleBranch(unit);
  scheduleSummaryIfDue(unit);
  return { isChanged: true, tokens };
}

/** The branch that the session is on. */
export function activeBranch({ store }: Unit): Branch {
  return store.branches.active(store.messages.head()?.seq ?? 0);
}

/**
 * Throws if a user may not leave a branch: what was instructed on it would not be on the one that is active now. The tenant may have opened
 * roles to its users.
 * @param path of what leaves it, in the request
 */
export function refuseLeavingInstruction(unit: Unit, left: Branch, path: string): void {
  const opened = unit.session.tenantSettings.usersMay?.write;
  const tip = unit.store.messages.tip();
  if (tip === null || opened === "all") return;
  const shared = sharedThrough(left, tip.branch);
  for (const { seq, role } of unit.store.messages.instructions(left, left.headSeq)) {
    if (seq <= shared) return;
    if (opened?.includes(role) === true) continue;
    throw new ThreadkeepError({
      code: "role_not_allowed",
      detail: `Message ${seq} has the role ${role}, and would not be on the branch any more: a user leaves no instruction behind. Begin the branch after it, let your back end do it with its key, or ask the operator to open the role (usersMay.write of the tenant). Nothing was changed.`,
      errors: [{ path, detail: `leaves message ${seq} behind, of the role ${role}` }],
      facts: { seq },
    });
  }
}

/**
 * Fits the summary, and the work for it, to the branch that is active now. The version that covers the most of it holds: another one is
 * brought back where the newest is of the branch that was left. What is under way for that branch comes to nothing.
 * @returns the tokens of the summary that was brought back; 0 where it stays
 */
export function settleBranch(unit: Unit): TokenCount {
  const { store } = unit;
  const tip = store.messages.tip();
  const newest = store.summaries.newest();
  if (tip === null) return 0;
  let tokens = 0;
  let isRebased = false;
  if (newest !== null) {
    const best = soundSummaryAt(unit, tip.branch);
    const isHolding = isOn(tip.branch, newest.throughSeq) && (best?.throughSeq ?? 0) <= newest.throughSeq;
    if (!isHolding) {
      tokens = bringBack(unit, newest, best);
      isRebased = true;
      scheduleArchive(unit);
    }
  }
  settleSummaryWork(unit, isRebased);
  return tokens;
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
