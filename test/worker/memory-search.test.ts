import { env, waitUntil } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createTicketOffice } from "../../src/access/tickets.ts";
import { ThreadkeepError } from "../../src/api/errors.ts";
import type { MemorySearchRequest, MemorySearchResult } from "../../src/api/memory-search.ts";
import { isArchiveAway, withDatabase } from "../../src/archive/database.ts";
import { createAlertClient } from "../../src/control/alert-client.ts";
import { createOperationsClient } from "../../src/control/client.ts";
import { createDirectoryClient } from "../../src/directory/client.ts";
import { createOwnersClient } from "../../src/directory/owners-client.ts";
import { createUserClient } from "../../src/directory/user-client.ts";
import { createFanOutClient, createSessionClient } from "../../src/session/client.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantClient } from "../../src/tenant/client.ts";
import { searchMemory } from "../../src/usecases/memory-search.ts";
import type { RequestContext, Deps } from "../../src/usecases/request-context.ts";
import {
  changeArchive,
  creationOf,
  evictDurableObject,
  freshRef,
  onArchive,
  pendingJobs,
  rememberIn,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  TINY_MODEL,
  tinyVector,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";
import { listeningTrail } from "../support/worker-audit.ts";

const newOwner = (): string => crypto.randomUUID();

function callOf(
  owner: string,
  connectionString = env.HYPERDRIVE.connectionString,
  meaningOf: Deps["meaningOf"] = null,
): RequestContext {
  const parts: Deps = {
    sessions: createSessionClient(env.CHAT_SESSION),
    fanOuts: createFanOutClient(() => env.FAN_OUT),
    directory: createDirectoryClient(env.DIRECTORY),
    users: createUserClient(env.DIRECTORY),
    operations: createOperationsClient(env.OPERATIONS),
    owners: createOwnersClient(env.OWNERS),
    alerts: createAlertClient(env.OPERATIONS),
    tenants: createTenantClient(env.TENANT, { keepAlive: waitUntil, log: createLog() }),
    withDatabase: (body) => withDatabase(connectionString, body),
    pingArchive: async () => undefined,
    meaningOf,
    tickets: createTicketOffice("no ticket is asked for here"),
    audit: listeningTrail(),
    startRun: async () => undefined,
  };
  const principal = { kind: "tenant-key", id: "test", tenant: "test", owner, scopes: ["memory:read"] } as const;
  return { principal, requestId: "test", from: null, parts };
}

/** A session whose summary has one item for each message, in the object and in the archive; only the test does its work. */
async function remembered(owner: string, texts: readonly string[], hasVectors = false): Promise<SessionRef> {
  const ref = freshRef(owner);
  await archive(ref, await rememberIn(ref, texts, hasVectors));
  return ref;
}

/** Searches by meaning too. */
function searchNear(owner: string, request: MemorySearchRequest): Promise<MemorySearchResult> {
  const meaningOf: Deps["meaningOf"] = async (_tenant, query) => ({ model: TINY_MODEL, vector: tinyVector(query) });
  return searchMemory(callOf(owner, undefined, meaningOf), request);
}

/** Sends the archive what the object has for it. */
async function archive(ref: SessionRef, epoch: string): Promise<void> {
  const pending = (await pendingJobs(ref)).find((job) => job["kind"] === "archive");
  const write = await sessionAt(ref).readArchiveDelta(String(pending?.["id"]), epoch);
  if (write === null) throw new Error("no archive job is pending");
  await changeArchive(write);
}

async function search(owner: string, request: MemorySearchRequest): Promise<string[]> {
  const { data } = await searchMemory(callOf(owner), request);
  return data.map(({ item }) => item.text);
}

describe("vectors of an earlier model", () => {
  it("are made again after the first query by meaning, though nobody writes to the session", async () => {
    const ref = await remembered(newOwner(), ["Ada keeps a boat in Lisbon"], true);
    const embedJobs = async () => (await pendingJobs(ref)).filter((job) => job["kind"] === "embed").length;
    const ask = (model: string) =>
      withoutAlarm(ref, (session) => session.search({ query: "boat" }, { model, vector: tinyVector("boat") }));
    expect(unwrap(await ask(TINY_MODEL)).retrieval).toEqual({ by: "words-and-meaning" });
    expect(await embedJobs()).toBe(0);
    for (let count = 0; count < 2; count += 1) {
      expect(unwrap(await ask("another/model")).retrieval).toEqual({ by: "words", because: "other-model" });
      expect(await embedJobs()).toBe(1);
    }
  });
});

describe("search across sessions, checked against the objects", () => {
  it("returns items of several sessions, each with its session", async () => {
    const owner = newOwner();
    const first = await remembered(owner, ["Ada keeps a boat in Lisbon"]);
    const second = await remembered(owner, ["The boat needs paint", "Lunch is at noon"]);
    const { data } = await searchMemory(callOf(owner), { query: "boats" });
    expect(data.map(({ sessionId, item }) => [sessionId, item.text]).toSorted()).toEqual(
      [
        [first.session, "Ada keeps a boat in Lisbon"],
        [second.session, "The boat needs paint"],
      ].toSorted(),
    );
    expect(data[0]).toMatchObject({ snippet: data[0]?.item.text, item: { kind: "fact", sourceSeqs: [1] } });
    expect(await search(newOwner(), { query: "boats" })).toEqual([]);
  });

  it("searches for the subject of a question, and not for its words about the chat", async () => {
    const owner = newOwner();
    await remembered(owner, ["The list of guests is with Bo", "The kiln cracks each glaze"]);
    const query = "What did you list in our conversation about the kiln?";
    expect(await search(owner, { query })).toEqual(["The kiln cracks each glaze"]);
    expect(await search(owner, { query: "the list" })).toEqual(["The list of guests is with Bo"]);
  });

  it("leaves out what an erased message said, even before the archive is updated", async () => {
    const owner = newOwner();
    const ref = await remembered(owner, ["The code is 7731", "The code of the door is 4412"]);
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("m1")));
    expect(await search(owner, { query: "code 7731" })).toEqual(["The code of the door is 4412"]);
  });

  it("leaves out what a message said before it was edited", async () => {
    const owner = newOwner();
    const ref = await remembered(owner, ["The code is 7731"]);
    unwrap(await withoutAlarm(ref, (session) => session.editMessage("m1", { content: "The code is secret" })));
    expect(await search(owner, { query: "code" })).toEqual([]);
  });

  it("leaves out a session that was erased, even if the archive still has it, and one whose id was created again", async () => {
    const owner = newOwner();
    const ref = await remembered(owner, ["The code is 7731"]);
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    expect(await search(owner, { query: "code" })).toEqual([]);
    const anew = { messages: [said("The code is 7731", "m1")] };
    unwrap(await withoutAlarm(ref, (session) => session.append(anew, creationOf(ref))));
    expect(await search(owner, { query: "code" })).toEqual([]);
  });

  it("finds an expired session in the archive, which alone has it, until it is erased", async () => {
    const owner = newOwner();
    const ref = await remembered(owner, ["The code is 7731"]);
    await runInDurableObject(stubAt(ref), (_, state) => {
      state.storage.sql.exec("UPDATE session SET expired_at = 1");
    });
    await evictDurableObject(stubAt(ref));
    expect(await search(owner, { query: "code" })).toEqual(["The code is 7731"]);
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    expect(await search(owner, { query: "code" })).toEqual([]);
  });

  it("fills the answer with further hits in place of those that it leaves out", async () => {
    const owner = newOwner();
    const texts = Array.from({ length: 12 }, (_, index) => `Crate ${index + 1} is green`);
    const ref = await remembered(owner, texts);
    const [best = ""] = await search(owner, { query: "crate", limit: 1 });
    const gone = texts.filter((text) => text !== best).slice(0, 9);
    for (const text of [best, ...gone]) {
      unwrap(await withoutAlarm(ref, (session) => session.eraseMessage(`m${texts.indexOf(text) + 1}`)));
    }
    const left = texts.filter((text) => text !== best && !gone.includes(text));
    expect((await search(owner, { query: "crate", limit: 2 })).toSorted()).toEqual(left.toSorted());
  });

  it("finds an item of another session by its meaning, until the message that it cites is erased, or the session", async () => {
    const owner = newOwner();
    const first = await remembered(owner, ["A beagle came to live here", "The harbour has a crane"], true);
    const second = await remembered(owner, ["There is a parrot in the attic"], true);
    await remembered(owner, ["The puppy has no vector"]);
    const query = "Which puppy is it?";
    const texts = async (request: MemorySearchRequest): Promise<string[]> =>
      (await searchNear(owner, request)).data.map(({ item }) => item.text);
    const { data, retrieval } = await searchNear(owner, { query });
    expect(retrieval).toEqual({ by: "words-and-meaning" });
    // The word counts more than the meaning, and what is farthest comes last.
    expect(data[0]?.item.text).toBe("The puppy has no vector");
    expect(new Set(data.slice(1, 3).map(({ sessionId }) => sessionId))).toEqual(
      new Set([first.session, second.session]),
    );
    expect(data.at(-1)?.item.text).toBe("The harbour has a crane");
    expect(await texts({ query, sessions: [second.session] })).toEqual(["There is a parrot in the attic"]);
    expect(await texts({ query, kinds: ["task"] })).toEqual([]);
    expect((await searchNear(newOwner(), { query })).data).toEqual([]);

    unwrap(await withoutAlarm(first, (session) => session.eraseMessage("m1")));
    unwrap(await withoutAlarm(second, (session) => session.erase()));
    expect(await texts({ query })).toEqual(["The puppy has no vector", "The harbour has a crane"]);
  });

  it("says that PostgreSQL is unavailable, what to do, and when", async () => {
    // Nobody listens there.
    const away = callOf(newOwner(), "postgres://nobody:x@127.0.0.1:9/none");
    const thrown = await searchMemory(away, { query: "code" }).catch((error: unknown) => error);
    if (!(thrown instanceof ThreadkeepError)) throw thrown;
    expect(thrown.fault).toMatchObject({ code: "unavailable", retryAfterSeconds: 5 });
    expect(thrown.fault.detail).toMatch(/again after Retry-After/);
  });

  it("does not report a bug as an unavailable archive", async () => {
    const thrown = await onArchive((database) => database.execute("select * from no_such_table")).catch(
      (error: unknown) => error,
    );
    expect(thrown).toBeInstanceOf(Error);
    expect(isArchiveAway(thrown)).toBe(false);
  });

  it("refuses a caller without the right to read", async () => {
    const call = callOf(newOwner());
    const refused = searchMemory(
      { ...call, principal: { ...call.principal, scopes: ["memory:write"] } },
      { query: "code" },
    );
    await expect(refused).rejects.toThrow(/forbidden/);
  });
});
