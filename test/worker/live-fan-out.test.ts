import { env, waitUntil } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { formatKey } from "../../src/access/key-format.ts";
import { newKeySchema } from "../../src/api/api-key.ts";
import { MAX_SOCKETS_PER_FAN_OUT } from "../../src/api/limits.ts";
import type { ErrorFrame, Hello } from "../../src/api/live.ts";
import { sessionName } from "../../src/api/session.ts";
import { FanOut } from "../../src/session/fan-out.ts";
import { KEY_CHECKED_FOR_MS } from "../../src/session/live/credentials.ts";
import { OwnFeed } from "../../src/session/live/own-feed.ts";
import { ChatSession } from "../../src/session/object.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantClient } from "../../src/tenant/client.ts";
import {
  askLive,
  chatOf,
  clientOf,
  creationOf,
  epochOf,
  eventsOf,
  evictDurableObject,
  follow,
  freshRef,
  type LiveClient,
  revsOf,
  runDurableObjectAlarm,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  until,
  unwrap,
} from "../support/session.ts";

/** The sockets of these tests are kept by fan-out objects: the session's own object keeps none. */
beforeEach(() => void vi.spyOn(OwnFeed.prototype, "maxSockets", "get").mockReturnValue(0));
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const fanOutOf = (ref: SessionRef, fanOut = 0): DurableObjectStub<FanOut> =>
  env.FAN_OUT.getByName(`${sessionName(ref)}/${fanOut}`);
const socketsOf = (ref: SessionRef, fanOut = 0): Promise<number> => fanOutOf(ref, fanOut).count();
const helloOf = (client: LiveClient): Promise<Hello> => client.find<Hello>("hello", ({ type }) => type === "hello");
const textsOf = (client: LiveClient): unknown[] =>
  eventsOf(client).map((event) => ("message" in event ? event.message.content : event.type));

async function say(ref: SessionRef, ...texts: string[]): Promise<void> {
  unwrap(await sessionAt(ref).append({ messages: texts.map((text) => said(text)) }, null));
}
/** As if the session's object broke down between its commits and its calls. */
const loseNews = () =>
  vi.spyOn(FanOut.prototype, "tell").mockImplementation(async function lose(this: FanOut) {
    return this.count();
  });
/** Which fan-out objects the session tells of changes, as bits. */
const toldOf = (ref: SessionRef): Promise<number> =>
  runInDurableObject(stubAt(ref), (_, { storage }) =>
    Number(storage.sql.exec("SELECT fan_outs FROM session").one()["fan_outs"]),
  );
const cameTo = (client: LiveClient, count: number): Promise<void> =>
  until(`${count} events`, async () => eventsOf(client).length >= count);

