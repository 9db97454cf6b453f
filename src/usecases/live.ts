import { countedAs } from "../access/rate-limit.ts";
import { requireScope } from "../access/scopes.ts";
import { isUser } from "../access/users-words.ts";
import { ThreadkeepError, unwrap } from "../api/errors.ts";
import type { Rev, Ticket, TicketRequest } from "../api/live.ts";
import type { Scope } from "../api/principal.ts";
import { readOpened, writeOpening } from "../session/client.ts";
import { type RequestContext, refOf, tenantOf } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/**
 * Opens the live feed of a session. The socket is connected to the session's object, which sends events and handles
 * frames, or to one of its fan-out objects if it has many sockets already.
 * @param since the last event that the client knows; undefined: only new events; 0: all events
 */
export const openLive = useCase(
  { action: "followSession" },
  async (call: RequestContext, sessionId: string, since: Rev | undefined): Promise<WebSocket> => {
    const { principal, requestId, trace, from } = call;
    const ref = refOf(call, sessionId);
    const { scopes, kind, id, expiresAt = null, ticket = null } = principal;
    const tenant = (await tenantOf(call)) ?? null;
    const by = { kind, id };
    const traced = trace === undefined ? {} : { trace };
    const opening = {
      since: since ?? null,
      scopes,
      by,
      isUser: isUser(principal),
      counted: countedAs(principal),
      from,
      expiresAt,
      ticket,
      requestId,
      tenant,
      ...traced,
    };
    const { sessions, fanOuts } = call.parts;
    let opened = await readOpened(await sessions.get(ref).fetch(writeOpening(opening)));
    if ("fanOut" in opened) {
      const keeper = fanOuts.get(ref, opened.fanOut);
      opened = await readOpened(await keeper.fetch(writeOpening({ ...opening, admission: opened })));
    }
    if ("fanOut" in opened) throw new Error("a fan-out object sent a socket on, which only a session's object does");
    if ("code" in opened) throw new ThreadkeepError(opened);
    return opened;
  },
);

/** By default a ticket only allows reading, which is enough for a page that shows a chat. */
const TICKET_SCOPES: readonly Scope[] = ["memory:read"];

/**
 * Issues a ticket for the live feed of a session. It allows no more than the caller may do, and no more than a user may
 * do.
 */
export const issueTicket = useCase(
  { action: "issueTicket" },
  async (call: RequestContext, sessionId: string, request: TicketRequest): Promise<Ticket> => {
    const { principal, parts } = call;
    const ref = refOf(call, sessionId);
    const { scopes = TICKET_SCOPES } = request;
    for (const scope of scopes) requireScope(principal, scope);
    const epoch = unwrap(await parts.sessions.get(ref).epochForTicket());
    return parts.tickets.issue(principal, ref.session, epoch, scopes);
  },
);
