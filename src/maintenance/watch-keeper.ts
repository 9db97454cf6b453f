/** The alert that the keeper of alerts cannot keep: that it is away itself. Another object keeps it. */

import type { AlertNotice } from "../contracts/alert.ts";
import { inTime } from "../service/in-time.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import type { AlertKeeper } from "./alert-keeper.ts";
import { decideAlerts, type Finding, runbookOf } from "./alerts.ts";
import { logNotices, sendOwed } from "./send-notices.ts";
import { postNotice, type Webhook } from "./webhook.ts";

const KIND = "operations-away";
const DETAIL =
  "The Operations object does not answer: no other alert is told, nor are failed jobs listed, until it does.";
/** An object that takes longer counts as away. */
const READ_TIMEOUT_MS = 5_000;
/** Two objects that are away together are looked at once more after this: a restart takes moments. */
const LOOK_AGAIN_MS = 15_000;
const HOUR_MS = 3_600_000;

export interface KeeperWatch {
  /** In an object of its own, which does nothing else. */
  readonly standby: AlertKeeper;
  /** What the isolate remembers: the id of the last notice that was sent while nobody could keep one. */
  readonly memory: { toldAs: string | null };
  readonly pause: (ms: number) => Promise<void>;
}

export interface WatchParts extends KeeperWatch {
  readonly keeper: AlertKeeper;
  /** Null: the alert is kept, and nobody is told. */
  readonly webhook: Webhook | null;
  readonly log: Log;
  /** ms since 1970 */
  readonly now: () => number;
}

/**
 * Notes whether the keeper was there in this look, and tells what follows. Never rejects.
 * @param isThere whether the keeper took the look in
 */
export async function watchKeeper(parts: WatchParts, isThere: boolean): Promise<void> {
  const { standby, webhook, log, now } = parts;
  const noted = note(parts, isThere).then(
    () => true,
    (error) => {
      log.error("alert_standby_unreachable", errorFields(error));
      return false;
    },
  );
  if ((await inTime(noted, READ_TIMEOUT_MS)) !== true) {
    if (!isThere && webhook !== null) await tellUnkept(parts, webhook);
    return;
  }
  if (webhook === null) return;
  try {
    await sendOwed(standby, webhook, log, now);
  } catch (error) {
    log.error("alert_standby_unreachable", errorFields(error));
  }
}

/** Nothing is written while all is well. */
async function note({ standby, webhook, log, now }: WatchParts, isThere: boolean): Promise<void> {
  const before = await standby.readBook();
  if (isThere && before.states.length === 0) return;
  const finding: Finding = { found: isThere ? "good" : "bad", detail: DETAIL, measures: {} };
  const { book, notices } = decideAlerts(before, { [KIND]: finding }, now(), {
    hasDigest: false,
    status: "degraded",
    newId: () => crypto.randomUUID(),
  });
  if (await standby.saveBook(book, webhook === null ? [] : notices)) logNotices(notices, log);
}

/**
 * Neither object is there, so that nothing can be kept: the webhook is told at once, in each hour once by what this isolate remembers.
 * Another isolate tells it again, under the same id. Its end is told by nobody.
 */
async function tellUnkept(parts: WatchParts, webhook: Webhook): Promise<void> {
  const { keeper, standby, memory, pause, log, now } = parts;
  const at = new Date(now()).toISOString();
  const id = `${KIND}-${new Date(Math.floor(now() / HOUR_MS) * HOUR_MS).toISOString().slice(0, 13)}`;
  if (memory.toldAs === id) return;
  await pause(LOOK_AGAIN_MS);
  const answers = await Promise.all([keeper, standby].map((one) => inTime(one.readBook(), READ_TIMEOUT_MS)));
  if (answers.some((book) => book !== null)) return;
  const alert = {
    id,
    kind: KIND,
    startedAt: at,
    since: at,
    lastSeenAt: at,
    measures: {},
    runbook: runbookOf(KIND),
  } as const;
  const notice: AlertNotice = { v: 1, id, at, type: "alert.started", alert: { ...alert, detail: DETAIL } };
  const posted = await postNotice(webhook, notice, now());
  if (posted.outcome === "taken") memory.toldAs = id;
  log.warn("alert_started", { kind: KIND, id, outcome: posted.outcome });
}
