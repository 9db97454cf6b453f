import type { Omitted } from "../api/context-meta.ts";
import type { Seq } from "../api/message.ts";
import type { Item } from "../api/summary.ts";
import { outside, type SeqRange } from "./branch.ts";
import { ownSources } from "./items.ts";
import type { Pinned } from "./pin-instructions.ts";
import type { Window } from "./window.ts";

/** What a context contains. `nameOmitted` names all other messages, with the reason why they are missing. */

interface Accounted {
  readonly window: Window;
  readonly pinned: Pinned;
  /** The items of the summary that are in the context, and those that did not fit. */
  readonly kept: readonly Item[];
  readonly left: readonly Item[];
}

/** @param throughSeq the last message that the summary covers */
export function nameOmitted(
  input: {
    readonly atSeq: Seq;
    readonly summaryPending: boolean;
    readonly pendingThroughSeq?: Seq;
    readonly hiddenSeqs: readonly SeqRange[];
    readonly offBranch?: readonly SeqRange[];
  },
  throughSeq: Seq,
  { window, pinned, kept, left }: Accounted,
): Omitted[] {
  const omitted: Omitted[] = [];
  const stillCited = new Set(kept.flatMap(ownSources));
  for (const seq of new Set(left.flatMap(ownSources))) {
    if (!stillCited.has(seq)) omitted.push({ fromSeq: seq, throughSeq: seq, reason: "budget" });
  }
  const here = new Set(window.seqs);
  for (const { seq } of pinned.left) {
    if (!here.has(seq)) omitted.push({ fromSeq: seq, throughSeq: seq, reason: "budget" });
  }
  const pendingSeq = input.summaryPending ? (input.pendingThroughSeq ?? input.atSeq) : 0;
  const seqs = pinned.seqs.length === 0 ? window.seqs : [...new Set([...pinned.seqs, ...window.seqs])];
  const there = seqs.filter((seq) => seq > throughSeq).toSorted((a, b) => a - b);
  let nextSeq = throughSeq + 1;
  for (const firstSeq of [...there, input.atSeq + 1]) {
    if (firstSeq > nextSeq) omitted.push(...withReason(nextSeq, firstSeq - 1, pendingSeq));
    nextSeq = firstSeq + 1;
  }
  const cut = new Set([...window.cutSeqs, ...pinned.cutSeqs]);
  for (const seq of cut) {
    omitted.push({ fromSeq: seq, throughSeq: seq, reason: "budget" });
  }
  for (const seq of window.erasedSeqs) {
    omitted.push({ fromSeq: seq, throughSeq: seq, reason: "hidden" });
  }
  for (const range of input.hiddenSeqs) omitted.push({ ...range, reason: "hidden" });
  const erased = new Set(window.erasedSeqs);
  const whole = new Set(seqs.filter((seq) => !cut.has(seq) && !erased.has(seq)));
  // An older repetition is represented by the newer message; if that is missing or cut, the older one is missing too.
  for (const { seq, newerSeq } of pinned.repeats) {
    if (!whole.has(newerSeq) && !whole.has(seq)) omitted.push({ fromSeq: seq, throughSeq: seq, reason: "budget" });
  }
  // Messages whose items did not fit, or that await a rebuilt summary, are not omitted if they are verbatim in this
  // context.
  const covered = seqs.filter((seq) => seq <= throughSeq && whole.has(seq));
  return withBranches(joinRanges(withoutSeqs(omitted, covered)), input.offBranch ?? []);
}

/** For messages off the branch, `branch` replaces every other reason. */
function withBranches(omitted: Omitted[], off: readonly SeqRange[]): Omitted[] {
  if (off.length === 0) return omitted;
  const on = omitted.flatMap(({ fromSeq, throughSeq, reason }) =>
    outside(off, fromSeq, throughSeq).map((range): Omitted => ({ ...range, reason })),
  );
  const branches = off.map((range): Omitted => ({ ...range, reason: "branch" }));
  return [...on, ...branches].toSorted((a, b) => a.fromSeq - b.fromSeq);
}

/** Removes single messages from ranges. */
function withoutSeqs(ranges: readonly Omitted[], seqs: readonly Seq[]): readonly Omitted[] {
  return seqs.reduce<readonly Omitted[]>(
    (left, seq) =>
      left.flatMap((range) => {
        if (seq < range.fromSeq || seq > range.throughSeq) return [range];
        const before = { ...range, throughSeq: seq - 1 };
        const after = { ...range, fromSeq: seq + 1 };
        return [before, after].filter(({ fromSeq, throughSeq }) => fromSeq <= throughSeq);
      }),
    ranges,
  );
}

/** Splits a range into the part that the pending summary will cover and the part that lacks budget. */
function withReason(fromSeq: Seq, throughSeq: Seq, pendingSeq: Seq): Omitted[] {
  const ranges: Omitted[] = [
    { fromSeq, throughSeq: Math.min(throughSeq, pendingSeq), reason: "pending" },
    { fromSeq: Math.max(fromSeq, pendingSeq + 1), throughSeq, reason: "budget" },
  ];
  return ranges.filter((range) => range.fromSeq <= range.throughSeq);
}

/** Joins adjacent ranges with the same reason, in ascending order. */
function joinRanges(ranges: readonly Omitted[]): Omitted[] {
  const joined: Omitted[] = [];
  for (const range of ranges.toSorted((a, b) => a.fromSeq - b.fromSeq)) {
    const last = joined.at(-1);
    if (last !== undefined && last.reason === range.reason && range.fromSeq <= last.throughSeq + 1) {
      last.throughSeq = Math.max(last.throughSeq, range.throughSeq);
    } else joined.push({ ...range });
  }
  return joined;
}
