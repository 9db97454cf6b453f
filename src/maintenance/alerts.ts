/** Decides when an alert starts and ends. Pure: it takes what was found, and returns the new state and the notices. */

import {
  ALERT_KINDS,
  type Alert,
  type AlertBook,
  type AlertKind,
  type AlertNotice,
  type AlertState,
} from "../api/alert.ts";
import type { ComponentHealth, HealthStatus, Readiness } from "../api/health.ts";

/** A problem must be found in this many consecutive checks before an alert starts; a single one may be a restart. */
const STARTS_AFTER_LOOKS = 2;
/**
 * An alert ends after this many consecutive checks without the problem, so that a flapping problem is reported only
 * once.
 */
const ENDS_AFTER_LOOKS = 3;
/** In ms. */
const DIGEST_EVERY = 3_600_000;
/** An alert about a backlog or late jobs ends at this share of the threshold at which it starts. */
const ENDS_AT_SHARE = 0.5;

/**
 * What a check found. `between`: too little to start an alert, too much to end one; `unknown`: it could not be checked.
 */
export interface AlertFinding {
  readonly found: "bad" | "between" | "good" | "unknown";
  readonly detail: string;
  readonly measures: Readonly<Record<string, number>>;
}
export type Findings = Readonly<Record<AlertKind, AlertFinding>>;

/** An alert starts when a measure reaches its threshold. */
export interface AlertThresholds {
  readonly backlogMessages: number;
  readonly backlogSeconds: number;
  readonly pendingSeconds: number;
  readonly failedJobs: number;
  readonly tenantsOverBudget: number;
}

/** Converts the result of `/readyz` into a finding for each kind of alert. */
export function findingsOf({ components }: Readiness, thresholds: AlertThresholds): Findings {
  const { backlogMessages, backlogSeconds, pendingSeconds, failedJobs, tenantsOverBudget } = thresholds;
  const at = (name: string): ComponentHealth => components[name] ?? { status: "unknown" };
  return {
    "sessions-away": ofPart(at("sessions"), "Sessions cannot be read or written."),
    "postgres-away": ofPart(at("postgres"), "PostgreSQL does not answer; the archive and search across sessions wait."),
    "summarizer-away": ofPart(at("summarizer"), "The summarizer does not answer; sessions get fallback summaries."),
    "queue-backlog": ofMeasures(
      at("queues"),
      { messages: backlogMessages, oldestSeconds: backlogSeconds },
      "Messages wait in the queues.",
    ),
    "work-late": ofMeasures(
      at("pendingWork"),
      { oldestSeconds: pendingSeconds },
      "Jobs of sessions have been pending for too long.",
    ),
    "jobs-failing": ofMeasures(at("failedJobs"), { jobs: failedJobs }, "Jobs keep failing."),
    "budget-used-up": ofMeasures(
      at("failedJobs"),
      { tenantsOverBudget },
      "Summaries wait because a budget of the day is used up.",
    ),
  };
}

function ofPart({ status, detail }: ComponentHealth, what: string): AlertFinding {
  if (status === "unknown") return { found: "unknown", detail: what, measures: {} };
  if (status === "ok") return { found: "good", detail: what, measures: {} };
  return { found: "bad", detail: detail === undefined ? what : `${what} (${detail})`, measures: {} };
}

function ofMeasures(
  { measures }: ComponentHealth,
  startsAt: Readonly<Record<string, number>>,
  what: string,
): AlertFinding {
  const known = Object.keys(startsAt).filter((name) => measures?.[name] !== undefined);
  if (measures === undefined || known.length === 0) return { found: "unknown", detail: what, measures: {} };
  const told = Object.fromEntries(known.map((name) => [name, measures[name] ?? 0]));
  const reaches = (share: number): boolean =>
    known.some((name) => (told[name] ?? 0) >= Math.max(1, (startsAt[name] ?? 0) * share));
  if (reaches(1)) return { found: "bad", detail: what, measures: told };
  return { found: reaches(ENDS_AT_SHARE) ? "between" : "good", detail: what, measures: told };
}

