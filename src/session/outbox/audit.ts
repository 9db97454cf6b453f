import type { AuditActor, RawAuditEvent } from "../../api/audit.ts";
import type { Seq } from "../../api/message.ts";
import { resendDelayMs, retryDelayMs } from "../../lib/retry-policy.ts";
import type { Unit } from "../unit.ts";
import type { PendingAuditRow } from "./audit-store.ts";

/**
 * Appends are told to the audit as ranges, when a summary lands, in silence, and before they are gone. A range costs a row when it
 * begins, and one for each further principal that takes part in it: an append by itself costs none.
 */

/** Principals of a range that are told apart. Others count as one. */
const MAX_ACTORS = 8;
const MANY: AuditActor = { kind: "many", id: "many" };

/** Notes who appended. Called with each append, inside its transaction. */
export function noteAppend(unit: Unit, by: AuditActor, fromSeq: Seq): void {
  const { store } = unit;
  const open = store.audit.appending();
  if (open === null) {
    store.audit.putAppending({ fromSeq, startedAt: unit.now, actors: [by] });
    return;
  }
  const actor = open.actors.length < MAX_ACTORS || includes(open.actors, by) ? by : MANY;
  if (!includes(open.actors, actor)) store.audit.putAppending({ ...open, actors: [...open.actors, actor] });
}

function includes(actors: readonly AuditActor[], { kind, id }: AuditActor): boolean {
  return actors.some((actor) => actor.kind === kind && actor.id === id);
}

/** Schedules the audit what was appended since the last range: an event for each principal. Ids are the same each time they are sent. */
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

/** Marks what is due as sent, and says when to look again if the queue does not take it. */
export function takeDueAudits(unit: Unit, random: () => number): PendingAuditRow[] {
  const { store, now } = unit;
  const due = store.audit.due(now);
  for (const { id, sends } of due) store.audit.noteSend(id, sends + 1, now + resendDelayMs(sends + 1, random()));
  return due;
}

/** The queue did not take it: try again soon. */
export function noteAuditNotSent(unit: Unit, { id, sends }: PendingAuditRow, random: number): void {
  unit.store.audit.noteSend(id, sends + 1, unit.now + retryDelayMs(sends + 1, random));
}
