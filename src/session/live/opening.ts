import { z } from "zod";
import type { Counted } from "../../access/rate-limit.ts";
import type { AuditActor } from "../../api/audit.ts";
import type { Fault } from "../../api/errors.ts";
import { type Rev, revSchema } from "../../api/live.ts";
import { type Scope, scopeSchema, type TicketClaim } from "../../api/principal.ts";
import type { TenantSettings } from "../../api/tenant.ts";
import { countedSchema } from "./attachment.ts";
import { toldSchema } from "./told.ts";

/**
 * How the Worker opens a socket on a session's object. RPC cannot carry a WebSocket upgrade, so the Worker calls the
 * object's `fetch`, which nobody else can. What it has to say stands in a header of that request, which the Worker
 * creates itself: no header of the client reaches it.
 */

/** What the Worker tells the session's object when it opens a socket. */
export interface LiveOpening {
  /** The last event that the client has; null: only new events, 0: all events. */
  readonly since: Rev | null;
  /** What the socket's frames are allowed to do. */
  readonly scopes: readonly Scope[];
  /** Who sends them, for the audit log. */
  readonly by: AuditActor;
  /** Whether the sender has only a user's rights. So does every ticket, whoever requested it. */
  readonly isUser: boolean;
  /** The caller whose rate limit the frames count against. */
  readonly counted: Counted;
  /** The client's network as the audit log may record it; null if unknown. */
  readonly from: string | null;
  /** When the credentials expire, in ms since 1970; null: never. */
  readonly expiresAt: number | null;
  readonly ticket: TicketClaim | null;
  readonly requestId: string;
  /** The `traceparent` of the request that opened the socket. Jobs that frames schedule continue it. */
  readonly trace?: string | undefined;
  readonly tenant: TenantSettings | null;
  /** What the session's object answered, if it lets a fan-out object keep the socket. */
  readonly admission?: Admission | undefined;
}

const admissionSchema = z.object({
  /** Which fan-out object of the session is to keep the socket. */
  fanOut: z.int(),
  told: toldSchema,
  /** The last event that the client has; null if it has to start over. */
  from: revSchema.nullable(),
  /** When the key that opens the socket was last known to be valid, in ms since 1970. */
  keyCheckedAt: z.number(),
});
/** The session's object has checked all that it checks of a socket of its own, and a fan-out object is to keep it. */
export type Admission = z.infer<typeof admissionSchema>;

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
  admission: admissionSchema.optional(),
});

/** Makes the request with which the Worker opens a socket on a session's object or on one of its fan-out objects. */
export function writeOpening(opening: LiveOpening): Request {
  // Encoded, because a header can only hold Latin-1 characters.
  const text = encodeURIComponent(JSON.stringify(opening));
  return new Request("https://session.internal/live", { headers: { Upgrade: "websocket", [OPENING_HEADER]: text } });
}

/** The opening; null if the request has none, and so does not come from the Worker. */
export function readOpening(request: Request): LiveOpening | null {
  const text = request.headers.get(OPENING_HEADER);
  return text === null ? null : openingSchema.parse(JSON.parse(decodeURIComponent(text)));
}

/** A refusal, from which the Worker makes the problem response for the client. */
export function writeRefusal(fault: Fault): Response {
  return Response.json(fault, { status: 409 });
}

/** The answer of a session's object that lets a fan-out object keep the socket. */
export function writeAdmission(admission: Admission): Response {
  return Response.json(admission);
}

/** Reads the object's response in the Worker: the socket, the fault, or which fan-out object is to keep the socket. */
export async function readOpened(response: Response): Promise<WebSocket | Fault | Admission> {
  return response.webSocket ?? response.json<Fault | Admission>();
}
