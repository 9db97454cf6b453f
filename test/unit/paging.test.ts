import { describe, expect, it } from "vitest";
import { ThreadkeepError } from "../../src/api/errors.ts";
import { encodeCursor, pageOf, readCursor, timedCursorSchema } from "../../src/usecases/paging.ts";

describe("a list by page", () => {
  it.each([
    [0, 3, [], false],
    [3, 3, [1, 2, 3], false],
    [4, 3, [1, 2, 3], true],
    [2, 1, [1], true],
  ])("of %i entries at a limit of %i gives %j, and says whether there is more: %s", (count, limit, data, hasMore) => {
    const entries = Array.from({ length: Math.min(count, limit + 1) }, (_, index) => index + 1);
    const page = pageOf(entries, limit, (last) => [last, `${last}`]);
    expect(page).toMatchObject({ data, hasMore });
    const next = page.nextCursor === null ? null : readCursor(timedCursorSchema, page.nextCursor);
    expect(next).toEqual(hasMore ? [limit, `${limit}`] : null);
  });

  it("begins at the start without a cursor", () => {
    expect(readCursor(timedCursorSchema, undefined)).toBeNull();
  });

  it.each([
    "",
    "~",
    "bm8",
    "eyJhIjoxfQ",
    encodeCursor(["a", "1"]),
    encodeCursor([1]),
    encodeCursor([1, "x".repeat(600)]),
  ])("refuses the cursor %j, and says what to do", (cursor) => {
    expect(() => readCursor(timedCursorSchema, cursor)).toThrow(ThreadkeepError);
    expect(() => readCursor(timedCursorSchema, cursor)).toThrow("start again without a cursor");
  });
});
