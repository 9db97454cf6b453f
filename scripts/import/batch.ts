// Decides how many waiting messages go into one append.
import { MAX_BODY_BYTES, MAX_MESSAGES_PER_APPEND } from "../../src/api/limits.ts";
import type { Prepared } from "./prepare.ts";

/** Bytes around the messages of a body, with some to spare. */
const ENVELOPE_BYTES = 1_024;
/** @internal Tests go up to it and past it. */
export const MAX_BATCH_BYTES = MAX_BODY_BYTES - ENVELOPE_BYTES;

/** Whether there are enough messages for a full append. */
export function isFullBatch(count: number, bytes: number): boolean {
  return count >= MAX_MESSAGES_PER_APPEND || bytes >= MAX_BATCH_BYTES;
}

/**
 * How many of the first messages one append takes: at most 100, at most the size of a body, and no id twice, because
 * the service refuses a batch with a duplicate id. In a conversation with branches each message must follow the one
 * before it, because the seq of any other is known only after it was appended. At least one.
 */
export function batchLength(waiting: readonly Prepared[]): number {
  const ids = new Set<string>();
  let bytes = 0;
  let length = 0;
  let last: string | undefined;
  for (const { message, bytes: size, after } of waiting) {
    // One byte for the comma between messages.
    bytes += size + 1;
    const isBranching = after !== undefined && after !== last;
    const isOver = length >= MAX_MESSAGES_PER_APPEND || bytes > MAX_BATCH_BYTES || ids.has(message.id) || isBranching;
    if (isOver && length > 0) break;
    ids.add(message.id);
    last = message.id;
    length += 1;
  }
  return length;
}
