import { sql } from "drizzle-orm";
import { bigint, boolean, index, integer, jsonb, pgTable, primaryKey, text, timestamp } from "drizzle-orm/pg-core";

/**
 * The archive. A session's row holds the fence `(incarnation, rev)`: every write locks it and applies only if its own is newer.
 * Summaries and items hang on the incarnation, so that what belonged to an erased life of a session cannot reach the next.
 *
 * Row-level security is on, and its only policy is for the Worker's role: Supabase's own API, which serves this schema, shows
 * nothing of it.
 */
export const sessions = pgTable(
  "sessions",
  {
    tenant: text().notNull(),
    owner: text().notNull(),
    session: text().notNull(),
    incarnation: text().notNull(),
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
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.owner, table.session] }),
    index("sessions_incarnation").on(table.incarnation),
  ],
).enableRLS();

export const summaries = pgTable(
  "summaries",
  {
    incarnation: text().notNull(),
    version: integer().notNull(),
    throughSeq: integer("through_seq").notNull(),
    tokens: integer().notNull(),
    summarizer: text().notNull(),
    degraded: boolean().notNull(),
    droppedItems: integer("dropped_items").notNull(),
    usage: jsonb(),
    createdAt: timestamp("created_at", { withTimezone: true, mode: "date" }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.incarnation, table.version] })],
).enableRLS();

/** An item holds from `fromVersion` up to, not including, `toVersion`. */
export const summaryItems = pgTable(
  "summary_items",
  {
    incarnation: text().notNull(),
    itemId: text("item_id").notNull(),
    fromVersion: integer("from_version").notNull(),
    toVersion: integer("to_version"),
    kind: text().notNull(),
    text: text().notNull(),
    sourceSeqs: integer("source_seqs").array().notNull(),
    /** The session whose messages these are, if the item was carried over from there. */
    sourceSession: text("source_session"),
    status: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.incarnation, table.itemId, table.fromVersion] })],
).enableRLS();
