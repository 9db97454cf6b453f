/** The live feed of one session. It delivers each event once and in order, also after lost connections. */

import type { LiveEvent, ServerFrame, Ticket } from "../../src/api/live.ts";
import { ApiError, ask, sessionPath } from "../api.ts";

export interface FeedHandlers {
  /** Called when connected, also after a lost connection, if no event was missed. */
  onOpen(): void;
  /** The connection was lost; it is being restored. */
  onLost(): void;
  onEvent(event: LiveEvent): void;
  /** Too many events were missed; everything must be read again. */
  onReset(): void;
  /** The feed has ended: the session was erased or has expired, or the credentials are no longer accepted. */
  onEnd(reason: string): void;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** The service stops sending after 256 events without acknowledgement. */
const ACK_EVERY = 50;
/** Close codes of the service: 4000 plus the HTTP status with the same meaning. */
const ENDS: Readonly<Record<number, string>> = { 4404: "The session was erased.", 4410: "The session has expired." };

/** Returns a function that ends the feed. */
export function followSession(id: string, handlers: FeedHandlers): () => void {
  let isOver = false;
  let socket: WebSocket | undefined;
  let since: number | undefined;
  let failures = 0;
  let unacknowledged = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** Number of the latest attempt; results of earlier ones are ignored. */
  let tries = 0;

  function again(): void {
    if (isOver) return;
    handlers.onLost();
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
    failures += 1;
    timer = setTimeout(() => void connect(), pause);
  }

  /** A socket may take minutes to notice that the network is gone; the browser notices at once. */
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
