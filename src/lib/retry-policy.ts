/** When pending jobs are sent again, and when an object has to wake next. Times are in ms since 1970. */

/**
 * After a message was handed to a queue, it has this long to be started or confirmed before it is sent again. Once a
 * summarizer has started on it, its lease counts instead.
 */
const RESEND_BASE_MS = 60_000;
/** A message that waits for its turn in a long queue is not lost: it is sent again after this at the latest. */
const RESEND_MAX_MS = 3_600_000;
/**
 * How many times longer a message may wait than the oldest message waited when it was sent: in a growing queue, later
 * messages wait longer.
 */
const BACKLOG_FACTOR = 2;
/** The first and the longest pause before asking again for something that will be ready soon. */
const WAIT_BASE_MS = 1_000;
const WAIT_MAX_MS = 30_000;
/** The first pause after a failure, which may be momentary. */
const RETRY_BASE_MS = 2_000;
/**
 * The first pause before a fallback summary is replaced: a summarizer that just failed seldom recovers immediately.
 */
const UPGRADE_BASE_MS = 10_000;
/**
 * The first pause before asking again whether the archive has stored a change, which takes it some tenths of a second.
 */
const ASK_BASE_MS = 500;
/** The longest pause between two attempts, so that work resumes soon after an outage, however long it was. */
const RETRY_MAX_MS = 300_000;
/** Pauses vary by this share, so that many objects that failed together do not retry together. */
const JITTER_SHARE = 0.2;

/**
 * After this many failures a summary job is failed until somebody retries it or the session continues: each attempt may
 * cost money.
 */
export const MAX_SUMMARIZE_FAILURES = 20;
/**
 * After this many failures (about twenty minutes) the vectors are given up until the session is summarized again. Until
 * then messages are found by words only, and a long outage costs no further calls.
 */
export const MAX_EMBEDDING_FAILURES = 8;
/** From this many failures on, operators see a job on the list of failed jobs. */
export const REPORT_AFTER_FAILURES = 3;

/**
 * Whether the n-th failure is reported to the Operations object: the 3rd, 10th, 30th, 100th and so on. There is one
 * list for all sessions, so not every failure can be reported, and the job is on it since the 3rd.
 */
export function isReported(failures: number): boolean {
  for (let at = REPORT_AFTER_FAILURES; at <= failures; at *= 10) {
    if (failures === at || failures === Math.floor((at * 10) / REPORT_AFTER_FAILURES)) return true;
  }
  return false;
}
/**
 * A job that was sent this many times without being confirmed is reported as late, unless it is younger than
 * `LATE_AFTER_MS` and did not fail.
 */
export const LATE_AFTER_SENDS = 3;
/**
 * No job is late before this age. A job that waits for something else may be sent several times within seconds, and an
 * erasure waits for creation grants of its directory to expire, and for its sessions to get the archive's confirmation.
 */
export const LATE_AFTER_MS = 120_000;
/** A failed summary is retried when the session continues after this long. */
export const GIVEN_UP_REST_MS = 3_600_000;
/**
 * A consumer that has not answered for this long is considered dead. It is longer than the longest call of a model.
 */
export const LEASE_MS = 180_000;

/** The wake-ups of sessions that became idle at the same time vary by this share. */
const IDLE_JITTER_SHARE = 0.1;

/**
 * The state of a job in the object that keeps it. `pending`: it waits; `held`: a consumer works on it; `given-up`: it
 * failed too often; `over`: it is done, or its epoch has ended.
 */
export type JobStanding = "pending" | "held" | "given-up" | "over";

/**
 * When to wake an idle session.
 * @param lastActivityAt ms since 1970
 * @param share in [0, 1), constant for a session, so that computing it twice sets the same alarm
 */
export function idleWakeAt(lastActivityAt: number, idleSeconds: number, share: number): number {
  return Math.ceil(lastActivityAt + idleSeconds * 1000 * (1 + IDLE_JITTER_SHARE * share));
}

/** The earliest of some times; null if there is none. */
export function earliest(...moments: readonly (number | null)[]): number | null {
  const due = moments.filter((moment) => moment !== null);
  return due.length === 0 ? null : Math.min(...due);
}

function jittered(delayMs: number, random: number): number {
  return Math.round(delayMs * (1 - JITTER_SHARE + 2 * JITTER_SHARE * random));
}

/**
 * The pause after the n-th failure, in ms.
 * @param random in [0, 1)
 */
export function retryDelayMs(failures: number, random: number): number {
  return jittered(Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.max(0, failures - 1)), random);
}

