import type { Page } from "./contract.ts";

/** A list of any length: `for await` gives its entries, page after page as they are wanted. */
export interface List<T> extends AsyncIterable<T> {
  /** The first page alone. */
  page(): Promise<Page<T>>;
  pages(): AsyncIterable<Page<T>>;
}

/** @param read the page after a cursor, or the first one */
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
