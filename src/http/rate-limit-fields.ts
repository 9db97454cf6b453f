import { DAY_SECONDS, type Quota } from "../api/quota.ts";

/** The response headers and their descriptions in the OpenAPI document. */
export const RATE_LIMIT_FIELDS = {
  "RateLimit-Policy": "The daily quotas of the session, if it has any: at most `q` in `w` seconds",
  RateLimit: "What is left of each quota: `r`, until it is reset in `t` seconds",
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
