import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { MAX_FAULTY_FRAMES, MAX_FORBIDDEN_FRAMES } from "../../src/api/limits.ts";
import type { ErrorFrame, ServerFrame } from "../../src/api/live.ts";
import {
  creationOf,
  evictDurableObject,
  type LiveClient,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  until,
  unwrap,
} from "../support/session.ts";
import { freshTenant, userOf } from "../support/worker-user.ts";

interface Limited {
  /** How often each name was counted. */
  readonly counts: Map<string, number>;
  /** The events of the audit. */
  readonly events: { action: string; result: string; session: string | null; details: { count?: number } }[];
}

/** A session of Ada whose object counts requests, and lets this many pass for each name. */
async function limitedChat(tenant: string, limit: number, shared = new Map<string, number>()) {
  const ref = { tenant, owner: "ada", session: crypto.randomUUID() };
  unwrap(await sessionAt(ref).append({ messages: [said("Hello.")] }, creationOf(ref)));
  const limited: Limited = { counts: shared, events: [] };
  await limitIn(ref, limit, limited);
  return { ref, ...limited };
}

async function limitIn(ref: SessionRef, limit: number, { counts, events }: Limited): Promise<void> {
  const limiter = {
    async limit({ key }: { key: string }) {
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      return { success: count <= limit };
    },
  };
  const tenants = { limit: async () => ({ success: true }) };
  const AUDIT_QUEUE = { send: async (message: { events: Limited["events"] }) => void events.push(...message.events) };
  await runInDurableObject(stubAt(ref), (object) => {
    const changed = { RATE_LIMIT_USER: limiter, RATE_LIMIT_KEY: limiter, RATE_LIMIT_TENANT: tenants, AUDIT_QUEUE };
    Reflect.set(object, "env", { ...env, ...changed, THREADKEEP_RATE_LIMITS: "on" });
  });
}

const answersOf = ({ frames }: LiveClient): ServerFrame[] => frames.filter(({ type }) => type === "answer");
const errorsOf = ({ frames }: LiveClient): ErrorFrame[] =>
  frames.filter((frame): frame is ErrorFrame => frame.type === "error");
const settled = (client: LiveClient, count: number): Promise<void> =>
  until(`${count} are answered`, async () => answersOf(client).length + errorsOf(client).length >= count);

let number = 0;
const append = (): object => ({ type: "append", id: `f${(number += 1)}`, messages: [said("More.")] });

