import { isStorableTime } from "../../api/text.ts";
import { toIsoTime } from "./iso-time.ts";

/**
 * When a message was said, as its row has it. "Tomorrow" is another day by the clock of whoever said it than by UTC's, so the offset
 * that they told stays with the moment: in the same column, as a text, so that a message without one is stored as ever.
 */

export interface SaidAt {
  /** In ms since 1970; null if it was said as it came in. */
  readonly occurredAt: number | null;
  /** Of the clock that it was told by, from UTC; null if that is UTC's. */
  readonly offsetMinutes: number | null;
}

const MINUTE_MS = 60_000;
const NOT_TOLD: SaidAt = { occurredAt: null, offsetMinutes: null };

/** @param time ISO 8601 with a zone */
export function readSaidAt(time: string | undefined): SaidAt {
  if (time === undefined) return NOT_TOLD;
  const occurredAt = Date.parse(time);
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)$/.exec(time) ?? [];
  const offset = (sign === "-" ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0));
  // At either end of the calendar the local day may be in a year that has no four digits.
  const isTold = offset !== 0 && isStorableTime(occurredAt + offset * MINUTE_MS);
  return { occurredAt, offsetMinutes: isTold ? offset : null };
}

/** As the column `occurred_at` has it: the moment, or a text where it has an offset. */
export function toStoredTime({ occurredAt, offsetMinutes }: SaidAt): number | string | null {
  return occurredAt === null || offsetMinutes === null ? occurredAt : isoWithOffset(occurredAt, offsetMinutes);
}

export function fromStoredTime(stored: unknown): SaidAt {
  if (typeof stored === "string") return readSaidAt(stored);
  return typeof stored === "number" ? { occurredAt: stored, offsetMinutes: null } : NOT_TOLD;
}

/** When a message was said, as a prompt, an answer and an export have it: by the clock of whoever said it. */
export function saidTime({ occurredAt, offsetMinutes, createdAt }: SaidAt & { readonly createdAt: number }): string {
  return isoWithOffset(occurredAt ?? createdAt, occurredAt === null ? null : offsetMinutes);
}

/** The moment at which a clock in UTC shows what theirs did: what days are reckoned by. */
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
