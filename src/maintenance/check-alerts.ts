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
  /** Null: alerts are kept and listed, and nobody is told. */
  readonly webhook: Webhook | null;
  readonly hasDigest: boolean;
  readonly log: Log;
  /** ms since 1970 */
  readonly now?: () => number;
}

export const THRESHOLDS: AlertThresholds = {
  backlogMessages: BACKLOG_MESSAGES,
  backlogSeconds: BACKLOG_AGE_MS / 1000,
  pendingSeconds: PENDING_AGE_MS / 1000,
  // A job is counted once it failed three times, or cannot be delivered: no outage of a moment makes one.
  failedJobs: 1,
  tenantsOverBudget: 1,
};

/** In ms. A look at all parts takes two seconds at most; this bounds how long the Operations object may take to store what was found. */
const LOOK_TIMEOUT_MS = 15_000;

/** One look at everything that there is an alert for, and what follows from it. Never rejects: the next minute looks again. */
export async function checkAlerts(parts: AlertDeps): Promise<void> {
  const { keeper, webhook, log, now = Date.now } = parts;
  const isKept = await withTimeout(orTell(look(parts), log), LOOK_TIMEOUT_MS, () => null);
  if (isKept === null) log.error("alerts_not_checked", { error: "late", afterMs: LOOK_TIMEOUT_MS });
  if (isKept === true && webhook !== null) await orTell(sendPending(keeper, webhook, log, now), log);
}

/** Whether it went well. */
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
  // Of two checks at a time one counts: the other would count the same minute twice.
  if (await keeper.saveBook(book, webhook === null ? [] : notices)) logNotices(notices, log);
}
