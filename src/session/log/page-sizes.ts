import type { TokenCount } from "../../api/message.ts";
import { MESSAGE_OVERHEAD_TOKENS } from "../../prompt/message-text.ts";
import { number, type Row } from "../sqlite/index.ts";

/** Rows of the first page that is read: most contexts need about as many. */
const FIRST_PAGE_ROWS = 32;
const MAX_PAGE_ROWS = 128;
/** How many rows more than estimated a page has. */
const SPARE_PAGE_ROWS = 4;

/** The budget for which messages are read. */
export interface Room {
  readonly tokens: TokenCount;
  /** The average cost of a message of this log. */
  readonly average: TokenCount;
}

/** How many rows each page has. */
export interface PageSizes {
  readonly first: number;
  /**
   * The rows of the next page.
   * @param limit the rows of the last page, at most
   * @param rows those that it had
   */
  next(limit: number, rows: readonly Row[]): number;
}

/** Pages that grow the longer the caller reads. */
export const GROWING: PageSizes = {
  first: FIRST_PAGE_ROWS,
  next: (limit) => Math.min(MAX_PAGE_ROWS, 2 * limit),
};

/** Pages of about as many rows as the budget has room for, estimated from the rows that were read. */
export function within(room: Room): PageSizes {
  let read = 0;
  let tokens = 0;
  const pageOf = (fitting: number, most: number): number => Math.min(most, Math.ceil(fitting) + SPARE_PAGE_ROWS);
  return {
    // At most twice the usual first page: the newest messages may be longer than the average.
    first: pageOf(room.tokens / Math.max(1, room.average), 2 * FIRST_PAGE_ROWS),
    next(limit, rows) {
      read += rows.length;
      for (const row of rows) tokens += number(row["tokens"]) + MESSAGE_OVERHEAD_TOKENS;
      const fitting = ((room.tokens - tokens) * read) / tokens;
      return fitting > 0 ? pageOf(fitting, MAX_PAGE_ROWS) : GROWING.next(limit, rows);
    },
  };
}
