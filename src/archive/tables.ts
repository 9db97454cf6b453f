import { sql } from "drizzle-orm";
import { bigint, boolean, index, integer, jsonb, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";

/**
 * The SQLSTATE with which PostgreSQL refused the content of the row; null if it accepted it. The content then exists
 * only in the session object.
 */
const setAsideMark = () => text("set_aside");

/**
 * The archive. Each session's row has an epoch and a revision: every write locks the row and is applied only if its own
 * revision is newer. Summaries and items refer to the epoch, so that nothing of an erased epoch appears in the next
 * epoch of the same session id.
 *
 * Row-level security is enabled and forced. The Worker's role sees the tenant that its transaction names, and all
 * tenants only for named tasks: see reach.ts. The roles of Supabase's own API have no access to these tables, except
 * that a user may read their own rows.
 */
export const sessions = pgTable(
  "sessions",
  {
    tenant: text().notNull(),
    owner: text().notNull(),
    session: text().notNull(),
    epoch: text().notNull(),
    rev: bigint({ mode: "number" }).notNull(),
    headSeq: integer("head_seq").notNull(),
    throughSeq: integer("through_seq").notNull(),
    metadata: jsonb()
      .notNull()
      .default(sql`'{}'::jsonb`),
    createdAt: timestamp("created_at", { withTimezone: true, mode: "date" }).notNull(),
    archivedAt: timestamp("archived_at", { withTimezone: true, mode: "date" }).notNull().defaultNow(),
    /** Marks a tombstone: the session was erased, and nothing of it may be written again. */
    erasedAt: timestamp("erased_at", { withTimezone: true, mode: "date" }),
    /** Set if the metadata was set aside: see `setAsideMark`. */
    setAside: setAsideMark(),
    /** How many rows of this epoch are set aside, in all tables. */
    rowsSetAside: integer("rows_set_aside").notNull().default(0),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.owner, table.session] }),
    index("sessions_epoch").on(table.epoch),
  ],
).enableRLS();

export const summaries = pgTable(
  "summaries",
  {
    epoch: text().notNull(),
    version: integer().notNull(),
    throughSeq: integer("through_seq").notNull(),
    tokens: integer().notNull(),
    summarizer: text().notNull(),
    degraded: boolean().notNull(),
    droppedItems: integer("dropped_items").notNull(),
    usage: jsonb(),
    createdAt: timestamp("created_at", { withTimezone: true, mode: "date" }).notNull(),
    setAside: setAsideMark(),
    /** The tenant of the session; the row-level security policies use it. */
    tenant: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.epoch, table.version] })],
).enableRLS();

/**
 * The items of the newest version. An item that a version dropped leaves with the write of that version: only the
 * session object keeps the history.
 */
export const summaryItems = pgTable(
  "summary_items",
  {
    /** When the version that it began with was made. */
    madeAt: timestamp("made_at", { withTimezone: true, mode: "date" }).notNull().defaultNow(),
    fromVersion: integer("from_version").notNull(),
    epoch: text().notNull(),
    itemId: text("item_id").notNull(),
    kind: text().notNull(),
    text: text().notNull(),
    sourceSeqs: integer("source_seqs").array().notNull(),
    /** If the item was carried over: the session whose messages it cites. */
    sourceSession: text("source_session"),
    /** The epoch of that session, so that an erasure there reaches this item. */
    sourceEpoch: text("source_epoch"),
    status: text().notNull(),
    /** Tenant and owner of the session, so that one index serves searches across sessions. */
    tenant: text().notNull(),
    owner: text().notNull(),
    setAside: setAsideMark(),
  },
  (table) => [
    // No unique index: the row of the session is locked while its items are written, and archive_rows leaves out those that
    // are there already.
    index("summary_items_epoch").on(table.epoch),
    // The terms of an item, and its owner as one more term, so that the index finds one owner's items without reading those
    // of others. They are in the index alone: in the row they would take as many bytes as everything else.
    index("summary_items_search")
      .using("gin", sql`array_to_tsvector(memory_terms("text") || (("tenant" || '/'::text) || "owner"))`)
      .with({ fastupdate: false }),
    index("summary_items_newest").on(table.tenant, table.owner, table.madeAt.desc().nullsFirst()),
  ],
).enableRLS();

/**
 * Who did what to which session. Partitioned by month, so that old events are dropped as a whole. The Worker can only
 * insert and read; users have no access.
 */
export const auditEvents = pgTable(
  "audit_events",
  {
    id: text().notNull(),
    at: timestamp({ withTimezone: true, mode: "date", precision: 3 }).notNull(),
    tenant: text(),
    actorKind: text("actor_kind").notNull(),
    actor: text().notNull(),
    /** A keyed hash of the user's id. */
    user: text(),
    session: text(),
    action: text().notNull(),
    result: text().notNull(),
    requestId: text("request_id"),
    network: text(),
    details: jsonb()
      .notNull()
      .default(sql`'{}'::jsonb`),
  },
  (table) => [
    primaryKey({ columns: [table.at, table.id] }),
    // Without the id: events of the same millisecond are few, and are sorted when they are read.
    index("audit_events_tenant").on(table.tenant, table.at),
    index("audit_events_user")
      .on(table.user, table.at)
      .where(sql`"user" is not null`),
    index("audit_events_session")
      .on(table.session, table.at)
      .where(sql`"session" is not null`),
    index("audit_events_actor").on(table.actor, table.at),
    // Nearly all events are appends that succeeded, and the newest of these are found by the primary key alone.
    index("audit_events_action")
      .on(table.action, table.at)
      .where(sql`"action" <> 'appendMessages'`),
    index("audit_events_result")
      .on(table.result, table.at)
      .where(sql`"result" <> 'ok'`),
  ],
).enableRLS();

/** The messages, for sessions whose settings archive them. An erased message keeps its `seq` and `id`. */
export const messages = pgTable(
  "messages",
  {
    epoch: text().notNull(),
    seq: integer().notNull(),
    id: text().notNull(),
    /** The message that it follows; null if that is the one with the previous `seq`. */
    afterSeq: integer("after_seq"),
    role: text().notNull(),
    author: text(),
    content: jsonb(),
    metadata: jsonb(),
    occurredAt: timestamp("occurred_at", { withTimezone: true, mode: "date" }),
    createdAt: timestamp("created_at", { withTimezone: true, mode: "date" }).notNull(),
    editedAt: timestamp("edited_at", { withTimezone: true, mode: "date" }),
    erasedAt: timestamp("erased_at", { withTimezone: true, mode: "date" }),
    /** Tenant and owner of the session. */
    tenant: text().notNull(),
    owner: text().notNull(),
    setAside: setAsideMark(),
  },
  (table) => [primaryKey({ columns: [table.epoch, table.seq] })],
).enableRLS();
