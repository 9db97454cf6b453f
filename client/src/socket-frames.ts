import { ThreadkeepError } from "./errors.ts";

/** The text that the service answers by itself, without waking the session. */
const PING = "ping";
const PONG = "pong";
/** Shorter than what networks forget a silent connection after. Also how long the answer may take. */
const PING_EVERY_MS = 25_000;

export interface Closed {
  readonly code: number;
}

/**
 * A socket as an iterator of its frames; it returns how it was closed. One that says nothing from one ping to the next is given up, and so
 * is one that does not open for as long: a network that fails in silence closes nothing.
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
    // What does not speak our language is left, and met anew.
    return null;
  }
}

/** @param url with http or https */
export function openSocket(url: string, open: ((url: string) => WebSocket) | undefined): WebSocket {
  const address = url.replace(/^http/, "ws");
  if (open !== undefined) return open(address);
  if (typeof WebSocket === "function") return new WebSocket(address);
  throw new ThreadkeepError({
    code: "invalid_argument",
    detail: "There is no WebSocket here. Use Node 22 or later, or give createClient a webSocket.",
  });
}
