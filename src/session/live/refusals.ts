import type { Fault } from "../../api/errors.ts";
import { MAX_FRAMES_PER_SECOND, MAX_SOCKETS_PER_SESSION } from "../../api/limits.ts";
import type { Rev } from "../../api/live.ts";

// What a client is told when a socket, or a frame on it, is refused.

/**
 * Close codes (RFC 6455, section 7.4). 1000 to 1999 are defined by the protocol, 4000 to 4999 by the application; those
 * here are 4000 + the HTTP status of the same refusal.
 */
export const CLOSE = {
  unsupported: 1003,
  policy: 1008,
  tooLarge: 1009,
  broken: 1011,
  credentials: 4401,
  forbidden: 4403,
  erased: 4404,
  expired: 4410,
} as const;

/** For a client that acknowledges an event that it was not sent. */
export function notSent(sent: Rev): Fault {
  return {
    code: "validation_failed",
    detail: `The last event that was sent has rev ${sent}. Acknowledge the rev of an event that you received.`,
    errors: [{ path: "/rev", detail: `is past the last event that was sent, ${sent}` }],
  };
}

export const TOO_MANY_SOCKETS: Fault = {
  code: "too_many_sockets",
  detail: `A session has at most ${MAX_SOCKETS_PER_SESSION} open sockets. Close those that are not needed, or try again later.`,
  retryAfterSeconds: 30,
  facts: { maxSockets: MAX_SOCKETS_PER_SESSION },
};
export const TOO_MANY_FRAMES: Fault = {
  code: "too_many_frames",
  detail: `A socket may send at most ${MAX_FRAMES_PER_SECOND} frames a second. Connect again with \`since\`, wait for answers before you send more, and acknowledge many events at a time.`,
  retryAfterSeconds: 1,
  facts: { maxFramesPerSecond: MAX_FRAMES_PER_SECOND },
};
export const ERASED_SESSION: Fault = {
  code: "session_not_found",
  detail: "The session was erased. Delete what you received of it.",
};
export const STALE_CREDENTIALS: Fault = {
  code: "unauthenticated",
  detail:
    "The credentials of this socket have expired or were revoked. Connect again with `since` and valid credentials.",
};
