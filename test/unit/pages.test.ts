import { describe, expect, it } from "vitest";
import { MAX_PAGE_BYTES } from "../../src/api/limits.ts";
import { pageOf } from "../../src/session/sqlite/pages.ts";

/** Counts the entries that were read. */
function counted<T>(entries: readonly T[]): { entries: Iterable<T>; read: () => number } {
  let read = 0;
  return {
    read: () => read,
    entries: (function* () {
      for (const entry of entries) {
        read += 1;
        yield entry;
      }
    })(),
  };
}

describe("a page", () => {
  const third = "x".repeat(Math.ceil(MAX_PAGE_BYTES / 3));

  it("ends at its limit, and says whether there is more, after reading one more entry", () => {
    const { entries, read } = counted([1, 2, 3, 4]);
    expect(pageOf(entries, 2)).toEqual({ data: [1, 2], hasMore: true });
    expect(read()).toBe(3);
    expect(pageOf([1, 2], 2)).toEqual({ data: [1, 2], hasMore: false });
    expect(pageOf([], 2)).toEqual({ data: [], hasMore: false });
  });
  it("ends before an entry that would make it too large", () => {
    const { entries, read } = counted([third, third, third, third]);
    expect(pageOf(entries, 10)).toEqual({ data: [third, third], hasMore: true });
    expect(read()).toBe(3);
  });
  it("counts bytes, not characters", () => {
    const cjk = "猫".repeat(Math.ceil(MAX_PAGE_BYTES / 6));
    expect(pageOf([cjk, cjk, cjk], 10).data).toHaveLength(1);
  });
  it("has at least one entry, however large, so that reading can continue after it", () => {
    const huge = "x".repeat(2 * MAX_PAGE_BYTES);
    expect(pageOf([huge, "y"], 10)).toEqual({ data: [huge], hasMore: true });
    expect(pageOf(["y", huge], 10)).toEqual({ data: ["y"], hasMore: true });
  });
});
