/** Lists by page: where one goes on, and whether it does. */

import { z } from "zod";
import { ThreadkeepError } from "../api/errors.ts";
import type { Page } from "../api/page.ts";
import { isStorableTime, safeText } from "../api/text.ts";

export interface PageQuery {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Beyond any id: what is longer was made up, and is asked of no store. */
const MAX_CURSOR_ID_LENGTH = 512;

/** Of a list by time: when its last entry was made (ms since 1970), and its id. */
export const timedCursorSchema = z.tuple([z.int().refine(isStorableTime), safeText.max(MAX_CURSOR_ID_LENGTH)]);

/** What a cursor says; null at the beginning of a list. */
export function readCursor<T>(schema: z.ZodType<T>, cursor: string | undefined): T | null {
  if (cursor === undefined) return null;
  const parsed = schema.safeParse(decode(cursor));
  if (!parsed.success) throw invalidCursor();
  return parsed.data;
}

/** A page of what was read, which is one entry more than asked for: that one tells that there is more. */
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

/** A cursor as clients carry it: opaque, so that its form may change. */
export function encodeCursor(value: readonly (string | number)[]): string {
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
    detail: "The cursor is not one that a list gave. Start again without it.",
    errors: [{ path: "cursor", detail: "is not valid" }],
  });
}
