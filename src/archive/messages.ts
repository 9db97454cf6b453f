import { and, eq, gt, sql } from "drizzle-orm";
import type { StoredMessage } from "../api/message.ts";
import type { Database } from "./database.ts";
import { nearestMoment, writeAround } from "./set-aside.ts";
import { messages } from "./tables.ts";

/** Rows in one INSERT: PostgreSQL takes 65,535 parameters, and a message has fourteen. */
const ROWS_PER_INSERT = 1_000;

/** A change of what the archive holds of a session's messages. */
export interface MessageWrite {
  /** Whatever is there after this one goes first. */
  readonly afterSeq: number;
  /** Take the place of what is there. Times are in ms since 1970. */
  readonly rows: readonly StoredMessage[];
}

const date = (ms: number | null): Date | null => (ms === null ? null : new Date(ms));

type InsertedMessage = typeof messages.$inferInsert;

/**
 * Writes messages of one epoch of a session, in the caller's transaction and under its fence. Idempotent.
 * @param isRowByRow around those that PostgreSQL refuses, which are set aside
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
      // An edit or an erasure leaves the rest of a message as it is.
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

/** Its place in the log stays. The other moments are the service's own, but for what an import brought. */
function withoutContent(row: InsertedMessage, setAside: string): InsertedMessage {
  const empty = { author: null, content: null, metadata: null, occurredAt: null, editedAt: null, erasedAt: null };
  return { ...row, ...empty, createdAt: nearestMoment(row.createdAt), setAside };
}

/** Deletes the messages of one epoch of a session after a seq; all of them after 0. */
export async function deleteMessagesAfter(database: Database, epoch: string, seq: number): Promise<void> {
  await database.delete(messages).where(and(eq(messages.epoch, epoch), gt(messages.seq, seq)));
}
