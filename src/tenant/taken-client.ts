import type { Taken } from "../api/quota.ts";

/** What the sessions of one isolate took of a tenant's day, all in all so far: told again, it counts once. */
export interface TakenReport extends Taken {
  /** Of the isolate. */
  readonly teller: string;
  /** Its first millisecond since 1970, in UTC. */
  readonly day: number;
}

export interface TakenAnswer {
  /** What all isolates told of that day. */
  readonly total: Taken;
  /** What this one did. */
  readonly told: Taken;
}

/** Idempotent. */
export type TellTaken = (tenant: string, report: TakenReport) => Promise<TakenAnswer>;

/** The part of the tenants' objects that counts what is taken. */
export interface TakenNamespace {
  getByName(tenant: string): { noteTaken(report: TakenReport): Promise<TakenAnswer> };
}

/** @param namespace read with each call, so that an object needs it only where its tenant has a bound */
export function createTakenClient(namespace: () => TakenNamespace): TellTaken {
  return async (tenant, report) => namespace().getByName(tenant).noteTaken(report);
}