/**
 * The pause before a degraded summary is made again, in ms, after n failures; n is 0 for the first attempt.
 * @param random in [0, 1)
 */
export function upgradeDelayMs(failures: number, random: number): number {
  return jittered(Math.min(RETRY_MAX_MS, UPGRADE_BASE_MS * 2 ** failures), random);
}

/**
 * The pause before another object is asked again whether it is done, in ms, after it was asked n times. Usually it is
 * done immediately.
 * @param random in [0, 1)
 */
export function askAgainDelayMs(asked: number, random: number): number {
  return jittered(Math.min(RETRY_MAX_MS, ASK_BASE_MS * 2 ** Math.max(0, asked - 1)), random);
}

/**
 * The pause before an unconfirmed job is sent again, in ms, after it was sent n times.
 * @param random in [0, 1)
 */
export function resendDelayMs(sends: number, random: number): number {
  return jittered(
    Math.max(RESEND_BASE_MS, Math.min(RETRY_MAX_MS, RESEND_BASE_MS * 2 ** Math.max(0, sends - 1))),
    random,
  );
}

/**
 * The pause before a job is sent again to a queue that is behind, in ms. Its message still waits in the queue, and
 * every further message would delay others: a queue full of messages for finished jobs does nothing useful.
 * @param waitedMs how long the oldest message of the queue has waited
 * @param random in [0, 1)
 */
export function backlogDelayMs(waitedMs: number, random: number): number {
  return jittered(Math.min(RESEND_MAX_MS, Math.max(0, waitedMs) * BACKLOG_FACTOR), random);
}

/** The pause before the n-th request for something that will be ready soon, in ms. */
export function waitDelayMs(waits: number): number {
  return Math.min(WAIT_MAX_MS, WAIT_BASE_MS * 2 ** Math.max(0, waits - 1));
}

/**
 * The first and the longest pause before a queue message is delivered again whose object could not be reached. It
 * doubles with each attempt.
 */
const UNREACHABLE_BASE_SECONDS = 5;
const UNREACHABLE_MAX_SECONDS = 300;

/** The pause after the n-th delivery of a message whose object could not be reached. */
export function unreachableDelaySeconds(attempts: number): number {
  return Math.min(UNREACHABLE_MAX_SECONDS, UNREACHABLE_BASE_SECONDS * 2 ** Math.max(0, attempts - 1));
}

/**
 * The first pause before a queue message is delivered again that needs PostgreSQL, while it cannot be reached. It
 * doubles with each attempt.
 */
const AWAY_BASE_SECONDS = 2;
/** The longest such pause: once PostgreSQL is back, all waiting messages are delivered within this time. */
const AWAY_MAX_SECONDS = 120;

/**
 * The pause after the n-th delivery that could not reach PostgreSQL.
 * @param random in [0, 1)
 */
export function awayDelaySeconds(attempts: number, random: number): number {
  const delay = Math.min(AWAY_MAX_SECONDS, AWAY_BASE_SECONDS * 2 ** Math.max(0, attempts - 1));
  return Math.ceil(jittered(delay * 1000, random) / 1000);
}

/** The first pause before audit events are delivered again that could not be stored. It doubles with each attempt. */
const AUDIT_BASE_SECONDS = 5;
/**
 * The longest such pause. With the queue's 100 retries this makes four days, the longest time that a queue keeps a
 * message.
 */
const AUDIT_MAX_SECONDS = 3_600;

/** The pause after the n-th delivery of audit events that could not be stored. */
export function auditDelaySeconds(attempts: number): number {
  return Math.min(AUDIT_MAX_SECONDS, AUDIT_BASE_SECONDS * 2 ** Math.max(0, attempts - 1));
}

/**
 * The first pause before a model is asked again that answered wrongly, while a fallback summary is in place. It doubles
 * with each failure, because each answer has to be paid for.
 */
const WRONG_AGAIN_BASE_SECONDS = 60;
const WRONG_AGAIN_MAX_SECONDS = 3_600;

/** The pause after a wrong answer, with n failures before it. */
export function wrongAgainDelaySeconds(failures: number): number {
  return Math.min(WRONG_AGAIN_MAX_SECONDS, WRONG_AGAIN_BASE_SECONDS * 2 ** failures);
}

/** The first pause before an alert notice is sent again that the webhook did not accept. It doubles each time. */
const NOTICE_BASE_MS = 10_000;
const NOTICE_MAX_MS = 900_000;

/** The pause after a notice was sent, with n attempts before it. */
export function noticeDelayMs(before: number): number {
  return Math.min(NOTICE_MAX_MS, NOTICE_BASE_MS * 2 ** before);
}
