import { describe, expect, it, onTestFinished } from "vitest";
import type { AlertKind, AlertNotice } from "../../src/api/alert.ts";
import { postNotice } from "../../src/maintenance/webhook.ts";
import { checkToldOnce, type Told } from "../../tools/drills/alerts.ts";
import { checkNothingPaidTwice } from "../../tools/drills/check-kept.ts";
import { until } from "../../tools/drills/fault.ts";
import { type Chat, missingFrom } from "../../tools/drills/load.ts";
import { startMailbox } from "../../tools/drills/mailbox.ts";

const AT = "2026-11-22T10:00:00.000Z";

function told(type: Told["type"], id = "1", kind: AlertKind = "postgres-away"): Told {
  const alert = { id, kind, startedAt: AT, since: AT, lastSeenAt: AT, detail: "", measures: {}, runbook: "" };
  const notice = { v: 1 as const, id: crypto.randomUUID(), at: AT, alert };
  return type === "alert.started" ? { ...notice, type } : { ...notice, type, endedAt: AT };
}

const chat: Chat = { id: "chat", acknowledged: new Map(), faults: [] };

describe("a drill fails", () => {
  it.each<[string, Told[], RegExp]>([
    ["that never started", [], /was sent 0 times/],
    ["that did not end", [told("alert.started")], /received alert.started for one alert/],
    ["that was told twice", [told("alert.started"), told("alert.started"), told("alert.ended")], /for one alert/],
    [
      "that came twice",
      ["1", "2"].flatMap((id) => [told("alert.started", id), told("alert.ended", id)]),
      /was sent 4 times/,
    ],
    [
      "of another kind that stays",
      [told("alert.started"), told("alert.ended"), told("alert.started", "2", "jobs-failing")],
      /jobs-failing/,
    ],
  ])("at an alert %s", (_, notices, fault) => {
    expect(() => checkToldOnce(notices, "postgres-away")).toThrow(fault);
  });

  it("at a message in two calls that were answered, unless a crash came between the first and what saves it", () => {
    const calls = [
      { at: 20_000, messages: ["chat:1", "chat:2"] },
      { at: 60_000, messages: ["chat:2"] },
    ];
    expect(() => checkNothingPaidTwice([chat], calls, [])).toThrow(/chat:2 was part of two calls/);
    expect(() => checkNothingPaidTwice([chat], calls, [{ begunAt: 21_000, overAt: 22_000 }])).not.toThrow();
    expect(() => checkNothingPaidTwice([chat], calls, [{ begunAt: 50_000, overAt: 51_000 }])).toThrow(/two calls/);
    expect(() => checkNothingPaidTwice([chat], [], [])).toThrow(/nothing was summarized/);
  });

  it("at a message that a context does not mention", () => {
    const context = { headSeq: 6, summary: { throughSeq: 2 }, messages: [{ seq: 3 }, { seq: 6 }] };
    const omitted = [{ fromSeq: 4, throughSeq: 4 }];
    expect(missingFrom({ ...context, omitted })).toEqual([5]);
  });

  it("when a condition does not become true in time, and says which one and the last value", async () => {
    const waiting = until("the crate is there", () => undefined, { patienceMs: 1, pollMs: 1, seen: () => "a truck" });
    await expect(waiting).rejects.toThrow(/still not the case that the crate is there; the last value was "a truck"/);
  });

  it("at a notice that is not signed by the service; a notice that comes twice is kept once", async () => {
    const mailbox = await startMailbox();
    onTestFinished(mailbox.close);
    const { THREADKEEP_ALERT_WEBHOOK: url = "", THREADKEEP_ALERT_SECRET: secret = "" } = mailbox.env;
    const notice: AlertNotice = told("alert.started");
    expect(await postNotice({ url, secret }, notice, Date.now())).toEqual({ outcome: "taken" });
    expect(await postNotice({ url, secret }, notice, Date.now())).toEqual({ outcome: "taken" });
    expect(mailbox.notices).toEqual([notice]);
    expect(mailbox.faults).toEqual([]);
    const forged = await postNotice({ url, secret: "of somebody else" }, told("alert.ended"), Date.now());
    expect(forged).toEqual({ outcome: "refused", status: 401 });
    expect(mailbox.faults).toHaveLength(1);
    expect(mailbox.notices).toHaveLength(1);
  });
});
