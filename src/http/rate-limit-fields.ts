import { DAY_SECONDS, type Quota } from "../api/quota.ts";

/** What the fields are for, as the OpenAPI document says it. */
export const RATE_LIMIT_FIELDS = {
  "RateLimit-Policy": "The bounds of the session's day, where there are any: `q` of each in `w` seconds",
  RateLimit: "What is left of them: `r` of each, until all is there anew in `t` seconds",
} as const;

/** The header fields of draft-ietf-httpapi-ratelimit-headers; none without a quota. */
export function rateLimitFields(quotas: readonly Quota[]): Record<string, string> {
  if (quotas.length === 0) return {};
  return {
    "RateLimit-Policy": quotas.map(({ name, limit }) => `"${name}";q=${limit};w=${DAY_SECONDS}`).join(", "),
    RateLimit: quotas
      .map(({ name, remaining, resetSeconds }) => `"${name}";r=${remaining};t=${resetSeconds}`)
      .join(", "),
  };
}
