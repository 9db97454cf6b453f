import { describe, expect, it, onTestFinished } from "vitest";
import type { Service } from "../../scripts/dev/service.ts";
import type { AlertList, AlertKind, AlertNotice } from "../../src/api/alert.ts";
import { call, eventually, startOwnService } from "../support/service.ts";
import { type Received, startStandInWebhook } from "../support/stand-in-webhook.ts";

/** Several checks, each of which may wait for an unavailable part, on a busy machine. */
const WAIT_MS = 60_000;

interface AlertReceiver {
  /** The settings of a service whose alerts it receives. */
  readonly env: Record<string, string>;
  /** Makes the service check, as the platform does once a minute, until this many notices of a kind have come; returns all notices. */
  receive(service: Service, kind: AlertKind, count: number): Promise<AlertNotice[]>;
  close(): Promise<void>;
}

/** A receiver of a service's alerts, on loopback. */
async function startAlertReceiver(): Promise<AlertReceiver> {
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

interface State {
  id: string;
  headSeq: number;
  status: string;
  archived: boolean;
  summary: { version: number; throughSeq: number } | null;
  origin: { state: string } | null;
}

function turns(from: number, count: number) {
  return Array.from({ length: count }, (_, index) => ({
    id: `turn-${from + index}`,
    role: (from + index) % 2 === 1 ? "user" : "assistant",
    content: `Turn ${from + index}: crate ${7_000 + from + index} leaves for the harbour on Tuesday.`,
  }));
}

describe("promise 12: it degrades, it does not stop", () => {
  it("serves everything but the archive without PostgreSQL, says so, alerts an operator once, and catches up by itself", async () => {
    const receiver = await startAlertReceiver();
    onTestFinished(receiver.close);
    const service = await startOwnService({ env: receiver.env });
    const alerts = async () =>
      (await call<AlertList>(service, "GET", "/v1/admin/alerts", { key: service.adminKey })).body;
    const state = async (id: string): Promise<State> => (await call<State>(service, "GET", `/v1/sessions/${id}`)).body;
    const readiness = async () => (await call<{ status: string; components: unknown }>(service, "GET", "/readyz")).body;
    await eventually("it is ready", async () => ((await readiness()).status === "ok" ? true : undefined));
    await call(service, "POST", "/v1/sessions/chat/messages", { body: { messages: turns(1, 10) } });
    await service.stopPostgres();

    const degraded = await eventually("what was looked at before is looked at anew", async () => {
      const answer = await call<{ status: string }>(service, "GET", "/readyz");
      return answer.body.status === "ok" ? undefined : answer;
    });
    expect(degraded).toMatchObject({
      status: 200,
      body: { status: "degraded", components: { postgres: { status: "degraded" }, sessions: { status: "ok" } } },
    });
    expect((await call(service, "GET", "/livez")).status).toBe(200);
    const runbook = "docs/operate.md#postgres-away";
    expect(await receiver.receive(service, "postgres-away", 1)).toMatchObject([
      { type: "alert.started", alert: { runbook } },
    ]);
    expect((await alerts()).data).toContainEqual(expect.objectContaining({ kind: "postgres-away" }));

    const append = await call(service, "POST", "/v1/sessions/chat/messages", {
      body: { messages: turns(11, 10), context: { query: "auto" } },
    });
    expect(append).toMatchObject({ status: 201, body: { headSeq: 20 } });
    const summary = await call(service, "POST", "/v1/sessions/chat/summarize", {
      body: { keepRecentTokens: 0, waitMs: 10_000 },
    });
    expect(summary).toMatchObject({ body: { job: { state: "done" }, summary: { version: 1, throughSeq: 16 } } });
    expect((await call(service, "GET", "/v1/sessions/chat/summaries/1?expand=sources")).status).toBe(200);
    expect((await call(service, "GET", "/v1/sessions/chat/context")).body).toMatchObject({ omitted: [], headSeq: 20 });
    const search = await call<{ data: { message: { id: string } }[] }>(service, "POST", "/v1/sessions/chat/search", {
      body: { query: "crate 7003" },
    });
    expect(search.body.data[0]?.message.id).toBe("turn-3");

    const fork = await call<State>(service, "POST", "/v1/sessions/chat/fork", { body: { id: "fork" } });
    expect(fork).toMatchObject({ status: 201, body: { headSeq: 20, status: "active", summary: { throughSeq: 16 } } });
    await call(service, "POST", "/v1/sessions", { body: { id: "next", continueFrom: "chat" } });
    await eventually("the continuation has what is carried over", async () =>
      (await state("next")).origin?.state === "done" ? true : undefined,
    );
    const exported = await call(service, "GET", "/v1/sessions/chat/export");
    const headers = { "content-type": "application/x-ndjson" };
    expect(await call(service, "POST", "/v1/import?sessionId=copy", { body: exported.text, headers })).toMatchObject({
      status: 201,
    });

    const erasure = await call(service, "DELETE", "/v1/sessions/chat/messages/turn-3");
    expect(erasure).toMatchObject({ status: 202, body: { state: "erasing" } });
    expect((await call(service, "GET", "/v1/sessions/chat/context?format=text&maxTokens=4000")).text).not.toContain(
      "crate 7003",
    );
    await eventually("the fork notes the erasure", async () => {
      const { body } = await call<{ erased?: boolean }>(service, "GET", "/v1/sessions/fork/messages/turn-3");
      return body.erased === true ? true : undefined;
    });
    for (const id of ["chat", "fork", "next", "copy"]) expect(await state(id), id).toMatchObject({ archived: false });

    await service.startPostgres();
    await eventually("it is ready again", async () => ((await readiness()).status === "ok" ? true : undefined));
    const told = await receiver.receive(service, "postgres-away", 2);
    expect(told.map(({ type }) => type)).toEqual(["alert.started", "alert.ended"]);
    expect((await alerts()).data).not.toContainEqual(expect.objectContaining({ kind: "postgres-away" }));
    for (const id of ["chat", "fork", "next", "copy"]) {
      await eventually(
        `the archive catches up with ${id}`,
        async () => ((await state(id)).archived ? true : undefined),
        60_000,
      );
    }
    await eventually("every copy has confirmed", async () => {
      const { body } = await call<{ state: string }>(service, "DELETE", "/v1/sessions/chat/messages/turn-3");
      return body.state === "erased" ? true : undefined;
    });
  }, 300_000);
});
