/**
 * Daily counts that many objects share, such as those of all sessions of a tenant. An isolate keeps the last known
 * total of all other isolates, and counts what its own sessions used. A request is checked against these without
 * waiting. Afterwards the isolate reports its counts in batches to the object that adds up all of them (the tenant's or
 * the directory).
 */

import { setNewest } from "../../lib/lru.ts";
import type { Log } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import { startOfDay } from "./day.ts";

/** How much of each limit was used. */
export type Counts<N extends string> = Readonly<Record<N, number>>;
/** The daily limits; null: unlimited. */
export type Bounds<N extends string> = Readonly<Record<N, number | null>>;

/**
 * What the sessions of one isolate (`teller`) used on a day, in total so far. A total, so that a repeated report is not
 * counted twice.
 */
type DayReport<N extends string> = Counts<N> & { readonly teller: string; readonly day: number };

/** The answer to a report: what all isolates reported for the day, and how much of that this isolate did. */
export interface DayAnswer<N extends string> {
  readonly total: Counts<N>;
  readonly told: Counts<N>;
}

/** Sends a report to the object of a holder (a tenant or a user). Idempotent. */
export type TellDay<N extends string> = (holder: string, report: DayReport<N>) => Promise<DayAnswer<N>>;

/** Settings of `SharedDays`. `names`: what is counted, such as "messages". */
export interface SharedDaysOptions<N extends string> {
  readonly names: readonly N[];
  readonly log: Log;
  /** What the holders are ("tenant", "user"): the field's name in log lines. */
  readonly holder: string;
  /** How often an isolate reports to the object of one holder, in ms. */
  readonly tellEveryMs: number;
  /** How many holders are remembered. The least recently used are dropped first. */
  readonly maxHolders: number;
}

/** Reported at once when this share of a limit is unreported. At most 100 such calls a day for each isolate. */
const TELL_SHARE = 0.01;
/** How long nothing is reported after a failure, in ms. */
const REST_MS = 5_000;
/**
 * How long after its time a report counts as missed, in ms: the object that was to send it may have been evicted, and
 * another one does.
 */
const MISSED_MS = 1_000;

/** What is known of one day of a holder. Each count only increases. */
interface Day<N extends string> {
  readonly day: number;
  /** Used by sessions of this isolate. */
  taken: Counts<N>;
  /** How much of that was sent to the object, and how much the object has confirmed. */
  sent: Counts<N>;
  told: Counts<N>;
  /** Used by sessions of other isolates, according to the last answer. */
  others: Counts<N>;
}

interface Holder<N extends string> {
  /** Oldest first. Those before the last one have unconfirmed counts. */
  days: Day<N>[];
  calledAt: number;
  /** When the next report is planned, in ms since 1970; null if none is. */
  nextAt: number | null;
  failedAt: number | null;
}

/** The counts of all holders that an isolate knows of. */
export class SharedDays<N extends string> {
  readonly #options: SharedDaysOptions<N>;
  readonly #holders = new Map<string, Holder<N>>();
  #teller: string | null = null;

  constructor(options: SharedDaysOptions<N>) {
    this.#options = options;
  }

  /** What is known to be used today. The true value may be higher, never lower. */
  knownToday(holder: string, now: number): Counts<N> {
    const day = this.#holders.get(holder)?.days.at(-1);
    return day === undefined || day.day !== startOfDay(now) ? this.#nothing() : this.#plus(day.others, day.taken);
  }

  /** Counts what a session of this isolate used. */
  count(holder: string, taken: Counts<N>, now: number): void {
    const day = this.#dayOf(holder, now);
    day.taken = this.#plus(day.taken, taken);
  }

  /** In how many ms the caller has to report; null if there is nothing to report, or if another caller will. */
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

  /**
   * Reports to the holder's object what it does not know yet. Never rejects: failures are logged, and reported again
   * later.
   */
  async tell(holder: string, tell: TellDay<N>, now: number): Promise<void> {
    const known = this.#holders.get(holder);
    if (known === undefined) return;
    known.nextAt = null;
    known.calledAt = now;
    // Not in module scope: Workers cannot generate random values there.
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

  /** The larger count for each name. */
  most(one: Counts<N>, other: Counts<N>): Counts<N> {
    return this.#each((name) => Math.max(one[name], other[name]));
  }

  #dayOf(holder: string, now: number): Day<N> {
    const known = this.#holders.get(holder) ?? { days: [], calledAt: 0, nextAt: null, failedAt: null };
    setNewest(this.#holders, holder, known, this.#options.maxHolders);
    const start = startOfDay(now);
    const last = known.days.at(-1);
    // If the clock is set back, the newest day continues.
    if (last !== undefined && last.day >= start) return last;
    const nothing = this.#nothing();
    const day = { day: start, taken: nothing, sent: nothing, told: nothing, others: nothing };
    known.days = [...known.days.filter(({ told, taken }) => this.#isLess(told, taken)), day];
    return day;
  }

  /** Keeps the highest values, because answers may arrive out of order. */
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
