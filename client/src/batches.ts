/** The largest number of messages in one append. */
const MAX_MESSAGES = 100;
/** The largest size of an append as JSON, except for a single message. A body may have 8 MiB. */
const MAX_BYTES = 6 * 1024 * 1024;

/** Splits messages into batches for one append each, in order. */
export function batchesOf<Message extends object>(messages: readonly Message[]): Message[][] {
  const batches: Message[][] = [];
  let batch: Message[] = [];
  let bytes = 0;
  for (const message of messages) {
    const added = jsonBytes(message);
    if (batch.length >= MAX_MESSAGES || (batch.length > 0 && bytes + added > MAX_BYTES)) {
      batches.push(batch);
      [batch, bytes] = [[], 0];
    }
    batch.push(message);
    bytes += added;
  }
  return batch.length === 0 ? batches : [...batches, batch];
}

/** The size of a value as JSON, in bytes. */
export function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).byteLength;
}
