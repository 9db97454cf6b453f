import type { Fault } from "../api/errors.ts";
import type { UserJobMessage } from "../api/job.ts";
import { CREATION_GRANT_MS, ERASED_USER_REST_MS } from "../api/limits.ts";
import type { ErasureFindings, UserErasure, UserRef } from "../api/user.ts";
import type { LateWork } from "../control/late-work-client.ts";
import { LATE_AFTER_MS, LATE_AFTER_SENDS, resendDelayMs, retryDelayMs } from "../lib/retry-policy.ts";

/** The erasure of a user: its stored state, and what has to be done next. The time and random numbers are passed in. */

/** How many sessions a consumer gets at a time. Each costs a call to its object. */
const PAGE_SIZE = 50;
/**
 * How long after progress the job is sent again, in ms. A consumer that continues comes back far sooner; this is for
 * one that stopped.
 */
const PROGRESS_PAUSE_MS = 5_000;
/** After this many ms a creation grant can no longer create a session, even if the clocks of two objects differ. */
export const GRANT_REST_MS = 2 * CREATION_GRANT_MS;

/**
 * What the consumer of an erasure does next.
 * - `wipe`: erase these sessions in their objects
 * - `look`: ask the objects of these erased sessions what is left; no request that could create them again is on its
 *   way any more
 * - `places`: nothing is left in the objects; look into the archive and the failed jobs, and report what is found there
 *   with `conclude`
 */
export type ErasureStep =
  | { readonly next: "wipe" | "look"; readonly sessions: readonly string[] }
  | { readonly next: "places" };

/**
 * What was found in a session's object: a session (created again meanwhile), pending jobs of its erasure, or nothing.
 */
export type SessionRemains = "session" | "pending" | "nothing";

/** A failed attempt, as operators see it. Times are in ms since 1970. */
export interface ErasureFailure {
  readonly failures: number;
  readonly gaveUp: false;
  readonly firstError: string;
  readonly firstFailedAt: number;
  readonly lastFailedAt: number;
}

/** A session, and what was found in its object. */
export type LookedAt = readonly [session: string, remains: SessionRemains];

/** The stored state of an erasure. Times are in ms since 1970. */
export interface ErasureRow extends UserRef {
  readonly jobId: string;
  readonly startedAt: number;
  readonly finishedAt: number | null;
  /** How many sessions were known when it started, or were found since. */
  readonly sessions: number;
  /** What the last look into all places found; null before the first. */
  readonly found: ErasureFindings | null;
  /** Rounds without progress: they lengthen the pause before the next. */
  readonly sends: number;
  /** How often the job was sent since the last progress. */
  readonly unanswered: number;
  /** When it was started again, after it had been completed; absent if it never was. */
  readonly pendingSince?: number;
  readonly failures: number;
  readonly firstFailedAt: number | null;
  readonly firstError: string | null;
  readonly lastError: string | null;
  readonly nextSendAt: number;
  /** The `traceparent` of the request that started it. */
  readonly trace?: string;
}

export const ERASURE_SCHEMA = `
  CREATE TABLE erasure (one INTEGER PRIMARY KEY CHECK (one = 1), row TEXT NOT NULL);
`;

/** States of an entry: not erased yet; erased in its object; its object confirmed that nothing is left. */
const LISTED = 0;
const WIPED = 1;
const CONFIRMED = 2;

/** The erasure's row, and the state of each entry while it runs. */
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

  /** Starts a completed erasure again, because something of the user was found. */
  beginAgain(row: ErasureRow, now: number): ErasureRow {
    const begun = { sends: 0, unanswered: 0, pendingSince: now, nextSendAt: now };
    const again = { ...row, ...begun, finishedAt: null, found: null, ...NO_FAILURE };
    this.put(again);
    return again;
  }

  /**
   * Adds sessions that were found elsewhere. Those that are known already stay as they are.
   * @returns how many were new
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

  /** The number of sessions of which something may be left. */
  unconfirmed(): number {
    return this.#count(`erasing < ${CONFIRMED}`);
  }

  /**
   * What the consumer does next. Null if it has to wait; then `nextSendAt` of the row says until when.
   * @param since ms since 1970: sessions that were looked at after this time are not looked at again
   */
  next(row: ErasureRow, since: number, random: number, now: number): ErasureStep | null {
    if (row.finishedAt !== null && isAtRest(row, now)) {
      // The job arrived early, for example as a late delivery: the erasure rests until its last look.
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
    // Created by a request that was on its way when the erasure started.
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

  /** Records that the job was sent. It is sent again after a pause unless a consumer makes progress. */
  noteSent(row: ErasureRow, random: number, now: number): void {
    this.put({ ...row, unanswered: row.unanswered + 1, nextSendAt: now + resendDelayMs(1, random) });
  }

  /**
   * Completes the erasure if nothing was found, and schedules a last look for when no late write can arrive. Otherwise
   * continues it.
   */
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

/** Whether the erasure is complete and its last look is not due yet. */
export function isAtRest({ finishedAt }: ErasureRow, now: number): boolean {
  return finishedAt !== null && now < finishedAt + ERASED_USER_REST_MS;
}

/** The report for operators about an erasure that was sent several times without progress; null if it is not late. */
export function lateErasure(
  { jobId, startedAt, pendingSince, finishedAt, unanswered }: ErasureRow,
  now: number,
): LateWork | null {
  const scheduledAt = pendingSince ?? startedAt;
  const isLate = finishedAt === null && unanswered >= LATE_AFTER_SENDS && now - scheduledAt >= LATE_AFTER_MS;
  return isLate ? { jobId, kind: "erase-user", scheduledAt } : null;
}

const NO_FAILURE = { failures: 0, firstFailedAt: null, firstError: null, lastError: null };

/**
 * The erasure as clients see it.
 * @param unconfirmed the number of sessions of which something may be left
 */
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

/** The fault for writes in the name of a user who is being erased or was erased recently. */
export function erasedUser({ startedAt, finishedAt }: ErasureRow): Fault {
  const returnsAt = finishedAt === null ? null : iso(finishedAt + ERASED_USER_REST_MS);
  const when = returnsAt === null ? "four days after the erasure is complete" : `about ${returnsAt}`;
  return {
    code: "user_erased",
    detail: `This user was erased, so nothing can be written in the user's name: a late write would leave a trace. Use another user id to start over; this one can be used again ${when}.`,
    facts: { erasedAt: iso(startedAt), ...(returnsAt === null ? {} : { returnsAt }) },
  };
}

/** The queue message of the erasure. */
export function jobOf({ tenant, owner, jobId, trace }: ErasureRow): UserJobMessage {
  return { v: 1, kind: "erase-user", tenant, owner, jobId, ...(trace === undefined ? {} : { trace }) };
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
