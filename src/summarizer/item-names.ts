import type { Item } from "../api/summary.ts";

/** Short names for earlier items within one call. They cost few tokens, and a model copies them without mistakes. */
export type ItemNames = ReadonlyMap<string, Item>;

export function nameItems(items: readonly Item[]): ItemNames {
  return new Map(items.map((item, index) => [`i${index + 1}`, item]));
}
