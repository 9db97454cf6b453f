import { env, waitUntil } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { formatKey } from "../../src/access/key-format.ts";
import { newKeySchema } from "../../src/api/api-key.ts";
import { KEY_CHECKED_FOR_MS } from "../../src/session/live/credentials.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantClient } from "../../src/tenant/client.ts";
import type { IssuedKey } from "../../src/tenant/key-records.ts";
import { Tenant } from "../../src/tenant/tenant.ts";
import {
  askLive,
  clientOf,
  creationOf,
  eventsOf,
  evictDurableObject,
  type LiveClient,
  revsOf,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  until,
  unwrap,
} from "../support/session.ts";
import { send } from "../support/worker-http.ts";

const tenants = createTenantClient(env.TENANT, {
  keepAlive: waitUntil,
  log: createLog({ write: () => undefined }),
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

interface Chat {
  readonly ref: SessionRef;
  /** A key's id, and a socket that it opened. */
  readonly revoked: { readonly id: string; readonly client: LiveClient };
  readonly kept: { readonly id: string; readonly client: LiveClient };
}

/** A session of a new tenant that two keys follow. */
async function chatOfTwoKeys(): Promise<Chat> {
  const tenant = `t-${crypto.randomUUID()}`;
  const ref = { tenant, owner: "-", session: "s" };
  await tenants.create(tenant, null);
  unwrap(await sessionAt(ref).append({ messages: [said("first")] }, creationOf(ref)));
  const issue = async (name: string): Promise<IssuedKey> =>
    unwrap(await tenants.keys.create(tenant, newKeySchema.parse({ name })));
  // Both are created before the first is used: for a second the Worker does not know a key that is newer than its cache.
  const [brief, lasting] = [await issue("brief"), await issue("lasting")];
  const enter = async ({ state, secret }: IssuedKey): Promise<Chat["kept"]> => {
    const authorization = `Bearer ${formatKey({ tenant, id: state.id, secret })}`;
    const client = clientOf(await askLive(ref, "", { authorization }));
    await client.find("hello", ({ type }) => type === "hello");
    return { id: state.id, client };
  };
  return { ref, revoked: await enter(brief), kept: await enter(lasting) };
}

const say = async ({ ref }: Chat, text: string): Promise<void> => {
  unwrap(await sessionAt(ref).append({ messages: [said(text)] }, null));
};
/** With stopped timers nothing times out, however slow the machine is. */
const letPass = (ms: number): void => void vi.useFakeTimers({ toFake: ["Date", "setTimeout"], now: Date.now() + ms });

describe("a socket whose key was revoked", () => {
  it("receives no event after a minute and is closed with 4401, and a socket of another key misses nothing", async () => {
    const chat = await chatOfTwoKeys();
    const { revoked, kept } = chat;
    await say(chat, "both are to get this");
    await until("both got it", async () => eventsOf(revoked.client).length + eventsOf(kept.client).length === 2);
    unwrap(await tenants.keys.revoke(chat.ref.tenant, revoked.id));
    letPass(KEY_CHECKED_FOR_MS);
    await say(chat, "a secret");
    await say(chat, "another");
    await until("it is closed", async () => revoked.client.closed() !== null);
    expect(revoked.client.closed()).toMatchObject({ code: 4401, reason: "unauthenticated" });
    expect(eventsOf(revoked.client)).toHaveLength(1);
    await until("the other got all", async () => eventsOf(kept.client).length === 3);
    const [first = 0] = revsOf(kept.client);
    expect(revsOf(kept.client)).toEqual([first, first + 1, first + 2]);
    expect(kept.client.closed()).toBeNull();
  });

  it("changes nothing by a frame after a minute, and is closed", async () => {
    const chat = await chatOfTwoKeys();
    const { ref, revoked } = chat;
    unwrap(await tenants.keys.revoke(ref.tenant, revoked.id));
    letPass(KEY_CHECKED_FOR_MS);
    for (const id of ["one", "two"]) {
      revoked.client.send({ type: "append", id, messages: [{ role: "user", content: "too late" }] });
    }
    await until("it is closed", async () => revoked.client.closed() !== null);
    expect(revoked.client.closed()).toMatchObject({ code: 4401 });
    expect(unwrap(await sessionAt(ref).state()).headSeq).toBe(1);
  });

  it("is detected after hibernation as well, and waiting sockets then miss nothing", async () => {
    const chat = await chatOfTwoKeys();
    const { ref, revoked, kept } = chat;
    unwrap(await tenants.keys.revoke(ref.tenant, revoked.id));
    letPass(KEY_CHECKED_FOR_MS);
    await evictDurableObject(stubAt(ref));
    await say(chat, "after the sleep");
    await until("it is closed", async () => revoked.client.closed() !== null);
    await until("the other got it", async () => eventsOf(kept.client).length === 1);
    expect(eventsOf(revoked.client)).toEqual([]);
  });
});

describe("a ticket of a revoked key", () => {
  async function issued(): Promise<{ ref: SessionRef; id: string; enter: () => Promise<Response> }> {
    const tenant = `t-${crypto.randomUUID()}`;
    const ref = { tenant, owner: "-", session: "s" };
    await tenants.create(tenant, null);
    unwrap(await sessionAt(ref).append({ messages: [said("first")] }, creationOf(ref)));
    const { state, secret } = unwrap(await tenants.keys.create(tenant, newKeySchema.parse({ name: "brief" })));
    const key = formatKey({ tenant, id: state.id, secret });
    const { body } = await send<{ ticket: string }>("POST", "/v1/sessions/s/tickets", {}, { key });
    return { ref, id: state.id, enter: () => askLive(ref, `?ticket=${body.ticket}`, {}) };
  }

  it("opens nothing from that moment on, and is used up", async () => {
    const { ref, id, enter } = await issued();
    unwrap(await tenants.keys.revoke(ref.tenant, id));
    for (let again = 0; again < 2; again += 1) {
      const answer = await enter();
      expect(answer.status).toBe(401);
      expect(await answer.json()).toMatchObject({ code: "unauthenticated" });
    }
    expect(await runInDurableObject(stubAt(ref), (_, state) => state.getWebSockets())).toEqual([]);
  });

  it("opened a socket earlier, which receives no event after a minute and is closed", async () => {
    const { ref, id, enter } = await issued();
    const client = clientOf(await enter());
    await client.find("hello", ({ type }) => type === "hello");
    unwrap(await tenants.keys.revoke(ref.tenant, id));
    letPass(KEY_CHECKED_FOR_MS);
    unwrap(await sessionAt(ref).append({ messages: [said("a secret")] }, null));
    await until("it is closed", async () => client.closed() !== null);
    expect(client.closed()).toMatchObject({ code: 4401 });
    expect(eventsOf(client)).toEqual([]);
  });

  it("is accepted while nobody can check its key, which is checked again soon", async () => {
    const { ref, id, enter } = await issued();
    vi.spyOn(Tenant.prototype, "goodKeys").mockRejectedValue(new Error("out of reach"));
    const client = clientOf(await enter());
    await client.find("hello", ({ type }) => type === "hello");
    vi.restoreAllMocks();
    unwrap(await tenants.keys.revoke(ref.tenant, id));
    letPass(10_000);
    unwrap(await sessionAt(ref).append({ messages: [said("a secret")] }, null));
    await until("it is closed", async () => client.closed() !== null);
    expect(eventsOf(client)).toEqual([]);
  });
});

describe("a socket whose key is valid", () => {
  it("costs at most one check a minute, however much happens", async () => {
    const chat = await chatOfTwoKeys();
    const check = vi.spyOn(Tenant.prototype, "goodKeys");
    for (let count = 0; count < 5; count += 1) await say(chat, "no check is due");
    expect(check).not.toHaveBeenCalled();
    letPass(KEY_CHECKED_FOR_MS);
    for (let count = 0; count < 5; count += 1) await say(chat, "one is");
    await until("both got all", async () => eventsOf(chat.kept.client).length === 10);
    await until("both got all", async () => eventsOf(chat.revoked.client).length === 10);
    expect(check).toHaveBeenCalledOnce();
  });

  it("continues while nobody can check its key, which is checked again soon", async () => {
    const chat = await chatOfTwoKeys();
    const { ref, revoked, kept } = chat;
    vi.spyOn(Tenant.prototype, "goodKeys").mockRejectedValue(new Error("out of reach"));
    letPass(KEY_CHECKED_FOR_MS);
    await say(chat, "during the outage");
    await until("it arrives", async () => eventsOf(kept.client).length === 1);
    expect(kept.client.closed()).toBeNull();
    vi.restoreAllMocks();
    unwrap(await tenants.keys.revoke(ref.tenant, revoked.id));
    letPass(10_000);
    await say(chat, "after the outage");
    await until("the revoked one is closed", async () => revoked.client.closed() !== null);
    expect(eventsOf(revoked.client)).toHaveLength(1);
  });

  it("has stored what it was not sent yet while its key is checked, because of a possible eviction", async () => {
    const chat = await chatOfTwoKeys();
    const { ref, kept } = chat;
    const sent = (): Promise<unknown[]> =>
      runInDurableObject(stubAt(ref), (_, state) =>
        state.getWebSockets().map((socket) => socket.deserializeAttachment().sent),
      );
    let fail = (): void => undefined;
    vi.spyOn(Tenant.prototype, "goodKeys").mockReturnValue(
      new Promise((_resolve, reject) => {
        fail = () => reject(new Error("out of reach"));
      }),
    );
    letPass(KEY_CHECKED_FOR_MS);
    await say(chat, "kept back");
    expect(await sent()).toEqual([expect.any(Number), expect.any(Number)]);
    expect(eventsOf(kept.client)).toEqual([]);
    fail();
    await until("it is told", async () => eventsOf(kept.client).length === 1);
    expect(await sent()).toEqual([null, null]);
  });
});
