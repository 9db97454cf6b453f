import type { TokenCount } from "../contracts/message.ts";

/** A part of what a tenant may take in a day. */
export interface Share {
  readonly messages: number;
  readonly tokens: TokenCount;
}

/** What a session asks of its tenant's object. */
export interface LeaseRequest {
  /** Its first millisecond since 1970, in UTC. */
  readonly day: number;
  /** Taken already, while the tenant's object was out of reach: it is counted whatever the bound. */
  readonly owed: Share;
  /** What the session lacks: all of it is given, or nothing. */
  readonly need: Share;
  /** What it would like besides, so that it need not ask again soon. */
  readonly spare: Share;
}

export interface LeaseAnswer {
  readonly granted: Share;
  /** What nobody holds, after this lease; null where there is no bound. */
  readonly left: { readonly messages: number | null; readonly tokens: TokenCount | null };
  readonly limit: { readonly messages: number | null; readonly tokens: TokenCount | null };
}

/** Not idempotent: an answer that is lost on its way is a lease that nobody uses, until the day is over. */
export type AskLease = (tenant: string, request: LeaseRequest) => Promise<LeaseAnswer>;

/** The part of the tenants' objects that gives leases. */
export interface LeaseNamespace {
  getByName(tenant: string): { lease(request: LeaseRequest): Promise<LeaseAnswer> };
}

/** @param namespace read with each call, so that an object needs it only where its tenant has a bound */
export function createLeaseClient(namespace: () => LeaseNamespace): AskLease {
  return async (tenant, request) => namespace().getByName(tenant).lease(request);
}
