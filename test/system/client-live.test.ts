import { createServer, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { createClient, type LiveEvent, type LiveHello, ThreadkeepError } from "../../client/src/index.ts";
import { sharedService } from "../support/service.ts";

const service = sharedService();
const client = createClient({ url: service.url, key: service.apiKey });
const newSession = () => client.session(`live-${crypto.randomUUID()}`);
const turns = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => ({
    id: `m${from + index}`,
    role: "user" as const,
    content: `Turn ${from + index}`,
  }));

type Feed = AsyncGenerator<LiveHello | LiveEvent, void>;

/** Reads this many events of a feed that stays open. */
async function take(feed: Feed, count: number): Promise<(LiveHello | LiveEvent)[]> {
  const taken: (LiveHello | LiveEvent)[] = [];
  while (taken.length < count) {
    const { done, value } = await feed.next();
    if (done === true) throw new Error(`The feed ended after ${taken.length} of ${count}`);
    taken.push(value);
  }
  return taken;
}

const seqsOf = (events: readonly (LiveHello | LiveEvent)[]): number[] =>
  events.flatMap((event) => (event.type === "appended" ? [event.message.seq] : []));

/** A network between client and service that can be cut. */
async function startNetwork(): Promise<{ url: string; cut(): void; cuts: () => number }> {
  const target = new URL(service.url);
  const open = new Set<Socket>();
  let cuts = 0;
  const server = createServer((near) => {
    const far = new (near.constructor as typeof Socket)();
    far.connect(Number(target.port), target.hostname);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const cut = (): void => {
    cuts += 1;
    for (const socket of open) socket.destroy();
  };
  onTestFinished(() => {
    cut();
    server.close();
  });
  return { url: `http://127.0.0.1:${address.port}`, cut, cuts: () => cuts };
}

describe("the live feed of the client", () => {
  it("begins where it is told to, and delivers events as they happen", async () => {
    const session = newSession();
    await session.append(turns(1, 2));
    const feed = session.live({ since: 0 });
    const [hello, ...events] = await take(feed, 3);
    expect(hello).toMatchObject({ type: "hello", headSeq: 2, rev: events[1]?.rev });
    expect(events).toMatchObject([
      { type: "appended", message: { id: "m1", seq: 1 } },
      { type: "appended", message: { id: "m2" } },
    ]);
    await session.edit("m1", { content: "Changed" });
    await session.erase("m2");
    expect(await take(feed, 2)).toMatchObject([
      { type: "edited", message: { id: "m1", content: "Changed" } },
      { type: "erased", seq: 2 },
    ]);
    await feed.return();
  });

  it("neither misses nor repeats an event though the connection is cut repeatedly", async () => {
    const session = newSession();
    await session.append(turns(1, 1));
    const network = await startNetwork();
    const far = createClient({ url: network.url, key: service.apiKey });
    const abort = new AbortController();
    const seqs: number[] = [];
    let hellos = 0;
    for await (const event of far.session(session.id).live({ since: 0, signal: abort.signal })) {
      hellos += event.type === "hello" ? 1 : 0;
      if (event.type !== "appended") continue;
      seqs.push(event.message.seq);
      if (seqs.length === 40) abort.abort();
      else if (seqs.length % 8 === 1) {
        network.cut();
        await session.append(turns(seqs.length + 1, 8));
      }
    }
    expect(seqs).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    expect(network.cuts()).toBe(5);
    expect(hellos).toBe(1);
  });

  it("delivers more events than the service sends ahead to a slow reader", async () => {
    const session = newSession();
    for (let from = 1; from <= 601; from += 100) await session.append(turns(from, 100));
    const feed = session.live({ since: 0 });
    expect(seqsOf(await take(feed, 701))).toEqual(Array.from({ length: 700 }, (_, index) => index + 1));
    await feed.return();
  });

  it("ends without an error when it is aborted, also while it waits", async () => {
    const session = newSession();
    await session.append(turns(1, 1));
    const abort = new AbortController();
    const feed = session.live({ signal: abort.signal });
    await take(feed, 1);
    const next = feed.next();
    abort.abort();
    expect(await next).toEqual({ done: true, value: undefined });
  });

  it("throws when the session is erased, and if it does not exist", async () => {
    const session = newSession();
    await session.append(turns(1, 1));
    const feed = session.live();
    await take(feed, 1);
    const [ending] = await Promise.allSettled([feed.next(), session.delete()]);
    expect(ending).toMatchObject({ status: "rejected", reason: { code: "session_not_found" } });
    await expect(newSession().live().next()).rejects.toThrow(ThreadkeepError);
  });

  it("connects from a page with only a ticket", async () => {
    const session = newSession();
    await session.append(turns(1, 1));
    const page = createClient({ url: service.url }).session(session.id);
    const feed = page.live({ since: 0, ticket: async () => (await session.ticket()).ticket });
    expect(seqsOf(await take(feed, 2))).toEqual([1]);
    await feed.return();
    await expect(page.state()).rejects.toMatchObject({ code: "unauthenticated" });
  });
});
