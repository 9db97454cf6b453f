/**
 * What an isolate knows of days that many objects share, such as those of its sessions' tenants: how much the sessions of all isolates
 * took, as last told, and what its own took since. An append is checked from that and waits for nothing; the object that adds it all up is
 * told afterwards, in batches.
 */

import { setNewest } from "../../lib/lru.ts";
import type { Log } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import { startOfDay } from "./day.ts";

export type Counts<N extends string> = Readonly<Record<N, number>>;
export type Bounds<N extends string> = Readonly<Record<N, number | null>>;

/** What the sessions of one isolate took of a day, all in all so far: told again, it counts once. */
export type DayReport<N extends string> = Counts<N> & { readonly teller: string; readonly day: number };

/** What is told of a day: by all, and of that by whoever asks. */
export interface DayAnswer<N extends string> {
  readonly total: Counts<N>;
  readonly told: Counts<N>;
}

/** Idempotent. */
export type TellDay<N extends string> = (holder: string, report: DayReport<N>) => Promise<DayAnswer<N>>;

export interface SharedDaysOptions<N extends string> {
  readonly names: readonly N[];
  readonly log: Log;
  /** Whose days they are, for the log. */
  readonly holder: string;
  /** An object is told so often by an isolate. */
  readonly tellEveryMs: number;
  /** Holders remembered. Those heard of longest ago go first. */
  readonly maxHolders: number;
}

/** And at once when so much of a bound is untold: 100 such calls a day, however fast it goes. */
const TELL_SHARE = 0.01;
/** So long after a failure nothing is told. */
const REST_MS = 5_000;
/** Whoever was to tell may have been evicted meanwhile: so long after that others do. */
const MISSED_MS = 1_000;

/** What is known of one day of a holder. Each count only rises. */
interface Day<N extends string> {
  readonly day: number;
  /** By sessions of this isolate. */
  taken: Counts<N>;
  /** Of that, what is on its way to the object, and what has arrived there. */
  sent: Counts<N>;
  told: Counts<N>;
  /** By sessions of other isolates, as last told. */
  others: Counts<N>;
}

interface Holder<N extends string> {
  /** The last one is the newest. Those before have something that is untold. */
  days: Day<N>[];
  calledAt: number;
  /** When somebody will tell. */
  nextAt: number | null;
  failedAt: number | null;
}

export class SharedDays<N extends string> {
  readonly #options: SharedDaysOptions<N>;
  readonly #holders = new Map<string, Holder<N>>();
  #teller: string | null = null;

  constructor(options: SharedDaysOptions<N>) {
    this.#options = options;
  }

  /** What was taken of today at least: never more than was. */
  knownToday(holder: string, now: number): Counts<N> {
    const day = this.#holders.get(holder)?.days.at(-1);
    return day === undefined || day.day !== startOfDay(now) ? this.#nothing() : this.#plus(day.others, day.taken);
  }

  /** Counts what a session of this isolate took. */
  count(holder: string, taken: Counts<N>, now: number): void {
    const day = this.#dayOf(holder, now);
    day.taken = this.#plus(day.taken, taken);
  }

  /** In how many milliseconds the caller is to tell; null if there is nothing to tell, or another caller will. */
  tellIn(holder: string, bounds: Bounds<N>, now: number): number | null {
    const known = this.#holders.get(holder);
    if (known === undefined || !known.days.some(({ taken, sent }) => this.#isLess(sent, taken))) return null;
    const { tellEveryMs } = this.#options;
    const isResting = known.failedAt !== null && now - known.failedAt < REST_MS;
    const isDue = !isResting && (now - known.calledAt >= tellEveryMs || this.#isMuchUntold(known.days.at(-1), bounds));
    if (!isDue && known.nextAt !== null && now < known.nextAt + MISSED_MS) return null;
    const at = isDue ? now : Math.max(known.calledAt + tellEveryMs, (known.failedAt ?? 0) + REST_MS);
    known.nextAt = at;
    return at - now;
  }

  /** Tells the holder's object what it has not been told. Never rejects. */
  async tell(holder: string, tell: TellDay<N>, now: number): Promise<void> {
    const known = this.#holders.get(holder);
    if (known === undefined) return;
    known.nextAt = null;
    known.calledAt = now;
    // Not when the module is loaded: nothing is random then.
    const teller = (this.#teller ??= crypto.randomUUID());
    const untold = known.days.filter(({ taken, sent }) => this.#isLess(sent, taken));
    for (const day of untold) day.sent = day.taken;
    const { log, holder: kind } = this.#options;
    try {
      for (const day of untold) this.#noteAnswer(day, await tell(holder, { teller, day: day.day, ...day.sent }));
      if (known.failedAt !== null) log.info("taken_told_again", { [kind]: holder });
      known.failedAt = null;
    } catch (error) {
      if (known.failedAt === null) log.warn("taken_not_told", { [kind]: holder, ...errorFields(error) });
      known.failedAt = now;
      for (const day of untold) day.sent = day.told;
    }
    known.days = known.days.filter(
      (day, index) => index === known.days.length - 1 || this.#isLess(day.told, day.taken),
    );
  }

  /** Of each name the larger one. */
  most(one: Counts<N>, other: Counts<N>): Counts<N> {
    return this.#each((name) => Math.max(one[name], other[name]));
  }

  #dayOf(holder: string, now: number): Day<N> {
    const known = this.#holders.get(holder) ?? { days: [], calledAt: 0, nextAt: null, failedAt: null };
    setNewest(this.#holders, holder, known, this.#options.maxHolders);
    const start = startOfDay(now);
    const last = known.days.at(-1);
    // A clock that is set back goes on with the newest day.
    if (last !== undefined && last.day >= start) return last;
    const nothing = this.#nothing();
    const day = { day: start, taken: nothing, sent: nothing, told: nothing, others: nothing };
    known.days = [...known.days.filter(({ told, taken }) => this.#isLess(told, taken)), day];
    return day;
  }

  /** Answers may overtake each other. */
  #noteAnswer(day: Day<N>, { total, told }: DayAnswer<N>): void {
    day.told = this.most(day.told, told);
    const others = this.#each((name) => total[name] - told[name]);
    day.others = this.most(day.others, others);
  }

  #isMuchUntold(day: Day<N> | undefined, bounds: Bounds<N>): boolean {
    if (day === undefined) return false;
    return this.#options.names.some((name) => {
      const bound = bounds[name];
      return bound !== null && day.taken[name] - day.sent[name] >= bound * TELL_SHARE;
    });
  }

  #isLess(one: Counts<N>, other: Counts<N>): boolean {
    return this.#options.names.some((name) => one[name] < other[name]);
  }

  #plus(one: Counts<N>, other: Counts<N>): Counts<N> {
    return this.#each((name) => one[name] + other[name]);
  }

  #nothing(): Counts<N> {
    return this.#each(() => 0);
  }

  #each(count: (name: N) => number): Counts<N> {
    return Object.fromEntries(this.#options.names.map((name) => [name, count(name)])) as Counts<N>;
  }
}
