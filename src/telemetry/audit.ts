/** Collects audit events in an isolate and sends them to a queue in batches. It never fails or delays a request. */

import type { AuditAction, AuditActor, AuditDetails, AuditResult, RawAuditEvent } from "../api/audit.ts";
import { sleep } from "../lib/sleep.ts";
import type { Log } from "./log.ts";
import { errorFields } from "./redact.ts";

/** An action that was done or refused, before it has an id and a time. */
export interface Audited {
  readonly tenant: string | null;
  readonly owner: string;
  readonly actor: AuditActor;
  readonly session: string | null;
  readonly action: AuditAction;
  readonly result: AuditResult;
  readonly requestId: string | null;
  readonly from: string | null;
}

export interface AuditTrail {
  /** Records one event. It is sent within milliseconds. */
  record(audited: Audited, details: AuditDetails): void;
  /** Counts a refusal. Refusals of the same principal, action and result are sent as one event. */
  refuse(audited: Audited): void;
}

export interface AuditTrailOptions {
  /** Sends the events of one queue message. */
  readonly send: (events: readonly RawAuditEvent[]) => Promise<unknown>;
  /** Keeps the isolate alive until the work is done. */
  readonly keepAlive: (work: Promise<unknown>) => void;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly wait?: (ms: number) => Promise<void>;
}

/**
 * Events in one queue message. At a kilobyte each they take half of what a message may have.
 * @internal Tests go up to it and past it.
 */
export const MAX_EVENTS_PER_MESSAGE = 50;
/** How long events are collected, so that requests served at the same time share a message, in ms. */
const GATHER_MS = 20;
/** The pause before a failed send is repeated once, in ms. */
const RETRY_MS = 1_000;
/**
 * How many kinds of refusals are counted separately at a time. A flood of made-up names thus causes no flood of events.
 * @internal Tests go up to it and past it.
 */
export const MAX_COUNTED = 200;
/**
 * The first refusals after a minute without any are sent after this, in ms.
 * @internal Tests go up to it and past it.
 */
export const SOON_MS = 5_000;
/**
 * Further refusals are counted for this long, about as long as an isolate may run after an answer: fewer than three
 * events a minute of each kind.
 * @internal Tests go up to it and past it.
 */
export const COUNT_MS = 25_000;
const QUIET_MS = 60_000;
/** A timer that is this late, in ms, was cancelled together with the request that it belonged to. */
const OVERDUE_MS = 5_000;

interface Counted {
  readonly first: Audited;
  readonly firstAt: number;
  session: string | null;
  from: string | null;
  lastAt: number;
  count: number;
}

export function createAuditTrail({
  send,
  keepAlive,
  log,
  now = Date.now,
  wait = sleep,
}: AuditTrailOptions): AuditTrail {
  let gathering: { readonly events: RawAuditEvent[]; readonly closesAt: number } | null = null;
  const counted = new Map<string, Counted>();
  let tellsAt: number | null = null;
  let toldAt = -Infinity;

  function gather(event: RawAuditEvent): void {
    const open = gathering;
    if (open !== null && open.events.length < MAX_EVENTS_PER_MESSAGE && now() <= open.closesAt + OVERDUE_MS) {
      open.events.push(event);
      return;
    }
    const batch = { events: [event], closesAt: now() + GATHER_MS };
    gathering = batch;
    keepAlive(
      wait(GATHER_MS).then(() => {
        if (gathering === batch) gathering = null;
        return deliver(batch.events);
      }),
    );
  }

  async function deliver(events: readonly RawAuditEvent[]): Promise<void> {
    try {
      await send(events).catch(() => wait(RETRY_MS).then(() => send(events)));
    } catch (error) {
      log.error("audit_lost", { events: events.length, requestId: events[0]?.requestId, ...errorFields(error) });
    }
  }

  function count(refused: Audited, at: number): void {
    const own = kindOf(refused);
    const known = counted.get(own);
    const kept = known !== undefined || counted.size < MAX_COUNTED ? refused : asMany(refused);
    const kind = kindOf(kept);
    const entry = known ?? counted.get(kind);
    if (entry === undefined) {
      counted.set(kind, { first: kept, firstAt: at, lastAt: at, count: 1, session: kept.session, from: kept.from });
      return;
    }
    entry.count += 1;
    entry.lastAt = at;
    if (entry.session !== kept.session) entry.session = null;
    if (entry.from !== kept.from) entry.from = null;
  }

  async function tell(): Promise<void> {
    toldAt = now();
    tellsAt = null;
    const events = Array.from(counted.values(), toEvent);
    counted.clear();
    for (let at = 0; at < events.length; at += MAX_EVENTS_PER_MESSAGE) {
      await deliver(events.slice(at, at + MAX_EVENTS_PER_MESSAGE));
    }
  }

  return {
    record(audited, details) {
      gather({ ...audited, id: crypto.randomUUID(), at: new Date(now()).toISOString(), details });
    },
    refuse(audited) {
      const at = now();
      count(audited, at);
      if (tellsAt !== null && at <= tellsAt + OVERDUE_MS) return;
      const delay = at - toldAt > QUIET_MS ? SOON_MS : COUNT_MS;
      tellsAt = at + delay;
      keepAlive(wait(delay).then(tell));
    },
  };
}

function kindOf({ tenant, owner, actor, action, result }: Audited): string {
  return JSON.stringify([tenant, owner, actor.kind, actor.id, action, result]);
}

function asMany(refused: Audited): Audited {
  return { ...refused, tenant: null, owner: "-", actor: { kind: "many", id: "many" }, session: null };
}

function toEvent({ first, firstAt, lastAt, count, session, from }: Counted): RawAuditEvent {
  return {
    ...first,
    session,
    from,
    id: crypto.randomUUID(),
    at: new Date(firstAt).toISOString(),
    details: { count, ...(count === 1 ? {} : { lastAt: new Date(lastAt).toISOString() }) },
  };
}
