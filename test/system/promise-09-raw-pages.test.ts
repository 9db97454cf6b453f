import path from "node:path";
import { expect, it } from "vitest";
import { databasesWith } from "../support/raw-pages.ts";
import { call, eventually, startOwnService } from "../support/service.ts";

it("promise 9: erased text is gone from the pages of the object's database", async () => {
  const service = await startOwnService();
  const objects = path.join(service.stateDir, "state");
  const secretOf = (turn: number): string => `quince-${turn * 7919}-marmalade`;
  const appendTurns = async (session: string): Promise<void> => {
    for (let from = 1; from <= 200; from += 50) {
      const messages = Array.from({ length: 50 }, (_, index) => ({
        id: `turn-${from + index}`,
        role: "user",
        author: "Ada",
        content: `I keep the ${secretOf(from + index)} for ${session} on shelf ${from + index}. ${"Mind the step. ".repeat((from + index) % 30)}`,
      }));
      const body = { messages };
      expect((await call(service, "POST", `/v1/sessions/${session}/messages`, { body })).status).toBe(201);
    }
  };
  await appendTurns("pantry");
  // Enough is left over the last one to see that the search finds texts where they are.
  const erased = Array.from({ length: 40 }, (_, index) => 1 + index * 5);
  for (const turn of erased) {
    const erasure = await call(service, "DELETE", `/v1/sessions/pantry/messages/turn-${turn}`);
    expect(erasure.status).toBe(202);
  }
  await service.stop();
  const left = erased.filter((turn) => databasesWith(objects, secretOf(turn)).length > 0);
  expect(left).toEqual([]);
  expect(databasesWith(objects, secretOf(2))).not.toEqual([]);
}, 240_000);

it("promise 9: nor does what the search index merged away keep it, where each message was searched for as it came", async () => {
  const service = await startOwnService();
  const secretOf = (turn: number): string => `medlar-${turn * 7919}-jelly`;
  const turns = Array.from({ length: 120 }, (_, index) => index + 1);
  for (const turn of turns) {
    const content = `The ${secretOf(turn)} stands on shelf ${turn}. ${"Mind the step. ".repeat(turn % 30)}`;
    const body = { messages: [{ id: `turn-${turn}`, role: "user", content }] };
    expect((await call(service, "POST", "/v1/sessions/cellar/messages", { body })).status).toBe(201);
    const search = { body: { query: secretOf(turn) } };
    expect((await call(service, "POST", "/v1/sessions/cellar/search", search)).status).toBe(200);
  }
  for (const turn of turns) {
    expect((await call(service, "DELETE", `/v1/sessions/cellar/messages/turn-${turn}`)).status).toBe(202);
  }
  await service.stop();
  const objects = path.join(service.stateDir, "state");
  // The index keeps the parts of a word as terms of their own.
  const left = turns.filter((turn) => databasesWith(objects, String(turn * 7919)).length > 0);
  expect(left).toEqual([]);
}, 240_000);

it("promise 9: an erased session leaves nothing in the object's files", async () => {
  const service = await startOwnService();
  const body = { messages: [{ role: "user", content: "the quince-4711-marmalade is mine" }] };
  await call(service, "POST", "/v1/sessions/gone/messages", { body });
  expect((await call(service, "DELETE", "/v1/sessions/gone")).status).toBe(202);
  expect((await call(service, "GET", "/v1/sessions/gone")).status).toBe(404);
  expect((await call(service, "DELETE", "/v1/sessions/gone")).status).toBe(404);
  const list = await eventually("it is off the list", async () => {
    const { body: page } = await call<{ data: unknown[] }>(service, "GET", "/v1/sessions");
    return page.data.length === 0 ? page : undefined;
  });
  expect(list.data).toEqual([]);
  await service.stop();
  expect(databasesWith(path.join(service.stateDir, "state"), "quince-4711-marmalade")).toEqual([]);
}, 240_000);
