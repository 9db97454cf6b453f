import type { Fault } from "../api/errors.ts";
import type { UserJobMessage } from "../api/job.ts";
import { CREATION_GRANT_MS, ERASED_USER_REST_MS } from "../api/limits.ts";
import type { ErasureFindings, UserErasure, UserRef } from "../api/user.ts";
import type { LateWork } from "../control/late-work-client.ts";
import { LATE_AFTER_MS, LATE_AFTER_SENDS, resendDelayMs, retryDelayMs } from "../lib/retry-policy.ts";

/** What a directory keeps of the erasure of its user, and what has to be done next. The clock and chance are passed in. */

/** Sessions that a consumer is given at a time: each costs a call to its object. */
const PAGE_SIZE = 50;
/** A consumer that goes on comes back far sooner; one that stopped is followed by another after this. */
const PROGRESS_PAUSE_MS = 5_000;
/** Longer than any word of the directory is good for, whatever two clocks differ by. */
export const GRANT_REST_MS = 2 * CREATION_GRANT_MS;

/**
 * - `wipe`: sessions that are to be erased in their objects
 * - `look`: sessions that were, and are to be asked what is left; no creation can be on its way to them any more
 * - `places`: nothing is left in the objects: the archive and the failed jobs are next, and then what was found there is told
 */
export type ErasureStep =
  | { readonly next: "wipe" | "look"; readonly sessions: readonly string[] }
  | { readonly next: "places" };

/** What a look at a session's object told. */
export type SessionRemains = "session" | "pending" | "nothing";

/** What operators are told of a failed attempt. */
export interface ErasureFailure {
  readonly failures: number;
  readonly gaveUp: false;
  readonly firstError: string;
  readonly firstFailedAt: number;
  readonly lastFailedAt: number;
}

export type LookedAt = readonly [session: string, remains: SessionRemains];

export interface ErasureRow extends UserRef {
  readonly jobId: string;
  readonly startedAt: number;
  readonly finishedAt: number | null;
  /** Sessions that were known when it began, and those that were found since. */
  readonly sessions: number;
  readonly found: ErasureFindings | null;
  readonly sends: number;
  /** How often the job was sent since anything came of it. */
  readonly unanswered: number;
  /** Since when there is something to do, where it was begun again; in ms since 1970. */
  readonly pendingSince?: number;
  readonly failures: number;
  readonly firstFailedAt: number | null;
  readonly firstError: string | null;
  readonly lastError: string | null;
  readonly nextSendAt: number;
  /** Which request asked for it first. It stands in a row that is written anyway. */
  readonly trace?: string;
}

export const ERASURE_SCHEMA = `
  CREATE TABLE erasure (one INTEGER PRIMARY KEY CHECK (one = 1), row TEXT NOT NULL);
`;

/** Of an entry of a session: nothing done yet; erased in its object; its object says that nothing is left. */
const LISTED = 0;
const WIPED = 1;
const CONFIRMED = 2;

export class DirectoryErasure {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  row(): ErasureRow | null {
    const stored = this.#sql.exec<{ row: string }>("SELECT row FROM erasure WHERE one = 1").toArray()[0];
    return stored === undefined ? null : (JSON.parse(stored.row) as ErasureRow);
  }

  put(row: ErasureRow): void {
    this.#sql.exec("INSERT OR REPLACE INTO erasure (one, row) VALUES (1, ?)", JSON.stringify(row));
  }

  begin(user: UserRef, jobId: string, now: number, trace?: string): void {
    const { tenant, owner } = user;
    this.put({
      tenant,
      owner,
      jobId,
      startedAt: now,
      finishedAt: null,
      sessions: this.#count("1"),
      found: null,
      sends: 0,
      unanswered: 0,
      ...NO_FAILURE,
      nextSendAt: now,
      ...(trace === undefined ? {} : { trace }),
    });
  }

