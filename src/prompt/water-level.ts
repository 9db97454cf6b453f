import type { TokenCount } from "../api/message.ts";

/**
 * The largest size to which every cost must be limited so that their sum is at most `room`; costs below it stay as they
 * are. Returns MAX_SAFE_INTEGER if everything fits.
 */
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
