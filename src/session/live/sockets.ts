import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import {
  MAX_FAULTY_FRAMES,
  MAX_FORBIDDEN_FRAMES,
  MAX_FRAME_BURST,
  MAX_FRAMES_PER_SECOND,
  MAX_SOCKET_SECONDS,
} from "../../api/limits.ts";
import type { Rev, ServerFrame } from "../../api/live.ts";
import { problemOf } from "../../api/problem.ts";
import { createLog } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import type { CheckKeys } from "../../tenant/key-check-client.ts";
import { type SentEvent, FeedWindow } from "../log/index.ts";
import { type Attachment, parseAttachment } from "./attachment.ts";
import { checkKeys, isCheckDue, keyOf } from "./credentials.ts";
import type { Followed } from "./followed.ts";
import type { LiveOpening } from "./opening.ts";
import { CLOSE, ERASED_SESSION, notSent, STALE_CREDENTIALS, TOO_MANY_FRAMES, TOO_MANY_SOCKETS } from "./refusals.ts";
import type { FollowedSession } from "./told.ts";

/**
 * The open sockets of an object. Each event that a socket gets is read from the feed after the last event that it was
 * sent. There is no other way to send an event, so none is missed or repeated, whatever happens in between.
 */

/** Who sends the frames of a socket. */
export type Sender = Pick<Attachment, "scopes" | "by" | "isUser" | "counted" | "from" | "requestId" | "trace">;

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
  /** How many frames the socket may send now (a token bucket), as of `allowanceAt` (ms since 1970). */
  allowance: number;
  allowanceAt: number;
}

const log = createLog();

/** All open sockets of one object. */
export class LiveSockets {
  readonly #ctx: DurableObjectState;
  readonly #feed: Followed;
  readonly #checkKeys: CheckKeys;
  readonly #readers = new Map<WebSocket, Reader>();
  /** The check of keys that is running; null if none is. */
  #checking: Promise<void> | null = null;

  constructor(ctx: DurableObjectState, feed: Followed, check: CheckKeys) {
    this.#ctx = ctx;
    this.#feed = feed;
    this.#checkKeys = check;
    // Nothing can be written before this runs, so a socket that had been sent all events is at the end of the log.
    for (const socket of ctx.getWebSockets()) this.#wake(socket);
  }

  #wake(socket: WebSocket): void {
    const attachment = parseAttachment(socket.deserializeAttachment());
    if (attachment === null) {
      socket.close(CLOSE.broken, "Reconnect with since");
      return;
    }
    const sent = attachment.sent ?? (this.#feed.session() === null ? 0 : this.#feed.headRev());
    this.#readers.set(socket, newReader(attachment, sent, null));
  }

  /** How many sockets are open. */
  get count(): number {
    return this.#readers.size;
  }

  /** Whether this object has as many open sockets as it may have. */
  get isFull(): boolean {
    return this.#readers.size >= this.#feed.maxSockets;
  }

  /**
   * Opens a socket, and sends `hello` and the events after `from`.
   * @param keyCheckedAt when the key was last known to be valid, in ms since 1970
   * @param session the session that it follows
   * @param from the last event that the client has; null if later ones are no longer stored, so that it has to start over
   * @param fanOut which fan-out object of the session this is; null in the session's own object
   * @throws ThreadkeepError `too_many_sockets`
   */
  open(
    { scopes, by, isUser, counted, from: network, expiresAt, requestId, trace }: LiveOpening,
    keyCheckedAt: number,
    { session, from, fanOut }: { session: FollowedSession; from: Rev | null; fanOut: number | null },
  ): Response {
    if (this.isFull) throw new ThreadkeepError(TOO_MANY_SOCKETS);
    const now = Date.now();
    const rev = this.#feed.headRev();
    const sent = from ?? rev;
    const until = Math.min(expiresAt ?? Number.MAX_SAFE_INTEGER, now + MAX_SOCKET_SECONDS * 1_000);
    const { epoch } = session;
    const traced = trace === undefined ? {} : { trace };
    const told = fanOut === null ? {} : { followed: { session, fanOut }, unackedBytes: 0 };
    const sender = { scopes: [...scopes], by, isUser, counted, from: network };
    const opener = { ...sender, requestId, until, keyCheckedAt, ...traced, ...told };
    const attachment: Attachment = { v: 1, epoch, ...opener, acked: sent, sent };
    const { 0: client, 1: socket } = new WebSocketPair();
    this.#ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    this.#ctx.acceptWebSocket(socket);
    socket.serializeAttachment(attachment);
    const reader = newReader(attachment, sent, new FeedWindow());
    this.#readers.set(socket, reader);
    this.#greet(socket, rev, sent, from === null);
    this.#catchUp(socket, reader, rev, new Page());
    return new Response(null, { status: 101, webSocket: client });
  }

