import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  customType,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
} from "drizzle-orm/pg-core";

/** Terms for full-text search. PostgreSQL makes them; nobody here reads them. */
const tsvector = customType<{ data: string }>({ dataType: () => "tsvector" });

/** Stands in a row whose content PostgreSQL refused, and says why by its SQLSTATE. All that it held is left out, and is in the object alone. */
const setAsideMark = () => text("set_aside");

/**
 * The archive. A session's row holds the fence `(epoch, rev)`: every write locks it and applies only if its own is newer.
 * Summaries and items hang on the epoch, so that what belonged to an erased epoch of a session cannot reach the next.
 *
 * Row-level security is on, and forced. The Worker's role sees the tenant that its transaction names, and all of them only for work that
 * has a name: see reach.ts. The roles of Supabase's own API have nothing to do with these tables.
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
    /** A tombstone: the session was erased, and nothing of it may come back. */
    erasedAt: timestamp("erased_at", { withTimezone: true, mode: "date" }),
    /** The metadata was set aside: see `setAsideMark`. */
    setAside: setAsideMark(),
    /** How much of this epoch was set aside, in all tables. */
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
    /** Whose session it is: row-level security goes by it. */
    tenant: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.epoch, table.version] })],
).enableRLS();

/** An item holds from `fromVersion` up to, not including, `toVersion`. */
export const summaryItems = pgTable(
  "summary_items",
  {
    epoch: text().notNull(),
    itemId: text("item_id").notNull(),
    fromVersion: integer("from_version").notNull(),
    toVersion: integer("to_version"),
    kind: text().notNull(),
    text: text().notNull(),
    sourceSeqs: integer("source_seqs").array().notNull(),
    /** The session whose messages these are, if the item was carried over from there. */
    sourceSession: text("source_session"),
    /** Which epoch of it: what is erased there later is erased of these by it. */
    sourceEpoch: text("source_epoch"),
    status: text().notNull(),
    /** Whose session it is, so that one index serves a search of all of them. */
    tenant: text().notNull(),
    owner: text().notNull(),
    /** When the version that it came with was made. */
    madeAt: timestamp("made_at", { withTimezone: true, mode: "date" }).notNull().defaultNow(),
    setAside: setAsideMark(),
    /** Its owner as one term, and those of its text: an index of it answers for one owner without a look at the others. */
    search: tsvector().generatedAlwaysAs(
      sql`array_to_tsvector(memory_terms("text") || (("tenant" || '/'::text) || "owner"))`,
    ),
  },
  (table) => [
    primaryKey({ columns: [table.epoch, table.itemId, table.fromVersion] }),
    index("summary_items_search")
      .using("gin", table.search)
      .with({ fastupdate: false })
      .where(sql`"to_version" is null`),
    index("summary_items_newest")
      .on(table.tenant, table.owner, table.madeAt.desc().nullsFirst())
      .where(sql`"to_version" is null`),
  ],
).enableRLS();

/**
 * Who did what to which session. Partitioned by month, so that what is too old is dropped and not deleted. The Worker adds and
 * reads, and can change nothing; users see nothing.
 */
export const auditEvents = pgTable(
  "audit_events",
  {
    id: text().notNull(),
    at: timestamp({ withTimezone: true, mode: "date", precision: 3 }).notNull(),
    tenant: text(),
    actorKind: text("actor_kind").notNull(),
    actor: text().notNull(),
    /** A keyed hash. */
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
    index("audit_events_tenant").on(table.tenant, table.at, table.id),
    index("audit_events_user")
      .on(table.user, table.at, table.id)
      .where(sql`"user" is not null`),
    index("audit_events_session")
      .on(table.session, table.at, table.id)
      .where(sql`"session" is not null`),
    index("audit_events_actor").on(table.actor, table.at, table.id),
    index("audit_events_action").on(table.action, table.at, table.id),
    index("audit_events_result").on(table.result, table.at, table.id),
  ],
).enableRLS();

/** The log, where the session's settings send it here. A message that was erased keeps its seq and its id. */
export const messages = pgTable(
  "messages",
  {
    epoch: text().notNull(),
    seq: integer().notNull(),
    id: text().notNull(),
    /** The message that it follows; null if that is the one before it. */
    afterSeq: integer("after_seq"),
    role: text().notNull(),
    author: text(),
    content: jsonb(),
    metadata: jsonb(),
    occurredAt: timestamp("occurred_at", { withTimezone: true, mode: "date" }),
    createdAt: timestamp("created_at", { withTimezone: true, mode: "date" }).notNull(),
    editedAt: timestamp("edited_at", { withTimezone: true, mode: "date" }),
    erasedAt: timestamp("erased_at", { withTimezone: true, mode: "date" }),
    /** Whose session it is. */
    tenant: text().notNull(),
    owner: text().notNull(),
    setAside: setAsideMark(),
  },
  (table) => [primaryKey({ columns: [table.epoch, table.seq] })],
).enableRLS();
