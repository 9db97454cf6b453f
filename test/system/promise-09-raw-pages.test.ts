import { cpSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Service } from "../../scripts/dev/service.ts";
import { databasesWith, type RawDatabases, readDatabases } from "../support/raw-pages.ts";
import { call, eventually, type FinishHook, startOwnService } from "../support/service.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

/** The databases of the objects, read after the service has stopped. */
let objects: RawDatabases;

const secretOf = (turn: number): string => `quince-${turn * 7919}-marmalade`;
const pantryErased = Array.from({ length: 40 }, (_, index) => 1 + index * 5);
const cellarTurns = Array.from({ length: 120 }, (_, index) => index + 1);
/** The index stores the parts of a word as separate terms, so this word has no parts. */
const cellarWordOf = (turn: number): string => `x${(turn * 7907).toString(36)}q`;
const SECRET_GONE = "damson-4711-cheese";
const GONE = `the ${SECRET_GONE} is mine`;

async function fillPantry(service: Service): Promise<void> {
  for (let from = 1; from <= 200; from += 50) {
    const messages = Array.from({ length: 50 }, (_, index) => ({
      id: `turn-${from + index}`,
      role: "user",
      author: "Ada",
      content: `I keep the ${secretOf(from + index)} for the pantry on shelf ${from + index}. ${"Mind the step. ".repeat((from + index) % 30)}`,
    }));
    const body = { messages };
    expect((await call(service, "POST", "/v1/sessions/pantry/messages", { body })).status).toBe(201);
  }
}

async function searchAsItComes(service: Service): Promise<void> {
  for (const turn of cellarTurns) {
    const content = `The jelly of ${cellarWordOf(turn)} stands on shelf ${turn}. ${"Mind the step. ".repeat(turn % 30)}`;
    const body = { messages: [{ id: `turn-${turn}`, role: "user", content }] };
    expect((await call(service, "POST", "/v1/sessions/cellar/messages", { body })).status).toBe(201);
    const search = { body: { query: cellarWordOf(turn) } };
    expect((await call(service, "POST", "/v1/sessions/cellar/search", search)).status).toBe(200);
  }
}

async function eraseTurns(service: Service, session: string, turns: readonly number[]): Promise<void> {
  for (const turn of turns) {
    expect((await call(service, "DELETE", `/v1/sessions/${session}/messages/turn-${turn}`)).status).toBe(202);
  }
}

/** A photo of 1.3 MB whose base64 repeats one text, so that it can be found wherever a page of the database cuts it. */
const markOf = (photo: number): string => `QUxCVU0${photo}cGhvdG8${photo}`;
const photoOf = (photo: number): string => `/9j/${markOf(photo).repeat(100_000)}`;

/** Four photos: in one erased message, in an edited one, in two of which one is erased, and in two that are both erased. */
async function keepAlbum(service: Service): Promise<void> {
  const cited = [[1], [2], [3, 4], [4], [3]];
  for (const [at, photos] of cited.entries()) {
    const content = photos.map((photo) => ({ type: "file", mediaType: "image/jpeg", data: photoOf(photo) }));
    const body = { messages: [{ id: `turn-${at + 1}`, role: "user", content }] };
    expect((await call(service, "POST", "/v1/sessions/album/messages", { body })).status).toBe(201);
  }
  await call(service, "PATCH", "/v1/sessions/album/messages/turn-2", { body: { content: "no photo" } });
  await eraseTurns(service, "album", [1, 3, 4]);
}

async function eraseSession(service: Service): Promise<void> {
  const body = { messages: [{ role: "user", content: GONE }] };
  await call(service, "POST", "/v1/sessions/gone/messages", { body });
  expect((await call(service, "DELETE", "/v1/sessions/gone")).status).toBe(202);
  expect((await call(service, "GET", "/v1/sessions/gone")).status).toBe(404);
  expect((await call(service, "DELETE", "/v1/sessions/gone")).status).toBe(404);
  await eventually("it is off the list", async () => {
    const { body: page } = await call<{ data: { id: string }[] }>(service, "GET", "/v1/sessions");
    return page.data.some(({ id }) => id === "gone") ? undefined : page;
  });
  // The object is deleted after PostgreSQL has confirmed, which no request reports.
  await eventually("its pages are gone", () => {
    const copy = makeTemporaryDirectory();
    try {
      cpSync(path.join(service.stateDir, "state"), copy, { recursive: true });
      return databasesWith(readDatabases(copy), SECRET_GONE).length > 0 ? undefined : true;
    } catch {
      return undefined; // A file changed while it was copied; the next try makes another copy.
    } finally {
      removeDirectory(copy);
    }
  });
}

const cleanUps: Parameters<FinishHook>[0][] = [];

beforeAll(async () => {
  const service = await startOwnService({}, (cleanUp) => cleanUps.push(cleanUp));
  await fillPantry(service);
  await eraseTurns(service, "pantry", pantryErased);
  await searchAsItComes(service);
  await eraseTurns(service, "cellar", cellarTurns);
  await keepAlbum(service);
  await eraseSession(service);
  await service.stop();
  objects = readDatabases(path.join(service.stateDir, "state"));
}, 240_000);

afterAll(async () => {
  for (const cleanUp of cleanUps.toReversed()) await cleanUp();
});

it("promise 9: erased text is gone from the pages of the object's database", () => {
  expect(pantryErased.filter((turn) => databasesWith(objects, secretOf(turn)).length > 0)).toEqual([]);
  // Enough text is left to show that the search finds texts that are there.
  expect(databasesWith(objects, secretOf(2))).not.toEqual([]);
});

it("promise 9: erased text is not in merged pages of the search index either, though messages were indexed one by one", () => {
  expect(cellarTurns.filter((turn) => databasesWith(objects, cellarWordOf(turn)).length > 0)).toEqual([]);
});

it("promise 9: a file is gone from the pages when its last message is erased", () => {
  expect([1, 2, 3, 4].filter((photo) => databasesWith(objects, markOf(photo)).length > 0)).toEqual([3]);
});

it("promise 9: an erased session leaves nothing in the object's files", () => {
  expect(databasesWith(objects, SECRET_GONE)).toEqual([]);
});
