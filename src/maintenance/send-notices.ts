import type { AlertNotice } from "../api/alert.ts";
import type { Log } from "../telemetry/log.ts";
import type { AlertKeeper } from "./alert-keeper.ts";
import { postNotice, type Webhook } from "./webhook.ts";

/** Notices sent per check. Even if each takes its full timeout, they are done before the next but one check. */
const MAX_NOTICES = 20;

/**
 * Sends the pending notices in their order. If the webhook is unavailable, the others wait, so that the end of an alert
 * is not reported before its start.
 * @param now ms since 1970
 */
export async function sendPending(keeper: AlertKeeper, webhook: Webhook, log: Log, now: () => number): Promise<void> {
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

/** Logs the alerts that start or end. */
export function logNotices(notices: readonly AlertNotice[], log: Log): void {
  for (const notice of notices) {
    if (notice.type === "alert.started") log.warn("alert_started", { kind: notice.alert.kind, id: notice.alert.id });
    if (notice.type === "alert.ended") log.info("alert_ended", { kind: notice.alert.kind, id: notice.alert.id });
  }
}