  #greet(socket: WebSocket, rev: Rev, since: Rev, isReset: boolean): void {
    const reset = isReset ? { reset: true as const } : {};
    send(socket, { type: "hello", headSeq: this.#feed.headSeq(), rev, since, ...reset });
  }

  // Events

  /**
   * Sends every socket the events since the last one that it was sent. Never throws, because it runs after the commit.
   */
  deliver(): void {
    if (this.#readers.size === 0) return;
    this.#closeAllOnError(() => {
      const session = this.#feed.session();
      if (session?.state !== "open") {
        for (const [socket, reader] of this.#readers) this.#isOver(socket, reader, session);
        return;
      }
      // Read once for all sockets, like each page.
      const rev = this.#feed.headRev();
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
        } else this.#catchUp(socket, reader, rev, page);
      }
      if (isCheckNeeded) this.#ctx.waitUntil(this.#check(session));
    });
  }

  /** Closes the sockets that wait for the events after a rev, which could not be had. Their clients resume elsewhere. */
  breakOff(after: Rev): void {
    for (const [socket, { sent }] of this.#readers) {
      if (sent === after) this.#close(socket, CLOSE.broken, "Reconnect with since");
    }
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
   * Sends a socket the events after its last one, as far as they are at hand, and its window of unacknowledged events
   * has room.
   * @param rev the rev of the last event
   */
  #catchUp(socket: WebSocket, reader: Reader, rev: Rev, page: Page): void {
    if (reader.sent < rev && reader.attachment.sent !== null && this.#feed.isForgotten(reader.sent)) {
      // It was paused for so long that its next events are no longer stored. The client has to start over.
      this.#greet(socket, rev, rev, true);
      reader.sent = rev;
      reader.window = new FeedWindow();
      reader.attachment = { ...reader.attachment, acked: rev };
    }
    const window = (reader.window ??= this.#countUnacknowledged(reader));
    while (reader.sent < rev && window.hasRoom) {
      const events = page.after(reader.sent, () => this.#feed.eventsAfter(reader.sent));
      if (events === null) break;
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
    const sent = this.#feed.isRemembered && reader.sent >= rev ? null : reader.sent;
    if (reader.attachment.sent !== sent) this.#remember(socket, reader, { sent, ...this.#unacked(window) });
  }

  /** Counts the events that were sent and not acknowledged, after hibernation. */
  #countUnacknowledged({ attachment, sent }: Reader): FeedWindow {
    const { acked, unackedBytes } = attachment;
    if (unackedBytes !== undefined) return evenWindow(acked, sent, unackedBytes);
    const window = new FeedWindow();
    for (const event of this.#feed.sizesAfter(acked, sent)) window.add(event);
    return window;
  }

  #unacked({ bytes }: FeedWindow): Pick<Attachment, "unackedBytes"> {
    return this.#feed.isRemembered ? {} : { unackedBytes: bytes };
  }

  #remember(socket: WebSocket, reader: Reader, change: Partial<Attachment>): void {
    reader.attachment = { ...reader.attachment, ...change };
    socket.serializeAttachment(reader.attachment);
  }

  // Frames

  /** Counts a frame, and returns who sends it; null if the socket is or has just been closed, for whatever reason. */
  sender(socket: WebSocket): Sender | null {
    const reader = this.#readers.get(socket);
    if (reader === undefined || this.#isOver(socket, reader, this.#feed.session())) return null;
    const now = Date.now();
    const gained = ((now - reader.allowanceAt) / 1_000) * MAX_FRAMES_PER_SECOND;
    reader.allowance = Math.min(MAX_FRAME_BURST, reader.allowance + gained) - 1;
    reader.allowanceAt = now;
    if (reader.allowance >= 0) return reader.attachment;
    this.refuse(socket, TOO_MANY_FRAMES, undefined, CLOSE.policy);
    return null;
  }

  /** Whether the socket is still open, as far as known. */
  has(socket: WebSocket): boolean {
    return this.#readers.has(socket);
  }

  /** Whether the socket is still open after a wait. If its time or its session is over, it is closed now. */
  isOpen(socket: WebSocket): boolean {
    const reader = this.#readers.get(socket);
    return reader !== undefined && !this.#isOver(socket, reader, this.#feed.session());
  }

  /**
   * Checks the key of a socket if that is due. Resolves to false if the socket was closed because of it; null if no
   * check is due.
   */
  assured(socket: WebSocket): Promise<boolean> | null {
    const reader = this.#readers.get(socket);
    const session = this.#feed.session();
    if (reader === undefined || session === null || !isCheckDue(reader.attachment, Date.now())) return null;
    return this.#check(session).then(() => this.#readers.has(socket));
  }

  /**
   * Checks all keys that are due, closes the sockets whose keys are no longer valid, and sends the others the events
   * that waited for this. Never rejects.
   */
  #check(session: Pick<FollowedSession, "tenant">): Promise<void> {
    this.#checking ??= this.#askForKeys(session);
    return this.#checking;
  }

  async #askForKeys({ tenant }: Pick<FollowedSession, "tenant">): Promise<void> {
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
    const session = this.#feed.session();
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
      this.#remember(socket, reader, { acked: rev, ...this.#unacked(reader.window) });
      this.#catchUp(socket, reader, this.#feed.headRev(), new Page());
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
  #isOver(socket: WebSocket, reader: Reader, session: FollowedSession | null): boolean {
    const { epoch, until } = reader.attachment;
    if (session === null || session.state === "erased" || session.epoch !== epoch) {
      this.refuse(socket, ERASED_SESSION, undefined, CLOSE.erased);
      return true;
    }
    if (until <= Date.now()) {
      this.refuse(socket, STALE_CREDENTIALS, undefined, CLOSE.credentials);
      return true;
    }
    if (session.state === "expired") {
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
  #events: readonly SentEvent[] | null = null;

  /** Null if the page is not at hand. */
  after(rev: Rev, read: () => readonly SentEvent[] | null): readonly SentEvent[] | null {
    if (this.#after !== rev) {
      this.#events = read();
      this.#after = rev;
      if (this.#events?.length === 0) throw new Error("the feed ends before its last event");
    }
    return this.#events;
  }
}

/**
 * The events after `acked` and up to `sent`, if only the sum of their sizes is known. A rev rises by one with each
 * event, so their number is exact.
 */
function evenWindow(acked: Rev, sent: Rev, totalBytes: number): FeedWindow {
  const window = new FeedWindow();
  const bytes = totalBytes / Math.max(1, sent - acked);
  for (let rev = acked + 1; rev <= sent; rev += 1) window.add({ rev, bytes });
  return window;
}

function newReader(attachment: Attachment, sent: Rev, window: FeedWindow | null): Reader {
  return {
    attachment,
    sent,
    window,
    faults: 0,
    forbidden: 0,
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
