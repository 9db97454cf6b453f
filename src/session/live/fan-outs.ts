import { MAX_FAN_OUTS, MAX_SOCKETS_PER_FAN_OUT } from "../../api/limits.ts";
import type { Rev } from "../../api/live.ts";
import { createLog } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import type { Transactions } from "../transactions.ts";
import { attempt } from "./attempt.ts";
import type { News } from "./followed.ts";
import type { OwnFeed } from "./own-feed.ts";
import type { FollowedSession, Told } from "./told.ts";

/** The methods of a fan-out object that its session's object calls. */
export interface FanOutCalls {
  /** Takes a change. @returns how many sockets the object has; 0: it need not be told of further changes */
  tell(news: News): Promise<number>;
  /** How many sockets it has. */
  count(): Promise<number>;
}

/** What the session's object knows of one of its fan-out objects. Only which of them have sockets is stored. */
interface FanOutState {
  /** The last event that it was told of. */
  told: Rev;
  /** The session as it was told. */
  toldSession: string;
  /** How many sockets it has, as far as known; null: it has to be asked. */
  sockets: number | null;
  /** How often it began to follow. An answer to what it was told before that says nothing about its sockets now. */
  follows: number;
  isBeingTold: boolean;
  /** Whether something was committed meanwhile. */
  isMoreToTell: boolean;
}

/** How long counts of sockets are believed before a session that seems full asks for them again, in ms. */
const COUNTED_FOR_MS = 5_000;

const log = createLog();

/**
 * The fan-out objects of a session, as its own object sees them. Each of them is told of each change by one call after
 * the commit, with the events in the form in which clients get them. At most one such call to each is under way; what is
 * committed meanwhile goes with the next. No append waits for them, and none fails because of them.
 */
export class FanOuts {
  readonly #calls: Transactions;
  readonly #feed: OwnFeed;
  readonly #objectOf: (fanOut: number) => FanOutCalls;
  readonly #keepAlive: (work: Promise<void>) => void;
  readonly #states = new Map<number, FanOutState>();
  #countedAt = 0;
  #counting: Promise<void> | null = null;
  /** The last news that were made. Each of the objects gets the same, and each commit makes new ones. */
  #news: { readonly after: Rev; readonly news: News } | null = null;

