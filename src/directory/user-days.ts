/** What a user used in a day over all sessions: what isolates reported afterwards, and what was charged in advance. */

import { dayName, DAY_SECONDS } from "../api/quota.ts";
import { NOTHING_OF_USER, USER_COUNTS, type UserDeed, type UserTaken } from "../api/user-quota.ts";
import type { UserDayAnswer, UserDayReport } from "./user-day-client.ts";

/** How many past days are kept. A report arrives at most seconds after the end of its day. */
const KEPT_DAYS = 1;
const DAY_MS = DAY_SECONDS * 1_000;

/** A day. All of it is in one row, so that a report costs one written row. */
interface Day {
  readonly sessions: number;
  /** How many exports there were; absent if none. */
  readonly exports?: number;
  /** How many further pages of exports there were; absent if none. */
  readonly exportPages?: number;
  /** What was charged in advance, such as copies. */
  readonly charged: UserTaken;
  /** What each isolate reported. */
  readonly told: Readonly<Record<string, UserTaken>>;
}

const NOTHING: Day = { sessions: 0, charged: NOTHING_OF_USER, told: {} };

/** The daily counts of one user, in a table that is created on the first write. */
export class UserDays {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** What was used on the day of `now` (ms since 1970). */
  taken(now: number): UserTaken {
    return totalOf(this.#on(now));
  }

  /** How often the user did something on the day of `now`. */
  count(deed: UserDeed, now: number): number {
    return this.#on(now)[deed] ?? 0;
  }

  add(deed: UserDeed, now: number): void {
    const day = this.#on(now);
    this.#put(now, { ...day, [deed]: (day[deed] ?? 0) + 1 });
  }

  charge(taken: UserTaken, now: number): void {
    const day = this.#on(now);
    this.#put(now, { ...day, charged: plus(day.charged, taken) });
  }

  /** Records a report. Writes nothing if it contains nothing new. */
  note({ teller, day: ms, ...sums }: UserDayReport): UserDayAnswer {
    const day = this.#on(ms);
    const before = day.told[teller] ?? NOTHING_OF_USER;
    // Reports may arrive out of order: the highest totals count.
    const told = each((name) => Math.max(before[name], sums[name]));
    if (USER_COUNTS.every((name) => told[name] === before[name])) return { total: totalOf(day), told };
    const after = { ...day, told: { ...day.told, [teller]: told } };
    this.#put(ms, after);
    return { total: totalOf(after), told };
  }

  #on(ms: number): Day {
    const isThere = this.#sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'user_days'").toArray().length > 0;
    if (!isThere) return NOTHING;
    const row = this.#sql.exec<{ day: string }>("SELECT taken AS day FROM user_days WHERE day = ?", dayName(ms));
    const text = row.toArray()[0]?.day;
    return text === undefined ? NOTHING : JSON.parse(text);
  }

  #put(ms: number, day: Day): void {
    this.#sql.exec("CREATE TABLE IF NOT EXISTS user_days (day TEXT PRIMARY KEY, taken TEXT NOT NULL) WITHOUT ROWID");
    this.#sql.exec("INSERT OR REPLACE INTO user_days (day, taken) VALUES (?, ?)", dayName(ms), JSON.stringify(day));
    this.#sql.exec("DELETE FROM user_days WHERE day < ?", dayName(ms - KEPT_DAYS * DAY_MS));
  }
}

function totalOf({ charged, told }: Day): UserTaken {
  return Object.values(told).reduce(plus, charged);
}

function plus(one: UserTaken, other: UserTaken): UserTaken {
  return each((name) => one[name] + other[name]);
}

function each(count: (name: keyof UserTaken) => number): UserTaken {
  return {
    messages: count("messages"),
    tokens: count("tokens"),
    bytes: count("bytes"),
    summarizerTokens: count("summarizerTokens"),
  };
}
