import { MAX_PAGE_BYTES } from "../../api/limits.ts";
import { jsonBytes } from "../../api/text.ts";

/** As many entries as a page takes, by count and by bytes; one at least, however large. Reads one more than it gives, and no others. */
export function pageOf<T>(entries: Iterable<T>, limit: number): { data: T[]; hasMore: boolean } {
  const data: T[] = [];
  let bytes = 0;
  for (const entry of entries) {
    if (data.length >= limit) return { data, hasMore: true };
    bytes += jsonBytes(entry);
    if (bytes > MAX_PAGE_BYTES && data.length > 0) return { data, hasMore: true };
    data.push(entry);
  }
  return { data, hasMore: false };
}
