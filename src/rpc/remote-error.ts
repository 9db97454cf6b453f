import { type Fault, PROBLEMS } from "../api/errors.ts";

/**
 * A fault as it crosses to the calling Worker. The runtime carries an error's name, message and own properties, not its class: the
 * properties are those of the client's ThreadkeepError, and the message begins with the code for whoever sees no more than that.
 */
export function remoteError(fault: Fault, requestId: string): Error {
  const error = new Error(`${fault.code}: ${fault.detail}`);
  error.name = "ThreadkeepError";
  // Where in our code it was thrown is nobody else's business.
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
