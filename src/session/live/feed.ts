import { Pace } from "../../access/pace.ts";
import {
  createAdmission,
  createCountedLimit,
  createOwnCount,
  type LimiterEnv,
  limitersOf,
} from "../../access/rate-limit.ts";
import { requireScope } from "../../access/scopes.ts";
import { refuseForeignWords } from "../../access/users-words.ts";
import type { AppendRequest, AppendResult } from "../../api/append.ts";
import type { Appender, AuditAction } from "../../api/audit.ts";
import type { ContextRequest, RenderedContext } from "../../api/context.ts";
import { type Fault, type Outcome, ThreadkeepError, unwrap } from "../../api/errors.ts";
import { tellMended } from "../../api/faults.ts";
import { MAX_WAITING_FRAME_BYTES } from "../../api/limits.ts";
import type { ClientFrame } from "../../api/live.ts";
import { refuseOversize } from "../../api/message-size.ts";
import type { Seq } from "../../api/message.ts";
import type { TicketClaim } from "../../api/principal.ts";
import { faultOf } from "../../api/problem.ts";
import type { BranchRequest, SessionState } from "../../api/session.ts";
import { contentsOf, takeIn } from "../../prompt/incoming.ts";
import { type AuditQueueEnv, sendAuditEvents } from "../../telemetry/audit-queues.ts";
import { createAuditTrail } from "../../telemetry/audit.ts";
import { createLog } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";
import { createKeyChecks, type KeyCheckNamespace } from "../../tenant/key-check-client.ts";
import { CERTAIN_MS } from "../../tenant/key-client.ts";
import { applyTenantSettings } from "../log/index.ts";
import type { Transactions } from "../transactions.ts";
import type { Unit } from "../unit.ts";
import { checkKeys, keyOf } from "./credentials.ts";
import { FrameLimit } from "./frame-limit.ts";
import { type FrameName, MAX_ACKNOWLEDGEMENT_LENGTH, nameOfFrame, readFrame, type Received } from "./frames.ts";
import { readOpening, writeRefusal } from "./opening.ts";
import { CLOSE } from "./refusals.ts";
import { LiveSockets, type Sender } from "./sockets.ts";

const log = createLog();

/** The use cases behind frames, as the audit log names them. */
const ACTIONS = { append: "appendMessages", branch: "switchBranch", context: "readContext" } as const;

/** How long ago, at most, the Worker verified the key of the request that opens a socket, in ms. */
const KEY_SHOWN_AGO_MS = CERTAIN_MS;

/** The bindings and variables that sockets use. */
export interface LiveEnv extends LimiterEnv, AuditQueueEnv {
  readonly TENANT: KeyCheckNamespace;
  /** "off": no rate limits. */
  readonly THREADKEEP_RATE_LIMITS?: string;
}

/** The calls that frames make on the session. */
export interface LiveCalls {
  append(
    request: AppendRequest,
    creation: null,
    tenant: undefined,
    by: Appender | undefined,
    trace: string | undefined,
  ): Promise<Outcome<AppendResult>>;
  context(request: ContextRequest): Promise<Outcome<RenderedContext>>;
  switchBranch(
    request: BranchRequest,
    tenant: undefined,
    trace: string | undefined,
    isByUser: boolean,
  ): Promise<Outcome<SessionState>>;
}

/**
 * The live feed of a session over WebSockets. Sockets hibernate with the object and are sent each change after its
 * commit. Frames that clients send pass the same checks as HTTP requests.
 */
