/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/): the header `traceparent`, by which logs show which request
 * caused what.
 */

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
/** The flag `sampled`: the receiver may record the trace. */
const FLAGS = "01";

/** Returns a `traceparent` with the caller's trace id, or with a new one if the header is missing or malformed. */
export function continueTrace(given: string | null | undefined): string {
  const traceId = traceIdOf(given) ?? randomHex(16);
  return `00-${traceId}-${randomHex(8)}-${FLAGS}`;
}

/** The trace id, which is the same for everything that one request causes; undefined if there is none. */
export function traceIdOf(traceparent: string | null | undefined): string | undefined {
  return TRACEPARENT.exec(traceparent ?? "")?.[1];
}

function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}
