import type { Seq } from "../api/message.ts";

/**
 * What the current transaction has changed, as far as its commit must act on it. The stores record it when they write,
 * so no caller has to remember to.
 */
export class Changes {
  /** Messages whose text the search index must read again. */
  readonly edited = new Set<Seq>();
  /** Messages that must be removed from the search index. */
  readonly erased = new Set<Seq>();
  /** The whole log was deleted, or so much of it that the search index is dropped too. */
  isLogCleared = false;
  /** A message was appended, which restarts the times of silence after which the object has something to do. */
  isAppended = false;
  /** Something else was written that may require the object to wake up earlier than its alarm is set. */
  isRescheduled = false;
  /** Jobs that ended: callers that wait for them are answered. */
  readonly endedJobs = new Set<string>();
  /** All jobs except erasures ended. */
  isWiped = false;

  clear(): void {
    this.edited.clear();
    this.erased.clear();
    this.endedJobs.clear();
    this.isLogCleared = false;
    this.isAppended = false;
    this.isRescheduled = false;
    this.isWiped = false;
  }
}
