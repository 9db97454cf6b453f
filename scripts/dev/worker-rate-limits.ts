// Runs in workerd, in the isolate of the Worker and its objects, only locally: the rate limiters that wrangler.toml
// declares. Each count of Miniflare's own limiters is a request to an object in another isolate. That takes more time than
// most requests, and what it leaves behind in native memory is collected too late.

/** As wrangler.toml declares a limiter. */
export interface RateLimit {
  readonly simple: { readonly limit: number; readonly period: number };
}

interface Limiter {
  limit(options: { readonly key: string }): Promise<{ readonly success: boolean }>;
}

/**
 * How many keys a limiter counts at once. If there are more in one period, the one that it has counted for the longest
 * time begins again at 0, so that a flood of names does not fill the memory.
 * @internal Tests go up to it and past it.
 */
export const MAX_KEYS = 10_000;

/** Replaces the bindings of rate limiters. The Worker and its objects have the same `env`, so they count together. */
export function bindRateLimits(env: Record<string, unknown>, declared: Readonly<Record<string, RateLimit>>): void {
  for (const [name, { simple }] of Object.entries(declared)) env[name] = createLimiter(simple);
}

/**
 * Admits `limit` calls with the same key in each period. Periods begin at the same moments for all keys, as they do in
 * Miniflare.
 * @param period in seconds
 * @param now in milliseconds since 1970
 */
export function createLimiter({ limit, period }: RateLimit["simple"], now: () => number = Date.now): Limiter {
  const counts = new Map<string, number>();
  let current = 0;
  return {
    async limit({ key }) {
      const at = Math.floor(now() / (period * 1_000));
      if (at !== current) counts.clear();
      current = at;
      const count = counts.get(key) ?? 0;
      if (count >= limit) return { success: false };
      if (count === 0 && counts.size >= MAX_KEYS) counts.delete(counts.keys().next().value ?? "");
      counts.set(key, count + 1);
      return { success: true };
    },
  };
}
