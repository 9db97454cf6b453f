import { pauseBefore } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import { ThreadkeepError } from "./errors.ts";
import type { LiveEvent, LiveHello, Ticket } from "./live-contract.ts";
import { pause } from "./pause.ts";
import { openSocket, readFrames } from "./socket-frames.ts";

export interface LiveOptions {
  /** The last `rev` that you know; 0 starts at the first message. If left out, only new events are sent. */
  since?: number | undefined;
  /** Ends the feed. */
  signal?: AbortSignal | undefined;
  /**
   * Returns a ticket for each connection, for example from your back end. If left out, the client requests one with its
   * own key or token.
   */
  ticket?: (() => string | Promise<string>) | undefined;
}

type Frame = LiveHello | LiveEvent | { type: "error"; error: { code: string; detail: string; requestId?: string } };

/**
 * How many events are acknowledged at a time, at the latest; the service pauses after 256. They are acknowledged sooner
 * if no event is waiting.
 */
const ACK_EVERY = 32;
/** Close codes of the service: 4000 plus the last digits of the HTTP status. */
const ERASED = 4404;
const EXPIRED = 4410;

/**
 * Follows the feed of a session and reconnects when the connection breaks: each event once, in order, from `since` on.
 * It ends when the signal aborts or the session expires.
 * @throws {ThreadkeepError} if the session is erased, or the service refuses the connection permanently
 */
export async function* follow(
  connection: Connection,
  path: string,
  { since, signal, ticket }: LiveOptions,
): AsyncGenerator<LiveHello | LiveEvent, void> {
  let last = since;
  let isGreeted = false;
  for (let failures = 0; !isAborted(signal); failures += 1) {
    if (failures > 0) await pause(pauseBefore(failures, null, Math.random()), signal);
    const socket = await connect(connection, path, last, ticket, signal);
    if (socket === null) continue;
    const frames = readFrames<Frame>(socket, signal);
    try {
      let unacknowledged = 0;
      for (;;) {
        const next = frames.next();
        if (unacknowledged > 0 && (unacknowledged >= ACK_EVERY || !(await isThere(next)))) {
          acknowledge(socket, last);
          unacknowledged = 0;
        }
        const { done, value } = await next;
        if (done === true) {
          if (value.code === EXPIRED) return;
          if (value.code === ERASED) throw erased();
          break;
        }
        if (value.type === "hello") {
          failures = 0;
          last = value.reset === true ? value.rev : value.since;
          if (isGreeted && value.reset !== true) continue;
          isGreeted = true;
          yield value;
        } else if (value.type === "error") {
          // The close that follows these errors may be delayed.
          if (value.error.code === "session_not_found") throw erased();
          if (value.error.code === "unauthenticated") break;
        } else if (value.rev > (last ?? 0)) {
          last = value.rev;
          unacknowledged += 1;
          yield value;
          if (value.type === "expired") return;
        }
      }
    } finally {
      await frames.return({ code: 1000 });
    }
  }
}

/** Opens a socket. Null if that failed now but may succeed later. */
async function connect(
  connection: Connection,
  path: string,
  since: number | undefined,
  ticket: LiveOptions["ticket"],
  signal: AbortSignal | undefined,
): Promise<WebSocket | null> {
  try {
    const given = ticket === undefined ? await issue(connection, path, signal) : await ticket();
    return openSocket(
      connection.urlOf({ path: `${path}/live`, query: { since, ticket: given } }),
      connection.webSocket,
    );
  } catch (error) {
    if (isAborted(signal)) return null;
    const isPassing =
      error instanceof ThreadkeepError && (error.status === 0 || error.status === 429 || error.status >= 500);
    if (isPassing && error.code !== "invalid_argument") return null;
    throw error;
  }
}

async function issue(connection: Connection, path: string, signal: AbortSignal | undefined): Promise<string> {
  const body = { scopes: ["memory:read"] };
  const { ticket } = await connection.json<Ticket>({ method: "POST", path: `${path}/tickets`, body }, { signal });
  return ticket;
}

/** Whether a frame is available without waiting for the network. */
async function isThere(next: Promise<unknown>): Promise<boolean> {
  const later = new Promise<boolean>((resolve) => {
    setTimeout(() => resolve(false), 0);
  });
  return Promise.race([next.then(() => true), later]);
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function acknowledge(socket: WebSocket, rev: number | undefined): void {
  if (socket.readyState === 1 && rev !== undefined) socket.send(JSON.stringify({ type: "ack", rev }));
}

function erased(): ThreadkeepError {
  return new ThreadkeepError({
    code: "session_not_found",
    detail: "The session was erased. Delete what you received from its feed.",
    status: 404,
  });
}
