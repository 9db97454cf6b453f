import type { Message } from "./contract.ts";

/** The beginning of the feed. It comes first, and again with `reset` where events may be missing. */
export interface LiveHello {
  type: "hello";
  /** seq of the newest message of the active branch, 0 if none. */
  headSeq: number;
  /** Of the last event so far. */
  rev: number;
  /** The events after this one follow. */
  since: number;
  /** What was asked for is too old, or of an earlier session of this id: read the session anew. */
  reset?: true | undefined;
}

/** What happened in the session, each with a `rev` that rises by one. */
export type LiveEvent =
  | { type: "appended"; rev: number; message: Message }
  | { type: "edited"; rev: number; message: Message }
  | { type: "erased"; rev: number; seq: number; throughSeq: number; id?: string | undefined }
  /** Another branch is the active one: what you show after `fromSeq`, the last message that both share, is off it. */
  | { type: "branched"; rev: number; headSeq: number; fromSeq: number }
  | { type: "summarized"; rev: number; version: number; throughSeq: number; degraded: boolean }
  | { type: "summaryFailed"; rev: number; throughSeq: number }
  | { type: "expired"; rev: number };

export interface Ticket {
  /** For one connection to this session. */
  ticket: string;
  expiresAt: string;
}

export interface TicketRequest {
  /** What its holder may do on the socket: by default read. With `memory:write` it may append what a user may: messages of the role `user`. */
  scopes?: ("memory:read" | "memory:write")[] | undefined;
}
