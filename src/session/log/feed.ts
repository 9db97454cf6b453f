import { MAX_UNACKNOWLEDGED_BYTES, MAX_UNACKNOWLEDGED_EVENTS } from "../../api/limits.ts";
import type { Rev } from "../../api/live.ts";
import type { Seq } from "../../api/message.ts";

/**
 * The live feed, as it is read from the log. Events are of two sorts: an append is its message, and anything else a row of its own,
 * which knows how many messages there were. `rev` counts both, so that the one order of all is rebuilt from them, and an append writes
 * nothing for the feed.
 */

// Where the revs of an epoch begin

/** Any moment before the first session. */
const REV_EPOCH = Date.UTC(2026, 0, 1);
/** More than an object can append: an earlier epoch of the id, which began sooner, cannot have come as far as a later one begins. */
const REVS_PER_MS = 1_000;

/**
 * What the revs of an epoch begin at. A client that resumes by a rev of an earlier epoch would else be told what happened after as many
 * events of this one, and miss the rest in silence. Exact until the year 2311.
 */
export function revBaseOf(beganAt: number): Rev {
  return Math.max(0, beganAt - REV_EPOCH) * REVS_PER_MS;
}

// What happened

/** What was done to the session besides an append. */
export interface Change {
  /** Within this epoch of the session: the messages and the changes through this one. */
  readonly rev: number;
  /** The newest message then. */
  readonly headSeq: Seq;
  readonly kind: "edited" | "erased" | "branched" | "summarized" | "summaryFailed";
  /** The message that it is about; of a range the first. Of branches the last that both share. */
  readonly seq: Seq | null;
  /** The last message that it is about. Of branches the head of the one that is active now. */
  readonly throughSeq: Seq | null;
  /** Of a summary. */
  readonly version: number | null;
  readonly degraded: boolean;
}

/** An event, before it is told what it is about. */
export type Entry =
  | { readonly rev: number; readonly seq: Seq }
  | { readonly rev: number; readonly seq: null; readonly change: Change };

/**
 * What happened after a rev, in order.
 * @param countBefore how many changes there were up to it
 * @param changes those after it, in order
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

/** How many changes there were through this one. */
export function countThrough(change: Change | null): number {
  return change === null ? 0 : change.rev - change.headSeq;
}

// Flow control

/** An event as it goes out. */
export interface SentEvent {
  readonly rev: Rev;
  readonly json: string;
  readonly bytes: number;
}

/** What a socket has been sent and has not acknowledged yet. */
export class FeedWindow {
  readonly #sent: { readonly rev: Rev; readonly bytes: number }[] = [];
  #bytes = 0;

  /** Whether one more event may go out. */
  get hasRoom(): boolean {
    return this.#sent.length < MAX_UNACKNOWLEDGED_EVENTS && this.#bytes < MAX_UNACKNOWLEDGED_BYTES;
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
