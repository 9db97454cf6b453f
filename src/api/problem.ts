/** The only place that turns a thrown error into a problem document (RFC 9457), for every surface. */

import { type Fault, PROBLEMS, type Problem, ThreadkeepError } from "./errors.ts";

/**
 * Retry-After of a passing failure: a Durable Object that restarts or is overloaded is usually back within seconds.
 */
const RETRY_AFTER_SECONDS = 2;

/**
 * The fault that a client gets for an error. An error that is not a `ThreadkeepError` becomes `internal`, without its
 * message.
 */
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

/**
 * Whether the error is a temporary failure of a Durable Object: its connection broke, it was reset, or it is
 * overloaded.
 */
function isPassing(thrown: unknown): boolean {
  if (typeof thrown !== "object" || thrown === null) return false;
  const flag = (name: string) => Reflect.get(thrown, name) === true;
  return flag("overloaded") || flag("retryable") || flag("durableObjectReset");
}

export function problemOf(fault: Fault, requestId: string): Problem {
  const { status, title } = PROBLEMS[fault.code];
  return {
    // Facts come first, so that a fact can never overwrite a standard member.
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
