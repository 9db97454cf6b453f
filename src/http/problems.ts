import { type Fault, PROBLEMS } from "../api/errors.ts";
import { problemOf } from "../api/problem.ts";
import { rateLimitFields } from "./rate-limit-fields.ts";

/** The HTTP response for a fault, with the headers that its code requires. */
export function problemAnswer(
  fault: Fault,
  requestId: string,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const answer = Response.json(problemOf(fault, requestId), {
    status: PROBLEMS[fault.code].status,
    headers: {
      ...headers,
      ...rateLimitFields(fault.quota === undefined ? [] : [fault.quota]),
      "Content-Type": "application/problem+json",
    },
  });
  if (fault.retryAfterSeconds !== undefined) {
    answer.headers.set("Retry-After", String(Math.ceil(fault.retryAfterSeconds)));
  }
  if (fault.code === "unauthenticated") {
    answer.headers.set("WWW-Authenticate", 'Bearer realm="threadkeep"');
  }
  return answer;
}
