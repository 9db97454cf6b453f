import { MAX_UNACKNOWLEDGED_BYTES, MAX_UNACKNOWLEDGED_EVENTS } from "../../api/limits.ts";
import type { Rev } from "../../api/live.ts";
import type { Seq } from "../../api/message.ts";

// The live feed, as it is read from the log. There are two sorts of events: an append is its message; everything else
// is a row of its own, with the seq of the newest message at that time. `rev` numbers both together, so the order of
// all events can be computed from the two tables, and an append writes nothing extra for the feed.

// Where the revs of an epoch begin

/** In ms since 1970: before the first session was created. */
const REV_EPOCH = Date.UTC(2026, 0, 1);
/**
 * More events than an object can write in a millisecond. So an earlier epoch of an id, which began earlier, cannot
 * reach the revs with which a later one begins.
 */
const REVS_PER_MS = 1_000;

/**
 * The number that is added to the revs of an epoch. Without it, a client that resumes with a rev of an earlier epoch
 * would receive only the events after the same number in this epoch, and would miss the others without knowing. Exact
 * until the year 2311.
 * @param beganAt when the epoch began, in ms since 1970
 */
export function revBaseOf(beganAt: number): Rev {
  return Math.max(0, beganAt - REV_EPOCH) * REVS_PER_MS;
}

// What happened

/** Something that was done to the session other than an append. */
export interface Change {
  /** The number of messages and changes of this epoch up to and including this one. */
  readonly rev: number;
  /** The newest message at that time. */
  readonly headSeq: Seq;
  readonly kind: "edited" | "erased" | "branched" | "summarized" | "summaryFailed";
  /**
   * The message, or the first of a range, that it is about. For `branched`: the last message that both branches share.
   */
  readonly seq: Seq | null;
  /** The last message that it is about. For `branched`: the head of the branch that is active now. */
  readonly throughSeq: Seq | null;
  /** For `summarized`: the version; `degraded` tells whether it is a fallback summary. */
  readonly version: number | null;
  readonly degraded: boolean;
}

/** An event without its content: the seq of an appended message, or a change. */
export type Entry =
  | { readonly rev: number; readonly seq: Seq }
  | { readonly rev: number; readonly seq: null; readonly change: Change };

/**
 * The events after a rev, in order.
 * @param countBefore how many changes there are up to and including that rev
 * @param changes the changes after it, in order
 * @param headSeq the newest message
 */
export function* entriesAfter(
  afterRev: number,
  countBefore: number,
  changes: Iterable<Change>,
  headSeq: Seq,
): Generator<Entry> {
  let count = countBefore;
  let seq = afterRev - countBefore;
  for (const change of changes) {
    while (seq < change.headSeq) {
      seq += 1;
      yield { rev: seq + count, seq };
    }
    count += 1;
    yield { rev: change.rev, seq: null, change };
  }
  while (seq < headSeq) {
    seq += 1;
    yield { rev: seq + count, seq };
  }
}

/** How many changes there are in this epoch up to and including this one; 0 for null. */
export function countThrough(change: Change | null): number {
  return change === null ? 0 : change.rev - change.headSeq;
}

// Flow control

/** An event in the form in which it is sent. */
export interface SentEvent {
  readonly rev: Rev;
  readonly json: string;
  readonly bytes: number;
}

/** The events that were sent over a socket and that the client has not acknowledged yet. */
export class FeedWindow {
  readonly #sent: { readonly rev: Rev; readonly bytes: number }[] = [];
  #bytes = 0;

  /** Whether another event may be sent: fewer events and bytes than the limits are unacknowledged. */
  get hasRoom(): boolean {
    return this.#sent.length < MAX_UNACKNOWLEDGED_EVENTS && this.#bytes < MAX_UNACKNOWLEDGED_BYTES;
  }

  /** The sum of the sizes of these events. */
  get bytes(): number {
    return this.#bytes;
  }

  add({ rev, bytes }: Pick<SentEvent, "rev" | "bytes">): void {
    this.#sent.push({ rev, bytes });
    this.#bytes += bytes;
  }

  acknowledge(rev: Rev): void {
    const through = this.#sent.findIndex((event) => event.rev > rev);
    const gone = this.#sent.splice(0, through === -1 ? this.#sent.length : through);
    for (const { bytes } of gone) this.#bytes -= bytes;
  }
}