describe("sockets in a fan-out object", () => {
  it("get what a socket of the session's object gets: each change once, in order, the first after `since`", async () => {
    const ref = await chatOf(3);
    const [late, whole] = [await follow(ref), await follow(ref, 0)];
    const hello = await helloOf(late);
    expect(hello).toMatchObject({ headSeq: 3, rev: hello.since });
    await cameTo(whole, 3);
    const session = sessionAt(ref);
    unwrap(await session.append({ messages: [said("four", "m4"), said("five", "m5")] }, null));
    unwrap(await session.editMessage("m4", { content: "four, mended" }));
    unwrap(await session.eraseMessage("m5"));
    await cameTo(late, 4);
    await cameTo(whole, 7);
    expect(revsOf(late)).toEqual([1, 2, 3, 4].map((step) => hello.rev + step));
    expect(revsOf(whole)).toEqual([-2, -1, 0, 1, 2, 3, 4].map((step) => hello.rev + step));
    expect(eventsOf(late).at(-1)).toMatchObject({ type: "erased", id: "m5" });
    const resumed = await follow(ref, hello.rev);
    await cameTo(resumed, 4);
    expect(textsOf(resumed)).toEqual(["four, mended", "", "four, mended", "erased"]);
    expect(await socketsOf(ref)).toBe(3);
    expect(await runInDurableObject(stubAt(ref), (_, state) => state.getWebSockets().length)).toBe(0);
  });

  it("miss and repeat nothing while both objects are evicted, and nothing is stored beside the sockets", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    await helloOf(client);
    for (const text of ["two", "three", "four"]) {
      await evictDurableObject(stubAt(ref));
      await evictDurableObject(fanOutOf(ref));
      await say(ref, text);
    }
    await cameTo(client, 3);
    expect(textsOf(client)).toEqual(["two", "three", "four"]);
    expect(
      await runInDurableObject(fanOutOf(ref), async (_, { storage }) => [
        (await storage.list()).size,
        storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\'").toArray(),
      ]),
    ).toEqual([0, []]);
  });

  it("get the events that the session's object could not tell, from the next change or from the next check", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    await helloOf(client);
    const lost = loseNews();
    await say(ref, "two");
    await until("it was told", async () => lost.mock.calls.length > 0);
    lost.mockRestore();
    await say(ref, "three");
    await cameTo(client, 2);
    expect(textsOf(client)).toEqual(["two", "three"]);
    loseNews();
    await say(ref, "four");
    expect(await runDurableObjectAlarm(fanOutOf(ref))).toBe(true);
    await cameTo(client, 3);
    expect(textsOf(client)).toEqual(["two", "three", "four"]);
  });

  it("never get erased content again, not even from a page that was on its way while it was erased", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    const { rev } = await helloOf(client);
    unwrap(await sessionAt(ref).append({ messages: [said("a secret", "m2")] }, null));
    await cameTo(client, 1);
    const { readFeedPage } = ChatSession.prototype;
    const erasing = vi.spyOn(ChatSession.prototype, "readFeedPage").mockImplementationOnce(async function read(
      this: ChatSession,
      epoch,
      after,
    ) {
      const page = await readFeedPage.call(this, epoch, after);
      unwrap(await this.eraseMessage("m2"));
      await cameTo(client, 2);
      return page;
    });
    const late = await follow(ref, rev);
    await cameTo(late, 2);
    expect(erasing).toHaveBeenCalledTimes(2);
    expect(JSON.stringify(late.frames)).not.toContain("a secret");
    expect(textsOf(late)).toEqual(["", "erased"]);
  });

  it("are paused by what they do not acknowledge, also after an eviction, and continue where they were", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    const { rev } = await helloOf(client);
    const text = "x".repeat(200_000);
    for (let count = 0; count < 8; count += 1) await say(ref, text);
    await cameTo(client, 6);
    await evictDurableObject(fanOutOf(ref));
    client.send({ type: "ack", rev: rev + 3 });
    await cameTo(client, 8);
    await say(ref, "the last");
    await until("it is at the end", async () => {
      client.send({ type: "ack", rev: revsOf(client).at(-1) ?? 0 });
      return eventsOf(client).length === 9;
    });
    expect(revsOf(client)).toEqual(Array.from({ length: 9 }, (_, index) => rev + 1 + index));
  });

  it("send frames that the session answers under the same rules", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    client.send({ type: "append", id: "a", messages: [{ id: "m2", role: "user", content: "over a fan-out" }] });
    client.send({ type: "context", id: "c", maxTokens: 1_000 });
    client.send({ type: "append", id: "b", messages: [{ id: "m2", role: "user", content: "something else" }] });
    const isFor = (id: string) => (frame: object) => "id" in frame && frame.id === id;
    expect(await client.find("the append", isFor("a"))).toMatchObject({ type: "answer", result: { headSeq: 2 } });
    expect(await client.find("the context", isFor("c"))).toMatchObject({ type: "answer", result: { headSeq: 2 } });
    expect(await client.find<ErrorFrame>("the refusal", isFor("b"))).toMatchObject({
      error: { code: "message_conflict" },
    });
    await cameTo(client, 1);
  });
});

