import { type Fault, PROBLEMS } from "../api/errors.ts";

/**
 * The error that is thrown to the calling Worker. RPC carries an error's name, message and own properties, but not its
 * class: the properties are those of the client's ThreadkeepError, and the message starts with the code for callers
 * that see only the message.
 */
export function remoteError(fault: Fault, requestId: string): Error {
  const error = new Error(`${fault.code}: ${fault.detail}`);
  error.name = "ThreadkeepError";
  // The stack of our code is not sent to the caller.
  error.stack = `${error.name}: ${error.message}`;
  return Object.assign(error, {
    code: fault.code,
    detail: fault.detail,
    status: PROBLEMS[fault.code].status,
    requestId,
    errors: [...(fault.errors ?? [])],
    facts: {
      ...fault.facts,
      ...(fault.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: fault.retryAfterSeconds }),
    },
  });
}
