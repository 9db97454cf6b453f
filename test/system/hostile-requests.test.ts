import { describe, expect, it } from "vitest";
import { describeFailure } from "../../tools/fuzz-api/describe-failure.ts";
import { sendRaw } from "../../tools/fuzz-api/raw-http.ts";
import { runFuzz } from "../../tools/fuzz-api/run-fuzz.ts";
import { sharedService } from "../support/service.ts";

const service = sharedService();
const url = service.url;

describe("hostile requests", () => {
  it("get no 5xx, show no internals and do not repeat their content, and leave other users' sessions alone", async () => {
    const report = await runFuzz({ ...service, url, runtimePid: undefined }, { requests: 400, seed: 11 });
    const told = report.failures.map((failure) => describeFailure(failure, url, 11));
    expect([...told, ...report.faults]).toEqual([]);
    expect(report.requests).toBe(400);
    const answered = [...report.statuses.values()].flatMap((counts) => [...counts.keys()]);
    expect(answered).toEqual(expect.arrayContaining([200, 201, 400, 401, 404, 405, 415, 422]));
  });

  it.each([
    ["GET", "*", []],
    ["GET", "/v1/sessions", [["Host", "a b"]]],
    ["DELETE", "/v1/sessions/s", [["Host", "127.0.0.1:99999999"]]],
  ] as const)(
    "whose target is no valid URL are refused as an unknown route: %s %s %j",
    async (method, path, headers) => {
      const answer = await sendRaw(url, { method, path, headers });
      expect(answer?.status).toBe(404);
      expect(answer?.headers["x-content-type-options"]).toBe("nosniff");
    },
  );

  it("with HEAD for a WebSocket get none", async () => {
    const path = `/v1/sessions/${crypto.randomUUID()}`;
    const authorization = { Authorization: `Bearer ${service.apiKey}` };
    const body = JSON.stringify({ messages: [{ role: "user", content: "x" }] });
    const headers = { ...authorization, "Content-Type": "application/json" };
    expect(await fetch(`${url}${path}/messages`, { method: "POST", headers, body })).toMatchObject({ status: 201 });
    const asked = Object.entries({
      ...authorization,
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    });
    const answer = await sendRaw(url, { method: "HEAD", path: `${path}/live`, headers: asked });
    expect(answer).toMatchObject({ status: 426, bodyBytes: 0 });
  });

  it("that break off are refused as malformed, and not as if a part of the service were unavailable", async () => {
    const body = Buffer.from('{"messages":[{"role":"user","content":"half');
    const authorization = { Authorization: `Bearer ${service.apiKey}` };
    const headers = Object.entries({ ...authorization, "Content-Type": "application/json" });
    for (const cutOff of ["length", "chunks"] as const) {
      const path = `/v1/sessions/${crypto.randomUUID()}/messages`;
      const answer = await sendRaw(url, { method: "POST", path, headers, body, cutOff });
      if (answer !== null) expect(answer).toMatchObject({ status: 400 });
      expect(await fetch(`${url}${path}`, { headers: authorization })).toMatchObject({ status: 404 });
    }
  });
});
