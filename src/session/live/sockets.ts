import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import {
  MAX_FAULTY_FRAMES,
  MAX_FORBIDDEN_FRAMES,
  MAX_FRAME_BURST,
  MAX_FRAMES_PER_SECOND,
  MAX_SOCKET_SECONDS,
  MAX_SOCKETS_PER_SESSION,
  MAX_UNACKNOWLEDGED_BYTES,
  MAX_UNACKNOWLEDGED_EVENTS,
  MAX_WAITING_FRAME_BYTES,
} from "../../api/limits.ts";
import type { Rev, ServerFrame } from "../../api/live.ts";
import { problemOf } from "../../api/problem.ts";
import { createLog } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import type { CheckKeys } from "../../tenant/key-check-client.ts";
import { type SentEvent, FeedWindow } from "../log/index.ts";
import type { SessionRow } from "../sqlite/index.ts";
import type { Transactions } from "../transactions.ts";
import { type Attachment, parseAttachment } from "./attachment.ts";
import { checkKeys, isCheckDue, keyOf } from "./credentials.ts";
import type { LiveOpening } from "./opening.ts";
import { headRev, readEvents, resumeAt } from "./read-feed.ts";
import { CLOSE, ERASED_SESSION, notSent, STALE_CREDENTIALS, TOO_MANY_FRAMES, TOO_MANY_SOCKETS } from "./refusals.ts";

/**
 * The open sockets of a session's object. Each event that a socket gets is read from the log after the last event that
 * it was sent. There is no other way to send an event, so none is missed or repeated, whatever happens in between.
 */

/** Who sends the frames of a socket. */
export type Sender = Pick<Attachment, "scopes" | "by" | "isUser" | "counted" | "from" | "requestId" | "trace">;

/** The size of a page of events. Sockets that are at the same event share a page. */
const PAGE_EVENTS = 64;
const PAGE_BYTES = 256 * 1024;

/** The state of an open socket. */
interface Reader {
  attachment: Attachment;
  /** The last event that it was sent. */
  sent: Rev;
  /** The events that were sent and not acknowledged. Null after hibernation, until they are counted again. */
  window: FeedWindow | null;
  /** Faulty frames in a row. */
  faults: number;
  /** Frames that were refused because the sender lacks the right. */
  forbidden: number;
  /** Resolves once every frame so far is served. Never rejects. */
  turn: Promise<void>;
  /** How many frames the socket may send now (a token bucket), as of `allowanceAt` (ms since 1970). */
  allowance: number;
  allowanceAt: number;
}

const log = createLog();

/** All open sockets of one session. */
export class LiveSockets {
  readonly #ctx: DurableObjectState;
  readonly #calls: Transactions;
  readonly #checkKeys: CheckKeys;
  readonly #readers = new Map<WebSocket, Reader>();
  /** Bytes of the frames that are not served yet, on all sockets. */
  #waitingBytes = 0;
  /** The check of keys that is running; null if none is. */
  #checking: Promise<void> | null = null;

  constructor(ctx: DurableObjectState, calls: Transactions, check: CheckKeys) {
    this.#ctx = ctx;
    this.#calls = calls;
    this.#checkKeys = check;
    const session = calls.unit().row;
    // Nothing can be written before this runs, so a socket that had been sent all events is at the end of the log.
    for (const socket of ctx.getWebSockets()) this.#wake(socket, session);
  }

