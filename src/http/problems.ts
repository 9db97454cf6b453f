/** Problem documents as answers of the HTTP surface. */

import { type Fault, PROBLEMS } from "../contracts/errors.ts";
import { problemOf } from "../contracts/problem.ts";
import { DAY_SECONDS } from "../contracts/quota.ts";

/** The answer for a fault, with the headers that its code calls for. */
export function problemAnswer(
  fault: Fault,
  requestId: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const answer = Response.json(problemOf(fault, requestId), {
    status: PROBLEMS[fault.code].status,
    headers: { ...headers, "Content-Type": "application/problem+json" },
  });
  if (fault.retryAfterSeconds !== undefined) {
    answer.headers.set("Retry-After", String(Math.ceil(fault.retryAfterSeconds)));
  }
  if (fault.quota !== undefined) {
    const { name, limit, remaining, resetSeconds } = fault.quota;
    // draft-ietf-httpapi-ratelimit-headers: q the quota, w its window in seconds, r what remains, t seconds until it is there anew.
    answer.headers.set("RateLimit-Policy", `"${name}";q=${limit};w=${DAY_SECONDS}`);
    answer.headers.set("RateLimit", `"${name}";r=${remaining};t=${resetSeconds}`);
  }
  if (fault.code === "unauthenticated") {
    answer.headers.set("WWW-Authenticate", 'Bearer realm="threadkeep"');
  }
  return answer;
}
