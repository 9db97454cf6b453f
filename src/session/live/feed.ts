import { Pace } from "../../access/pace.ts";
import {
  createAdmission,
  createCountedLimit,
  createOwnCount,
  type LimiterEnv,
  limitersOf,
} from "../../access/rate-limit.ts";
import type { AuditAction } from "../../api/audit.ts";
import type { RenderedContext } from "../../api/context.ts";
import type { QueryMeaning } from "../../api/embedding.ts";
import { type Fault, type Outcome, unwrap } from "../../api/errors.ts";
import { tellMended } from "../../api/faults.ts";
import { MAX_WAITING_FRAME_BYTES } from "../../api/limits.ts";
import type { Seq } from "../../api/message.ts";
import { faultOf } from "../../api/problem.ts";
import { type AuditQueueEnv, sendAuditEvents } from "../../telemetry/audit-queues.ts";
import { createAuditTrail } from "../../telemetry/audit.ts";
import { createLog } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import { type CheckKeys, createKeyChecks, type KeyCheckNamespace } from "../../tenant/key-check-client.ts";
import type { Followed } from "./followed.ts";
import { FrameLimit } from "./frame-limit.ts";
import { type FrameName, MAX_ACKNOWLEDGEMENT_LENGTH, nameOfFrame, readFrame, type Received } from "./frames.ts";
import { CLOSE } from "./refusals.ts";
import type { RequestFrame } from "./serve-frame.ts";
import { LiveSockets, type Sender } from "./sockets.ts";
import {
  addContext,
  hasQuery,
  type MeaningOf,
  meaningOfSought,
  type Served,
  type SoughtContext,
} from "./sought-context.ts";
import { type Later, Turns } from "./turns.ts";

const log = createLog();

/** The use cases behind frames, as the audit log names them. */
const ACTIONS = { append: "appendMessages", branch: "switchBranch", context: "readContext" } as const;

/** The bindings and variables that sockets use. */
export interface LiveEnv extends LimiterEnv, AuditQueueEnv {
  readonly TENANT: KeyCheckNamespace;
  /** "off": no rate limits. */
  readonly THREADKEEP_RATE_LIMITS?: string;
}

/** How frames reach their session. */
export interface FrameCalls {
  /** Does what a frame asks for: see `serveFrame`. Rejects with a `ThreadkeepError` if it is refused. */
  serve(frame: RequestFrame, sender: Sender, isByMeaning: boolean): Promise<Served>;
  /** Reads a context that `serve` left to read. */
  read(sought: SoughtContext, meaning: QueryMeaning): Promise<Outcome<RenderedContext>>;
  /** How vectors of queries are requested; null if embeddings are off. */
  meaningOf(): MeaningOf | null;
}

/** A frame that was read, and who sent it. */
type Asked = { readonly frame: RequestFrame; readonly mended: readonly string[]; readonly sender: Sender };

/**
 * The live feed over WebSockets, in the session's own object or in a fan-out object. Sockets hibernate with the object.
 * Frames that clients send pass the same checks as HTTP requests.
 */
export class LiveFeed {
  readonly sockets: LiveSockets;
  readonly checkKeys: CheckKeys = createKeyChecks(() => this.#env().TENANT);
  readonly #env: () => LiveEnv;
  readonly #feed: Followed;
  readonly #calls: FrameCalls;
  readonly #turns = new Turns();
  /** Records what is refused on sockets: the Worker, which audits everything else, never sees it. */
  readonly #audit;
  #limit: FrameLimit | null = null;

  constructor(ctx: DurableObjectState, env: () => LiveEnv, feed: Followed, calls: FrameCalls) {
    this.#env = env;
    this.#feed = feed;
    this.#calls = calls;
    this.#audit = createAuditTrail({
      send: (events) => sendAuditEvents(this.#env(), events),
      keepAlive: (work) => ctx.waitUntil(work),
      log,
    });
    this.sockets = new LiveSockets(ctx, feed, this.checkKeys);
  }

