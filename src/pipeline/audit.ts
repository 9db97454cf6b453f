import { storeAuditEvents } from "../archive/audit.ts";
import { type AuditEvent, auditMessageSchema, type QueuedAuditEvent } from "../contracts/audit.ts";
import { TENANT_OWNER } from "../contracts/session.ts";
import type { DirectoryClient } from "../registry/directory-client.ts";
import { errorFields } from "../telemetry/redact.ts";
import { ACK, type PipelineParts, type Verdict } from "./delivery.ts";

/** The first pause of a message whose events could not be stored; doubled by attempt. */
const RETRY_SECONDS = 5;
/** With the queue's 100 retries four days pass: for longer no queue keeps a message. */
const MAX_RETRY_SECONDS = 3_600;

export interface AuditDelivery {
  readonly body: unknown;
  readonly attempts: number;
}

type AuditParts = Pick<PipelineParts, "directory" | "withDatabase" | "log">;

/** Stores the events of many messages in one statement. */
export async function storeAudit(deliveries: readonly AuditDelivery[], parts: AuditParts): Promise<Verdict[]> {
  const verdicts = deliveries.map(({ attempts }) => laterOf(attempts));
  const understood: number[] = [];
  const queued: QueuedAuditEvent[] = [];
  for (const [index, { body, attempts }] of deliveries.entries()) {
    const parsed = auditMessageSchema.safeParse(body);
    if (parsed.success) {
      understood.push(index);
      queued.push(...parsed.data.events);
    } else {
      // Of a later version of this code, perhaps: it goes round until that version is back, or to the dead letters.
      parts.log.warn("audit_not_understood", { attempts });
    }
  }
  try {
    const events = await withoutUsers(queued, parts.directory);
    await parts.withDatabase((database) => storeAuditEvents(database, events));
    for (const index of understood) verdicts[index] = ACK;
  } catch (error) {
    parts.log.warn("audit_not_stored", { events: queued.length, ...errorFields(error) });
  }
  return verdicts;
}

/** What could not be stored in four days is lost. */
export function buryAudit(deliveries: readonly AuditDelivery[], parts: Pick<AuditParts, "log">): Verdict[] {
  const events = deliveries.map(({ body }) => auditMessageSchema.safeParse(body).data?.events.length ?? 0);
  parts.log.error("audit_lost", {
    messages: deliveries.length,
    events: events.reduce((sum, count) => sum + count, 0),
  });
  return deliveries.map(() => ACK);
}

function laterOf(attempts: number): Verdict {
  const delaySeconds = Math.min(MAX_RETRY_SECONDS, RETRY_SECONDS * 2 ** Math.max(0, attempts - 1));
  return { verdict: "retry", delaySeconds };
}

/** The events with users as the archive may know them. */
async function withoutUsers(
  queued: readonly QueuedAuditEvent[],
  directory: Pick<DirectoryClient, "auditName">,
): Promise<AuditEvent[]> {
  const byUser = Map.groupBy(queued.filter(isOfUser), ({ tenant, owner }) => `${tenant}/${owner}`);
  const names = new Map<string, string | null>();
  await Promise.all(
    Array.from(byUser, async ([user, [first, ...others]]) => {
      if (first === undefined) return;
      // A request that was refused, which may name anybody, makes no key.
      const mayMakeKey = [first, ...others].some(({ result }) => result === "ok");
      names.set(user, await directory.auditName(first.tenant, first.owner, mayMakeKey));
    }),
  );
  return queued.map((event) => {
    const { owner, actor, ...rest } = event;
    const user = isOfUser(event) ? (names.get(`${event.tenant}/${owner}`) ?? null) : null;
    return { ...rest, user, actor: actor.kind === "user" ? { kind: "user", id: userActor(user) } : actor };
  });
}

function isOfUser(event: QueuedAuditEvent): event is QueuedAuditEvent & { tenant: string } {
  return event.tenant !== null && event.owner !== TENANT_OWNER;
}

/** A user who acts is named as every user is. */
function userActor(user: string | null): string {
  return user === null ? "user" : `user:${user}`;
}
