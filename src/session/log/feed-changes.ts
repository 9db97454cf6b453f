import { MAX_REMEMBERED_CHANGES } from "../../api/limits.ts";
import type { Seq } from "../../api/message.ts";
import { type Branch, sharedThrough } from "../../prompt/branch.ts";
import type { SeqSet } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { type Change, countThrough } from "./feed.ts";

// Writes what happens to the session for its live feed. Appends need no row: their messages are the events.

/** The oldest rows are deleted this many at a time, so that not every change causes a scan. */
const FORGET_STEP = 1_000;

/**
 * Adds a row for the feed, in the caller's transaction. When there are more than MAX_REMEMBERED_CHANGES, the oldest are
 * deleted.
 */
export function noteChange(
  unit: Unit,
  kind: Change["kind"],
  about: Partial<Pick<Change, "seq" | "throughSeq" | "version" | "degraded">>,
): void {
  const { store } = unit;
  const headSeq = store.messages.head()?.seq ?? 0;
  const count = countThrough(store.feed.lastThrough()) + 1;
  store.feed.insert({
    seq: null,
    throughSeq: null,
    version: null,
    degraded: false,
    ...about,
    kind,
    rev: headSeq + count,
    headSeq,
  });
  if (count % FORGET_STEP === 0 && count > MAX_REMEMBERED_CHANGES) {
    store.feed.forgetFirst(count - MAX_REMEMBERED_CHANGES);
  }
}

/**
 * Adds an event for a switch to another branch.
 * @param left the branch that was active
 * @param taken the branch that is active now
 */
export function noteBranch(unit: Unit, left: Branch, taken: Branch): void {
  unit.store.countChange();
  noteChange(unit, "branched", { seq: sharedThrough(left, taken), throughSeq: taken.headSeq });
}

/** Adds an event for each range of neighbouring messages that were erased: a whole log is one event. */
export function noteErasures(unit: Unit, seqs: SeqSet): void {
  if ("throughSeq" in seqs) {
    noteChange(unit, "erased", { seq: 1, throughSeq: seqs.throughSeq });
    return;
  }
  const sorted = seqs.toSorted((a, b) => a - b);
  let first: Seq | undefined;
  for (const [place, seq] of sorted.entries()) {
    first ??= seq;
    if (sorted[place + 1] === seq + 1) continue;
    noteChange(unit, "erased", { seq: first, throughSeq: seq });
    first = undefined;
  }
}
