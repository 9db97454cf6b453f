import { ThreadkeepError } from "../api/errors.ts";
import { TICKET_SECONDS } from "../api/limits.ts";
import type { Ticket } from "../api/live.ts";
import type { Principal, Scope } from "../api/principal.ts";
import type { SessionRef } from "../api/session.ts";
import { createSigner } from "./signed-text.ts";

/**
 * Tickets with which a browser connects to a live feed: its WebSocket cannot send an Authorization header, and a key in
 * a URL would remain in histories and logs. A ticket contains its holder's principal and is signed, so the Worker can
 * find the session's object by it. That object accepts it once.
 */

/** Separates this use of the secret from all others. */
const PURPOSE = "threadkeep live ticket v1";
/** The only route that accepts a ticket. */
const LIVE_PATH = /^\/v1\/sessions\/([^/]+)\/live$/;

interface TicketBody {
  readonly id: string;
  readonly session: string;
  /** The epoch of the session for which the ticket was issued. */
  readonly epoch: string;
  readonly principal: Principal;
  /** ms since 1970. */
  readonly expiresAt: number;
}

export interface TicketOffice {
  /** Issues a ticket for one session. The scopes must be scopes of the principal. */
  issue(principal: Principal, session: SessionRef["session"], epoch: string, scopes: readonly Scope[]): Ticket;
  /**
   * Identifies the sender of a request by its ticket. Null if the route accepts no tickets or the request has none.
   * @throws {ThreadkeepError} `unauthenticated` if the ticket is not valid
   */
  principalOf(request: Request): Principal | null;
}

/** @param secret a secret of the deployment. Whoever has it can make tickets */
export function createTicketOffice(secret: string, now: () => number = Date.now): TicketOffice {
  const signer = createSigner<TicketBody>(secret, PURPOSE);

  return {
    issue(principal, session, epoch, scopes) {
      const at = now();
      // The principal's own credential may expire before the ticket would.
      const expiresAt = Math.min(at + TICKET_SECONDS * 1_000, principal.expiresAt ?? Number.MAX_SAFE_INTEGER);
      const id = crypto.randomUUID();
      const body: TicketBody = { id, session, epoch, principal: { ...principal, scopes }, expiresAt };
      return { ticket: signer.sign(body), expiresAt: new Date(expiresAt).toISOString() };
    },
    principalOf(request) {
      if (request.method !== "GET") return null;
      const url = new URL(request.url);
      const session = LIVE_PATH.exec(url.pathname)?.[1];
      const ticket = url.searchParams.get("ticket");
      if (session === undefined || ticket === null) return null;
      const body = signer.read(ticket);
      if (body === null) throw badTicket();
      const isOfThis = session === body.session || session === encodeURIComponent(body.session);
      if (!isOfThis || body.expiresAt <= now()) throw badTicket();
      const { id, epoch, expiresAt } = body;
      return { ...body.principal, ticket: { id, epoch, expiresAt } };
    },
  };
}

/** The same error for a forged ticket, one of another session and an expired one, so that guessing reveals nothing. */
function badTicket(): ThreadkeepError {
  return new ThreadkeepError({
    code: "unauthenticated",
    detail: `The ticket is not valid: a ticket works once, for one session, within ${TICKET_SECONDS} seconds. Request a new one: POST /v1/sessions/{id}/tickets.`,
  });
}
