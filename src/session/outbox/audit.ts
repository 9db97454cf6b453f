import type { AuditActor, RawAuditEvent } from "../../api/audit.ts";
import type { Seq } from "../../api/message.ts";
import { resendDelayMs, retryDelayMs } from "../../lib/retry-policy.ts";
import type { Unit } from "../unit.ts";
import type { PendingAuditRow } from "./audit-store.ts";

/**
 * The audit log records appends as ranges of seqs, not one by one. A range is scheduled when a summary is committed,
 * before its messages are erased, and a day after it began at the latest. It costs one written row when it begins and
 * one for each further principal, so most appends cost none.
 */

/** How many principals of a range are recorded. Further ones are recorded together as "many". */
const MAX_ACTORS = 8;
const MANY: AuditActor = { kind: "many", id: "many" };

/** Records who appended. Called on each append, within its transaction. */
export function noteAppend(unit: Unit, by: AuditActor, fromSeq: Seq): void {
  const { store } = unit;
  const open = store.audit.appending();
  if (open === null) {
    store.audit.putAppending({ fromSeq, startedAt: unit.now, actors: [by] });
    return;
  }
  const actor = open.actors.length < MAX_ACTORS || includesActor(open.actors, by) ? by : MANY;
  if (!includesActor(open.actors, actor)) store.audit.putAppending({ ...open, actors: [...open.actors, actor] });
}

function includesActor(actors: readonly AuditActor[], { kind, id }: AuditActor): boolean {
  return actors.some((actor) => actor.kind === kind && actor.id === id);
}

/**
 * Schedules one audit event for each principal that appended since the last range. The ids of events are derived from
 * epoch and seq, so that sending them again does not duplicate them.
 */
export function scheduleAuditRange(unit: Unit): void {
  const { store } = unit;
  const open = store.audit.appending();
  const newest = store.messages.head();
  if (open === null || newest === null) return;
  const { tenant, owner, session: id, epoch } = unit.session;
  const details = {
    fromSeq: open.fromSeq,
    throughSeq: newest.seq,
    startedAt: new Date(open.startedAt).toISOString(),
    principals: open.actors.length,
  };
  const events = open.actors.map((actor, index): RawAuditEvent => ({
    id: `${epoch}/${newest.seq}/${index}`,
    at: new Date(newest.createdAt).toISOString(),
    tenant,
    owner,
    actor,
    session: id,
    action: "appendMessages",
    result: "ok",
    requestId: null,
    from: null,
    details,
  }));
  store.audit.schedule(`${epoch}/${newest.seq}`, events, unit.now);
  store.audit.clearAppending();
}

/**
 * Returns the due audit events and marks them as sent. If the queue does not accept them, they are due again after a
 * backoff.
 */
export function takeDueAudits(unit: Unit, random: () => number): PendingAuditRow[] {
  const { store, now } = unit;
  const due = store.audit.due(now);
  for (const { id, sends } of due) store.audit.noteSend(id, sends + 1, now + resendDelayMs(sends + 1, random()));
  return due;
}

/** The queue did not accept the events: they are sent again soon. */
export function noteAuditNotSent(unit: Unit, { id, sends }: PendingAuditRow, random: number): void {
  unit.store.audit.noteSend(id, sends + 1, unit.now + retryDelayMs(sends + 1, random));
}