export class LiveFeed {
  readonly #ctx: DurableObjectState;
  readonly #env: () => LiveEnv;
  readonly #calls: Transactions;
  readonly #session: LiveCalls;
  readonly #sockets: LiveSockets;
  readonly #checkKeys = createKeyChecks(() => this.#env().TENANT);
  /** Records what is refused on sockets: the Worker, which audits everything else, never sees it. */
  readonly #audit = createAuditTrail({
    send: (events) => sendAuditEvents(this.#env(), events),
    keepAlive: (work) => this.#ctx.waitUntil(work),
    log,
  });
  #limit: FrameLimit | null = null;

  constructor(ctx: DurableObjectState, env: () => LiveEnv, calls: Transactions, session: LiveCalls) {
    this.#ctx = ctx;
    this.#env = env;
    this.#calls = calls;
    this.#session = session;
    this.#sockets = new LiveSockets(ctx, calls, this.#checkKeys);
    calls.onCommit(() => this.#sockets.deliver());
  }

  /**
   * Opens a socket. Only the Worker can call this: see `writeOpening`.
   * @returns the socket with status 101; or a refusal with status 409, whose body is the fault
   */
  async open(request: Request): Promise<Response> {
    const opening = readOpening(request);
    if (opening === null) return new Response(null, { status: 404 });
    const tenant = opening.tenant ?? undefined;
    const admitted = this.#calls.read((unit) => {
      const { row } = unit;
      unit.requireSession();
      this.#sockets.requireRoom();
      const { ticket } = opening;
      const isNews = tenant !== undefined && row !== null && tenant.rev > row.tenantRev;
      if (ticket !== null || isNews) {
        this.#calls.change((changing) => {
          if (ticket !== null) takeTicket(changing, ticket);
          applyTenantSettings(changing);
        }, tenant);
      }
      return unit.session.tenant;
    });
    if (!admitted.ok) return writeRefusal(admitted.fault);
    const key = keyOf(opening);
    const now = Date.now();
    // The key that issued a ticket may have been revoked since, so it is checked now. Only once, since the ticket is
    // used up by now.
    const { isGood, checkedAt } =
      key === null || opening.ticket === null
        ? { isGood: () => true, checkedAt: now - KEY_SHOWN_AGO_MS }
        : await checkKeys(this.#checkKeys, admitted.value, [key], log);
    if (key !== null && !isGood(key)) return writeRefusal(SPENT_TICKET);
    const opened = this.#calls.read(() => this.#sockets.open(opening, checkedAt));
    return opened.ok ? opened.value : writeRefusal(opened.fault);
  }

  /** Handles a frame from a client, after the frames before it. */
  async message(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    const sender = this.#sockets.sender(socket);
    if (sender === null) return;
    const assurance = this.#sockets.assured(socket);
    const length = typeof data === "string" ? data.length : data.byteLength;
    if (!this.#sockets.hasRoomToWait(length)) {
      this.#refuseExcess(socket, nameOfFrame(data), sender, TOO_MUCH_AT_ONCE);
      return;
    }
    // Acknowledgements are read before they are admitted, and not rate limited: there can be no more useful ones than
    // events. Any other frame is parsed only once it is admitted.
    const ack = length <= MAX_ACKNOWLEDGEMENT_LENGTH ? readFrame(data) : null;
    const isAck = ack !== null && "frame" in ack && ack.frame.type === "ack";
    const admission = isAck ? null : this.#admit(sender, length);
    await this.#sockets.inTurn(socket, length, async () => {
      if (assurance !== null && !(await assurance)) return;
      const excess = await admission;
      if (excess !== null) {
        this.#refuseExcess(socket, nameOfFrame(data), sender, excess);
        return;
      }
      const received = ack ?? readFrame(data, sender.isUser);
      if ("frame" in received) await this.#serve(socket, received, sender);
      else this.#refuseFaulty(socket, received, sender);
    });
  }

  /**
   * Counts a frame against the sender's rate limit. Resolves to the fault if it is refused; null if it is admitted, or
   * if there are no limits.
   */
  #admit({ counted }: Sender, length: number): Promise<Fault | null> | null {
    const session = this.#calls.unit().row;
    if (session === null || this.#env().THREADKEEP_RATE_LIMITS === "off") return null;
    this.#limit ??= new FrameLimit(
      createCountedLimit(createAdmission(limitersOf(this.#env()), log, createOwnCount())),
      new Pace(),
    );
    return this.#limit.admit(session.tenant, counted, session.tenantSettings.limits?.requestTier === "high", length);
  }

  #refuseExcess(socket: WebSocket, { type, id }: FrameName, sender: Sender, fault: Fault): void {
    this.#noteRefusal(sender, type === undefined ? "sendRequests" : ACTIONS[type], fault);
    this.#sockets.refuseFaulty(socket, fault, id);
  }

  #refuseFaulty(
    socket: WebSocket,
    { fault, isUnreadable, id }: Exclude<Received, { frame: unknown }>,
    { counted }: Sender,
  ): void {
    this.#limit?.refuse(counted);
    if (isUnreadable === null) this.#sockets.refuseFaulty(socket, fault, id);
    else this.#sockets.refuse(socket, fault, id, isUnreadable === "binary" ? CLOSE.unsupported : CLOSE.tooLarge);
  }

  /** Records a refused frame in the audit log, as the Worker does for a request. */
  #noteRefusal({ by, requestId, from }: Sender, action: AuditAction, { code }: Fault): void {
    const session = this.#calls.unit().row;
    if (by === undefined || session === null) return;
    const { tenant, owner, session: id } = session;
    this.#audit.refuse({ tenant, owner, actor: by, session: id, action, result: code, requestId, from });
  }

  /** Records a switch of branch in the audit log, as the Worker does for a request. */
  #noteSwitch({ by, requestId, from }: Sender, headSeq: Seq): void {
    const session = this.#calls.unit().row;
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
    this.#sockets.takeLeave(socket, code);
  }

  /** The connection failed. */
  fail(socket: WebSocket): void {
    this.#sockets.forget(socket);
  }

  async #serve(
    socket: WebSocket,
    { frame, mended }: Extract<Received, { frame: unknown }>,
    sender: Sender,
  ): Promise<void> {
    if (frame.type === "ack") {
      if (this.#sockets.acknowledge(socket, frame.rev)) return;
      const excess = await this.#admit(sender, 0);
      if (excess !== null) this.#refuseExcess(socket, {}, sender, excess);
      return;
    }
    try {
      const length = this.#sockets.answer(socket, frame.id, {
        ...(await this.#resultOf(frame, sender)),
        ...tellMended(mended),
      });
      this.#limit?.spend(sender.counted, length);
    } catch (error) {
      const fault = faultOf(error);
      if (fault.code === "internal") log.error("frame_failed", { type: frame.type, ...errorFields(error) });
      this.#noteRefusal(sender, ACTIONS[frame.type], fault);
      if (fault.code === "forbidden" || fault.code === "role_not_allowed") {
        this.#limit?.refuse(sender.counted);
        this.#sockets.refuseForbidden(socket, fault, frame.id);
      } else this.#sockets.refuse(socket, fault, frame.id);
    }
  }

  async #resultOf(frame: Exclude<ClientFrame, { type: "ack" }>, sender: Sender): Promise<object> {
    if (frame.type === "context") {
      const { type: _type, id: _id, ...request } = frame;
      requireScope(sender, "memory:read");
      return unwrap(await this.#session.context(request));
    }
    requireScope(sender, "memory:write");
    if (frame.type === "branch") return this.#switchBranch(frame, sender);
    const { type: _type, id: _id, ...incoming } = frame;
    if (incoming.context !== undefined) requireScope(sender, "memory:read");
    const { request: append, placed } = takeIn(incoming);
    if (sender.isUser) refuseForeignWords(placed, this.#calls.unit().row?.tenantSettings.usersMay?.write);
    refuseOversize(contentsOf(placed));
    const by = sender.by === undefined ? undefined : { ...sender.by, isUser: sender.isUser };
    return unwrap(await this.#session.append(append, null, undefined, by, sender.trace));
  }

  async #switchBranch({ headSeq, expectedHeadSeq }: BranchRequest, sender: Sender): Promise<SessionState> {
    const state = unwrap(
      await this.#session.switchBranch({ headSeq, expectedHeadSeq }, undefined, sender.trace, sender.isUser),
    );
    this.#noteSwitch(sender, headSeq);
    return state;
  }
}

/**
 * Uses up a ticket.
 * @throws ThreadkeepError `unauthenticated` if it was used before, has expired, or is of another epoch
 */
function takeTicket({ store, session, now }: Unit, { id, epoch, expiresAt }: TicketClaim): void {
  const { feed } = store;
  if (expiresAt <= now || epoch !== session.epoch || feed.isTicketUsed(id)) throw new ThreadkeepError(SPENT_TICKET);
  feed.useTicket(id, expiresAt, now);
}

const TOO_MUCH_AT_ONCE: Fault = {
  code: "too_many_frames",
  detail: `Frames of ${MAX_WAITING_FRAME_BYTES} bytes are waiting to be processed in this session already. This frame was ignored. Wait for the answers, then send it again.`,
  retryAfterSeconds: 1,
  facts: { maxWaitingBytes: MAX_WAITING_FRAME_BYTES },
};
const SPENT_TICKET: Fault = {
  code: "unauthenticated",
  detail:
    "The ticket was used before, has expired, belongs to an earlier session with this id, or was issued by a key that has been revoked. Request a new one: POST /v1/sessions/{id}/tickets.",
};
