import { overwritten, type TableSql } from "../sqlite/index.ts";

// Pieces of SQL that several stores of messages use.

/** SQL for the bytes of a message's content, including what is stored outside of its row. */
export const SAID_BYTES = "octet_length(content) + held_bytes";

/**
 * SQL for what a message cost when it was appended: its running sum less that of the row before. Before the first
 * message there are rows of spaces that cost nothing.
 */
export const APPENDED_COST =
  "(messages.total_cost - (SELECT total_cost FROM messages AS before WHERE before.seq = messages.seq - 1))";

/** SQL for the messages of a JSON list of seqs: not the rows of spaces before the first message. */
export const AMONG_SEQS = "seq > 0 AND seq IN (SELECT value FROM json_each(?))";

/**
 * Overwrites columns of messages with zeros, in place. SQLite does not clear what it frees (the runtime has `PRAGMA
 * secure_delete` off and refuses to set it), but a row that keeps its size keeps its place.
 */
export function overwriteColumns(sql: TableSql, seqs: readonly number[], columns: readonly string[]): void {
  const zeros = columns.map((column) => `${column} = ${overwritten(column)}`);
  sql.exec(`UPDATE messages SET ${zeros.join(", ")} WHERE ${AMONG_SEQS}`, JSON.stringify(seqs));
}
