import type { Message } from "./contract.ts";

/** The first frame of the feed. It is sent again with `reset` if events may be missing. */
export interface LiveHello {
  type: "hello";
  /** seq of the newest message of the active branch; 0 if none. */
  headSeq: number;
  /** The rev of the newest event. */
  rev: number;
  /** The events after this one follow. */
  since: number;
  /**
   * The requested events are no longer available, or belong to an earlier session with this id: read the session again.
   */
  reset?: true | undefined;
}

/** An event of the session, with a `rev` that rises by one. */
export type LiveEvent =
  | { type: "appended"; rev: number; message: Message }
  | { type: "edited"; rev: number; message: Message }
  | { type: "erased"; rev: number; seq: number; throughSeq: number; id?: string | undefined }
  /** Another branch is active. Remove what you show after `fromSeq`, the last message that both branches share. */
  | { type: "branched"; rev: number; headSeq: number; fromSeq: number }
  | { type: "summarized"; rev: number; version: number; throughSeq: number; degraded: boolean }
  | { type: "summaryFailed"; rev: number; throughSeq: number }
  | { type: "expired"; rev: number };

export interface Ticket {
  /** Use it for one connection to this session. */
  ticket: string;
  expiresAt: string;
}

export interface TicketRequest {
  /**
   * What the ticket allows on the socket; by default only reading. With `memory:write` its holder may append what a
   * user may: by default messages of the role `user`.
   */
  scopes?: ("memory:read" | "memory:write")[] | undefined;
}
