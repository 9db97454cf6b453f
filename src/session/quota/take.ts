import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import { NOTHING_TAKEN, type Quota, type SessionLimits, type Taken } from "../../api/quota.ts";
import type { TenantSettings } from "../../api/tenant.ts";
import { limitsByUser, type UserTaken } from "../../api/user-quota.ts";
import type { Unit } from "../unit.ts";
import { copiedQuotaFault } from "./day.ts";

/** The quotas that a call of a client passes: refused before it commits, counted once it has. */

/**
 * Notes where the day of the session and of its tenant stand before an append or an edit.
 * @returns called after it: throws if it took more than is left, and tells what is left of the session's day, where that is bounded
 */
export function beginDay(unit: Unit, isByUser = false): () => readonly Quota[] {
  const { quotas, now, session } = unit;
  const { tenant, owner, epoch, tenantSettings } = session;
  const limits = isByUser ? limitsByUser(owner, tenantSettings.limits) : tenantSettings.limits;
  if (limits === undefined) return () => [];
  const measure = quotas.measureDay(limits, epoch, now);
  return () => {
    const taken = measure();
    refuse(taken.fault ?? quotas.tenant.faultOf(tenant, limits, taken, unit.tenant, now));
    unit.whenCommitted(() => quotas.tenant.count(tenant, limits, taken, now));
    return taken.quotas;
  };
}

/** Takes something from the day of the session's user. Throws if there is not so much left. */
export function takeForUser(unit: Unit, taken: Partial<UserTaken>): void {
  refuse(unit.quotas.user.faultOf(unit.session, taken, unit.now));
  countForUser(unit, taken);
}

/** The same of what is never refused. */
export function countForUser(unit: Unit, taken: Partial<UserTaken>): void {
  const { quotas, now, session } = unit;
  unit.whenCommitted(() => quotas.user.count(session, taken, now));
}

/**
 * Throws if messages that come all at once are more than the tenant's sessions may take together. They do not count for the day of the
 * session that they come to.
 * @param limits of who copies; undefined where nothing is bounded
 * @param told the tenant as the caller brings it
 */
export function refuseCopied(
  unit: Unit,
  limits: SessionLimits | undefined,
  copied: Taken,
  told: TenantSettings | undefined = unit.tenant,
): void {
  const { row, quotas, now } = unit;
  if (limits === undefined || row === null) return;
  refuse(copiedQuotaFault(limits, copied, now) ?? quotas.tenant.faultOf(row.tenant, limits, copied, told, now));
}

/** Counts messages that came all at once. */
export function countCopied(unit: Unit, limits: SessionLimits | undefined, copied: Taken): void {
  const { quotas, now, session } = unit;
  if (limits === undefined) return;
  unit.whenCommitted(() => quotas.tenant.count(session.tenant, limits, copied, now));
}

/** The messages that are in the log, for what copies and imports brought so far. */
export function takenSoFar({ store }: Unit): Taken {
  const head = store.messages.head();
  return head === null ? NOTHING_TAKEN : { messages: head.seq, tokens: head.totalCost };
}

function refuse(fault: Fault | null): void {
  if (fault !== null) throw new ThreadkeepError(fault);
}
