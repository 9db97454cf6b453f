import { createHmac } from "node:crypto";
import { createExecutionContext, createScheduledController } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { describe, expect, inject, it } from "vitest";
import { type AlertKind, type AlertNotice, alertListSchema, alertNoticeSchema } from "../../src/api/alert.ts";
import { COMPONENTS, type ComponentHealth, OVER_BUDGET_REASON, type Readiness } from "../../src/api/health.ts";
import type { Failure } from "../../src/api/job.ts";
import { createAlertClient } from "../../src/control/alert-client.ts";
import { AlertStore } from "../../src/control/alert-store.ts";
import { createOperationsClient } from "../../src/control/client.ts";
import type { LateWork } from "../../src/control/late-work-client.ts";
import { checkAlerts } from "../../src/maintenance/check-alerts.ts";
import { EVERY_MINUTE } from "../../src/maintenance/schedule.ts";
import { createLog } from "../../src/telemetry/log.ts";
import worker from "../../src/worker.ts";
import { runInDurableObject, until } from "../support/session.ts";
import type { Received } from "../support/stand-in-webhook.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";

const SECRET = "the secret of whoever receives alerts";
const AWAY: ComponentHealth = { status: "degraded", detail: "unreachable" };

function readiness(change: Record<string, ComponentHealth> = {}): Readiness {
  const components = { ...Object.fromEntries(COMPONENTS.map((name) => [name, { status: "ok" as const }])), ...change };
  return { status: "ok", checkedAt: new Date().toISOString(), components };
}

/** An Operations object and a mailbox of this test alone. */
function setUp({ hasWebhook = true } = {}) {
  const name = crypto.randomUUID();
  const base = inject("standInWebhookUrl");
  const keeper = createAlertClient(env.OPERATIONS, name);
  const lines: string[] = [];
  const log = createLog({ write: (_, line) => lines.push(line) });
  const webhook = hasWebhook ? { url: `${base}/hooks/${name}`, secret: SECRET } : null;
  const clock = { skewMs: 0 };
  const look = (change: Record<string, ComponentHealth> = {}): Promise<void> =>
    checkAlerts({
      keeper,
      checkReadiness: async () => readiness(change),
      webhook,
      hasDigest: true,
      log,
      now: () => Date.now() + clock.skewMs,
    });
  const mailbox = async (): Promise<Received[]> => (await fetch(`${base}/mailboxes/${name}`)).json();
  const taken = async (): Promise<AlertNotice[]> =>
    (await mailbox())
      .filter(({ status }) => status === 204)
      .map(({ body }) => alertNoticeSchema.parse(JSON.parse(body)));
  /** Makes all notices due, however long their pause is. */
  const makeDue = (): Promise<unknown> =>
    runInDurableObject(env.OPERATIONS.getByName(name), (_, state) => {
      state.storage.sql.exec("UPDATE alert_notices SET next_send_at = 0");
    });
  return {
    name,
    keeper,
    look,
    mailbox,
    taken,
    makeDue,
    clock,
    lines,
    answerWith: (status: number) => fetch(`${base}/mailboxes/${name}`, { method: "PUT", body: String(status) }),
  };
}

function isDue({ storage }: DurableObjectState, now: number): boolean {
  return storage.sql.exec("SELECT 1 FROM alert_notices WHERE next_send_at <= ?", now).toArray().length > 0;
}