  #wake(socket: WebSocket, session: SessionRow | null): void {
    const attachment = parseAttachment(socket.deserializeAttachment());
    if (attachment === null) {
      socket.close(CLOSE.broken, "Reconnect with since");
      return;
    }
    const sent = attachment.sent ?? (session === null ? 0 : headRev(this.#calls.unit()));
    this.#readers.set(socket, newReader(attachment, sent, null));
  }

  /** @throws ThreadkeepError `too_many_sockets` if the session has as many open sockets as it may have */
  requireRoom(): void {
    if (this.#readers.size >= MAX_SOCKETS_PER_SESSION) throw new ThreadkeepError(TOO_MANY_SOCKETS);
  }

  /**
   * Opens a socket, and sends `hello` and the events after `since`.
   * @param keyCheckedAt when the key was last known to be valid, in ms since 1970
   * @throws ThreadkeepError `too_many_sockets`, or the faults of `Unit.requireSession`
   */
  open(
    { since, scopes, by, isUser, counted, from: network, expiresAt, requestId, trace }: LiveOpening,
    keyCheckedAt: number,
  ): Response {
    this.requireRoom();
    const unit = this.#calls.unit();
    const session = unit.requireSession();
    const now = Date.now();
    const rev = headRev(unit);
    const from = since === null ? rev : resumeAt(unit, since);
    const sent = from ?? rev;
    const until = Math.min(expiresAt ?? Number.MAX_SAFE_INTEGER, now + MAX_SOCKET_SECONDS * 1_000);
    const { epoch } = session;
    const traced = trace === undefined ? {} : { trace };
    const sender = { scopes: [...scopes], by, isUser, counted, from: network };
    const opener = { ...sender, requestId, until, keyCheckedAt, ...traced };
    const attachment: Attachment = { v: 1, epoch, ...opener, acked: sent, sent };
    const { 0: client, 1: socket } = new WebSocketPair();
    this.#ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    this.#ctx.acceptWebSocket(socket);
    socket.serializeAttachment(attachment);
    const reader = newReader(attachment, sent, new FeedWindow());
    this.#readers.set(socket, reader);
    this.#greet(socket, sent, from === null);
    this.#feed(socket, reader, rev, new Page());
    return new Response(null, { status: 101, webSocket: client });
  }

  #greet(socket: WebSocket, since: Rev, isReset: boolean): void {
    const unit = this.#calls.unit();
    const { store } = unit;
    const { headSeq } = store.branches.active(store.messages.head()?.seq ?? 0);
    const reset = isReset ? { reset: true as const } : {};
    send(socket, { type: "hello", headSeq, rev: headRev(unit), since, ...reset });
  }

  // Events

  /**
   * Sends every socket the events since the last one that it was sent. Never throws, because it runs after the commit.
   */
  deliver(): void {
    if (this.#readers.size === 0) return;
    this.#closeAllOnError(() => {
      const session = this.#calls.unit().row;
      if (session === null) {
        for (const [socket, reader] of this.#readers) this.#isOver(socket, reader, session);
        return;
      }
      // Read once for all sockets, like each page.
      const rev = headRev(this.#calls.unit());
      const page = new Page();
      const now = Date.now();
      let isCheckNeeded = false;
      const inOrder = [...this.#readers].toSorted(([, one], [, other]) => one.sent - other.sent);
      for (const [socket, reader] of inOrder) {
        if (this.#isOver(socket, reader, session)) continue;
        if (reader.sent < rev && isCheckDue(reader.attachment, now)) {
          isCheckNeeded = true;
          // The socket has to wait for the check. Its attachment must not say that it was sent all, in case the object
          // hibernates meanwhile.
          if (reader.attachment.sent === null) this.#remember(socket, reader, { sent: reader.sent });
        } else this.#feed(socket, reader, rev, page);
      }
      if (isCheckNeeded) this.#ctx.waitUntil(this.#check(session));
    });
  }

  /**
   * Closes all sockets if `body` throws: a socket that may have missed an event must not continue. Its client
   * reconnects and resumes.
   */
  #closeAllOnError(body: () => void): void {
    try {
      body();
    } catch (error) {
      log.error("feed_broken", { sockets: this.#readers.size, ...errorFields(error) });
      for (const socket of this.#readers.keys()) this.#close(socket, CLOSE.broken, "Reconnect with since");
    }
  }

  /**
   * Sends a socket the events after its last one, as far as its window of unacknowledged events has room.
   * @param rev the rev of the last event
   */
  #feed(socket: WebSocket, reader: Reader, rev: Rev, page: Page): void {
    const unit = this.#calls.unit();
    if (reader.sent < rev && reader.attachment.sent !== null && resumeAt(unit, reader.sent) === null) {
      // It was paused for so long that its next events are no longer stored. The client has to start over.
      this.#greet(socket, rev, true);
      reader.sent = rev;
      reader.window = new FeedWindow();
      reader.attachment = { ...reader.attachment, acked: rev };
    }
    const window = (reader.window ??= this.#countUnacknowledged(reader));
    while (reader.sent < rev && window.hasRoom) {
      const events = page.after(reader.sent, () => readEvents(unit, reader.sent, PAGE_EVENTS, PAGE_BYTES));
      for (const event of events) {
        if (!window.hasRoom) break;
        if (!sendText(socket, event.json)) {
          this.#readers.delete(socket);
          return;
        }
        reader.sent = event.rev;
        window.add(event);
      }
    }
    const sent = reader.sent < rev ? reader.sent : null;
    if (reader.attachment.sent !== sent) this.#remember(socket, reader, { sent });
  }

  /** Counts the events that were sent and not acknowledged, after hibernation. */
  #countUnacknowledged({ attachment, sent }: Reader): FeedWindow {
    const window = new FeedWindow();
    const unit = this.#calls.unit();
    if (resumeAt(unit, attachment.acked) === null) return window;
    for (let after = attachment.acked; after < sent;) {
      const events = readEvents(unit, after, MAX_UNACKNOWLEDGED_EVENTS, MAX_UNACKNOWLEDGED_BYTES);
      if (events.length === 0) break;
      for (const event of events) {
        if (event.rev <= sent) window.add(event);
        after = event.rev;
      }
    }
    return window;
  }

  #remember(socket: WebSocket, reader: Reader, change: Partial<Attachment>): void {
    reader.attachment = { ...reader.attachment, ...change };
    socket.serializeAttachment(reader.attachment);
  }

  // Frames

  /** Counts a frame, and returns who sends it; null if the socket is or has just been closed, for whatever reason. */
  sender(socket: WebSocket): Sender | null {
    const reader = this.#readers.get(socket);
    if (reader === undefined || this.#isOver(socket, reader, this.#calls.unit().row)) return null;
    const now = Date.now();
    const gained = ((now - reader.allowanceAt) / 1_000) * MAX_FRAMES_PER_SECOND;
    reader.allowance = Math.min(MAX_FRAME_BURST, reader.allowance + gained) - 1;
    reader.allowanceAt = now;
    if (reader.allowance >= 0) return reader.attachment;
    this.refuse(socket, TOO_MANY_FRAMES, undefined, CLOSE.policy);
    return null;
  }

  /**
   * Whether one more frame may wait. Each is held in memory until it is served, so a flood of large frames would fill
   * the object's memory.
   */
  hasRoomToWait(length: number): boolean {
    return this.#waitingBytes === 0 || this.#waitingBytes + length <= MAX_WAITING_FRAME_BYTES;
  }

  /**
   * Serves a frame after all earlier ones of its socket, however long they take. If the socket is closed by then, the
   * frame is not served.
   */
  inTurn(socket: WebSocket, length: number, serve: () => Promise<void>): Promise<void> {
    const reader = this.#readers.get(socket);
    if (reader === undefined) return Promise.resolve();
    const before = reader.turn;
    this.#waitingBytes += length;
    reader.turn = (async () => {
      await before;
      try {
        if (this.#readers.has(socket)) await serve();
      } catch (error) {
        log.error("frame_failed", errorFields(error));
      } finally {
        this.#waitingBytes -= length;
      }
    })();
    return reader.turn;
  }

  /**
   * Checks the key of a socket if that is due. Resolves to false if the socket was closed because of it; null if no
   * check is due.
   */
  assured(socket: WebSocket): Promise<boolean> | null {
    const reader = this.#readers.get(socket);
    const session = this.#calls.unit().row;
    if (reader === undefined || session === null || !isCheckDue(reader.attachment, Date.now())) return null;
    return this.#check(session).then(() => this.#readers.has(socket));
  }

  /**
   * Checks all keys that are due, closes the sockets whose keys are no longer valid, and sends the others the events
   * that waited for this. Never rejects.
   */
  #check(session: Pick<SessionRow, "tenant">): Promise<void> {
    this.#checking ??= this.#askForKeys(session);
    return this.#checking;
  }

  async #askForKeys({ tenant }: Pick<SessionRow, "tenant">): Promise<void> {
    const began = Date.now();
    const due = [...this.#readers.values()].filter(({ attachment }) => isCheckDue(attachment, began));
    const keys = new Set(due.flatMap(({ attachment }) => keyOf(attachment) ?? []));
    const { isGood, checkedAt } = await checkKeys(this.#checkKeys, tenant, [...keys], log);
    this.#checking = null;
    this.#closeAllOnError(() => {
      for (const [socket, reader] of this.#readers) {
        const key = keyOf(reader.attachment);
        if (key === null || !keys.has(key)) continue;
        if (isGood(key)) this.#remember(socket, reader, { keyCheckedAt: checkedAt });
        else this.refuse(socket, STALE_CREDENTIALS, undefined, CLOSE.credentials);
      }
    });
    this.deliver();
  }

  /**
   * The client acknowledges every event up to `rev`.
   * @returns false if that is nothing new, so that the frame counts against the rate limit
   */
  acknowledge(socket: WebSocket, rev: Rev): boolean {
    const reader = this.#readers.get(socket);
    const session = this.#calls.unit().row;
    if (reader === undefined || session === null) return true;
    if (rev > reader.sent) {
      this.refuse(socket, notSent(reader.sent));
      return false;
    }
    if (rev <= reader.attachment.acked) return false;
    reader.faults = 0;
    // New acknowledgements do not count against the frame rate: there can be no more of them than events.
    reader.allowance += 1;
    this.#closeAllOnError(() => {
      reader.window ??= this.#countUnacknowledged(reader);
      reader.window.acknowledge(rev);
      this.#remember(socket, reader, { acked: rev });
      this.#feed(socket, reader, headRev(this.#calls.unit()), new Page());
    });
    return true;
  }

  /**
   * Sends the answer to a frame.
   * @returns its length in UTF-16 units
   */
  answer(socket: WebSocket, id: string, result: object): number {
    const reader = this.#readers.get(socket);
    if (reader !== undefined) reader.faults = 0;
    const frame: ServerFrame = { type: "answer", id, result: { ...result } };
    const text = JSON.stringify(frame);
    sendText(socket, text);
    return text.length;
  }

  /**
   * Sends an error for a frame.
   * @param code closes the socket with this code; without it the socket stays open
   */
  refuse(socket: WebSocket, fault: Fault, id?: string, code?: number): void {
    const reader = this.#readers.get(socket);
    if (reader === undefined) return;
    const error = problemOf(fault, reader.attachment.requestId);
    send(socket, { type: "error", ...(id === undefined ? {} : { id }), error });
    if (code !== undefined) this.#close(socket, code, fault.code);
  }

  /**
   * The same for a frame that its sender has no right to send. After `MAX_FORBIDDEN_FRAMES` in all, the socket is
   * closed.
   */
  refuseForbidden(socket: WebSocket, fault: Fault, id?: string): void {
    const reader = this.#readers.get(socket);
    if (reader === undefined) return;
    reader.forbidden += 1;
    this.refuse(socket, fault, id, reader.forbidden >= MAX_FORBIDDEN_FRAMES ? CLOSE.forbidden : undefined);
  }

  /**
   * The same for a frame that could not be parsed or exceeds a limit. After `MAX_FAULTY_FRAMES` in a row, the socket is
   * closed.
   */
  refuseFaulty(socket: WebSocket, fault: Fault, id?: string): void {
    const reader = this.#readers.get(socket);
    if (reader === undefined) return;
    reader.faults += 1;
    this.refuse(socket, fault, id, reader.faults >= MAX_FAULTY_FRAMES ? CLOSE.policy : undefined);
  }

  // The end

  /** The client closes the socket, and waits for a close frame in return (RFC 6455, section 5.5.1). */
  takeLeave(socket: WebSocket, code: number): void {
    this.#readers.delete(socket);
    // 1005 and 1006 mean that the close frame had no code, or that there was none. They must not be sent.
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }

  /** The connection failed. */
  forget(socket: WebSocket): void {
    this.#readers.delete(socket);
  }

  /**
   * Whether a socket must end: its session is erased or expired, or its time is over. If so, sends the reason and
   * closes it.
   */
  #isOver(socket: WebSocket, reader: Reader, session: SessionRow | null): boolean {
    const { epoch, until } = reader.attachment;
    if (session === null || session.erasedAt !== null || session.epoch !== epoch) {
      this.refuse(socket, ERASED_SESSION, undefined, CLOSE.erased);
      return true;
    }
    if (until <= Date.now()) {
      this.refuse(socket, STALE_CREDENTIALS, undefined, CLOSE.credentials);
      return true;
    }
    if (session.expiredAt !== null) {
      send(socket, { type: "expired", rev: reader.sent + 1 });
      this.#close(socket, CLOSE.expired, "session_expired");
      return true;
    }
    return false;
  }

  #close(socket: WebSocket, code: number, reason: string): void {
    this.#readers.delete(socket);
    socket.close(code, reason);
  }
}

/** Caches the page that was read last, for sockets that are at the same event. */
class Page {
  #after: Rev | null = null;
  #events: readonly SentEvent[] = [];

  after(rev: Rev, read: () => readonly SentEvent[]): readonly SentEvent[] {
    if (this.#after !== rev) {
      this.#events = read();
      this.#after = rev;
      if (this.#events.length === 0) throw new Error("the feed ends before its last event");
    }
    return this.#events;
  }
}

function newReader(attachment: Attachment, sent: Rev, window: FeedWindow | null): Reader {
  return {
    attachment,
    sent,
    window,
    faults: 0,
    forbidden: 0,
    turn: Promise.resolve(),
    allowance: MAX_FRAME_BURST,
    allowanceAt: Date.now(),
  };
}

function send(socket: WebSocket, frame: ServerFrame): boolean {
  return sendText(socket, JSON.stringify(frame));
}

/**
 * Sends a text frame.
 * @returns false if the socket is closed already
 */
function sendText(socket: WebSocket, text: string): boolean {
  if (socket.readyState !== WebSocket.OPEN) return false;
  socket.send(text);
  return true;
}
