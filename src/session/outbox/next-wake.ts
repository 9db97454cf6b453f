import { earliest } from "../../lib/retry-policy.ts";
import { endOfDay } from "../quota/index.ts";
import type { Unit } from "../unit.ts";
import { auditAt, expiryAt, idleArchiveAt, idleSummaryAt } from "./idle-schedule.ts";

/**
 * When the object has to wake up next, in ms since 1970; null if never. An object has only one alarm, so this is the
 * earliest of all reasons.
 * @param restsUntil the next slice of an erasure is not tried before this time, because the last one failed
 */
export function nextWakeAt(unit: Unit, restsUntil: number): number | null {
  const { store, row, now } = unit;
  if (row === null) {
    const day = store.spent.lastDay();
    return day === null ? null : endOfDay(day);
  }
  // The call that ended the last job may have crashed before it deleted the object's storage.
  if (isLeftOver(unit)) return now;
  const isInUse = row.erasedAt === null && row.expiredAt === null && row.copying === null;
  return earliest(
    store.erasure.isRunning() ? Math.max(now, restsUntil) : null,
    store.jobs.nextSendAt(),
    store.audit.nextSendAt(),
    row.copying?.kind === "import" ? row.copying.until : null,
    isInUse ? idleSummaryAt(unit) : null,
    isInUse ? idleArchiveAt(unit) : null,
    isInUse ? auditAt(unit) : null,
    isInUse && !store.jobs.isPending("expire") ? expiryAt(unit) : null,
  );
}

/**
 * Whether the session is erased and everybody who had to be told has confirmed: the object's storage can be deleted.
 */
export function isLeftOver({ row, store }: Unit): boolean {
  if (row === null || row.erasedAt === null) return false;
  return !store.jobs.isAnyBut("") && store.audit.nextSendAt() === null;
}
