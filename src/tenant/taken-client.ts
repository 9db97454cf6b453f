import type { Taken } from "../api/quota.ts";
import { stableHash } from "../lib/stable-hash.ts";

/**
 * What the sessions of one isolate, or of several, used on a day for a tenant, in total so far. A total, so that a repeated report is
 * not counted twice.
 */
export interface TakenReport extends Taken {
  /** A random id of the isolate, or the name of the object that adds up for some of them. */
  readonly teller: string;
  /** The day's first millisecond (UTC), in ms since 1970. */
  readonly day: number;
}

/** The answer to a report. */
export interface TakenAnswer {
  /** What all isolates reported for the day. */
  readonly total: Taken;
  /** What this isolate reported for the day. */
  readonly told: Taken;
}

/** Sends a report. Idempotent. */
export type TellTaken = (tenant: string, report: TakenReport) => Promise<TakenAnswer>;

/** The method of a tenant's object that counts what its sessions used. */
export interface TakenNamespace {
  getByName(tenant: string): { noteTaken(report: TakenReport): Promise<TakenAnswer> };
}

/** The method of an object that adds up the reports of some isolates for a tenant's object. */
export interface TakenShardNamespace {
  getByName(name: string): { noteTaken(report: TakenReport, tenant: string, name: string): Promise<TakenAnswer> };
}

/** Among how many objects the isolates of a tenant are divided. Each takes about 1,000 reports a second. */
const TAKEN_SHARDS = 16;

/** @param namespace called for each report, so that the binding is needed only if the tenant has a limit */
export function createTakenClient(namespace: () => TakenShardNamespace): TellTaken {
  return async (tenant, report) => {
    const name = `${tenant}/${stableHash(report.teller) % TAKEN_SHARDS}`;
    return namespace().getByName(name).noteTaken(report, tenant, name);
  };
}
