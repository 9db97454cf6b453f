/** The live feed of one session: each event once and in order, also over connections that break. */

import type { LiveEvent, ServerFrame, Ticket } from "../../src/api/live.ts";
import { ApiError, ask, sessionPath } from "../api.ts";

export interface FeedHandlers {
  /** Nothing was missed before this: also told when it goes on after a break. */
  onOpen(): void;
  /** It broke, and is tried again. */
  onLost(): void;
  onEvent(event: LiveEvent): void;
  /** Too much happened meanwhile: read everything anew. */
  onReset(): void;
  /** It is over: the session was erased or has expired, or the sign-in is not good any more. */
  onEnd(reason: string): void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** The service holds back after 256 events that were not acknowledged. */
const ACK_EVERY = 50;
/** What the service closes with: 4000 and the status that HTTP has for it. */
const ENDS: Readonly<Record<number, string>> = { 4404: "The session was erased.", 4410: "The session has expired." };

/** Returns what ends it. */
export function followSession(id: string, handlers: FeedHandlers): () => void {
  let isOver = false;
  let socket: WebSocket | undefined;
  let since: number | undefined;
  let failures = 0;
  let unacknowledged = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Which try is the latest: what comes of earlier ones is of no use any more. */
  let tries = 0;

  function again(): void {
    if (isOver) return;
    handlers.onLost();
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
    failures += 1;
    timer = setTimeout(() => void connect(), pause);
  }

  /** A connection does not notice that the network is gone, often for minutes. The browser does. */
  function goneOffline(): void {
    const before = socket;
    tries += 1;
    socket = undefined;
    before?.close();
    clearTimeout(timer);
    handlers.onLost();
  }

  function backOnline(): void {
    failures = 0;
    clearTimeout(timer);
    void connect();
  }

  function end(reason: string): void {
    close();
    handlers.onEnd(reason);
  }

  function close(): void {
    isOver = true;
    clearTimeout(timer);
    removeEventListener("offline", goneOffline);
    removeEventListener("online", backOnline);
    socket?.close();
  }

  async function connect(): Promise<void> {
    tries += 1;
    const mine = tries;
    const isStale = (): boolean => isOver || mine !== tries;
    let ticket: string;
    try {
      ({ ticket } = await ask<Ticket>("POST", `${sessionPath(id)}/tickets`, { body: { scopes: ["memory:read"] } }));
    } catch (error) {
      if (isStale()) return;
      const status = error instanceof ApiError ? error.status : 0;
      if (status >= 400 && status < 500 && status !== 429) end(error instanceof Error ? error.message : "");
      else again();
      return;
    }
    if (isStale()) return;
    const url = new URL(`${sessionPath(id)}/live`, location.origin);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("ticket", ticket);
    if (since !== undefined) url.searchParams.set("since", String(since));
    const opened = new WebSocket(url);
    socket = opened;
    opened.addEventListener("message", ({ data }) => {
      if (typeof data === "string" && !isStale()) receive(opened, JSON.parse(data) as ServerFrame);
    });
    opened.addEventListener("close", ({ code }) => {
      const reason = ENDS[code];
      if (isStale()) return;
      if (reason === undefined) again();
      else end(reason);
    });
  }

  function receive(opened: WebSocket, frame: ServerFrame): void {
    if (frame.type === "hello") {
      failures = 0;
      if (frame.reset === true) handlers.onReset();
      since = frame.reset === true ? frame.rev : frame.since;
      handlers.onOpen();
    } else if ("rev" in frame && frame.rev > (since ?? -1)) {
      since = frame.rev;
      unacknowledged += 1;
      if (unacknowledged >= ACK_EVERY) {
        unacknowledged = 0;
        opened.send(JSON.stringify({ type: "ack", rev: frame.rev }));
      }
      handlers.onEvent(frame);
    }
  }

  addEventListener("offline", goneOffline);
  addEventListener("online", backOnline);
  void connect();
  return close;
}
