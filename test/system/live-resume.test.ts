import { expect, it } from "vitest";
import { runResume } from "../../tools/live/resume.ts";
import { call, eventually, sharedService, startOwnService } from "../support/service.ts";

it("readers that drop and reopen their sockets receive each event once, in order, over two crashes of workerd", async () => {
  // PostgreSQL plays no part in this, so using the shared one saves a start.
  const service = await startOwnService({ databaseUrl: sharedService().databaseUrl });
  const crash = async (): Promise<void> => {
    const before = service.pids["runtime"];
    process.kill(Number(before), "SIGKILL");
    await eventually("workerd is started again", async () => {
      if (service.pids["runtime"] === before) return undefined;
      const answer = await call(service, "GET", "/livez", { key: null }).catch(() => undefined);
      return answer?.status === 200 ? true : undefined;
    });
  };
  const report = await runResume(() => ({ url: service.url, apiKey: service.apiKey, session: "followed" }), {
    sockets: 20,
    events: 1_000,
    disturbances: [crash, crash],
    seed: 7,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
  expect(report.faults).toEqual([]);
  expect(report).toMatchObject({ events: 1_000, deliveries: 20_000 });
  expect(report.connections).toBeGreaterThan(60);
});
