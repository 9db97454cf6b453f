import type { AlertBook, AlertNotice, OwedNotice } from "../contracts/alert.ts";
import type { Readiness } from "../contracts/health.ts";
import { BACKLOG_AGE_MS, BACKLOG_MESSAGES, OWED_AGE_MS } from "../service/health.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { decideAlerts, findingsOf, type Thresholds } from "./alerts.ts";
import { postNotice, type Webhook } from "./webhook.ts";

/** Where alerts are kept between two checks. */
export interface AlertKeeper {
  readBook(): Promise<AlertBook>;
  /** Keeps a book that follows the one that is there, and owes its notices with it. @returns false if another came first */
  saveBook(book: AlertBook, notices: readonly AlertNotice[]): Promise<boolean>;
  /** What is due to be sent, the oldest first. It is due again, later each time, until it is settled. */
  takeNotices(limit: number): Promise<OwedNotice[]>;
  /** Idempotent. */
  settleNotice(id: string): Promise<void>;
}

export interface AlertParts {
  readonly keeper: AlertKeeper;
  readonly checkReadiness: () => Promise<Readiness>;
  /** Null: alerts are kept and listed, and nobody is told. */
  readonly webhook: Webhook | null;
  readonly hasDigest: boolean;
  readonly log: Log;
  /** ms since 1970 */
  readonly now?: () => number;
}

export const THRESHOLDS: Thresholds = {
  backlogMessages: BACKLOG_MESSAGES,
  backlogSeconds: BACKLOG_AGE_MS / 1000,
  owedSeconds: OWED_AGE_MS / 1000,
  // A job is counted once it failed three times, or cannot be delivered: no outage of a moment makes one.
  failedJobs: 1,
  tenantsOverBudget: 1,
};

/** Sent in one check at most: with a timeout each they are done before the next but one. */
const MAX_NOTICES = 20;

/** One look at everything that there is an alert for, and what follows from it. Never rejects: the next minute looks again. */
export async function checkAlerts(parts: AlertParts): Promise<void> {
  const { log } = parts;
  try {
    await look(parts);
    if (parts.webhook !== null) await sendOwed(parts, parts.webhook);
  } catch (error) {
    log.error("alerts_not_checked", errorFields(error));
  }
}

async function look({ keeper, checkReadiness, webhook, hasDigest, log, now = Date.now }: AlertParts): Promise<void> {
  const [before, readiness] = await Promise.all([keeper.readBook(), checkReadiness()]);
  const { book, notices } = decideAlerts(before, findingsOf(readiness, THRESHOLDS), now(), {
    hasDigest,
    status: readiness.status,
    newId: () => crypto.randomUUID(),
  });
  // Of two checks at a time one counts: the other would count the same minute twice.
  if (!(await keeper.saveBook(book, webhook === null ? [] : notices))) return;
  for (const notice of notices) {
    if (notice.type === "alert.started") log.warn("alert_started", { kind: notice.alert.kind, id: notice.alert.id });
    if (notice.type === "alert.ended") log.info("alert_ended", { kind: notice.alert.kind, id: notice.alert.id });
  }
}

/** In their order. While the webhook is away the rest wait, so that an end does not overtake its start. */
async function sendOwed({ keeper, log, now = Date.now }: AlertParts, webhook: Webhook): Promise<void> {
  for (const { notice, attempts } of await keeper.takeNotices(MAX_NOTICES)) {
    const posted = await postNotice(webhook, notice, now());
    if (posted.outcome === "taken") {
      await keeper.settleNotice(notice.id);
      continue;
    }
    const status = posted.outcome === "refused" ? posted.status : null;
    log.warn("alert_not_taken", { id: notice.id, type: notice.type, attempts, status });
    if (posted.outcome === "away") return;
  }
}
