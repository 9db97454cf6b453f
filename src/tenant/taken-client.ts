import type { Taken } from "../api/quota.ts";

/**
 * What the sessions of one isolate used on a day for a tenant, in total so far. A total, so that a repeated report is
 * not counted twice.
 */
export interface TakenReport extends Taken {
  /** A random id of the isolate. */
  readonly teller: string;
  /** The day's first millisecond (UTC), in ms since 1970. */
  readonly day: number;
}

/** The tenant object's answer to a report. */
export interface TakenAnswer {
  /** What all isolates reported for the day. */
  readonly total: Taken;
  /** What this isolate reported for the day. */
  readonly told: Taken;
}

/** Sends a report to the tenant's object. Idempotent. */
export type TellTaken = (tenant: string, report: TakenReport) => Promise<TakenAnswer>;

/** The method of a tenant's object that counts what its sessions used. */
export interface TakenNamespace {
  getByName(tenant: string): { noteTaken(report: TakenReport): Promise<TakenAnswer> };
}

/** @param namespace called for each report, so that the binding is needed only if the tenant has a limit */
export function createTakenClient(namespace: () => TakenNamespace): TellTaken {
  return async (tenant, report) => namespace().getByName(tenant).noteTaken(report);
}
