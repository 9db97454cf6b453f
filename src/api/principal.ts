import { z } from "zod";

export const scopeSchema = z.enum(["memory:read", "memory:write", "memory:erase", "ops", "summarizer", "admin"]);
export type Scope = z.infer<typeof scopeSchema>;

/** Who is calling, as every surface hands it to the operations. */
export interface Principal {
  readonly kind: "tenant-key" | "user" | "admin";
  /** Names what was shown, never its secret: `deployment-key`, `admin`, `key:<keyId>` or `user:<sub>`. For limits and the audit. */
  readonly id: string;
  readonly tenant: string;
  /** The user it speaks for, or `-`. */
  readonly owner: string;
  readonly scopes: readonly Scope[];
  /** When what was shown is good no more, ms since 1970, if that is known: an open socket is closed then. */
  readonly expiresAt?: number;
  /** Let in by a ticket, which the session's object takes once. */
  readonly ticket?: TicketClaim;
}

/** What a ticket says besides who its holder is. */
export interface TicketClaim {
  readonly id: string;
  /** The epoch of the session that it is for. */
  readonly epoch: string;
  /** ms since 1970. */
  readonly expiresAt: number;
}
