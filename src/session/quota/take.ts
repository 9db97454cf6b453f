import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import { NOTHING_TAKEN, type Quota, type SessionLimits, type Taken } from "../../api/quota.ts";
import type { TenantSettings } from "../../api/tenant.ts";
import { limitsByUser, type UserTaken } from "../../api/user-quota.ts";
import type { Unit } from "../unit.ts";
import { copiedQuotaFault } from "./day.ts";

/**
 * Checks and counts daily limits for a client's call: it is refused before its transaction commits, and counted after.
 */

/**
 * Reads what the session and its tenant used before an append or an edit.
 * @returns a function to call after the change. It returns what is left of the session's daily limits, and throws
 *   ThreadkeepError `quota_exceeded` if the change exceeds a limit
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

/**
 * Counts against the daily limits of the session's user.
 * @throws ThreadkeepError `quota_exceeded` if that exceeds one of them
 */
export function takeForUser(unit: Unit, taken: Partial<UserTaken>): void {
  refuse(unit.quotas.user.faultOf(unit.session, taken, unit.now));
  countForUser(unit, taken);
}

/** The same without a check, for what is never refused. */
export function countForUser(unit: Unit, taken: Partial<UserTaken>): void {
  const { quotas, now, session } = unit;
  unit.whenCommitted(() => quotas.user.count(session, taken, now));
}

/**
 * Checks messages that an import or a fork adds at once against the tenant's daily limits. They do not count against
 * those of the session.
 * @param limits the limits of whoever copies; undefined if there are none
 * @param told the tenant's settings as the caller brought them, with what is known to be used today
 * @throws ThreadkeepError `quota_exceeded`
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

/** Counts messages that an import or a fork added. */
export function countCopied(unit: Unit, limits: SessionLimits | undefined, copied: Taken): void {
  const { quotas, now, session } = unit;
  if (limits === undefined) return;
  unit.whenCommitted(() => quotas.tenant.count(session.tenant, limits, copied, now));
}

/** How many messages and tokens are in the log: what an import or a fork has added so far. */
export function takenSoFar({ store }: Unit): Taken {
  const head = store.messages.head();
  return head === null ? NOTHING_TAKEN : { messages: head.seq, tokens: head.totalCost };
}

function refuse(fault: Fault | null): void {
  if (fault !== null) throw new ThreadkeepError(fault);
}
