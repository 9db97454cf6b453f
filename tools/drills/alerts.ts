// Checks for alerts as the cron does, and waits for the notices that a webhook receives.
import { setTimeout as sleep } from "node:timers/promises";
import { type Alert, type AlertKind, alertListSchema, type AlertNotice } from "../../src/api/alert.ts";
import { EVERY_MINUTE } from "../../src/maintenance/schedule.ts";
import { check, until } from "./fault.ts";
import type { Mailbox } from "./mailbox.ts";
import { send, type Target } from "./requests.ts";

export type Told = Exclude<AlertNotice, { type: "digest" }>;

export interface Bell {
  /** Runs the check that the platform's cron runs once a minute. */
  look(): Promise<void>;
  /** Repeats the check for this long. */
  lookFor(durationMs: number): Promise<void>;
  /** Repeats the check until an alert of this kind has started. */
  started(kind: AlertKind): Promise<Alert>;
  /** Repeats the check until no alert is active. Then it verifies that each alert so far was sent once when it started and once when it ended. */
  over(kind: AlertKind): Promise<AlertKind[]>;
}

/** @param everyMs the pause between two checks; on the platform it is a minute */
export function createBell(target: () => Target, mailbox: Mailbox, everyMs: number): Bell {
  const from = mailbox.notices.length;
  const told = (): Told[] => mailbox.notices.slice(from).filter((notice) => notice.type !== "digest");
  const look = async (): Promise<void> => {
    const path = `/cdn-cgi/local/scheduled?cron=${encodeURIComponent(EVERY_MINUTE)}`;
    const { status } = await send(target(), path, { asOperator: true });
    check(status === 200, `the cron was answered with ${status}`);
  };
  const standing = async (): Promise<Alert[]> => {
    const { body } = await send(target(), "/v1/admin/alerts", { asOperator: true });
    return alertListSchema.parse(body).data;
  };
  const lookUntil = <T>(what: string, ask: () => Promise<T | undefined> | T | undefined): Promise<T> =>
    until(
      what,
      async () => {
        await look();
        return ask();
      },
      { pollMs: everyMs, seen: () => told().map(({ type, alert }) => `${type} ${alert.kind}`) },
    );
  return {
    look,
    async lookFor(durationMs) {
      const end = Date.now() + durationMs;
      while (Date.now() < end) {
        await sleep(everyMs);
        await look();
      }
    },
    started: (kind) =>
      lookUntil(
        `the alert ${kind} starts`,
        () => told().find(({ type, alert }) => type === "alert.started" && alert.kind === kind)?.alert,
      ),
    async over(kind) {
      await lookUntil("no alert is active", async () => ((await standing()).length === 0 ? true : undefined));
      const isTold = (): boolean => told().filter(({ type }) => type === "alert.ended").length * 2 === told().length;
      // The notice is sent after the list has changed.
      for (let tries = 0; tries < 20 && !isTold(); tries += 1) await sleep(everyMs);
      checkToldOnce(told(), kind);
      check(mailbox.faults.length === 0, mailbox.faults.join("; "));
      return [...new Set(told().map(({ alert }) => alert.kind))];
    },
  };
}

/**
 * Fails unless each alert was sent once when it started and once when it ended, and one of them was of this kind.
 * @internal A drill passes, so only a test sees what it finds.
 */
export function checkToldOnce(told: readonly Told[], kind: AlertKind): void {
  const ids = [...new Set(told.map(({ alert }) => alert.id))];
  for (const id of ids) {
    const types = told.filter(({ alert }) => alert.id === id).map(({ type }) => type);
    check(
      types.join() === "alert.started,alert.ended",
      `the webhook received ${types.join(", ")} for one alert (${told.find(({ alert }) => alert.id === id)?.alert.kind})`,
    );
  }
  const ofKind = told.filter(({ alert }) => alert.kind === kind).length;
  check(
    ofKind === 2,
    `${kind} should have been sent once when it started and once when it ended, but was sent ${ofKind} times`,
  );
}
