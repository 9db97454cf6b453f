/** When pending work is sent again, and when an object next has to wake. Times are milliseconds since 1970. */

/**
 * A queue that took a message has this long to see it begun or confirmed before it is sent again. From when a summarizer is at work its lease
 * counts instead.
 */
const RESEND_BASE_MS = 60_000;
/** A message that waits for its turn in a long queue is not lost: it is sent again after this at the latest. */
const RESEND_MAX_MS = 3_600_000;
/** How much longer a message may wait than the oldest that waited when it was sent: a queue that grows makes later ones wait longer. */
const BACKLOG_FACTOR = 2;
/** Something that is about to be ready is asked for again after this. */
const WAIT_BASE_MS = 1_000;
const WAIT_MAX_MS = 30_000;
/** A first failure may be a blip. */
const RETRY_BASE_MS = 2_000;
/** A summarizer that just failed is seldom back at once. */
const UPGRADE_BASE_MS = 10_000;
/** The archive takes a change within some tenths of a second. */
const ASK_BASE_MS = 500;
/** The longest pause between two attempts, so that work goes on by itself soon after an outage, however long. */
const RETRY_MAX_MS = 300_000;
/** Spreads the retries of many objects that failed together. */
const JITTER_SHARE = 0.2;

/** After so many failures a summary is given up until somebody asks or the session goes on: each attempt may cost money. */
export const MAX_SUMMARIZE_FAILURES = 20;
/**
 * After so many failures, some twenty minutes, vectors are given up until the session is summarized again: without them it is found by its
 * words, and an outage that lasts costs no calls.
 */
export const MAX_EMBEDDING_FAILURES = 8;
/** From here on operators see it. */
export const REPORT_AFTER_FAILURES = 3;

/**
 * Whether operators hear of a failure: of the 3rd, 10th, 30th, 100th and so on. What they see of it is on their list since the 3rd, and there is
 * one list for all sessions.
 */
export function isReported(failures: number): boolean {
  for (let at = REPORT_AFTER_FAILURES; at <= failures; at *= 10) {
    if (failures === at || failures === Math.floor((at * 10) / REPORT_AFTER_FAILURES)) return true;
  }
  return false;
}
/** Work that was sent so often without being confirmed is told to operators, unless it is younger than `LATE_AFTER_MS` and did not fail. */
export const LATE_AFTER_SENDS = 3;
/**
 * Work that waits for something else may be sent a few times within seconds, and an erasure waits for the words of its directory to run out and for
 * its sessions to hear from the archive: before this none is late.
 */
export const LATE_AFTER_MS = 120_000;
/** A summary that was given up is tried again when the session goes on after this long. */
export const GIVEN_UP_REST_MS = 3_600_000;
/** A consumer that has not answered for this long is taken for dead. Longer than the longest call of a model. */
export const LEASE_MS = 180_000;

/** Spreads the wake-ups of sessions that fell silent together. */
const IDLE_JITTER_SHARE = 0.1;

/**
 * How a job stands with the object that keeps it.
 * - `pending`; - `held`: a consumer is at it; - `given-up`; - `over`: it is done, or of an epoch of the session that is over
 */
export type JobStanding = "pending" | "held" | "given-up" | "over";

/**
 * When a session that fell silent is looked at.
 * @param lastActivityAt ms since 1970
 * @param share in [0, 1), the same for one session each time, so that looking twice sets no other alarm
 */
export function idleWakeAt(lastActivityAt: number, idleSeconds: number, share: number): number {
  return Math.ceil(lastActivityAt + idleSeconds * 1000 * (1 + IDLE_JITTER_SHARE * share));
}

/** The earliest of some reasons to wake; null if there is none. */
export function earliest(...moments: readonly (number | null)[]): number | null {
  const due = moments.filter((moment) => moment !== null);
  return due.length === 0 ? null : Math.min(...due);
}

function jittered(delayMs: number, random: number): number {
  return Math.round(delayMs * (1 - JITTER_SHARE + 2 * JITTER_SHARE * random));
}

/**
 * The pause after the n-th failure.
 * @param random in [0, 1)
 */
export function retryDelayMs(failures: number, random: number): number {
  return jittered(Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** Math.max(0, failures - 1)), random);
}

/**
 * The pause before a degraded summary is made again, after the n-th attempt; n is 0 when it is first owed.
 * @param random in [0, 1)
 */
