import { MAX_PAGE_BYTES } from "../../api/limits.ts";
import { jsonBytes } from "../../api/text.ts";

/**
 * Takes entries until `limit` of them, or MAX_PAGE_BYTES of their JSON, are reached; always at least one, however
 * large. It reads one entry more than it returns, to know whether there are more, and none after that.
 */
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
