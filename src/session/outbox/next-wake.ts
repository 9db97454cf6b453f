import { earliest } from "../../lib/retry-policy.ts";
import { endOfDay } from "../quota/index.ts";
import type { Unit } from "../unit.ts";
import { auditAt, expiryAt, idleArchiveAt, idleSummaryAt } from "./idle-schedule.ts";

/**
 * When the object has to wake up next, in ms since 1970; null if it need not. The earliest of all reasons: one alarm serves them all.
 * @param restsUntil no slice of an erasure is tried before that: the last one failed
 */
export function nextWakeAt(unit: Unit, restsUntil: number): number | null {
  const { store, row, now } = unit;
  if (row === null) {
    const day = store.isCreated ? store.spent.lastDay() : null;
    return day === null ? null : endOfDay(day);
  }
  // Whoever took the last job off may have been broken off before the object was emptied.
  if (isLeftOver(unit)) return now;
  const isTalkedIn = row.erasedAt === null && row.expiredAt === null && row.copying === null;
  return earliest(
    store.messages.isErasing() ? Math.max(now, restsUntil) : null,
    store.jobs.nextSendAt(),
    store.audit.nextSendAt(),
    row.copying?.kind === "import" ? row.copying.until : null,
    isTalkedIn ? idleSummaryAt(unit) : null,
    isTalkedIn ? idleArchiveAt(unit) : null,
    isTalkedIn ? auditAt(unit) : null,
    isTalkedIn && !store.jobs.isPending("expire") ? expiryAt(unit) : null,
  );
}

/** Whether the session is erased, and everybody who had to be told of it was: nothing keeps what is left of the object. */
export function isLeftOver({ row, store }: Unit): boolean {
  if (row === null || row.erasedAt === null) return false;
  return !store.jobs.isAnyBut("") && store.audit.nextSendAt() === null;
}
