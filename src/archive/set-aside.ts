import { and, count, eq, isNotNull } from "drizzle-orm";
import { MAX_TIME_MS, MIN_TIME_MS } from "../api/limits.ts";
import type { Database } from "./database.ts";
import { messages, sessions, summaries, summaryItems } from "./tables.ts";

/**
 * One row that PostgreSQL refuses for what it holds must not hold up its session for good. It is set aside: a row without its content
 * stands in its place, marked with the reason, and all else is archived.
 */

/** A row that was set aside. Names and codes alone: never what it held. */
export interface SetAside {
  /** Such as `message 5`. */
  readonly name: string;
  /** The SQLSTATE that PostgreSQL refused it with. */
  readonly code: string;
}

/** What of one epoch of a session is set aside. */
export interface SetAsideRows {
  readonly total: number;
  /** The first of them. */
  readonly named: readonly SetAside[];
}

/** Rows of each table that are named before they are only counted. */
const MAX_NAMED = 5;

/** SQLSTATE classes of faults that lie in a row: data that has no form, a constraint, a size. Another attempt changes none of them. */
const ROW_FAULT = /^(?:22|23|54)/;
/** A moment that JavaScript cannot write is refused before PostgreSQL sees it: the code is PostgreSQL's own for it. */
const NO_SUCH_MOMENT = "22008";

/** The SQLSTATE of a fault that lies in a row; null of any other fault, which may pass. */
export function rowFaultOf(error: unknown): string | null {
  if (error instanceof RangeError) return NO_SUCH_MOMENT;
  const { cause } = error instanceof Error ? error : new Error("unknown");
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
  return typeof code === "string" && ROW_FAULT.test(code) ? code : null;
}

/** A moment that PostgreSQL has, which is the same as a rule. */
export function nearestMoment(at: Date): Date {
  const ms = at.getTime();
  return new Date(Number.isNaN(ms) ? 0 : Math.min(MAX_TIME_MS, Math.max(MIN_TIME_MS, ms)));
}

/** Writes rows, of which all or none are written. */
export type WriteRows<Row> = (database: Database, rows: readonly Row[]) => Promise<unknown>;

/**
 * Writes rows in parts that get smaller around those that PostgreSQL refuses, and in the place of these what `without` gives. Rejects
 * with any fault that lies in no row.
 */
export async function writeAround<Row>(
  database: Database,
  rows: readonly Row[],
  write: WriteRows<Row>,
  without: (row: Row, code: string) => Row,
): Promise<void> {
  const code = await refusalOf(database, rows, write);
  if (code === null) return;
  const [first, ...others] = rows;
  if (first === undefined) return;
  if (others.length > 0) {
    const half = Math.ceil(rows.length / 2);
    await writeAround(database, rows.slice(0, half), write, without);
    await writeAround(database, rows.slice(half), write, without);
    return;
  }
  await database.transaction((savepoint) => write(savepoint, [without(first, code)]));
}

/** Why PostgreSQL refuses rows; null if it took them. */
export async function refusalOf<Row>(
  database: Database,
  rows: readonly Row[],
  write: WriteRows<Row>,
): Promise<string | null> {
  try {
    await database.transaction((savepoint) => write(savepoint, rows));
    return null;
  } catch (error) {
    const code = rowFaultOf(error);
    if (code === null) throw error;
    return code;
  }
}

/** Counts anew what is set aside of an epoch, keeps the number with its session's row, and tells the first of it. */
export async function countSetAside(database: Database, epoch: string): Promise<SetAsideRows> {
  const tables = [
    { table: messages, key: messages.seq, noun: "message" },
    { table: summaries, key: summaries.version, noun: "version" },
    { table: summaryItems, key: summaryItems.itemId, noun: "item" },
  ] as const;
  const named: SetAside[] = [];
  let total = 0;
  const [row] = await database
    .select({ code: sessions.setAside })
    .from(sessions)
    .where(and(eq(sessions.epoch, epoch), isNotNull(sessions.setAside)));
  if (row !== undefined) {
    total += 1;
    named.push({ name: "the metadata", code: row.code ?? "" });
  }
  for (const { table, key, noun } of tables) {
    const isAside = and(eq(table.epoch, epoch), isNotNull(table.setAside));
    const [counted] = await database.select({ rows: count() }).from(table).where(isAside);
    if (counted === undefined || counted.rows === 0) continue;
    total += counted.rows;
    const found = await database
      .select({ key, code: table.setAside })
      .from(table)
      .where(isAside)
      .orderBy(key)
      .limit(MAX_NAMED);
    named.push(...found.map((one) => ({ name: `${noun} ${one.key}`, code: one.code ?? "" })));
  }
  await database.update(sessions).set({ rowsSetAside: total }).where(eq(sessions.epoch, epoch));
  return { total, named: named.slice(0, MAX_NAMED) };
}
