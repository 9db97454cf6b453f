import type { TokenCount } from "../api/message.ts";

/** The most that each of several may take so that all of them together take no more than there is room for: the small stay whole. */
export function waterLevel(costs: readonly TokenCount[], room: TokenCount): TokenCount {
  const rising = costs.toSorted((a, b) => a - b);
  let left = room;
  for (const [index, cost] of rising.entries()) {
    const share = Math.floor(left / (rising.length - index));
    if (cost > share) return Math.max(0, share);
    left -= cost;
  }
  return Number.MAX_SAFE_INTEGER;
}
