import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient, type LiveEvent, type LiveHello } from "../../client/src/index.ts";

/** The numbers of the WebSocket standard. */
const [CONNECTING, OPEN, CLOSED] = [0, 1, 3];

/** A network under the test's control: it records what is sent, and delivers what the test says. */
class HeldSocket extends EventTarget {
  readonly url: string;
  readonly sent: string[] = [];
  readyState: number = CONNECTING;

  constructor(url: string) {
    super();
    this.url = url;
  }

  open(): void {
    this.readyState = OPEN;
  }

  say(frame: object | string): void {
    this.dispatchEvent(
      new MessageEvent("message", { data: typeof frame === "string" ? frame : JSON.stringify(frame) }),
    );
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.readyState = CLOSED;
  }
}

/** The parts of a socket that the client uses. */
function isSocket(held: EventTarget): held is WebSocket {
  return held instanceof HeldSocket;
}

const SECOND = 1_000;

function startFeed(options: { since?: number; signal?: AbortSignal } = {}, refusals: number[] = []) {
  const sockets: HeldSocket[] = [];
  const client = createClient({
    url: "http://memory.test",
    key: "k",
    maxTries: 1,
    fetch: async () => {
      const status = refusals.shift();
      return status === undefined
        ? Response.json({ ticket: `t${sockets.length}`, expiresAt: "2026-01-01T00:00:00Z" })
        : Response.json({ code: "refused", detail: "d", status }, { status });
    },
    webSocket: (url) => {
      const socket = new HeldSocket(url);
      sockets.push(socket);
      if (!isSocket(socket)) throw new Error("not a socket");
      return socket;
    },
  });
  return { sockets, feed: client.session("s").live(options) };
}

type Taken = Promise<IteratorResult<LiveHello | LiveEvent, void>>;

async function isSettled(taken: Taken): Promise<boolean> {
  return await Promise.race([taken.then(() => true), vi.advanceTimersByTimeAsync(0).then(() => false)]);
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a socket that is silent", () => {
  it("is given up within a minute, and the feed continues over another one", async () => {
    const { sockets, feed } = startFeed({ since: 4 });
    const hello = feed.next();
    await vi.advanceTimersByTimeAsync(0);
    sockets[0]?.open();
    sockets[0]?.say({ type: "hello", since: 4, rev: 5, headSeq: 5 });
    expect((await hello).value).toMatchObject({ type: "hello" });
    const event = feed.next();
    sockets[0]?.say({ type: "edited", rev: 5, message: { id: "a", seq: 1 } });
    expect((await event).value).toMatchObject({ rev: 5 });

    // The other side is gone, and nothing closes the socket.
    const next = feed.next();
    await vi.advanceTimersByTimeAsync(60 * SECOND);
    expect(sockets[0]?.sent).toContain("ping");
    expect(sockets[0]?.readyState).toBe(CLOSED);
    expect(sockets).toHaveLength(2);
    expect(new URL(sockets[1]?.url ?? "").searchParams.get("since")).toBe("5");

    sockets[1]?.open();
    sockets[1]?.say({ type: "hello", since: 5, rev: 6, headSeq: 6 });
    sockets[1]?.say({ type: "edited", rev: 6, message: { id: "b", seq: 2 } });
    expect((await next).value).toMatchObject({ rev: 6 });
    await feed.return();
  });

  it("is also given up if it never opens", async () => {
    const { sockets, feed } = startFeed();
    const hello = feed.next();
    await vi.advanceTimersByTimeAsync(60 * SECOND);
    expect(sockets.length).toBeGreaterThan(1);
    expect(sockets[0]?.readyState).toBe(CLOSED);
    const newest = sockets.at(-1);
    newest?.open();
    newest?.say({ type: "hello", since: 0, rev: 0, headSeq: 0 });
    expect((await hello).value).toMatchObject({ type: "hello" });
    await feed.return();
  });

  it("is kept while it answers pings, even if nothing happens in the session", async () => {
    const { sockets, feed } = startFeed();
    const hello = feed.next();
    await vi.advanceTimersByTimeAsync(0);
    sockets[0]?.open();
    sockets[0]?.say({ type: "hello", since: 0, rev: 0, headSeq: 0 });
    await hello;
    const next = feed.next();
    for (let pinged = 0, second = 0; second < 600; second += 1) {
      await vi.advanceTimersByTimeAsync(SECOND);
      const pings = sockets[0]?.sent.filter((text) => text === "ping").length ?? 0;
      if (pings > pinged) sockets[0]?.say("pong");
      pinged = pings;
    }
    expect(sockets).toHaveLength(1);
    expect(await isSettled(next)).toBe(false);
    sockets[0]?.say({ type: "edited", rev: 1, message: { id: "a", seq: 1 } });
    expect((await next).value).toMatchObject({ rev: 1 });
    await feed.return();
  });
});

