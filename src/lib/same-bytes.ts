import { timingSafeEqual } from "node:crypto";

/**
 * Compares what somebody sent with a secret, or with its hash. It takes as long whichever byte differs, so the time of
 * an answer reveals nothing. The lengths are no secret.
 */
export function areSameBytes(given: Uint8Array, expected: Uint8Array): boolean {
  return given.byteLength === expected.byteLength && timingSafeEqual(given, expected);
}