  /** Begins again what was over: something was found that it did not know of. */
  beginAgain(row: ErasureRow, now: number): ErasureRow {
    const begun = { sends: 0, unanswered: 0, pendingSince: now, nextSendAt: now };
    const again = { ...row, ...begun, finishedAt: null, found: null, ...NO_FAILURE };
    this.put(again);
    return again;
  }

  /**
   * Sessions that another place names. Those that are no news are left as they are.
   * @returns how many are news
   */
  noteFound(row: ErasureRow, sessions: readonly string[], now: number): number {
    const before = this.entries();
    this.#sql.exec(
      `INSERT OR IGNORE INTO sessions (session, created_at, metadata) SELECT value, ?, '{}' FROM json_each(?)`,
      now,
      JSON.stringify(sessions),
    );
    const news = this.entries() - before;
    if (news > 0) this.#progress({ ...row, sessions: row.sessions + news }, now);
    return news;
  }

  entries(): number {
    return this.#count("1");
  }

  /** Entries that are not confirmed yet. */
  unconfirmed(): number {
    return this.#count(`erasing < ${CONFIRMED}`);
  }

  /**
   * What is next; null if it has to wait, and then the row says until when.
   * @param since ms since 1970: what was looked at after that is not looked at again
   */
  next(row: ErasureRow, since: number, random: number, now: number): ErasureStep | null {
    if (row.finishedAt !== null && isAtRest(row, now)) {
      // Whoever came late has it looked at sooner: it rests until the last look.
      this.put({ ...row, nextSendAt: row.finishedAt + ERASED_USER_REST_MS });
      return null;
    }
    const listed = this.#page(`erasing = ${LISTED}`);
    if (listed.length > 0) return { next: "wipe", sessions: listed };
    const settled = now - GRANT_REST_MS;
    const due = this.#page(`erasing = ${WIPED} AND granted_at <= ? AND looked_at < ?`, settled, since);
    if (due.length > 0) return { next: "look", sessions: due };
    if (this.unconfirmed() === 0) return { next: "places" };
    const held = this.#sql
      .exec<{ at: number | null }>(
        `SELECT min(granted_at) AS at FROM sessions WHERE erasing = ${WIPED} AND granted_at > ?`,
        settled,
      )
      .one().at;
    const isPending = this.#count(`erasing = ${WIPED} AND granted_at <= ?`, settled) > 0;
    const again = now + retryDelayMs(row.sends, random);
    const free = held === null ? Infinity : held + GRANT_REST_MS;
    this.put({ ...row, sends: row.sends + 1, nextSendAt: isPending ? Math.min(again, free) : free });
    return null;
  }

  noteWiped(row: ErasureRow, sessions: readonly string[], now: number): void {
    this.#mark(sessions, WIPED, 0);
    if (sessions.length > 0) this.#progress(row, now);
  }

  noteLooked(row: ErasureRow, looked: readonly LookedAt[], now: number): void {
    const those = (remains: SessionRemains): string[] =>
      looked.filter(([, left]) => left === remains).map(([session]) => session);
    this.#mark(those("nothing"), CONFIRMED, now);
    this.#mark(those("pending"), WIPED, now);
    // Created by a request that was on its way as the erasure began.
    this.#mark(those("session"), LISTED, now);
    if (those("nothing").length > 0) this.#progress(row, now);
  }

  noteFailure(row: ErasureRow, reason: string, random: number, now: number): ErasureRow {
    const failures = row.failures + 1;
    const failed = {
      ...row,
      failures,
      firstFailedAt: row.firstFailedAt ?? now,
      firstError: row.firstError ?? reason,
      lastError: reason,
      nextSendAt: now + retryDelayMs(failures, random),
    };
    this.put(failed);
    return failed;
  }

  /** The job was sent, and is sent again unless somebody comes back for it. */
  noteSent(row: ErasureRow, random: number, now: number): void {
    this.put({ ...row, unanswered: row.unanswered + 1, nextSendAt: now + resendDelayMs(1, random) });
  }

  /** What was found keeps it going; nothing ends it, but for a last look when no late write can come any more. */
  conclude(row: ErasureRow, found: ErasureFindings, random: number, now: number): ErasureRow {
    const isClean = found.sessions + found.directory + found.archive + found.failedJobs === 0;
    const sends = row.sends + 1;
    const concluded = isClean
      ? { ...row, found, finishedAt: now, nextSendAt: now + ERASED_USER_REST_MS, ...NO_FAILURE }
      : {
          ...row,
          ...(row.finishedAt === null ? {} : { pendingSince: now }),
          found,
          finishedAt: null,
          sends,
          nextSendAt: now + retryDelayMs(sends, random),
        };
    this.put(concluded);
    return concluded;
  }

  #progress(row: ErasureRow, now: number): void {
    this.put({ ...row, sends: 0, unanswered: 0, nextSendAt: now + PROGRESS_PAUSE_MS, ...NO_FAILURE });
  }

  #mark(sessions: readonly string[], state: number, lookedAt: number): void {
    this.#sql.exec(
      "UPDATE sessions SET erasing = ?, looked_at = ? WHERE session IN (SELECT value FROM json_each(?))",
      state,
      lookedAt,
      JSON.stringify(sessions),
    );
  }

  #page(condition: string, ...values: readonly number[]): string[] {
    return this.#sql
      .exec<{ session: string }>(`SELECT session FROM sessions WHERE ${condition} LIMIT ${PAGE_SIZE}`, ...values)
      .toArray()
      .map(({ session }) => session);
  }

  #count(condition: string, ...values: readonly number[]): number {
    return this.#sql
      .exec<{ count: number }>(`SELECT count(*) AS count FROM sessions WHERE ${condition}`, ...values)
      .one().count;
  }
}

