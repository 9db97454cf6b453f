/** The one mapper from what was thrown to the problem document that a client reads (RFC 9457), whichever way it comes. */

import { type Fault, PROBLEMS, type Problem, ThreadkeepError } from "./errors.ts";

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