export function upgradeDelayMs(failures: number, random: number): number {
  return jittered(Math.min(RETRY_MAX_MS, UPGRADE_BASE_MS * 2 ** failures), random);
}

/**
 * The pause before others are asked again whether they are done, after they were asked n times: what they wait for is done at once as a rule.
 * @param random in [0, 1)
 */
export function askAgainDelayMs(asked: number, random: number): number {
  return jittered(Math.min(RETRY_MAX_MS, ASK_BASE_MS * 2 ** Math.max(0, asked - 1)), random);
}

/**
 * The pause before unconfirmed work is sent again, after it was sent n times.
 * @param random in [0, 1)
 */
export function resendDelayMs(sends: number, random: number): number {
  return jittered(
    Math.max(RESEND_BASE_MS, Math.min(RETRY_MAX_MS, RESEND_BASE_MS * 2 ** Math.max(0, sends - 1))),
    random,
  );
}

/**
 * The pause before work is sent again that a queue took which is behind: it waits for its turn there, and each message more would take the
 * turn of another. A queue that is full of messages for work that is done does little else.
 * @param waitedMs for how long the oldest message of the queue has waited
 * @param random in [0, 1)
 */
export function backlogDelayMs(waitedMs: number, random: number): number {
  return jittered(Math.min(RESEND_MAX_MS, Math.max(0, waitedMs) * BACKLOG_FACTOR), random);
}

/** The pause before the n-th time that something is asked for which is about to be ready. */
export function waitDelayMs(waits: number): number {
  return Math.min(WAIT_MAX_MS, WAIT_BASE_MS * 2 ** Math.max(0, waits - 1));
}

/** A message of a queue whose object is out of reach comes back after this, doubled by attempt. */
const UNREACHABLE_BASE_SECONDS = 5;
const UNREACHABLE_MAX_SECONDS = 300;

/** The pause after the n-th delivery of a message whose object was out of reach. */
export function unreachableDelaySeconds(attempts: number): number {
  return Math.min(UNREACHABLE_MAX_SECONDS, UNREACHABLE_BASE_SECONDS * 2 ** Math.max(0, attempts - 1));
}

/** A message that waits for PostgreSQL comes back after this, doubled by attempt. */
const AWAY_BASE_SECONDS = 2;
/** All that waits is back within this, once PostgreSQL is. */
const AWAY_MAX_SECONDS = 120;

/**
 * The pause after the n-th delivery that found PostgreSQL away.
 * @param random in [0, 1)
 */
export function awayDelaySeconds(attempts: number, random: number): number {
  const delay = Math.min(AWAY_MAX_SECONDS, AWAY_BASE_SECONDS * 2 ** Math.max(0, attempts - 1));
  return Math.ceil(jittered(delay * 1000, random) / 1000);
}

/** The first pause of a message whose events of the audit could not be stored; doubled by attempt. */
const AUDIT_BASE_SECONDS = 5;
/** With the queue's 100 retries four days pass: for longer no queue keeps a message. */
const AUDIT_MAX_SECONDS = 3_600;

/** The pause after the n-th delivery of events of the audit that could not be stored. */
export function auditDelaySeconds(attempts: number): number {
  return Math.min(AUDIT_MAX_SECONDS, AUDIT_BASE_SECONDS * 2 ** Math.max(0, attempts - 1));
}

/** A model that gets a range wrong, while a fallback summary serves, is asked again after this, doubled by failure: each answer is paid for. */
const WRONG_AGAIN_BASE_SECONDS = 60;
const WRONG_AGAIN_MAX_SECONDS = 3_600;

/** The pause after a wrong answer, n failures having come before it. */
export function wrongAgainDelaySeconds(failures: number): number {
  return Math.min(WRONG_AGAIN_MAX_SECONDS, WRONG_AGAIN_BASE_SECONDS * 2 ** failures);
}

/** A notice of an alert that a webhook did not take is sent again after this, doubled each time. */
const NOTICE_BASE_MS = 10_000;
const NOTICE_MAX_MS = 900_000;

/** The pause after a notice was sent, n times having come before. */
export function noticeDelayMs(before: number): number {
  return Math.min(NOTICE_MAX_MS, NOTICE_BASE_MS * 2 ** before);
}