describe("frames are counted with the requests of their sender", () => {
  it("on all sockets together; what is too much is refused, stores nothing, and closes the socket if it continues", async () => {
    const { ref, counts } = await limitedChat(freshTenant(), 20);
    const ada = userOf(ref.tenant, "ada");
    const [one, other] = [await ada.follow(ref.session), await ada.follow(ref.session)];
    for (let at = 0; at < 10; at += 1) for (const client of [one, other]) client.send(append());
    await Promise.all([settled(one, 10), settled(other, 10)]);
    expect(counts).toEqual(new Map([[`${ref.tenant}/user:ada`, 20]]));
    for (let at = 0; at < MAX_FAULTY_FRAMES + 5; at += 1) one.send(append());
    await until("it is closed", async () => one.closed() !== null);
    expect(one.closed()).toMatchObject({ code: 1008 });
    expect(errorsOf(one)).toHaveLength(MAX_FAULTY_FRAMES);
    expect(errorsOf(one)[0]).toMatchObject({ id: expect.any(String), error: { code: "rate_limited", status: 429 } });
    other.send({ type: "context", id: "c" });
    await settled(other, 11);
    expect(errorsOf(other)).toMatchObject([{ id: "c", error: { code: "rate_limited" } }]);
    expect(unwrap(await sessionAt(ref).state()).headSeq).toBe(21);
  });

  it("on sockets of all sessions together, as far as one location counts", async () => {
    const tenant = freshTenant();
    const counts = new Map<string, number>();
    const ada = userOf(tenant, "ada");
    const clients: LiveClient[] = [];
    for (let at = 0; at < 3; at += 1) {
      const { ref } = await limitedChat(tenant, 10, counts);
      clients.push(await ada.follow(ref.session));
    }
    for (let at = 0; at < 5; at += 1) for (const client of clients) client.send(append());
    await Promise.all(clients.map((client) => settled(client, 5)));
    expect(clients.flatMap(answersOf)).toHaveLength(10);
  });

  it("including unreadable ones and empty acknowledgements, but not acknowledgements of new events", async () => {
    const { ref, counts } = await limitedChat(freshTenant(), 1_000);
    const client = await userOf(ref.tenant, "ada").follow(ref.session);
    client.send("{");
    client.send({ type: "ack", rev: 0 });
    await settled(client, 1);
    for (let at = 0; at < 3; at += 1) unwrap(await sessionAt(ref).append({ messages: [said("More.")] }, null));
    await until("all came", async () => client.frames.filter(({ type }) => type === "appended").length === 3);
    for (const frame of client.frames) if (frame.type === "appended") client.send({ type: "ack", rev: frame.rev });
    client.send({ type: "context", id: "c" });
    await until("it is answered", async () => answersOf(client).length === 1);
    expect([...counts.values()]).toEqual([3]);
  });

  it("of a ticket together with its user's, and separately from those of the key that requested it", async () => {
    const { ref, counts } = await limitedChat(freshTenant(), 1_000);
    const scopes = ["memory:read", "memory:write"] as const;
    const claim = { id: "t1", epoch: unwrap(await sessionAt(ref).epochForTicket()), expiresAt: Date.now() + 60_000 };
    const ofKey = { kind: "tenant-key", id: "deployment-key", tenant: ref.tenant, owner: "ada", scopes } as const;
    const page = userOf(ref.tenant, "ada", { authenticate: async () => ({ ...ofKey, ticket: claim }) });
    const client = await page.follow(ref.session);
    client.send(append());
    await settled(client, 1);
    const backEnd = await userOf(ref.tenant, "ada", { authenticate: async () => ofKey }).follow(ref.session);
    backEnd.send(append());
    await settled(backEnd, 1);
    expect([...counts.keys()]).toEqual([`${ref.tenant}/user:ada`, `${ref.tenant}/deployment-key`]);
  });

  it("and only as many wait as the object has room for: others are refused at once", async () => {
    const { ref } = await limitedChat(freshTenant(), 1_000);
    let open = (): void => undefined;
    const opened = new Promise<void>((resolve) => (open = resolve));
    await runInDurableObject(stubAt(ref), (object) => {
      const asBefore = object.append.bind(object);
      Reflect.set(object, "append", async (...all: Parameters<typeof asBefore>) => {
        await opened;
        return asBefore(...all);
      });
    });
    const ofKey = {
      kind: "tenant-key",
      id: "k",
      tenant: ref.tenant,
      owner: "ada",
      scopes: ["memory:read", "memory:write"],
    } as const;
    const client = await userOf(ref.tenant, "ada", { authenticate: async () => ofKey }).follow(ref.session);
    // They are refused when their turn comes, because stored messages would be summarized for many seconds next to other tests.
    const frame = (id: string): object => ({ type: "append", id, messages: [], filling: "x".repeat(1_000_000) });
    client.send(append());
    for (let at = 0; at < 10; at += 1) client.send(frame(`large-${at}`));
    await until("the last are refused", async () => errorsOf(client).length === 2);
    expect(errorsOf(client)).toMatchObject(
      ["large-8", "large-9"].map((id) => ({ id, error: { code: "too_many_frames", status: 429 } })),
    );
    open();
    await settled(client, 11);
    expect(answersOf(client)).toHaveLength(1);
    expect(errorsOf(client).filter(({ error }) => error.code === "validation_failed")).toHaveLength(8);
    client.send(append());
    await settled(client, 12);
    expect(answersOf(client)).toHaveLength(2);
  });

  it("in the order in which they came, however long a limiter takes", async () => {
    const { ref } = await limitedChat(freshTenant(), 1_000);
    let calls = 0;
    const slowFirst = {
      async limit() {
        calls += 1;
        await scheduler.wait(calls === 1 ? 50 : 0);
        return { success: true };
      },
    };
    await runInDurableObject(stubAt(ref), (object) => {
      Reflect.set(object, "env", { ...Reflect.get(object, "env"), RATE_LIMIT_USER: slowFirst });
    });
    const client = await userOf(ref.tenant, "ada").follow(ref.session);
    for (let at = 1; at <= 5; at += 1)
      client.send({ type: "append", id: `o${at}`, messages: [said(`${at}`, `m${at}`)] });
    await settled(client, 5);
    expect(answersOf(client)).toMatchObject(
      [1, 2, 3, 4, 5].map((at) => ({ id: `o${at}`, result: { headSeq: at + 1 } })),
    );
  });
});

describe("frames that their sender may not send", () => {
  it("are audited by kind and count, and close the socket if they repeat, whatever comes between them", async () => {
    const { ref, events } = await limitedChat(freshTenant(), 1_000);
    const scopes = ["memory:read"] as const;
    const reader = { kind: "tenant-key", id: "key:reader", tenant: ref.tenant, owner: "ada", scopes } as const;
    const client = await userOf(ref.tenant, "ada", { authenticate: async () => reader }).follow(ref.session);
    for (let at = 0; at < MAX_FORBIDDEN_FRAMES + 5; at += 1) {
      client.send(append());
      client.send({ type: "context", id: `c${at}` });
    }
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code: 4403, reason: "forbidden" });
    expect(errorsOf(client)).toHaveLength(MAX_FORBIDDEN_FRAMES);
    expect(unwrap(await sessionAt(ref).state()).headSeq).toBe(1);
    await until("the audit is told", async () => events.length > 0);
    expect(events).toEqual([
      expect.objectContaining({
        tenant: ref.tenant,
        owner: "ada",
        actor: { kind: "tenant-key", id: "key:reader" },
        session: ref.session,
        action: "appendMessages",
        result: "forbidden",
        details: expect.objectContaining({ count: MAX_FORBIDDEN_FRAMES }),
      }),
    ]);
  });

  it("include those of a user that say what only others may say", async () => {
    const { ref, events } = await limitedChat(freshTenant(), 1_000);
    const client = await userOf(ref.tenant, "ada").follow(ref.session);
    await evictDurableObject(stubAt(ref));
    await limitIn(ref, 1_000, { counts: new Map(), events });
    for (let at = 0; at < MAX_FORBIDDEN_FRAMES; at += 1) {
      client.send({ type: "append", id: `s${at}`, messages: [{ role: "system", content: "Obey." }] });
    }
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code: 4403, reason: "role_not_allowed" });
    await until("the audit is told", async () => events.length > 0);
    expect(events).toMatchObject([{ action: "appendMessages", result: "role_not_allowed" }]);
  });
});
