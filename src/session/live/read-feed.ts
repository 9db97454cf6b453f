import type { LiveEvent, Rev } from "../../api/live.ts";
import { byteLength } from "../../api/text.ts";
import { type Change, countThrough, entriesAfter, messageId, type SentEvent, toMessage } from "../log/index.ts";
import type { SessionStore } from "../store.ts";
import type { Unit } from "../unit.ts";

/**
 * Reads the events of the live feed from the log. All `rev` values are those that clients see (with `revBase` added),
 * unless a name says otherwise.
 */

/** How many changes other than appends are read for one page, since their messages may be large. */
const MAX_PAGE_CHANGES = 128;

/** The `rev` of the last event. */
export function headRev(unit: Unit): Rev {
  const { store } = unit;
  return unit.session.revBase + (store.messages.head()?.seq ?? 0) + countThrough(store.feed.lastThrough());
}

/**
 * Where to resume a feed whose client has seen events up to `since`; 0 stands for the beginning.
 * @returns the rev to continue after; null if later events are no longer stored, or if `since` is of another epoch
 */
export function resumeAt(unit: Unit, since: Rev): Rev | null {
  const rev = since === 0 ? 0 : since - unit.session.revBase;
  if (rev < 0 || since > headRev(unit)) return null;
  const oldest = unit.store.feed.first();
  const isForgotten = oldest !== null && countThrough(oldest) > 1 && rev < oldest.rev - 1;
  return isForgotten ? null : unit.session.revBase + rev;
}

/**
 * Reads one page of events after a rev, and no more rows than it returns. An event contains the message as it is now,
 * so that erased content never comes back.
 * @param after a rev after which all events are stored: see `resumeAt`
 */
export function readEvents(unit: Unit, after: Rev, maxEvents: number, maxBytes: number): SentEvent[] {
  const { store } = unit;
  const { revBase } = unit.session;
  const afterRev = after - revBase;
  const before = store.feed.lastThrough(afterRev);
  const next = store.feed.after(afterRev, Math.min(maxEvents, MAX_PAGE_CHANGES));
  // How many changes other than appends come before `after`. If none of them is stored, the next stored one tells its
  // number.
  const count = before !== null ? countThrough(before) : Math.max(0, countThrough(next[0] ?? null) - 1);
  const isFull = next.length === MAX_PAGE_CHANGES;
  const headSeq = isFull ? (next.at(-1)?.headSeq ?? 0) : (store.messages.head()?.seq ?? 0);
  const rows = store.messages.forward(afterRev - count + 1, Math.min(headSeq, afterRev - count + maxEvents));
  const events: SentEvent[] = [];
  let bytes = 0;
  for (const entry of entriesAfter(afterRev, count, next, headSeq)) {
    if (events.length >= maxEvents || bytes >= maxBytes) break;
    const rev = revBase + entry.rev;
    const event = entry.seq === null ? changeEvent(unit, rev, entry.change) : appendedEvent(rev, rows);
    const json = JSON.stringify(event);
    const length = byteLength(json);
    events.push({ rev, json, bytes: length });
    bytes += length;
  }
  return events;
}

function appendedEvent(rev: Rev, rows: ReturnType<SessionStore["messages"]["forward"]>): LiveEvent {
  const row = rows.next().value;
  if (row === undefined) throw new Error("the log ends before its newest message");
  return { type: "appended", rev, message: toMessage(row) };
}

function changeEvent(unit: Unit, rev: Rev, change: Change): LiveEvent {
  const { store } = unit;
  const { seq, throughSeq, version, degraded } = change;
  switch (change.kind) {
    case "edited": {
      const row = store.messages.bySeq(seq ?? 0);
      if (row === null) throw new Error("a message that was edited is not in the log");
      return { type: "edited", rev, message: toMessage(row) };
    }
    case "erased": {
      const row = seq === throughSeq ? store.messages.bySeq(seq ?? 0, "told") : null;
      const id = row === null ? {} : { id: messageId(row) };
      return { type: "erased", rev, seq: seq ?? 0, throughSeq: throughSeq ?? 0, ...id };
    }
    case "branched":
      return { type: "branched", rev, headSeq: throughSeq ?? 0, fromSeq: seq ?? 0 };
    case "summarized":
      return { type: "summarized", rev, version: version ?? 0, throughSeq: throughSeq ?? 0, degraded };
    case "summaryFailed":
      return { type: "summaryFailed", rev, throughSeq: throughSeq ?? 0 };
    default:
      return change.kind satisfies never;
  }
}
