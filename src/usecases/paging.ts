/** Pages of lists, and the cursors that continue them. */

import { z } from "zod";
import { ThreadkeepError } from "../api/errors.ts";
import type { Page } from "../api/page.ts";
import { isStorableTime, safeText } from "../api/text.ts";

export interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Longer than any id. A cursor with a longer one is made up and is not looked up. */
const MAX_CURSOR_ID_LENGTH = 512;

/** The cursor of a list ordered by time: the creation time of its last entry (ms since 1970), and its id. */
export const timedCursorSchema = z.tuple([z.int().refine(isStorableTime), safeText.max(MAX_CURSOR_ID_LENGTH)]);

/**
 * Decodes a cursor; null at the start of a list.
 * @throws {ThreadkeepError} `validation_failed` if it is not a valid cursor
 */
export function readCursor<T>(schema: z.ZodType<T>, cursor: string | undefined): T | null {
  if (cursor === undefined) return null;
  const parsed = schema.safeParse(decode(cursor));
  if (!parsed.success) throw invalidCursor();
  return parsed.data;
}

/**
 * Makes a page of the entries that were read.
 * @param entries up to `limit + 1`: the additional entry shows that there are more
 */
export function pageOf<T>(
  entries: readonly T[],
  limit: number,
  cursorOf: (last: T) => readonly (string | number)[],
): Page<T> {
  const data = entries.slice(0, limit);
  const last = data.at(-1);
  const hasMore = entries.length > limit && last !== undefined;
  return { data, hasMore, nextCursor: hasMore ? encodeCursor(cursorOf(last)) : null };
}

/** Encodes a cursor for clients. It is opaque, so its form may change. */
export function encodeCursor(value: object): string {
  return Buffer.from(JSON.stringify(value), "utf8").toString("base64url");
}

function decode(cursor: string): unknown {
  try {
    return JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
  } catch {
    throw invalidCursor();
  }
}

export function invalidCursor(): ThreadkeepError {
  return new ThreadkeepError({
    code: "validation_failed",
    detail: "The cursor is not valid. Use nextCursor of the previous page unchanged, or start again without a cursor.",
    errors: [{ path: "cursor", detail: "is not valid" }],
  });
}
