import { MAX_REMEMBERED_CHANGES } from "../../api/limits.ts";
import type { Seq } from "../../api/message.ts";
import { type Branch, sharedThrough } from "../../prompt/branch.ts";
import type { SeqSet } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { type Change, countThrough } from "./feed.ts";

/** What the feed is told of. An append tells it nothing: its message is the event. */

/** So many changes are forgotten at a time, so that not each one costs a scan. */
const FORGET_STEP = 1_000;

/** Notes a change for the feed. Runs inside the caller's transaction. */
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

/** Notes that another branch is the active one. */
export function noteBranch(unit: Unit, left: Branch, taken: Branch): void {
  unit.store.countChange();
  noteChange(unit, "branched", { seq: sharedThrough(left, taken), throughSeq: taken.headSeq });
}

/** Notes erasures, those of neighbours as one: a whole log that goes is one row. */
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
