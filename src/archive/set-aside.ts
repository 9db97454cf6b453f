import { and, count, eq, isNotNull } from "drizzle-orm";
import { MAX_TIME_MS, MIN_TIME_MS } from "../api/limits.ts";
import type { Database } from "./database.ts";
import { messages, sessions, summaries, summaryItems } from "./tables.ts";

/**
 * A row whose content PostgreSQL refuses must not hold up its session forever. It is set aside: a row without content
 * takes its place, marked with the reason, and everything else is archived.
 */

/** A row that was set aside. It contains only a name and a code, never the content. */
interface SetAside {
  /** Such as `message 5`. */
  readonly name: string;
  /** The SQLSTATE with which PostgreSQL refused it. */
  readonly code: string;
}

/** The rows of one epoch that are set aside. */
export interface SetAsideRows {
  readonly total: number;
  /** The first of them. */
  readonly named: readonly SetAside[];
}

/** How many rows per table are named; the others are only counted. */
const MAX_NAMED = 5;

/**
 * SQLSTATE classes of errors that are caused by a row's content: invalid data, a constraint, a size. A retry does not
 * change them.
 */
const ROW_FAULT = /^(?:22|23|54)/;
/**
 * JavaScript throws a RangeError for an invalid date before PostgreSQL sees it; this is PostgreSQL's code for the same
 * error.
 */
const NO_SUCH_MOMENT = "22008";

/** The SQLSTATE of an error that is caused by a row's content; null for any other error, which may be temporary. */
export function rowFaultOf(error: unknown): string | null {
  if (error instanceof RangeError) return NO_SUCH_MOMENT;
  const { cause } = error instanceof Error ? error : new Error("unknown");
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
  return typeof code === "string" && ROW_FAULT.test(code) ? code : null;
}

/** The nearest time that PostgreSQL can store, normally the same. */
export function nearestMoment(at: Date): Date {
  const ms = at.getTime();
  return new Date(Number.isNaN(ms) ? 0 : Math.min(MAX_TIME_MS, Math.max(MIN_TIME_MS, ms)));
}

/** Writes either all of the rows or none. */
export type WriteRows<Row> = (database: Database, rows: readonly Row[]) => Promise<unknown>;

/**
 * Writes rows, splitting them in halves around those that PostgreSQL refuses; for a refused row it writes what
 * `without` returns. Rejects with any error that is not caused by a row.
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

/** The SQLSTATE with which PostgreSQL refuses rows; null if it accepted them. */
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

/**
 * Counts the rows of an epoch that are set aside, stores the number in its session's row, and returns the names of the
 * first ones.
 */
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
