import { and, eq, gt, sql } from "drizzle-orm";
import type { StoredMessage } from "../api/message.ts";
import type { Database } from "./database.ts";
import { nearestMoment, writeAround } from "./set-aside.ts";
import { messages } from "./tables.ts";

/** Rows per INSERT: PostgreSQL accepts 65,535 parameters, and a message has fourteen. */
const ROWS_PER_INSERT = 1_000;

/** A change of a session's messages in the archive. */
export interface MessageWrite {
  /** Messages after this one are deleted first. */
  readonly afterSeq: number;
  /** Messages to insert, or to replace those with the same `seq`. Times are in ms since 1970. */
  readonly rows: readonly StoredMessage[];
}

const date = (ms: number | null): Date | null => (ms === null ? null : new Date(ms));

type InsertedMessage = typeof messages.$inferInsert;

/**
 * Writes messages of one epoch of a session, in the caller's transaction and after its check of the revision.
 * Idempotent.
 * @param isRowByRow set rows aside that PostgreSQL refuses, and write the others
 */
export async function writeMessages(
  database: Database,
  epoch: { readonly tenant: string; readonly owner: string; readonly epoch: string },
  { afterSeq, rows }: MessageWrite,
  isRowByRow = false,
): Promise<void> {
  await deleteMessagesAfter(database, epoch.epoch, afterSeq);
  for (let from = 0; from < rows.length; from += ROWS_PER_INSERT) {
    const inserted = rows.slice(from, from + ROWS_PER_INSERT).map((row): InsertedMessage => ({
      ...row,
      ...epoch,
      occurredAt: date(row.occurredAt),
      createdAt: new Date(row.createdAt),
      editedAt: date(row.editedAt),
      erasedAt: date(row.erasedAt),
      setAside: null,
    }));
    if (isRowByRow) await writeAround(database, inserted, insertMessages, withoutContent);
    else await insertMessages(database, inserted);
  }
}

async function insertMessages(database: Database, rows: readonly InsertedMessage[]): Promise<void> {
  await database
    .insert(messages)
    .values([...rows])
    .onConflictDoUpdate({
      target: [messages.epoch, messages.seq],
      // An edit or an erasure changes only these columns.
      set: {
        author: sql`excluded.author`,
        content: sql`excluded.content`,
        metadata: sql`excluded.metadata`,
        occurredAt: sql`excluded.occurred_at`,
        editedAt: sql`excluded.edited_at`,
        erasedAt: sql`excluded.erased_at`,
        setAside: sql`excluded.set_aside`,
      },
    });
}

/**
 * The row of a message that was set aside. It keeps its place in the log. Other times than `createdAt` are dropped,
 * because an import may have brought invalid ones.
 */
function withoutContent(row: InsertedMessage, setAside: string): InsertedMessage {
  const empty = { author: null, content: null, metadata: null, occurredAt: null, editedAt: null, erasedAt: null };
  return { ...row, ...empty, createdAt: nearestMoment(row.createdAt), setAside };
}

/** Deletes the messages of an epoch after `seq`; all of them if it is 0. */
export async function deleteMessagesAfter(database: Database, epoch: string, seq: number): Promise<void> {
  await database.delete(messages).where(and(eq(messages.epoch, epoch), gt(messages.seq, seq)));
}
