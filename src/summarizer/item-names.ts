import type { Item } from "../api/summary.ts";

/** Earlier items by the names they have within one call: short ones cost few tokens, and a model copies them without slips. */
export type ItemNames = ReadonlyMap<string, Item>;

export function nameItems(items: readonly Item[]): ItemNames {
  return new Map(items.map((item, index) => [`i${index + 1}`, item]));
}
