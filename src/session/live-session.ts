import { requireScope } from "../access/scopes.ts";
import { refuseForeignWords } from "../access/users-words.ts";
import type { AppendRequest, AppendResult } from "../contracts/append.ts";
import type { AuditActor } from "../contracts/audit.ts";
import type { ContextRequest, RenderedContext } from "../contracts/context.ts";
import { type Fault, type Outcome, unwrap } from "../contracts/errors.ts";
import type { ClientFrame } from "../contracts/live.ts";
import { refuseOversize } from "../contracts/message-size.ts";
import type { Scope, TicketClaim } from "../contracts/principal.ts";
import { faultOf } from "../contracts/problem.ts";
import { createKeyChecks } from "../registry/key-check-client.ts";
import { createLog } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { CopiedSession } from "./copied-session.ts";
import { readFrame } from "./live-frames.ts";
import { readOpening, writeRefusal } from "./live-opening.ts";
import { CLOSE, LiveSockets } from "./live-sockets.ts";
import type { SessionRow } from "./rows.ts";
import { Refusal } from "./session-shell.ts";
import type { ChatSessionEnv } from "./session-work.ts";

const log = createLog();

/** Whose frames come on a socket. */
interface Sender {
  readonly scopes: readonly Scope[];
  readonly by?: AuditActor | undefined;
  readonly isUser: boolean;
  readonly trace?: string | undefined;
}

/**
 * The live side of a session's object: sockets that hibernate with it, told of each change after it has committed, and the frames that
 * come on them, which pass the same checks as requests over HTTP.
 */
export abstract class LiveSession extends CopiedSession {
  readonly #sockets: LiveSockets;

  constructor(ctx: DurableObjectState, env: ChatSessionEnv) {
    super(ctx, env);
    this.#sockets = new LiveSockets(
      ctx,
      this.shell,
      createKeyChecks(() => this.env.TENANT),
    );
    this.shell.onCommit(() => this.#sockets.deliver());
  }

  abstract append(
    request: AppendRequest,
    birth: null,
    tenant?: undefined,
    by?: AuditActor,
    trace?: string,
  ): Promise<Outcome<AppendResult>>;
  abstract context(request: ContextRequest): Promise<Outcome<RenderedContext>>;

  /** The life that a ticket for this session is bound to. */
  async ticketLife(): Promise<Outcome<string>> {
    return this.shell.read(() => this.shell.known().incarnation);
  }

  /** Opens a socket. Only the service can call it. */
  override async fetch(request: Request): Promise<Response> {
    const opening = readOpening(request);
    if (opening === null) return new Response(null, { status: 404 });
    const admitted = this.shell.read(() => {
      const session = this.shell.known();
      this.#sockets.requireRoom();
      const { ticket, tenant } = opening;
      const isNews = tenant !== null && tenant.rev > session.tenantRev;
      if (ticket === null && !isNews) return;
      this.shell.transact(() => {
        if (ticket !== null) this.#takeTicket(session, ticket);
        this.shell.hear(session, tenant ?? undefined);
      });
    });
    if (!admitted.ok) return writeRefusal(admitted.fault);
    const opened = this.shell.read(() => this.#sockets.open(opening));
    return opened.ok ? opened.value : writeRefusal(opened.fault);
  }

  #takeTicket({ incarnation }: SessionRow, { id, life, expiresAt }: TicketClaim): void {
    const now = Date.now();
    const { feed } = this.shell.store;
    if (expiresAt <= now || life !== incarnation || feed.isTicketUsed(id)) throw new Refusal(SPENT_TICKET);
    feed.useTicket(id, expiresAt, now);
  }

  override async webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    const sender = this.#sockets.sender(socket);
    if (sender === null) return;
    const assurance = this.#sockets.assured(socket);
    if (assurance !== null && !(await assurance)) return;
    const received = readFrame(data);
    if ("frame" in received) {
      await this.#serve(socket, received.frame, sender);
      return;
    }
    const { fault, isUnreadable, id } = received;
    if (isUnreadable === null) this.#sockets.refuseFaulty(socket, fault, id);
    else this.#sockets.refuse(socket, fault, id, isUnreadable === "binary" ? CLOSE.unsupported : CLOSE.tooLarge);
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    this.#sockets.takeLeave(socket, code);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    this.#sockets.forget(socket);
  }

  async #serve(socket: WebSocket, frame: ClientFrame, sender: Sender): Promise<void> {
    if (frame.type === "ack") {
      this.#sockets.acknowledge(socket, frame.rev);
      return;
    }
    try {
      this.#sockets.answer(socket, frame.id, await this.#resultOf(frame, sender));
    } catch (error) {
      const fault = faultOf(error);
      if (fault.code === "internal") log.error("frame_failed", { type: frame.type, ...errorFields(error) });
      this.#sockets.refuse(socket, fault, frame.id);
    }
  }

  async #resultOf(frame: Exclude<ClientFrame, { type: "ack" }>, sender: Sender): Promise<object> {
    if (frame.type === "context") {
      const { type: _type, id: _id, ...request } = frame;
      requireScope(sender, "memory:read");
      return unwrap(await this.context(request));
    }
    const { type: _type, id: _id, ...append } = frame;
    requireScope(sender, "memory:write");
    if (append.context !== undefined) requireScope(sender, "memory:read");
    if (sender.isUser) {
      const placed = append.messages.map((message, index) => ({ path: `/messages/${index}`, message }));
      refuseForeignWords(placed, this.shell.row()?.tenantSettings.usersMay?.write);
    }
    refuseOversize(append.messages.map(({ content }, index) => ({ path: `/messages/${index}/content`, content })));
    return unwrap(await this.append(append, null, undefined, sender.by, sender.trace));
  }
}

const SPENT_TICKET: Fault = {
  code: "unauthenticated",
  detail:
    "The ticket was used before, is too old, or is of an earlier session of this id. Ask for a new one: POST /v1/sessions/{id}/tickets.",
};
