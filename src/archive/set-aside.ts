import { z } from "zod";
import { MAX_TIME_MS, MIN_TIME_MS } from "../api/limits.ts";

/**
 * A row whose content PostgreSQL refuses must not hold up its session forever. It is set aside: a row without content
 * takes its place, marked with the reason, and everything else is archived.
 */

/** The rows of one epoch that are set aside, as PostgreSQL names them. */
export const setAsideRowsSchema = z.object({
  total: z.int(),
  /** The first of them: only a name, such as `message 5`, and the SQLSTATE with which it was refused. */
  named: z.array(z.object({ name: z.string(), code: z.string() })),
});

export type SetAsideRows = z.infer<typeof setAsideRowsSchema>;

/**
 * SQLSTATE classes of errors that are caused by a row's content: invalid data, a constraint, a size. A retry does not
 * change them.
 */
const ROW_FAULT = /^(?:22|23|54)/;

export function isRowFault(sqlState: string): boolean {
  return ROW_FAULT.test(sqlState);
}

/** The nearest time that PostgreSQL can store, normally the same. */
export function nearestMoment(ms: number): string {
  return new Date(Number.isNaN(ms) ? 0 : Math.min(MAX_TIME_MS, Math.max(MIN_TIME_MS, ms))).toISOString();
}
