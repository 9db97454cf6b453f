import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import type { Seq, TokenCount } from "../../api/message.ts";
import type { BranchRequest } from "../../api/session.ts";
import { type Branch, isOn, sharedThrough } from "../../prompt/branch.ts";
import { scheduleArchive } from "../outbox/index.ts";
import { bringBack, scheduleSummaryIfDue, settleSummaryWork, soundSummaryAt } from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { noteBranch } from "./feed-changes.ts";

// Switching branches: the messages that lead to one of them become the active branch, which prompts, search and
// summaries see.

/** The result of a switch. */
export interface Switched {
  readonly isChanged: boolean;
  /** Tokens of a summary that was written again for the branch; 0 if none was. */
  readonly tokens: TokenCount;
}

/**
 * Makes a message the head of the active branch. Repeating the call changes nothing.
 * @throws ThreadkeepError `validation_failed` if there is no such message, `head_seq_mismatch` if the head is not the
 * expected one
 */
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

/** The active branch. */
export function activeBranch({ store }: Unit): Branch {
  return store.branches.active(store.messages.head()?.seq ?? 0);
}

/**
 * Refuses a user's switch to a branch if instructions on the branch that is left would not be on it: a user must not
 * drop them. Roles that the tenant opened to its users are not checked.
 * @param path where the request names the switch, as a JSON pointer, for the error
 * @throws ThreadkeepError `role_not_allowed`
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
      detail: `Message ${seq} has the role ${role}, and would not be on the new branch: a user must not leave an instruction behind. Begin the branch after it, let your back end do it with its key, or ask the operator to open the role (usersMay.write of the tenant). Nothing was changed.`,
      errors: [{ path, detail: `leaves message ${seq} behind, of the role ${role}` }],
      facts: { seq },
    });
  }
}

/**
 * Adjusts the summary and its job to the branch that is active now. The version that covers most of the branch becomes
 * the current one: if that is not the newest, it is written again as a new version. A job for the branch that was left
 * ends.
 * @returns the tokens of the version that was written again; 0 if none was
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