/** It is over, and the last look is not due yet. */
export function isAtRest({ finishedAt }: ErasureRow, now: number): boolean {
  return finishedAt !== null && now < finishedAt + ERASED_USER_REST_MS;
}

/** What operators are told of an erasure that was sent again and again, and of which nothing came; null if it is in time. */
export function lateErasure(
  { jobId, startedAt, pendingSince, finishedAt, unanswered }: ErasureRow,
  now: number,
): LateWork | null {
  const scheduledAt = pendingSince ?? startedAt;
  const isLate = finishedAt === null && unanswered >= LATE_AFTER_SENDS && now - scheduledAt >= LATE_AFTER_MS;
  return isLate ? { jobId, kind: "erase-user", scheduledAt } : null;
}

const NO_FAILURE = { failures: 0, firstFailedAt: null, firstError: null, lastError: null };

/** The erasure as it is told. */
export function toUserErasure(row: ErasureRow, unconfirmed: number): UserErasure {
  const { owner, sessions, startedAt, finishedAt, found, lastError } = row;
  return {
    userId: owner,
    state: finishedAt === null ? "erasing" : "erased",
    sessions,
    erased: Math.max(0, sessions - unconfirmed),
    startedAt: iso(startedAt),
    ...(finishedAt === null ? {} : { finishedAt: iso(finishedAt), returnsAt: iso(finishedAt + ERASED_USER_REST_MS) }),
    ...(found === null ? {} : { found }),
    ...(lastError === null ? {} : { lastError }),
  };
}

export function erasedUser({ startedAt, finishedAt }: ErasureRow): Fault {
  const returnsAt = finishedAt === null ? null : iso(finishedAt + ERASED_USER_REST_MS);
  const when = returnsAt === null ? "four days after the erasure is complete" : `about ${returnsAt}`;
  return {
    code: "user_erased",
    detail: `Nothing is taken in in the name of this user, so that a late write leaves no trace. To begin anew use another user id; this one is free ${when}.`,
    facts: { erasedAt: iso(startedAt), ...(returnsAt === null ? {} : { returnsAt }) },
  };
}

export function jobOf({ tenant, owner, jobId, trace }: ErasureRow): UserJobMessage {
  return { v: 1, kind: "erase-user", tenant, owner, jobId, ...(trace === undefined ? {} : { trace }) };
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
