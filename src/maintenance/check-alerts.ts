import type { Readiness } from "../api/health.ts";
import { withTimeout } from "../lib/with-timeout.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { BACKLOG_AGE_MS, BACKLOG_MESSAGES, PENDING_AGE_MS } from "../usecases/health.ts";
import type { AlertKeeper } from "./alert-keeper.ts";
import { decideAlerts, findingsOf, type AlertThresholds } from "./alerts.ts";
import { logNotices, sendPending } from "./send-notices.ts";
import type { Webhook } from "./webhook.ts";

export interface AlertDeps {
  readonly keeper: AlertKeeper;
  readonly checkReadiness: () => Promise<Readiness>;
  /** Null: alerts are stored and listed, but nobody is notified. */
  readonly webhook: Webhook | null;
  readonly hasDigest: boolean;
  readonly log: Log;
  /** ms since 1970 */
  readonly now?: () => number;
}

/** @internal Tests go up to it and past it. */
export const THRESHOLDS: AlertThresholds = {
  backlogMessages: BACKLOG_MESSAGES,
  backlogSeconds: BACKLOG_AGE_MS / 1000,
  pendingSeconds: PENDING_AGE_MS / 1000,
  // A job is counted only after three failures, or if it cannot be delivered; so a brief outage starts no alert.
  failedJobs: 1,
  tenantsOverBudget: 1,
};

/** In ms. The check itself takes at most two seconds; the rest is for the Operations object to store the result. */
const LOOK_TIMEOUT_MS = 15_000;

/**
 * Checks once for every kind of alert, stores the result and sends notices. Never rejects, because the next check comes
 * a minute later.
 */
export async function checkAlerts(parts: AlertDeps): Promise<void> {
  const { keeper, webhook, log, now = Date.now } = parts;
  const isKept = await withTimeout(orTell(look(parts), log), LOOK_TIMEOUT_MS, () => null);
  if (isKept === null) log.error("alerts_not_checked", { error: "late", afterMs: LOOK_TIMEOUT_MS });
  if (isKept === true && webhook !== null) await orTell(sendPending(keeper, webhook, log, now), log);
}

/** Whether `work` succeeded; errors are logged. */
async function orTell(work: Promise<void>, log: Log): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    log.error("alerts_not_checked", errorFields(error));
    return false;
  }
}

async function look({ keeper, checkReadiness, webhook, hasDigest, log, now = Date.now }: AlertDeps): Promise<void> {
  const [before, readiness] = await Promise.all([keeper.readBook(), checkReadiness()]);
  const { book, notices } = decideAlerts(before, findingsOf(readiness, THRESHOLDS), now(), {
    hasDigest,
    status: readiness.status,
    newId: () => crypto.randomUUID(),
  });
  // If two checks ran at the same time, only one may be stored; otherwise the same minute would count twice.
  if (await keeper.saveBook(book, webhook === null ? [] : notices)) logNotices(notices, log);
}
