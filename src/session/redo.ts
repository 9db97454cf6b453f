import type { Seq } from "../contracts/message.ts";
import type { Item } from "../contracts/summary.ts";
import { newJob } from "./owed-work.ts";
import type { SessionRow, SessionStore } from "./store.ts";

/** Summarizing again, because something that a summary was made from has changed. */

/** Erasures within this share one new summary: people erase in bursts, and each summary may cost money. */
export const REDO_DELAY_MS = 5_000;

/** What items cited that no other item cites. */
export function uncovered(gone: readonly { readonly sourceSeqs: readonly Seq[] }[], left: readonly Item[]): Set<Seq> {
  const seqs = new Set(gone.flatMap((item) => item.sourceSeqs));
  for (const item of left) for (const seq of item.sourceSeqs) seqs.delete(seq);
  return seqs;
}

/** Owes a new summary for what was changed while the last one was made. */
export function oweRedo(
  store: SessionStore,
  session: SessionRow,
  taintedFromSeq: Seq,
  newId: () => string,
  now: number,
): void {
  const throughSeq = store.newestSummary()?.throughSeq ?? 0;
  if (taintedFromSeq > throughSeq) return;
  store.putJob({
    ...newJob("summarize", session.incarnation, newId(), throughSeq, now + REDO_DELAY_MS, now),
    redoBase: store.versionBefore(taintedFromSeq),
  });
}
