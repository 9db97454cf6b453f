import { isStorableTime } from "../../api/text.ts";
import { toIsoTime } from "./iso-time.ts";

// When a message was said, and how its row stores that. "Tomorrow" may be another day by the speaker's clock than in
// UTC, so the offset that the client sent is stored with the time. Both share the column `occurred_at`: a number if
// there is no offset, and an ISO 8601 text with the offset if there is one.

export interface SaidAt {
  /** In ms since 1970; null if the client sent no time: then it counts as said when it was appended. */
  readonly occurredAt: number | null;
  /** How far the speaker's clock is ahead of UTC; null if the client sent the time in UTC. */
  readonly offsetMinutes: number | null;
}

const MINUTE_MS = 60_000;
const NOT_TOLD: SaidAt = { occurredAt: null, offsetMinutes: null };

/** @param time as the client sent it: ISO 8601 with an offset or `Z`; undefined if it sent none */
export function readSaidAt(time: string | undefined): SaidAt {
  if (time === undefined) return NOT_TOLD;
  const occurredAt = Date.parse(time);
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)$/.exec(time) ?? [];
  const offset = (sign === "-" ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0));
  // At either end of the calendar, the local year may have more or less than four digits, which ISO 8601 cannot write.
  const isTold = offset !== 0 && isStorableTime(occurredAt + offset * MINUTE_MS);
  return { occurredAt, offsetMinutes: isTold ? offset : null };
}

/** The value for the column `occurred_at`: see the top of this file. */
export function toStoredTime({ occurredAt, offsetMinutes }: SaidAt): number | string | null {
  return occurredAt === null || offsetMinutes === null ? occurredAt : isoWithOffset(occurredAt, offsetMinutes);
}

export function fromStoredTime(stored: unknown): SaidAt {
  if (typeof stored === "string") return readSaidAt(stored);
  return typeof stored === "number" ? { occurredAt: stored, offsetMinutes: null } : NOT_TOLD;
}

/** When a message was said, as prompts, responses and exports write it: ISO 8601 by the speaker's clock. */
export function saidTime({ occurredAt, offsetMinutes, createdAt }: SaidAt & { readonly createdAt: number }): string {
  return isoWithOffset(occurredAt ?? createdAt, occurredAt === null ? null : offsetMinutes);
}

/**
 * The time (in ms) at which a clock in UTC would show what the speaker's clock showed. Used to tell on which of the
 * speaker's days a message was said.
 */
export function localTime({ occurredAt, offsetMinutes, createdAt }: SaidAt & { readonly createdAt: number }): number {
  return occurredAt === null ? createdAt : occurredAt + (offsetMinutes ?? 0) * MINUTE_MS;
}

function isoWithOffset(ms: number, offsetMinutes: number | null): string {
  if (offsetMinutes === null) return toIsoTime(ms);
  const minutes = Math.abs(offsetMinutes);
  const two = (part: number): string => String(part).padStart(2, "0");
  const offset = `${offsetMinutes < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  return new Date(ms + offsetMinutes * MINUTE_MS).toISOString().replace("Z", offset);
}
