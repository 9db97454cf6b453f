import type { Rev } from "../../api/live.ts";
import type { Seq } from "../../api/message.ts";
import type { SentEvent } from "../log/index.ts";
import type { FollowedSession, Told } from "./told.ts";

/**
 * What sockets follow. In the session's own object that is the log (`OwnFeed`); in a fan-out object it is what the
 * session's object told (`ToldFeed`).
 */
export interface Followed {
  /** How many sockets this object keeps. */
  readonly maxSockets: number;
  /**
   * Whether this object still knows the last event after it has hibernated. If not, each socket keeps the last event
   * that it was sent.
   */
  readonly isRemembered: boolean;
  /** The session as it is now; null if there is none. */
  session(): FollowedSession | null;
  /** The rev of the last event. Call this and the next only if there is a session. */
  headRev(): Rev;
  /** The newest message of the active branch; 0 if none. */
  headSeq(): Seq;
  /** Whether events after this rev are no longer stored. */
  isForgotten(after: Rev): boolean;
  /**
   * The next events after a rev, as they are now. Null if they have to be asked for: the sockets get them with a later
   * `deliver`.
   */
  eventsAfter(after: Rev): readonly SentEvent[] | null;
  /** Those of them that were sent up to `sent`, to count them again after hibernation. */
  sizesAfter(after: Rev, sent: Rev): readonly Pick<SentEvent, "rev" | "bytes">[];
}

/** A change of the session, as its object tells it to each fan-out object. */
export interface News extends Told {
  readonly page: EventPage;
}

/** Events in a row, as they were when `rev` was the last one. */
export interface EventPage {
  /** They follow this rev. */
  readonly after: Rev;
  readonly events: readonly SentEvent[];
}

/** The answer to a fan-out object that asks for events. */
export interface ToldPage extends Told {
  /** Null if these events are no longer stored. */
  readonly page: EventPage | null;
}
