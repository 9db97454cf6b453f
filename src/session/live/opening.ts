import { z } from "zod";
import type { Counted } from "../../access/rate-limit.ts";
import type { AuditActor } from "../../api/audit.ts";
import type { Fault } from "../../api/errors.ts";
import { type Rev, revSchema } from "../../api/live.ts";
import { type Scope, scopeSchema, type TicketClaim } from "../../api/principal.ts";
import type { TenantSettings } from "../../api/tenant.ts";
import { countedSchema } from "./attachment.ts";

/**
 * How a socket is opened on a session's object. An RPC carries no upgrade, so it goes by `fetch`, which the service alone can call:
 * what it has to say stands in a header that it makes itself, in a request of its own.
 */

export interface LiveOpening {
  /** The last event that the client knows; null for those from now on, 0 for all there were. */
  readonly since: Rev | null;
  /** What the socket's frames may do. */
  readonly scopes: readonly Scope[];
  /** Who sends them, for the audit. */
  readonly by: AuditActor;
  /** Whether they have a user's rights alone, as a ticket gives them, whoever asked for it. */
  readonly isUser: boolean;
  /** Whose requests its frames count with. */
  readonly counted: Counted;
  /** The network that it came from, as the audit may know it; null where there is none. */
  readonly from: string | null;
  /** When the credentials that were shown are good no more, ms since 1970. */
  readonly expiresAt: number | null;
  readonly ticket: TicketClaim | null;
  readonly requestId: string;
  /** Of the request that opened it, as a `traceparent`: what frames call for goes on with it. */
  readonly trace?: string | undefined;
  readonly tenant: TenantSettings | null;
}

const OPENING_HEADER = "Threadkeep-Live-Opening";

const openingSchema = z.object({
  since: revSchema.nullable(),
  scopes: z.array(scopeSchema),
  by: z.custom<AuditActor>(),
  isUser: z.boolean(),
  counted: countedSchema,
  from: z.string().nullable(),
  expiresAt: z.number().nullable(),
  ticket: z.object({ id: z.string(), epoch: z.string(), expiresAt: z.number() }).nullable(),
  requestId: z.string(),
  trace: z.string().optional(),
  tenant: z.custom<TenantSettings | null>(),
});

export function writeOpening(opening: LiveOpening): Request {
  // A header holds no more than Latin letters.
  const text = encodeURIComponent(JSON.stringify(opening));
  return new Request("https://session.internal/live", { headers: { Upgrade: "websocket", [OPENING_HEADER]: text } });
}

/** Null if the request is not one of the service. */
export function readOpening(request: Request): LiveOpening | null {
  const text = request.headers.get(OPENING_HEADER);
  return text === null ? null : openingSchema.parse(JSON.parse(decodeURIComponent(text)));
}

/** A refusal on its way to the service, which words it for the client. */
export function writeRefusal(fault: Fault): Response {
  return Response.json(fault, { status: 409 });
}

/** The socket, or the fault that it was refused for. */
export async function readOpened(response: Response): Promise<WebSocket | Fault> {
  return response.webSocket ?? response.json<Fault>();
}