describe("a fan-out object", () => {
  it("counts frames against the limits of their sender, and records what it refuses in the audit log", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    await helloOf(client);
    const events: object[] = [];
    const none = { limit: async () => ({ success: false }) };
    const AUDIT_QUEUE = { send: async (message: { events: object[] }) => void events.push(...message.events) };
    const changed = { RATE_LIMIT_KEY: none, RATE_LIMIT_TENANT: none, AUDIT_QUEUE, THREADKEEP_RATE_LIMITS: "on" };
    await runInDurableObject(fanOutOf(ref), (object) => void Reflect.set(object, "env", { ...env, ...changed }));
    client.send({ type: "append", id: "a", messages: [said("one too many")] });
    expect(await client.find<ErrorFrame>("the refusal", ({ type }) => type === "error")).toMatchObject({
      id: "a",
      error: { code: "rate_limited" },
    });
    await until("it is recorded", async () => events.length > 0);
    expect(events).toMatchObject([{ session: ref.session, action: "appendMessages", result: "rate_limited" }]);
    expect(unwrap(await sessionAt(ref).state()).headSeq).toBe(1);
  });

  it("takes what the one before it has no room for, and a closed socket makes room again", async () => {
    const ref = await chatOf(1);
    const first = await follow(ref);
    await helloOf(first);
    vi.spyOn(FanOut.prototype, "count").mockResolvedValueOnce(MAX_SOCKETS_PER_FAN_OUT);
    await evictDurableObject(stubAt(ref));
    const second = await follow(ref);
    await helloOf(second);
    expect(await socketsOf(ref, 1)).toBe(1);
    await say(ref, "to both");
    for (const client of [first, second]) await cameTo(client, 1);
  });

  it("is not told of changes any more once it has no sockets, and is again when it gets one", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    await helloOf(client);
    expect(await toldOf(ref)).toBe(1);
    client.socket.close(1000);
    await until("it has none", async () => (await socketsOf(ref)) === 0);
    await say(ref, "to nobody");
    await until("it is forgotten", async () => (await toldOf(ref)) === 0);
    const next = await follow(ref);
    await helloOf(next);
    await say(ref, "to the next");
    await cameTo(next, 1);
    expect(textsOf(next)).toEqual(["to the next"]);
  });

  it("that does not answer fails no append, and its sockets get everything later", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    await helloOf(client);
    const away = vi.spyOn(FanOut.prototype, "tell").mockRejectedValueOnce(new Error("away"));
    await say(ref, "two", "three");
    await cameTo(client, 2);
    expect(away.mock.calls.length).toBeGreaterThan(1);
    expect(textsOf(client)).toEqual(["two", "three"]);
  });

  it("closes its sockets when the session is erased, also if the id is created again at once", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    await helloOf(client);
    unwrap(await sessionAt(ref).erase());
    unwrap(await sessionAt(ref).append({ messages: [said("anew")] }, creationOf(ref)));
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code: 4404 });
    const next = await follow(ref);
    await helloOf(next);
    await say(ref, "to the new one");
    await cameTo(next, 1);
    expect(textsOf(next)).toEqual(["to the new one"]);
    expect(eventsOf(client)).toEqual([]);
  });

  it("closes its sockets by its own check if the erasure could not be told", async () => {
    const ref = await chatOf(1);
    const client = await follow(ref);
    await helloOf(client);
    const lost = loseNews();
    unwrap(await sessionAt(ref).erase());
    await until("it was told", async () => lost.mock.calls.length === 1);
    expect(client.closed()).toBeNull();
    await runDurableObjectAlarm(fanOutOf(ref));
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code: 4404 });
    expect(await runDurableObjectAlarm(fanOutOf(ref))).toBe(true);
    expect(await runDurableObjectAlarm(fanOutOf(ref))).toBe(false);
  });

  it("checks keys: a socket of a revoked one gets nothing after a minute and is closed with 4401", async () => {
    const log = createLog({ write: () => undefined });
    const tenants = createTenantClient(env.TENANT, { keepAlive: waitUntil, log });
    const ref = { ...freshRef(), tenant: `t-${crypto.randomUUID()}` };
    await tenants.create(ref.tenant, null);
    unwrap(await sessionAt(ref).append({ messages: [said("first")] }, creationOf(ref)));
    const issue = async (name: string) => unwrap(await tenants.keys.create(ref.tenant, newKeySchema.parse({ name })));
    const [brief, lasting] = [await issue("brief"), await issue("lasting")];
    const enter = async ({ state, secret }: typeof brief): Promise<LiveClient> => {
      const authorization = `Bearer ${formatKey({ tenant: ref.tenant, id: state.id, secret })}`;
      return clientOf(await askLive(ref, "", { authorization }));
    };
    const [revoked, kept] = [await enter(brief), await enter(lasting)];
    await Promise.all([helloOf(revoked), helloOf(kept)]);
    await say(ref, "both are to get this");
    for (const client of [revoked, kept]) await cameTo(client, 1);
    unwrap(await tenants.keys.revoke(ref.tenant, brief.state.id));
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + KEY_CHECKED_FOR_MS });
    await say(ref, "a secret");
    await until("it is closed", async () => revoked.closed() !== null);
    expect(revoked.closed()).toMatchObject({ code: 4401, reason: "unauthenticated" });
    expect(textsOf(revoked)).toEqual(["both are to get this"]);
    await cameTo(kept, 2);
    expect(textsOf(kept)).toEqual(["both are to get this", "a secret"]);
  });

  it("keeps no socket that the session's object did not admit, and answers no frame of an earlier epoch or without the scope", async () => {
    const ref = await chatOf(1);
    const epoch = await epochOf(ref);
    expect((await fanOutOf(ref).fetch("https://x/", { headers: { Upgrade: "websocket" } })).status).toBe(404);
    expect(
      await sessionAt(ref).serveFrame("an earlier epoch", { type: "context", id: "c" }, READER, false),
    ).toMatchObject({
      ok: false,
      fault: { code: "session_not_found" },
    });
    expect(await sessionAt(ref).serveFrame(epoch, { type: "context", id: "c" }, READER, false)).toMatchObject({
      ok: true,
    });
    const messages = [{ role: "user" as const, content: "not with this scope" }];
    expect(await sessionAt(ref).serveFrame(epoch, { type: "append", id: "a", messages }, READER, false)).toMatchObject({
      ok: false,
      fault: { code: "forbidden" },
    });
  });
});

const READER = {
  scopes: ["memory:read" as const],
  by: { kind: "tenant-key" as const, id: "key:test" },
  isUser: true,
};