  constructor(
    calls: Transactions,
    feed: OwnFeed,
    objectOf: (fanOut: number) => FanOutCalls,
    keepAlive: (work: Promise<void>) => void,
  ) {
    this.#calls = calls;
    this.#feed = feed;
    this.#objectOf = objectOf;
    this.#keepAlive = keepAlive;
    // Nothing can be written before this runs, so they have been told of all that is in the log. What an object of this
    // session that broke down did not tell any more, they find out themselves: see `FanOut.alarm`.
    for (const fanOut of this.#following()) this.#stateOf(fanOut);
  }

  /** Tells all of them what has changed. Never throws, because it runs after the commit. */
  tell(): void {
    this.#news = null;
    try {
      for (const fanOut of this.#following()) {
        const state = this.#stateOf(fanOut);
        state.isMoreToTell = true;
        if (!state.isBeingTold) this.#keepAlive(this.#tell(fanOut, state));
      }
    } catch (error) {
      log.error("fan_outs_not_told", errorFields(error));
    }
  }

  /** A fan-out object has sockets and wants to be told of changes. @returns where it begins; null if there is no session */
  follow(fanOut: number): Told | null {
    const told = this.#feed.told();
    if (told?.session.state !== "open") return told;
    const { row } = this.#calls.unit();
    if (row !== null && (row.fanOuts & (1 << fanOut)) === 0) {
      this.#calls.change(({ store }) => store.setFanOuts(row.fanOuts | (1 << fanOut)));
    }
    const state = this.#stateOf(fanOut);
    state.follows += 1;
    this.#noteTold(state, told);
    return told;
  }

  /** Which fan-out object is to keep a further socket; null if all are full. */
  async choose(): Promise<number | null> {
    const found = this.#find();
    const isKnown = this.#following().every((fanOut) => this.#states.get(fanOut)?.sockets !== null);
    const isBeyond = found === null || !this.#following().includes(found);
    if (isKnown && (!isBeyond || Date.now() < this.#countedAt + COUNTED_FOR_MS)) return this.#reserve(found);
    this.#counting ??= this.#count();
    await this.#counting;
    return this.#reserve(this.#find());
  }

  #reserve(fanOut: number | null): number | null {
    if (fanOut === null) return null;
    const state = this.#stateOf(fanOut);
    state.sockets = (state.sockets ?? 0) + 1;
    return fanOut;
  }

  /** The first with room, so that few of them have to be told of changes. */
  #find(): number | null {
    for (let fanOut = 0; fanOut < MAX_FAN_OUTS; fanOut += 1) {
      const sockets = this.#states.get(fanOut)?.sockets;
      if (sockets === undefined || (sockets !== null && sockets < MAX_SOCKETS_PER_FAN_OUT)) return fanOut;
    }
    return null;
  }

  /** Asks those that have sockets how many. One that does not answer counts as full until it is asked again. */
  async #count(): Promise<void> {
    this.#countedAt = Date.now();
    const following = this.#following();
    // Sockets that were given to others never arrived there, or they would follow.
    for (const [fanOut, state] of this.#states) if (!following.includes(fanOut)) state.sockets = 0;
    await Promise.all(
      following.map(async (fanOut) => {
        const state = this.#stateOf(fanOut);
        try {
          state.sockets = await attempt(() => this.#objectOf(fanOut).count());
        } catch (error) {
          state.sockets = MAX_SOCKETS_PER_FAN_OUT;
          log.warn("fan_out_not_counted", { fanOut, ...errorFields(error) });
        }
      }),
    );
    this.#counting = null;
  }

  async #tell(fanOut: number, state: FanOutState): Promise<void> {
    state.isBeingTold = true;
    try {
      while (state.isMoreToTell) {
        state.isMoreToTell = false;
        const news = this.#newsFor(state);
        if (news === null) continue;
        const { follows } = state;
        const sockets = await attempt(() => this.#objectOf(fanOut).tell(news));
        if (follows !== state.follows) continue;
        this.#noteTold(state, news);
        state.sockets = sockets;
        if (sockets === 0) this.#forget(fanOut);
      }
    } catch (error) {
      // The next change is told from the last one on that was taken; and the fan-out object itself looks every minute.
      log.warn("fan_out_not_told", { fanOut, ...errorFields(error) });
    } finally {
      state.isBeingTold = false;
    }
  }

  /** What it was not told yet; null if that is nothing. */
  #newsFor(state: FanOutState): News | null {
    const told = this.#feed.told();
    if (told === null) return null;
    const { session, head } = told;
    const isOpen = session.state === "open";
    const isMore = isOpen && head.rev > state.told;
    if (!isMore && nameOf(session) === state.toldSession) return null;
    const after = isMore ? state.told : head.rev;
    if (this.#news?.after !== after) {
      const page = isMore ? this.#feed.page(after) : null;
      this.#news = { after, news: { session, head, page: page ?? { after: head.rev, events: [] } } };
    }
    return this.#news.news;
  }

  #noteTold(state: FanOutState, { session, head }: Told): void {
    state.told = head.rev;
    state.toldSession = nameOf(session);
  }

  /** It has no sockets any more. */
  #forget(fanOut: number): void {
    this.#states.delete(fanOut);
    this.#calls.changeIfLeft(({ row, store }) => {
      if (row !== null && (row.fanOuts & (1 << fanOut)) !== 0) store.setFanOuts(row.fanOuts & ~(1 << fanOut));
    });
  }

  /** Those that have to be told of changes. */
  #following(): number[] {
    const { row } = this.#calls.unit();
    if (row === null || row.fanOuts === 0) return [];
    return Array.from({ length: MAX_FAN_OUTS }, (_, fanOut) => fanOut).filter(
      (fanOut) => (row.fanOuts & (1 << fanOut)) !== 0,
    );
  }

  #stateOf(fanOut: number): FanOutState {
    const known = this.#states.get(fanOut);
    if (known !== undefined) return known;
    const told = this.#feed.told();
    const state = {
      told: told?.head.rev ?? 0,
      toldSession: told === null ? "" : nameOf(told.session),
      sockets: this.#following().includes(fanOut) ? null : 0,
      follows: 0,
      isBeingTold: false,
      isMoreToTell: false,
    };
    this.#states.set(fanOut, state);
    return state;
  }
}

function nameOf({ epoch, state }: FollowedSession): string {
  return `${epoch} ${state}`;
}
