import { type AuditEvent, auditMessageSchema, type QueuedAuditEvent } from "../api/audit.ts";
import { ownerName, TENANT_OWNER } from "../api/session.ts";
import { storeAuditEvents } from "../archive/audit.ts";
import { type Database, isArchiveAway } from "../archive/database.ts";
import type { DirectoryClient } from "../directory/client.ts";
import { auditDelaySeconds } from "../lib/retry-policy.ts";
import { errorFields } from "../telemetry/redact.ts";
import { ACK, type PipelineDeps, type Verdict } from "./delivery.ts";

export interface AuditDelivery {
  readonly body: unknown;
  readonly attempts: number;
}

type AuditDeps = Pick<PipelineDeps, "directory" | "withDatabase" | "log">;

/** The audit events of one queue message. */
interface Told<Event> {
  /** Index of the message in the batch. */
  readonly index: number;
  readonly events: readonly Event[];
}

/**
 * Stores the events of many messages in one statement. If PostgreSQL refuses that statement, they are stored one by
 * one, so that a bad event holds up no other.
 */
export async function storeAudit(deliveries: readonly AuditDelivery[], parts: AuditDeps): Promise<Verdict[]> {
  const verdicts = deliveries.map(({ attempts }) => laterOf(attempts));
  const queued: Told<QueuedAuditEvent>[] = [];
  for (const [index, { body, attempts }] of deliveries.entries()) {
    const parsed = auditMessageSchema.safeParse(body);
    if (parsed.success) {
      queued.push({ index, events: parsed.data.events });
    } else {
      // Perhaps written by a later version of this code: it is retried until that version runs again, or it ends as a
      // dead letter.
      parts.log.warn("audit_not_understood", { attempts });
    }
  }
  try {
    const told = await withoutUsers(queued, parts.directory);
    const stored = await parts.withDatabase((database) => storeAll(database, told, parts.log));
    for (const { index } of stored) verdicts[index] = ACK;
  } catch (error) {
    parts.log.warn("audit_not_stored", { events: countEvents(queued), ...errorFields(error) });
  }
  return verdicts;
}

/** @returns the messages of which all events are stored */
async function storeAll(
  database: Database,
  told: readonly Told<AuditEvent>[],
  log: AuditDeps["log"],
): Promise<readonly Told<AuditEvent>[]> {
  try {
    await storeAuditEvents(
      database,
      told.flatMap(({ events }) => events),
    );
    return told;
  } catch (error) {
    if (isArchiveAway(error)) throw error;
    return storeEach(database, told, log);
  }
}

/**
 * Stores message by message and, within a refused message, event by event. A message with a refused event is delivered
 * again, though its other events are stored. Once PostgreSQL is out of reach, the remaining messages are left for later
 * too.
 */
async function storeEach(
  database: Database,
  told: readonly Told<AuditEvent>[],
  log: AuditDeps["log"],
): Promise<Told<AuditEvent>[]> {
  const stored: Told<AuditEvent>[] = [];
  let left = countEvents(told);
  let fault: unknown = null;
  for (const message of told) {
    const refusal = await storeOneByOne(database, message.events);
    left -= refusal.stored;
    if (refusal.fault === null) stored.push(message);
    else fault = refusal.fault;
    if (refusal.fault !== null && isArchiveAway(refusal.fault)) break;
  }
  if (fault !== null) log.warn("audit_not_stored", { events: left, ...errorFields(fault) });
  return stored;
}

/** @returns how many events are stored, and the last error; null if there was none */
async function storeOneByOne(
  database: Database,
  events: readonly AuditEvent[],
): Promise<{ readonly stored: number; readonly fault: unknown }> {
  try {
    await storeAuditEvents(database, events);
    return { stored: events.length, fault: null };
  } catch (error) {
    if (isArchiveAway(error) || events.length <= 1) return { stored: 0, fault: error };
  }
  let stored = 0;
  let fault: unknown = null;
  for (const event of events) {
    const one = await storeOneByOne(database, [event]);
    stored += one.stored;
    fault = one.fault ?? fault;
    if (one.fault !== null && isArchiveAway(one.fault)) break;
  }
  return { stored, fault };
}

function countEvents(messages: readonly Told<unknown>[]): number {
  return messages.reduce((sum, { events }) => sum + events.length, 0);
}

/** Dead letters: events that could not be stored in four days are lost, and the log says how many. */
export function buryAudit(deliveries: readonly AuditDelivery[], parts: Pick<AuditDeps, "log">): Verdict[] {
  const events = deliveries.map(({ body }) => auditMessageSchema.safeParse(body).data?.events.length ?? 0);
  parts.log.error("audit_lost", {
    messages: deliveries.length,
    events: events.reduce((sum, count) => sum + count, 0),
  });
  return deliveries.map(() => ACK);
}

function laterOf(attempts: number): Verdict {
  return { verdict: "retry", delaySeconds: auditDelaySeconds(attempts) };
}

/** Replaces each user's id by the pseudonym under which the archive may know the user. */
async function withoutUsers(
  queued: readonly Told<QueuedAuditEvent>[],
  directory: Pick<DirectoryClient, "auditName">,
): Promise<Told<AuditEvent>[]> {
  const ofUsers = queued.flatMap(({ events }) => events.filter(isOfUser));
  const byUser = Map.groupBy(ofUsers, ownerName);
  const names = new Map<string, string | null>();
  await Promise.all(
    Array.from(byUser, async ([user, [first, ...others]]) => {
      if (first === undefined) return;
      // A refused request may name any user id, so it must not create a pseudonym's key; only a request that succeeded
      // may.
      const mayMakeKey = [first, ...others].some(({ result }) => result === "ok");
      names.set(user, await directory.auditName(first.tenant, first.owner, mayMakeKey));
    }),
  );
  const withoutUser = (event: QueuedAuditEvent): AuditEvent => {
    const { owner: _, actor, ...rest } = event;
    const user = isOfUser(event) ? (names.get(ownerName(event)) ?? null) : null;
    return { ...rest, user, actor: actor.kind === "user" ? { kind: "user", id: userActor(user) } : actor };
  };
  return queued.map(({ index, events }) => ({ index, events: events.map(withoutUser) }));
}

function isOfUser(event: QueuedAuditEvent): event is QueuedAuditEvent & { tenant: string } {
  return event.tenant !== null && event.owner !== TENANT_OWNER;
}

/** A user who acts has the same pseudonym as a user whose data is acted on. */
function userActor(user: string | null): string {
  return user === null ? "user" : `user:${user}`;
}
