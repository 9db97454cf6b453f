import type { Seq } from "../api/message.ts";

/**
 * What a transaction changed, as far as its commit has something to do about it: the stores note it as they write, so that no caller has
 * to remember it.
 */
export class Changes {
  /** Messages whose words the search index has to read anew. */
  readonly edited = new Set<Seq>();
  /** Messages whose words have to leave the search index. */
  readonly erased = new Set<Seq>();
  /** The whole log is gone, or so much of it that the search index goes with it. */
  isLogCleared = false;
  /** Something was said: silence may call for work later than it would have. */
  isAppended = false;
  /** Something else was written by which the object may have to wake up earlier than its alarm rings. */
  isRescheduled = false;
  /** Jobs that are over: whoever waits for them is answered. */
  readonly endedJobs = new Set<string>();
  /** All jobs but erasures are over. */
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