describe("a feed over several sockets", () => {
  /** Reads events until there are this many. */
  async function take(feed: AsyncGenerator<LiveHello | LiveEvent, void>, count: number): Promise<number[]> {
    const revs: number[] = [];
    while (revs.length < count) {
      const { value } = await feed.next();
      if (value !== undefined && value.type !== "hello") revs.push(value.rev);
    }
    return revs;
  }
  const edited = (rev: number): object => ({ type: "edited", rev, message: { id: "a", seq: 1 } });

  it("delivers no event twice when it is sent again", async () => {
    const { sockets, feed } = startFeed({ since: 3 });
    const taken = take(feed, 3);
    await vi.advanceTimersByTimeAsync(0);
    sockets[0]?.open();
    sockets[0]?.say({ type: "hello", since: 3, rev: 6, headSeq: 6 });
    for (const rev of [3, 4, 4, 5, 4, 6]) sockets[0]?.say(edited(rev));
    expect(await taken).toEqual([4, 5, 6]);
    await feed.return();
  });

  it("continues after a reset from where it was reset to", async () => {
    const { sockets, feed } = startFeed({ since: 3 });
    const hello = feed.next();
    await vi.advanceTimersByTimeAsync(0);
    sockets[0]?.open();
    sockets[0]?.say({ type: "hello", since: 40, rev: 50, headSeq: 6, reset: true });
    expect((await hello).value).toMatchObject({ reset: true });
    const taken = take(feed, 1);
    sockets[0]?.say(edited(45));
    sockets[0]?.say(edited(51));
    expect(await taken).toEqual([51]);
    await feed.return();
  });

  it.each([429, 500, 503])("waits for a ticket that is refused with %i, and continues", async (status) => {
    const { sockets, feed } = startFeed({}, [status, status]);
    const hello = feed.next();
    await vi.advanceTimersByTimeAsync(10 * SECOND);
    expect(sockets).toHaveLength(1);
    sockets[0]?.open();
    sockets[0]?.say({ type: "hello", since: 0, rev: 0, headSeq: 0 });
    expect((await hello).value).toMatchObject({ type: "hello" });
    await feed.return();
  });

  it.each([401, 403, 404])("ends if a ticket is refused with %i", async (status) => {
    const { feed } = startFeed({}, [status]);
    await expect(feed.next()).rejects.toMatchObject({ status });
  });

  it.each([
    [4410, "the session expired", null],
    [4404, "it was erased", "session_not_found"],
  ])("ends with the close code %i: %s", async (code, _, thrown) => {
    const { sockets, feed } = startFeed();
    const hello = feed.next();
    await vi.advanceTimersByTimeAsync(0);
    sockets[0]?.open();
    sockets[0]?.say({ type: "hello", since: 0, rev: 0, headSeq: 0 });
    await hello;
    const next = feed.next();
    sockets[0]?.dispatchEvent(Object.assign(new Event("close"), { code }));
    if (thrown === null) expect(await next).toEqual({ done: true, value: undefined });
    else await expect(next).rejects.toMatchObject({ code: thrown });
  });

  it("acknowledges events, at the latest after 32 of them", async () => {
    const { sockets, feed } = startFeed();
    const taken = take(feed, 40);
    await vi.advanceTimersByTimeAsync(0);
    sockets[0]?.open();
    sockets[0]?.say({ type: "hello", since: 0, rev: 40, headSeq: 40 });
    for (let rev = 1; rev <= 40; rev += 1) sockets[0]?.say(edited(rev));
    await vi.advanceTimersByTimeAsync(SECOND);
    expect(await taken).toHaveLength(40);
    const next = feed.next();
    await vi.advanceTimersByTimeAsync(SECOND);
    const acks = sockets[0]?.sent.filter((text) => text !== "ping").map((text) => JSON.parse(text).rev) ?? [];
    expect(acks.at(-1)).toBe(40);
    expect(Math.max(...acks.map((rev: number, at: number) => rev - (acks[at - 1] ?? 0)))).toBeLessThanOrEqual(32);
    expect(await isSettled(next)).toBe(false);
    const left = feed.return();
    sockets[0]?.dispatchEvent(Object.assign(new Event("close"), { code: 1000 }));
    await vi.advanceTimersByTimeAsync(10 * SECOND);
    void left;
  });
});
