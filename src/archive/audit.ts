import { and, desc, eq, gte, lt, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import type { AuditEvent } from "../api/audit.ts";
import type { Database } from "./database.ts";
import { acrossTenants, withinTenant } from "./reach.ts";
import { auditEvents } from "./tables.ts";

/** Stores audit events. An event that is stored already, because its message was delivered twice, changes nothing. */
export async function storeAuditEvents(database: Database, events: readonly AuditEvent[]): Promise<void> {
  if (events.length === 0) return;
  const rows = events.map(({ at, actor, from, ...event }) => ({
    ...event,
    at: new Date(at),
    actorKind: actor.kind,
    actor: actor.id,
    network: from,
  }));
  await acrossTenants(database, "store-audit", (transaction) =>
    transaction.insert(auditEvents).values(rows).onConflictDoNothing(),
  );
}

/** Which events to read. `user` is the pseudonym, a keyed hash. */
export interface StoredAuditFilter {
  readonly tenant?: string | undefined;
  readonly user?: string | undefined;
  readonly session?: string | undefined;
  readonly action?: string | undefined;
  readonly actor?: string | undefined;
  readonly result?: string | undefined;
  /** Milliseconds since 1970, inclusive. */
  readonly from?: number | undefined;
  /** Milliseconds since 1970, exclusive. */
  readonly to?: number | undefined;
}

/** Where the last page ended. */
export interface AuditCursor {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly id: string;
}

const detailsSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

/**
 * Newest first. Each filter has an index by time, so reading a page takes time proportional to its size, unless several
 * filters rarely match together.
 */
export async function readAuditEvents(
  database: Database,
  filter: StoredAuditFilter,
  page: { readonly limit: number; readonly after: AuditCursor | null },
): Promise<AuditEvent[]> {
  const { tenant } = filter;
  const read = (transaction: Database) => auditQuery(transaction, filter, page).execute();
  const rows = await (tenant === undefined
    ? acrossTenants(database, "read-audit", read)
    : withinTenant(database, tenant, read));
  return rows.map((row) => ({
    id: row.id,
    at: row.at.toISOString(),
    tenant: row.tenant,
    actor: { kind: row.actorKind, id: row.actor },
    user: row.user,
    session: row.session,
    action: row.action,
    result: row.result,
    requestId: row.requestId,
    from: row.network,
    details: detailsSchema.parse(row.details),
  }));
}

function auditQuery(
  database: Database,
  filter: StoredAuditFilter,
  { limit, after }: { readonly limit: number; readonly after: AuditCursor | null },
) {
  const { from, to, ...names } = filter;
  const conditions: (SQL | undefined)[] = [
    names.tenant === undefined ? undefined : eq(auditEvents.tenant, names.tenant),
    names.user === undefined ? undefined : eq(auditEvents.user, names.user),
    names.session === undefined ? undefined : eq(auditEvents.session, names.session),
    names.action === undefined ? undefined : eq(auditEvents.action, names.action),
    names.actor === undefined ? undefined : eq(auditEvents.actor, names.actor),
    names.result === undefined ? undefined : eq(auditEvents.result, names.result),
    from === undefined ? undefined : gte(auditEvents.at, new Date(from)),
    to === undefined ? undefined : lt(auditEvents.at, new Date(to)),
    after === null ? undefined : isAfter(after),
  ];
  return database
    .select()
    .from(auditEvents)
    .where(and(...conditions))
    .orderBy(desc(auditEvents.at), desc(auditEvents.id))
    .limit(limit);
}

function isAfter({ at, id }: AuditCursor): SQL {
  return sql`(${auditEvents.at}, ${auditEvents.id}) < (${new Date(at).toISOString()}::timestamptz, ${id})`;
}

const retainedRows = z.tuple([z.object({ created: z.int(), dropped: z.int() })]);

/**
 * Creates the partitions of the coming months and drops those that are too old.
 * @param keepDays at least 30
 * @returns the number of partitions created and dropped
 */
export async function retainAuditEvents(
  database: Database,
  keepDays: number,
): Promise<{ readonly created: number; readonly dropped: number }> {
  const { rows } = await database.execute(sql`select created, dropped from retain_audit(${keepDays})`);
  return retainedRows.parse(rows)[0];
}
