import { expect, it } from "vitest";
import type { Service } from "../../scripts/dev/service.ts";
import { call, eventually, startOwnService } from "../support/service.ts";

const body = { messages: [{ role: "user", content: "still here?" }] };

it("restarts workerd and PostgreSQL on the same ports when one of them crashes", async () => {
  const notices: string[] = [];
  const service = await startOwnService({ onNotice: (text) => notices.push(text) });
  expect((await call(service, "POST", "/v1/sessions/crash/messages", { body })).status).toBe(201);
  const before = service.pids;

  process.kill(Number(before["runtime"]), "SIGKILL");
  await eventually("workerd runs again", () => (service.pids["runtime"] === before["runtime"] ? undefined : true));
  const page = await eventually("it answers", async () => {
    const answer = await call(service, "GET", "/v1/sessions/crash/messages").catch(() => undefined);
    return answer?.status === 200 ? answer.text : undefined;
  });
  expect(page).toContain("still here?");

  process.kill(Number(before["postgres"]), "SIGKILL");
  await eventually("PostgreSQL runs again", () =>
    [undefined, before["postgres"]].includes(service.pids["postgres"]) ? undefined : true,
  );
  await isReady(service);
  expect(notices).toHaveLength(2);
});

it("can stop its database and start it again on the same port, and survives a kill -9 of everything at once", async () => {
  const service = await startOwnService();
  const { databaseUrl } = service;
  await service.stopPostgres();
  expect(service.pids["postgres"]).toBeUndefined();
  const appended = await call(service, "POST", "/v1/sessions/outage/messages", { body });
  expect(appended.status, appended.text).toBe(201);
  await service.startPostgres();
  expect(service.databaseUrl).toBe(databaseUrl);
  await isReady(service);

  await service.kill9();
  await expect(fetch(`${service.url}/livez`)).rejects.toThrow("fetch failed");
  const second = await startOwnService({ stateDir: service.stateDir });
  expect(second.apiKey).toBe(service.apiKey);
  expect((await call(second, "GET", "/v1/sessions/outage/messages")).text).toContain("still here?");
});

it("reports that the process that runs workerd is gone for good, and stops the rest", async () => {
  const service = await startOwnService();
  process.kill(Number(service.pids["worker"]), "SIGKILL");
  expect(await service.failed).toContain("SIGKILL");
  await expect(fetch(`${service.url}/livez`)).rejects.toThrow("fetch failed");
});

it("does not start with a model without its key, and says what to set", async () => {
  const start = startOwnService({ env: { THREADKEEP_MODEL: "anthropic/claude-haiku-4-5" } });
  await expect(start).rejects.toThrow(/THREADKEEP_MODEL_API_KEY is missing[^]*npm start/);
});

async function isReady(service: Service): Promise<void> {
  await eventually("the service is ready", async () => {
    const answer = await call(service, "GET", "/readyz", { key: null });
    return answer.status === 200 ? true : undefined;
  });
}
