import { expect, it } from "vitest";
import { chatOf, freshRef, runInDurableObject, type SessionRef, stubAt } from "../support/session.ts";
import { appWith } from "../support/worker-app.ts";

const WEB_SOCKET = { Upgrade: "websocket", Connection: "Upgrade" };
const STREAM = { Accept: "text/event-stream" };
const app = appWith({
  authenticate: async () => ({ kind: "user", id: "user:ada", tenant: "test", owner: "-", scopes: ["memory:read"] }),
});

/** Without the runtime's `fetch`, which turns a request for a WebSocket into GET. */
async function askHead(ref: SessionRef, headers: Record<string, string>): Promise<Response> {
  return app.request(`/v1/sessions/${ref.session}/live?since=0`, { method: "HEAD", headers });
}

it.each([
  ["a WebSocket", WEB_SOCKET, 426],
  ["server-sent events", STREAM, 200],
  ["either", { ...WEB_SOCKET, ...STREAM }, 200],
  ["neither", {}, 426],
])("HEAD with a request for %s opens no socket, which nobody would use", async (_name, headers, status) => {
  const ref = await chatOf(1);
  const answer = await askHead(ref, headers);
  expect([answer.status, answer.webSocket, answer.body]).toEqual([status, null, null]);
  expect(await runInDurableObject(stubAt(ref), (_, state) => state.getWebSockets())).toEqual([]);
  expect((await askHead(freshRef(), headers)).status).toBe(404);
});