describe("alerts", () => {
  it("are posted once when they start and once when they end, signed, each with its own id", async () => {
    const { look, mailbox, taken, keeper } = setUp();
    for (let minute = 0; minute < 4; minute += 1) await look({ postgres: AWAY });
    for (let minute = 0; minute < 4; minute += 1) await look();
    const notices = await taken();
    expect(notices.map(({ type }) => type)).toEqual(["alert.started", "alert.ended"]);
    expect(new Set(notices.map(({ id }) => id)).size).toBe(2);
    for (const [index, { body, headers }] of (await mailbox()).entries()) {
      const { t, v1 } = Object.fromEntries(new URLSearchParams(headers["threadkeep-signature"]?.replace(",", "&")));
      expect(v1).toBe(createHmac("sha256", SECRET).update(`${t}.${body}`).digest("hex"));
      expect(Math.abs(Number(t) - Date.now() / 1000)).toBeLessThan(300);
      expect(headers).toMatchObject({ "threadkeep-notice": notices[index]?.id, "content-type": "application/json" });
    }
    expect(await keeper.countPending()).toBe(0);
  });

  it.each([
    ["is cut off", 0],
    ["fails", 500],
    ["sends them elsewhere", 307],
    ["refuses them", 400],
  ])("stay pending while the webhook %s, and reach it later in order and with the same ids", async (_, status) => {
    const { look, mailbox, taken, keeper, answerWith, makeDue, lines } = setUp();
    await answerWith(status);
    for (let minute = 0; minute < 2; minute += 1) await look({ postgres: AWAY });
    for (let minute = 0; minute < 3; minute += 1) await look();
    expect(await keeper.countPending()).toBe(2);
    expect(await taken()).toEqual([]);
    const tried = (await mailbox()).length;
    expect(tried).toBeGreaterThan(0);
    expect(lines.join()).toContain("alert_not_taken");
    expect(lines.join()).not.toMatch(/hooks|127\.0\.0\.1/);

    await answerWith(204);
    await makeDue();
    await look();
    expect((await taken()).map(({ type }) => type)).toEqual(["alert.started", "alert.ended"]);
    const ids = (await mailbox()).map(({ headers }) => headers["threadkeep-notice"]);
    expect(ids.length).toBeGreaterThan(tried);
    expect(new Set(ids).size).toBe(2);
    expect(await keeper.countPending()).toBe(0);
  });

  it("are not sent again within their pause, which grows to a quarter of an hour, and not counted twice by overlapping checks", async () => {
    const { name, keeper, look } = setUp({ hasWebhook: false });
    await look({ postgres: AWAY });
    const book = await keeper.readBook();
    const notice: AlertNotice = {
      v: 1,
      id: name,
      at: new Date().toISOString(),
      type: "digest",
      status: "ok",
      standing: [],
      started: 0,
      ended: 0,
    };
    const next = { ...book, rev: book.rev + 1 };
    expect(await Promise.all([keeper.saveBook(next, [notice]), keeper.saveBook(next, [notice])])).toEqual([
      true,
      false,
    ]);
    const pauses = await runInDurableObject(env.OPERATIONS.getByName(name), (_, state) => {
      const store = new AlertStore(state.storage);
      const found: number[] = [];
      let now = 0;
      for (let attempt = 1; attempt <= 9; attempt += 1) {
        expect(store.takeNotices(20, now)).toEqual([{ notice, attempts: attempt }]);
        let pauseMs = 0;
        while (!isDue(state, now + pauseMs)) {
          pauseMs += 1_000;
        }
        found.push(pauseMs / 1_000);
        now += pauseMs;
      }
      return found;
    });
    expect(pauses).toEqual([10, 20, 40, 80, 160, 320, 640, 900, 900]);
  });

  it("are kept without a webhook, and no notices pile up", async () => {
    const { look, keeper } = setUp({ hasWebhook: false });
    await look({ postgres: AWAY });
    await look({ postgres: AWAY });
    expect((await keeper.readBook()).states).toMatchObject([{ alert: { kind: "postgres-away" } }]);
    expect(await keeper.countPending()).toBe(0);
  });

  it("leave only the newest digest pending while the webhook is unavailable for hours", async () => {
    const { look, taken, answerWith, makeDue, clock } = setUp();
    await answerWith(500);
    await look();
    for (let hour = 1; hour <= 5; hour += 1) {
      clock.skewMs = hour * 3_600_000;
      await look();
    }
    await answerWith(204);
    await makeDue();
    await look();
    const notices = await taken();
    expect(notices.map(({ type }) => type)).toEqual(["digest"]);
    expect(Date.parse(notices[0]?.at ?? "")).toBeGreaterThan(Date.now() + 4 * 3_600_000);
  });

  it("are checked again a minute after a check that failed, which is logged", async () => {
    const { keeper, lines } = setUp();
    const log = createLog({ write: (_, line) => lines.push(line) });
    const checkReadiness = async (): Promise<Readiness> => {
      throw new Error("no look");
    };
    await checkAlerts({ keeper, checkReadiness, webhook: null, hasDigest: true, log });
    expect(lines.join()).toContain("alerts_not_checked");
    expect((await keeper.readBook()).rev).toBe(0);
  });
});

describe("a failing job, late work or a used-up budget", () => {
  const operations = createOperationsClient(env.OPERATIONS);
  const failure = (reason: string): Failure => ({
    jobId: crypto.randomUUID(),
    kind: "summarize",
    tenant: "test",
    owner: "-",
    session: crypto.randomUUID(),
    state: "retrying",
    reason,
    attempts: 3,
    firstError: reason,
    firstFailedAt: new Date().toISOString(),
    lastError: reason,
    lastFailedAt: new Date().toISOString(),
  });
  const lookNow = () =>
    worker.scheduled(createScheduledController({ cron: EVERY_MINUTE }), env, createExecutionContext());
  const measured = async (kind: AlertKind): Promise<Record<string, number> | undefined> => {
    const { states } = await createAlertClient(env.OPERATIONS).readBook();
    return states.map(({ alert }) => alert).find((alert) => alert?.kind === kind)?.measures;
  };

  it("starts its alert on the numbers of the Operations object", async () => {
    const poison = failure("archive: 22P02");
    const overBudget = failure(OVER_BUDGET_REASON);
    const late: LateWork = { jobId: crypto.randomUUID(), kind: "archive", scheduledAt: Date.now() - 3_600_000 };
    await operations.report(poison);
    await operations.report(overBudget);
    await env.OPERATIONS.getByName("operations").noteLate(late);
    try {
      await until("all three stand", async () => {
        await lookNow();
        const found = await Promise.all([measured("jobs-failing"), measured("budget-used-up"), measured("work-late")]);
        return found.every((measures) => measures !== undefined);
      });
      expect((await measured("jobs-failing"))?.["jobs"]).toBeGreaterThan(0);
      expect((await measured("budget-used-up"))?.["tenantsOverBudget"]).toBeGreaterThan(0);
      expect((await measured("work-late"))?.["oldestSeconds"]).toBeGreaterThan(3_500);
    } finally {
      for (const { jobId } of [poison, overBudget, late]) await operations.clear(jobId);
    }
  });
});

describe("GET /v1/admin/alerts", () => {
  const read = async (key: string) => {
    const headers = { Authorization: `Bearer ${key}` };
    return exports.default.fetch(new Request("https://threadkeep.example/v1/admin/alerts", { headers }));
  };

  it("lists what the cron found, and when it checked", async () => {
    const before = Date.now();
    await worker.scheduled(createScheduledController({ cron: EVERY_MINUTE }), env, createExecutionContext());
    const response = await read(TEST_WORKER_BINDINGS.THREADKEEP_ADMIN_KEY);
    expect(response.status).toBe(200);
    const list = alertListSchema.parse(await response.json());
    expect(Date.parse(list.checkedAt ?? "")).toBeGreaterThanOrEqual(before);
    expect(list.pendingNotices).toBe(0);
  });

  it("requires the admin key", async () => {
    expect((await read(TEST_WORKER_BINDINGS.THREADKEEP_API_KEY)).status).toBe(403);
  });
});
