/** The one mapper from what was thrown to the problem document that a client reads (RFC 9457). */

import { type Fault, PROBLEMS, type Problem, ThreadkeepError } from "../contracts/errors.ts";
import { DAY_SECONDS } from "../contracts/quota.ts";

/** An object that moves or drains its queue is back within seconds. */
const RETRY_AFTER_SECONDS = 2;

/** The fault that a client is told of. What is not ours becomes `internal`, without a word of what it was. */
export function faultOf(thrown: unknown): Fault {
  if (thrown instanceof ThreadkeepError) return thrown.fault;
  if (isPassing(thrown)) {
    return {
      code: "unavailable",
      detail: "A part of the service is busy or restarting. Send the same request again after Retry-After seconds.",
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    };
  }
  return {
    code: "internal",
    detail:
      "The fault is ours and has been logged. Send the same request again; if it fails again, report the requestId.",
  };
}

/** Whether a Durable Object failed in a way that passes: its stub broke, it was reset, or it is overloaded. */
function isPassing(thrown: unknown): boolean {
  if (typeof thrown !== "object" || thrown === null) return false;
  const flag = (name: string) => Reflect.get(thrown, name) === true;
  return flag("overloaded") || flag("retryable") || flag("durableObjectReset");
}

export function problemOf(fault: Fault, requestId: string): Problem {
  const { status, title } = PROBLEMS[fault.code];
  return {
    // Facts come first: an extension member must not stand in for a member of the standard.
    ...fault.facts,
    type: `/docs#problem-${fault.code}`,
    title,
    status,
    code: fault.code,
    detail: fault.detail,
    requestId,
    ...(fault.errors === undefined ? {} : { errors: [...fault.errors] }),
  };
}

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
