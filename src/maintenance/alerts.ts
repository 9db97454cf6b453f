/** When an alert starts and when it ends. Pure: what was found goes in, the new state and what to tell come out. */

import {
  ALERT_KINDS,
  type Alert,
  type AlertBook,
  type AlertKind,
  type AlertNotice,
  type AlertState,
} from "../api/alert.ts";
import type { ComponentHealth, HealthStatus, Readiness } from "../api/health.ts";

/** So many looks in a row have to find a trouble before it is told: one may be a restart. */
export const STARTS_AFTER_LOOKS = 2;
/** So many in a row have to find none before it is over: what flaps is told once. */
export const ENDS_AFTER_LOOKS = 3;
/** In ms. */
const DIGEST_EVERY = 3_600_000;
/** A backlog, or late work, is over at half of what it started at. */
const ENDS_AT_SHARE = 0.5;

/** What one look found. `between`: less than starts an alert, more than ends it; `unknown`: nobody could look. */
export interface AlertFinding {
  readonly found: "bad" | "between" | "good" | "unknown";
  readonly detail: string;
  readonly measures: Readonly<Record<string, number>>;
}
export type Findings = Readonly<Record<AlertKind, AlertFinding>>;

/** The measures from which on there is an alert. */
export interface AlertThresholds {
  readonly backlogMessages: number;
  readonly backlogSeconds: number;
  readonly pendingSeconds: number;
  readonly failedJobs: number;
  readonly tenantsOverBudget: number;
}

/** What is looked for, in what `/readyz` found. */
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
      "Sessions owe work that is not done.",
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
 * What stands after one more look, and what has to be told. An alert is told once when it starts and once when it ends.
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

/** On the hour, so that they come at the same minute however late a check is. */
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