export interface DecideOptions {
  readonly hasDigest: boolean;
  readonly status: HealthStatus;
  readonly newId: () => string;
}

/**
 * Returns the state after one more check, and the notices to send: one when an alert starts, one when it ends, and the
 * hourly digest.
 * @param now ms since 1970
 */
export function decideAlerts(
  book: AlertBook,
  findings: Findings,
  now: number,
  { hasDigest, status, newId }: DecideOptions,
): { book: AlertBook; notices: AlertNotice[] } {
  const at = new Date(now).toISOString();
  const notices: AlertNotice[] = [];
  const states: AlertState[] = [];
  for (const kind of ALERT_KINDS) {
    const before = book.states.find((state) => state.kind === kind) ?? quiet(kind);
    const after = nextState(before, findings[kind], now, newId);
    if (before.alert === null && after.alert !== null) {
      notices.push({ v: 1, id: newId(), at, type: "alert.started", alert: after.alert });
    }
    if (before.alert !== null && after.alert === null) {
      notices.push({ v: 1, id: newId(), at, type: "alert.ended", alert: before.alert, endedAt: at });
    }
    if (after.alert !== null || after.badLooks > 0) states.push(after);
  }
  const count = (type: AlertNotice["type"]): number => notices.filter((notice) => notice.type === type).length;
  const next: AlertBook = {
    rev: book.rev + 1,
    checkedAt: now,
    digestAt: book.digestAt ?? now,
    started: book.started + count("alert.started"),
    ended: book.ended + count("alert.ended"),
    states,
  };
  if (!isDigestDue(book.digestAt, now)) return { book: next, notices };
  if (hasDigest) {
    const standing = states.map((state) => state.alert).filter((alert) => alert !== null);
    const { started, ended } = next;
    notices.push({ v: 1, id: newId(), at, type: "digest", status, standing, started, ended });
  }
  return { book: { ...next, digestAt: now, started: 0, ended: 0 }, notices };
}

/** Digests are due on the full hour, so that they come at the same minute even if a check is late. */
function isDigestDue(digestAt: number | null, now: number): boolean {
  return digestAt !== null && Math.floor(now / DIGEST_EVERY) > Math.floor(digestAt / DIGEST_EVERY);
}

function quiet(kind: AlertKind): AlertState {
  return { kind, alert: null, badLooks: 0, goodLooks: 0, since: 0 };
}

function nextState(before: AlertState, finding: AlertFinding, now: number, newId: () => string): AlertState {
  switch (finding.found) {
    case "unknown":
      return before;
    case "between":
      return before.alert === null ? quiet(before.kind) : { ...before, goodLooks: 0 };
    case "good": {
      const goodLooks = before.goodLooks + 1;
      const isOver = before.alert === null || goodLooks >= ENDS_AFTER_LOOKS;
      return isOver ? quiet(before.kind) : { ...before, goodLooks };
    }
    case "bad": {
      const badLooks = before.badLooks + 1;
      const since = before.badLooks === 0 && before.alert === null ? now : before.since;
      const counted = { ...before, badLooks, goodLooks: 0, since };
      if (before.alert === null && badLooks < STARTS_AFTER_LOOKS) return counted;
      return { ...counted, alert: asAlert(counted, finding, now, newId) };
    }
  }
}

function asAlert({ kind, alert, since }: AlertState, finding: AlertFinding, now: number, newId: () => string): Alert {
  const at = new Date(now).toISOString();
  return {
    id: alert?.id ?? newId(),
    kind,
    startedAt: alert?.startedAt ?? at,
    since: new Date(since).toISOString(),
    lastSeenAt: at,
    detail: finding.detail,
    measures: finding.measures,
    runbook: `docs/operate.md#${kind}`,
  };
}
