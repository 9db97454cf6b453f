import { MAX_OWN_SOCKETS, MAX_UNACKNOWLEDGED_BYTES, MAX_UNACKNOWLEDGED_EVENTS } from "../../api/limits.ts";
import type { Rev } from "../../api/live.ts";
import type { Seq } from "../../api/message.ts";
import type { SentEvent } from "../log/index.ts";
import type { Transactions } from "../transactions.ts";
import type { EventPage, Followed } from "./followed.ts";
import { headRev, readEvents, resumeAt } from "./read-feed.ts";
import type { FollowedSession, Told } from "./told.ts";

/** The size of a page of events. Sockets that are at the same event share a page. */
const PAGE_EVENTS = 64;
const PAGE_BYTES = 256 * 1024;

/** The feed as the session's own object reads it from the log. */
export class OwnFeed implements Followed {
  readonly isRemembered = true;
  readonly #calls: Transactions;

  constructor(calls: Transactions) {
    this.#calls = calls;
  }

  get maxSockets(): number {
    return MAX_OWN_SOCKETS;
  }

  session(): FollowedSession | null {
    const { row } = this.#calls.unit();
    if (row === null) return null;
    const { tenant, owner, session, epoch, revBase, tenantSettings, erasedAt, expiredAt } = row;
    const state = erasedAt !== null ? "erased" : expiredAt === null ? "open" : "expired";
    return { tenant, owner, session, epoch, revBase, isHighTier: tenantSettings.limits?.requestTier === "high", state };
  }

  headRev(): Rev {
    return headRev(this.#calls.unit());
  }

  headSeq(): Seq {
    const { store } = this.#calls.unit();
    return store.branches.active(store.messages.head()?.seq ?? 0).headSeq;
  }

  isForgotten(after: Rev): boolean {
    return resumeAt(this.#calls.unit(), after) === null;
  }

  eventsAfter(after: Rev): readonly SentEvent[] {
    return readEvents(this.#calls.unit(), after, PAGE_EVENTS, PAGE_BYTES);
  }

  sizesAfter(after: Rev, sent: Rev): readonly SentEvent[] {
    const unit = this.#calls.unit();
    const sizes: SentEvent[] = [];
    if (resumeAt(unit, after) === null) return sizes;
    for (let from = after; from < sent;) {
      const events = readEvents(unit, from, MAX_UNACKNOWLEDGED_EVENTS, MAX_UNACKNOWLEDGED_BYTES);
      if (events.length === 0) break;
      for (const event of events) {
        if (event.rev <= sent) sizes.push(event);
        from = event.rev;
      }
    }
    return sizes;
  }

  /** What a fan-out object is told; null if there is no session. */
  told(): Told | null {
    const session = this.session();
    if (session === null) return null;
    if (session.state !== "open") return { session, head: { rev: session.revBase, headSeq: 0, changedAt: 0 } };
    const changedAt = session.revBase + (this.#calls.unit().store.feed.lastThrough()?.rev ?? 0);
    return { session, head: { rev: this.headRev(), headSeq: this.headSeq(), changedAt } };
  }

  /** The next events after a rev, for a fan-out object; null if they are no longer stored. */
  page(after: Rev): EventPage | null {
    return this.isForgotten(after) ? null : { after, events: this.eventsAfter(after) };
  }
}
