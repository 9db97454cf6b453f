import { ThreadkeepError } from "./errors.ts";

/** The service answers this text without waking the session's object. */
const PING = "ping";
const PONG = "pong";
/**
 * How often a ping is sent, and how long the answer may take. It is shorter than the time after which networks drop a
 * silent connection.
 */
const PING_EVERY_MS = 25_000;

export interface Closed {
  readonly code: number;
}

/**
 * Iterates over the frames of a socket, and returns how it was closed. A socket that receives nothing between two
 * pings, or does not open in that time, is given up, because a network can fail without closing it.
 */
export async function* readFrames<T>(socket: WebSocket, signal: AbortSignal | undefined): AsyncGenerator<T, Closed> {
  const waiting: T[] = [];
  let closed: Closed | null = null;
  let wake: () => void = () => undefined;
  let isAlive = true;
  const close = (code: number): void => {
    closed ??= { code };
    wake();
  };
  const leave = (): void => close(1000);
  socket.addEventListener("message", ({ data }) => {
    isAlive = true;
    if (typeof data !== "string" || data === PONG) return;
    const frame = parseFrame<T>(data);
    if (frame === null) close(1002);
    else waiting.push(frame);
    wake();
  });
  socket.addEventListener("close", ({ code }) => close(code));
  socket.addEventListener("error", () => close(1006));
  signal?.addEventListener("abort", leave);
  const pinging = setInterval(() => {
    if (!isAlive) close(1006);
    else if (socket.readyState === 1) socket.send(PING);
    isAlive = false;
  }, PING_EVERY_MS);
  try {
    if (signal?.aborted === true) leave();
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) yield next;
      else if (closed !== null) return closed;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    clearInterval(pinging);
    signal?.removeEventListener("abort", leave);
    socket.close();
  }
}

function parseFrame<T>(data: string): T | null {
  try {
    const frame: T = JSON.parse(data);
    return frame;
  } catch {
    // The frame is not JSON: the caller closes the socket and connects again.
    return null;
  }
}

/**
 * @param url with http or https
 * @throws {ThreadkeepError} `invalid_argument` if there is no WebSocket
 */
export function openSocket(url: string, open: ((url: string) => WebSocket) | undefined): WebSocket {
  const address = url.replace(/^http/, "ws");
  if (open !== undefined) return open(address);
  if (typeof WebSocket === "function") return new WebSocket(address);
  throw new ThreadkeepError({
    code: "invalid_argument",
    detail: "There is no WebSocket here. Use Node 22 or later, or give createClient a webSocket.",
  });
}
