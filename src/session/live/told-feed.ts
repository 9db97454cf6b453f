import { MAX_SOCKETS_PER_FAN_OUT } from "../../api/limits.ts";
import type { Rev } from "../../api/live.ts";
import type { Seq } from "../../api/message.ts";
import type { SentEvent } from "../log/index.ts";
import type { Attachment } from "./attachment.ts";
import type { EventPage, Followed, ToldPage } from "./followed.ts";
import type { FollowedSession, Told } from "./told.ts";

/**
 * How many sockets more than it is given a fan-out object keeps: while the session's object learns how many there are,
 * others are on their way.
 */
const MAX_SOCKETS_ON_THE_WAY = 100;
/** How many pages are asked for at the same time. More readers that lag behind at other events wait. */
const MAX_ASKED_AT_ONCE = 4;

/** In place of the newest message, which the attachments of sockets do not have. */
const NOT_RECALLED = -1;

/** Asks the session's object for the events after a rev; null if it holds no session. */
export type AskForPage = (epoch: string, after: Rev) => Promise<ToldPage | null>;

/**
 * The feed as a fan-out object knows it: what the session's object told last. Events are kept for one delivery only,
 * so that none is sent that was changed or erased since, and so that no text of a message stays in this object.
 */
export class ToldFeed implements Followed {
  readonly maxSockets = MAX_SOCKETS_PER_FAN_OUT + MAX_SOCKETS_ON_THE_WAY;
  readonly isRemembered = false;
  readonly #ask: AskForPage;
  readonly #deliver: () => void;
  readonly #fail: (after: Rev, error: unknown) => void;
  #told: Told | null = null;
  #page: EventPage | null = null;
  /** Events up to this one are no longer stored. */
  #forgottenThrough: Rev = 0;
  readonly #asked = new Set<Rev>();
  /** Where sockets wait for events that were not at hand in this delivery. */
  readonly #wanted = new Set<Rev>();

  /**
   * @param deliver sends what is known now to all sockets
   * @param fail called if the events after a rev could not be had
   */
  constructor(ask: AskForPage, deliver: () => void, fail: (after: Rev, error: unknown) => void) {
    this.#ask = ask;
    this.#deliver = deliver;
    this.#fail = fail;
  }

  /** After hibernation: takes what is known from the attachments of the sockets. */
  recall(attachments: readonly Attachment[]): void {
    for (const { followed, sent } of attachments) {
      if (followed === undefined || sent === null) continue;
      this.#learn({ session: followed.session, head: { rev: sent, headSeq: NOT_RECALLED, changedAt: sent } });
    }
  }

  session(): FollowedSession | null {
    return this.#told?.session ?? null;
  }

  headRev(): Rev {
    return this.#told?.head.rev ?? 0;
  }

  headSeq(): Seq {
    return Math.max(0, this.#told?.head.headSeq ?? 0);
  }

  isForgotten(after: Rev): boolean {
    return after < this.#forgottenThrough;
  }

  eventsAfter(after: Rev): readonly SentEvent[] | null {
    const page = this.#page;
    const last = page?.events.at(-1)?.rev ?? 0;
    if (page !== null && page.after <= after && after < last) return page.events.filter(({ rev }) => rev > after);
    // Asked for once the delivery that is running has gone over all sockets.
    if (this.#wanted.size === 0) queueMicrotask(() => this.#askForWanted());
    this.#wanted.add(after);
    return null;
  }

  sizesAfter(): readonly SentEvent[] {
    return [];
  }

  /** Takes what the session's object told, and sends it on. @param told null if there is no session any more */
  take(told: Told | null, page: EventPage | null = null): void {
    const known = this.#told;
    if (told === null) this.#told = null;
    else this.#learn(told);
    if (this.#told !== known) this.#send(page);
  }

  /** Sends what is known to all sockets, and asks for what some of them still lack. */
  #send(page: EventPage | null): void {
    this.#page = page;
    this.#deliver();
    this.#page = null;
  }

  #askForWanted(): void {
    const waiting = [...this.#wanted].filter((after) => !this.#asked.has(after));
    this.#wanted.clear();
    while (waiting.length > 0 && this.#asked.size < MAX_ASKED_AT_ONCE) {
      // By lot, so that no reader waits for ever behind others that have more to catch up on.
      const [after] = waiting.splice(Math.floor(Math.random() * waiting.length), 1);
      if (after !== undefined) void this.#fetch(after);
    }
  }

  async #fetch(after: Rev): Promise<void> {
    const { epoch } = this.session() ?? {};
    if (epoch === undefined) return;
    this.#asked.add(after);
    try {
      const answer = await this.#ask(epoch, after);
      this.#asked.delete(after);
      if (answer === null) {
        this.take(null);
        return;
      }
      const { page, ...told } = answer;
      this.#learn(told);
      const isOfEpoch = told.session.epoch === epoch;
      if (isOfEpoch && page === null) this.#forgottenThrough = Math.max(this.#forgottenThrough, after + 1);
      // A change that was told while the page was on its way may be about one of its messages.
      const isStale = !isOfEpoch || told.head.rev < (this.#told?.head.changedAt ?? 0);
      if (page?.events.length === 0 && told.head.rev > after) throw new Error("the feed ends before its last event");
      this.#send(isStale ? null : page);
    } catch (error) {
      this.#asked.delete(after);
      this.#fail(after, error);
      // Others may wait for their turn to ask.
      this.#send(null);
    }
  }

  #learn(told: Told): void {
    if (this.#told === null || isNewer(told, this.#told)) this.#told = told;
  }
}

/** Whether what was told came after what is known. Calls may overtake each other. */
function isNewer(told: Told, known: Told): boolean {
  if (told.session.epoch !== known.session.epoch) return told.session.revBase > known.session.revBase;
  if (known.session.state !== "open") return false;
  if (told.session.state !== "open" || told.head.rev > known.head.rev) return true;
  return told.head.rev === known.head.rev && known.head.headSeq === NOT_RECALLED;
}
