/**
 * The queues of the audit: the binding AUDIT_QUEUE, and AUDIT_QUEUE_2, AUDIT_QUEUE_3 and so on, as far as wrangler.toml
 * has them. All events of a tenant go to one of them, so that a tenant with more events than its queue delivers makes
 * no other tenant's audit late.
 */

import type { RawAuditEvent } from "../api/audit.ts";
import { stableHash } from "../lib/stable-hash.ts";
import type { CountedQueue } from "./backlog.ts";

interface AuditQueue extends CountedQueue {
  send(message: { readonly v: 1; readonly events: readonly RawAuditEvent[] }): Promise<unknown>;
}

/** The bindings of the environment; those of further queues are looked up by their names. */
export interface AuditQueueEnv {
  readonly AUDIT_QUEUE: AuditQueue;
}

/**
 * The queues in the order of their numbers. When one is added, tenants move to other queues: an event is stored by its
 * id, whichever queue delivers it.
 */
export function auditQueuesOf(env: AuditQueueEnv): readonly AuditQueue[] {
  const queues = [env.AUDIT_QUEUE];
  for (;;) {
    const next: unknown = Reflect.get(env, `AUDIT_QUEUE_${queues.length + 1}`);
    if (!isQueue(next)) return queues;
    queues.push(next);
  }
}

/** Sends events to the queues of their tenants, in one message for each queue. */
export async function sendAuditEvents(env: AuditQueueEnv, events: readonly RawAuditEvent[]): Promise<void> {
  const queues = auditQueuesOf(env);
  const byQueue = Map.groupBy(events, ({ tenant }) => stableHash(tenant ?? "") % queues.length);
  await Promise.all(Array.from(byQueue, ([index, told]) => queues[index]?.send({ v: 1, events: told })));
}

function isQueue(value: unknown): value is AuditQueue {
  return typeof value === "object" && value !== null && "send" in value;
}