  /** Handles a frame from a client, after the frames before it. */
  async message(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    const sender = this.sockets.sender(socket);
    if (sender === null) return;
    const assurance = this.sockets.assured(socket);
    const length = typeof data === "string" ? data.length : data.byteLength;
    if (!this.#turns.hasRoom(length)) {
      this.#refuseExcess(socket, nameOfFrame(data), sender, TOO_MUCH_AT_ONCE);
      return;
    }
    // Acknowledgements are read before they are admitted, and not rate limited: there can be no more useful ones than
    // events. Any other frame is parsed only once it is admitted.
    const ack = length <= MAX_ACKNOWLEDGEMENT_LENGTH ? readFrame(data) : null;
    const isAck = ack !== null && "frame" in ack && ack.frame.type === "ack";
    const admission = isAck ? null : this.#admit(sender, length);
    await this.#turns.take(socket, length, async () => {
      if (!this.sockets.has(socket) || (assurance !== null && !(await assurance))) return null;
      const excess = await admission;
      if (excess !== null) {
        this.#refuseExcess(socket, nameOfFrame(data), sender, excess);
        return null;
      }
      const received = ack ?? readFrame(data, sender.isUser);
      if ("frame" in received) return this.#serve(socket, received, sender);
      this.#refuseFaulty(socket, received, sender);
      return null;
    });
  }

  /**
   * Counts a frame against the sender's rate limit. Resolves to the fault if it is refused; null if it is admitted, or
   * if there are no limits.
   */
  #admit({ counted }: Sender, length: number): Promise<Fault | null> | null {
    const session = this.#feed.session();
    if (session === null || this.#env().THREADKEEP_RATE_LIMITS === "off") return null;
    this.#limit ??= new FrameLimit(
      createCountedLimit(createAdmission(limitersOf(this.#env()), log, createOwnCount())),
      new Pace(),
    );
    return this.#limit.admit(session.tenant, counted, session.isHighTier, length);
  }

  #refuseExcess(socket: WebSocket, { type, id }: FrameName, sender: Sender, fault: Fault): void {
    this.#noteRefusal(sender, type === undefined ? "sendRequests" : ACTIONS[type], fault);
    this.sockets.refuseFaulty(socket, fault, id);
  }

  #refuseFaulty(
    socket: WebSocket,
    { fault, isUnreadable, id }: Exclude<Received, { frame: unknown }>,
    { counted }: Sender,
  ): void {
    this.#limit?.refuse(counted);
    if (isUnreadable === null) this.sockets.refuseFaulty(socket, fault, id);
    else this.sockets.refuse(socket, fault, id, isUnreadable === "binary" ? CLOSE.unsupported : CLOSE.tooLarge);
  }

  /** Records a refused frame in the audit log, as the Worker does for a request. */
  #noteRefusal({ by, requestId, from }: Sender, action: AuditAction, { code }: Fault): void {
    const session = this.#feed.session();
    if (by === undefined || session === null) return;
    const { tenant, owner, session: id } = session;
    this.#audit.refuse({ tenant, owner, actor: by, session: id, action, result: code, requestId, from });
  }

  /** Records a switch of branch in the audit log, as the Worker does for a request. */
  #noteSwitch({ by, requestId, from }: Sender, headSeq: Seq): void {
    const session = this.#feed.session();
    if (by === undefined || session === null) return;
    const { tenant, owner, session: id } = session;
    const done = {
      tenant,
      owner,
      actor: by,
      session: id,
      action: ACTIONS.branch,
      result: "ok",
      requestId,
      from,
    } as const;
    this.#audit.record(done, { headSeq });
  }

  /** The client closed the socket. */
  close(socket: WebSocket, code: number): void {
    this.sockets.takeLeave(socket, code);
  }

  /** The connection failed. */
  fail(socket: WebSocket): void {
    this.sockets.forget(socket);
  }

  /** Serves a frame in its turn. @returns what is left to do for its answer; null if that is nothing */
  async #serve(
    socket: WebSocket,
    { frame, mended }: Extract<Received, { frame: unknown }>,
    sender: Sender,
  ): Promise<Later | null> {
    if (frame.type === "ack") {
      if (this.sockets.acknowledge(socket, frame.rev)) return null;
      const excess = await this.#admit(sender, 0);
      if (excess !== null) this.#refuseExcess(socket, {}, sender, excess);
      return null;
    }
    const asked = { frame, mended, sender };
    try {
      const meaningOf = hasQuery(frame) ? this.#calls.meaningOf() : null;
      const { answer, sought } = await this.#calls.serve(frame, sender, meaningOf !== null);
      if (sought !== undefined && meaningOf !== null) {
        return () => this.#answerSought(socket, asked, { answer, sought, meaningOf });
      }
      this.#answer(socket, asked, answer);
    } catch (error) {
      this.#refuse(socket, asked, error);
    }
    return null;
  }

  /** Answers a frame with a context that is searched by meaning, once the vector of its query is there or too late. */
  async #answerSought(
    socket: WebSocket,
    asked: Asked,
    {
      answer,
      sought,
      meaningOf,
    }: { readonly answer: object; readonly sought: SoughtContext; readonly meaningOf: MeaningOf },
  ): Promise<void> {
    const meaning = await meaningOfSought(meaningOf, sought, asked.sender.counted);
    if (!this.sockets.isOpen(socket)) return;
    const read = (): Promise<Outcome<RenderedContext>> => this.#calls.read(sought, meaning);
    try {
      const isAppend = asked.frame.type === "append";
      this.#answer(socket, asked, isAppend ? await addContext(answer, read) : unwrap(await read()));
    } catch (error) {
      this.#refuse(socket, asked, error);
    }
  }

  #answer(socket: WebSocket, { frame, mended, sender }: Asked, answer: object): void {
    const length = this.sockets.answer(socket, frame.id, { ...answer, ...tellMended(mended) });
    if (frame.type === "branch") this.#noteSwitch(sender, frame.headSeq);
    this.#limit?.spend(sender.counted, length);
  }

  #refuse(socket: WebSocket, { frame, sender }: Asked, error: unknown): void {
    const fault = faultOf(error);
    if (fault.code === "internal") log.error("frame_failed", { type: frame.type, ...errorFields(error) });
    this.#noteRefusal(sender, ACTIONS[frame.type], fault);
    if (fault.code === "forbidden" || fault.code === "role_not_allowed") {
      this.#limit?.refuse(sender.counted);
      this.sockets.refuseForbidden(socket, fault, frame.id);
    } else this.sockets.refuse(socket, fault, frame.id);
  }
}

const TOO_MUCH_AT_ONCE: Fault = {
  code: "too_many_frames",
  detail: `Frames of ${MAX_WAITING_FRAME_BYTES} bytes are waiting to be processed in this session already. This frame was ignored. Wait for the answers, then send it again.`,
  retryAfterSeconds: 1,
  facts: { maxWaitingBytes: MAX_WAITING_FRAME_BYTES },
};
