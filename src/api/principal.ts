import { z } from "zod";

export const scopeSchema = z.enum(["memory:read", "memory:write", "memory:erase", "ops", "summarizer", "admin"]);
export type Scope = z.infer<typeof scopeSchema>;

/** The caller of an operation, in the form that every surface passes to the use cases. */
export interface Principal {
  readonly kind: "tenant-key" | "user" | "admin";
  /**
   * Names the credential, without its secret: `deployment-key`, `admin`, `key:<keyId>` or `user:<sub>`. Used for rate
   * limits and the audit log.
   */
  readonly id: string;
  readonly tenant: string;
  /** The user that the caller acts for, or `-`. */
  readonly owner: string;
  readonly scopes: readonly Scope[];
  /** When the credential expires, in ms since 1970, if that is known. An open socket is closed then. */
  readonly expiresAt?: number;
  /** Present if the caller was admitted by a ticket. The session's object accepts each ticket once. */
  readonly ticket?: TicketClaim;
}

/** What a ticket says beside its holder. */
export interface TicketClaim {
  readonly id: string;
  /** The epoch of the session for which the ticket was issued. */
  readonly epoch: string;
  /** ms since 1970. */
  readonly expiresAt: number;
}
