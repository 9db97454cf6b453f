import type { Page } from "./contract.ts";

/** A list of any length. `for await` iterates over its entries and requests pages as they are needed. */
export interface List<T> extends AsyncIterable<T> {
  /** Only the first page. */
  page(): Promise<Page<T>>;
  pages(): AsyncIterable<Page<T>>;
}

/** @param read requests the page after a cursor, or the first page */
export function listOf<T>(read: (cursor: string | undefined) => Promise<Page<T>>): List<T> {
  async function* pages(): AsyncGenerator<Page<T>> {
    for (let cursor: string | undefined; ;) {
      const page = await read(cursor);
      yield page;
      if (!page.hasMore || page.nextCursor === null) return;
      cursor = page.nextCursor;
    }
  }
  return {
    page: () => read(undefined),
    pages,
    async *[Symbol.asyncIterator]() {
      for await (const { data } of pages()) yield* data;
    },
  };
}
