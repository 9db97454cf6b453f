/** Which request caused what, as W3C Trace Context writes it (https://www.w3.org/TR/trace-context/): one header, `traceparent`. */

const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
/** Sampled: whoever gets it may record it. */
const FLAGS = "01";

/** A `traceparent` of our own: goes on with the trace that the caller named, or begins one. One that is malformed begins one too. */
export function continueTrace(given: string | null | undefined): string {
  const traceId = traceIdOf(given) ?? randomHex(16);
  return `00-${traceId}-${randomHex(8)}-${FLAGS}`;
}

/** The id that is the same in all that one request caused; undefined if there is none. */
export function traceIdOf(traceparent: string | null | undefined): string | undefined {
  return TRACEPARENT.exec(traceparent ?? "")?.[1];
}

function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}
