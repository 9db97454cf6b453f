import { expect, it, onTestFinished } from "vitest";
import type { Service } from "../../scripts/dev/service.ts";
import type { AlertList, AlertNotice } from "../../src/contracts/alert.ts";
import { call, eventually, startOwnService } from "../support/service.ts";
import { type Received, startStandInWebhook } from "../support/stand-in-webhook.ts";

/** Five looks, of which each may wait for PostgreSQL, and a start of it, on a busy machine. */
const WAIT_MS = 60_000;

/** As the platform does once a minute. */
async function lookNow(service: Service): Promise<void> {
  const response = await fetch(`${service.url}/cdn-cgi/local/scheduled?cron=${encodeURIComponent("* * * * *")}`);
  expect([response.status, await response.text()]).toEqual([200, expect.any(String)]);
}

it("an outage of PostgreSQL is told once when it starts and once when it ends, and listed while it stands", async () => {
  const webhook = await startStandInWebhook();
  onTestFinished(webhook.close);
  const service = await startOwnService({
    env: {
      THREADKEEP_ALERT_WEBHOOK: `${webhook.url}/hooks/postgres`,
      THREADKEEP_ALERT_SECRET: "a secret of the tests, long enough",
      THREADKEEP_ALERT_DIGEST: "off",
    },
  });
  const received = async (): Promise<AlertNotice[]> => {
    const mailbox = await fetch(`${webhook.url}/mailboxes/postgres`);
    const mails = (await mailbox.json()) as Received[];
    return mails.map(({ body }): AlertNotice => JSON.parse(body)).filter((notice) => isOfPostgres(notice));
  };
  const standing = async (): Promise<AlertList> => {
    const { body } = await call<AlertList>(service, "GET", "/v1/admin/alerts", { key: service.adminKey });
    return body;
  };

  await lookNow(service);
  expect(await standing()).toMatchObject({ data: [], noticesOwed: 0, checkedAt: expect.any(String) });
  await service.stopPostgres();
  const started = await eventually(
    "the start is told",
    async () => {
      await lookNow(service);
      return (await received()).at(0);
    },
    WAIT_MS,
  );
  expect(started).toMatchObject({ type: "alert.started", alert: { runbook: "docs/operate.md#postgres-away" } });
  await lookNow(service);
  expect((await standing()).data).toMatchObject([{ kind: "postgres-away" }]);

  await service.startPostgres();
  await eventually(
    "the end is told",
    async () => {
      await lookNow(service);
      return (await received()).at(1);
    },
    WAIT_MS,
  );
  await lookNow(service);
  expect((await received()).map(({ type }) => type)).toEqual(["alert.started", "alert.ended"]);
  expect((await standing()).data.filter(({ kind }) => kind === "postgres-away")).toEqual([]);
}, 150_000);

function isOfPostgres(notice: AlertNotice): boolean {
  return notice.type !== "digest" && notice.alert.kind === "postgres-away";
}
