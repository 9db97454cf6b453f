import type { Service } from "../../scripts/dev/service.ts";
import type { AlertKind, AlertNotice } from "../../src/api/alert.ts";
import { eventually } from "./service.ts";
import { type Received, startStandInWebhook } from "./stand-in-webhook.ts";

/** Several looks, each of which may wait for a part that is away, on a busy machine. */
const WAIT_MS = 60_000;

export interface AlertReceiver {
  /** For the service whose alerts it receives. */
  readonly env: Record<string, string>;
  /** Has the service look, as the platform does once a minute, until so many notices of a kind have come; gives all that came. */
  receive(service: Service, kind: AlertKind, count: number): Promise<AlertNotice[]>;
  close(): Promise<void>;
}

/** Somebody who is told of the alerts of a service, on loopback. */
export async function startAlertReceiver(): Promise<AlertReceiver> {
  const { url, close } = await startStandInWebhook();
  const received = async (kind: AlertKind): Promise<AlertNotice[]> => {
    const mailbox = await fetch(`${url}/mailboxes/alerts`);
    const mails = (await mailbox.json()) as Received[];
    const notices = mails.map(({ body }): AlertNotice => JSON.parse(body));
    return notices.filter((notice) => notice.type !== "digest" && notice.alert.kind === kind);
  };
  return {
    env: {
      THREADKEEP_ALERT_WEBHOOK: `${url}/hooks/alerts`,
      THREADKEEP_ALERT_SECRET: "a secret of the tests, long enough",
      THREADKEEP_ALERT_DIGEST: "off",
    },
    receive: (service, kind, count) =>
      eventually(
        `${count} notices of ${kind}`,
        async () => {
          await lookNow(service);
          const notices = await received(kind);
          return notices.length >= count ? notices : undefined;
        },
        WAIT_MS,
      ),
    close,
  };
}

async function lookNow({ url, adminKey }: Pick<Service, "url" | "adminKey">): Promise<void> {
  const headers = { authorization: `Bearer ${adminKey}` };
  const path = `/cdn-cgi/local/scheduled?cron=${encodeURIComponent("* * * * *")}`;
  const response = await fetch(url + path, { headers });
  if (!response.ok) throw new Error(`the cron answered ${response.status} ${await response.text()}`);
  await response.body?.cancel();
}
