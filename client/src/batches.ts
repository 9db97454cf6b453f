/** As many messages go into one append. */
const MAX_MESSAGES = 100;
/** Of them as JSON, at most, but for a single message: a body may have 8 MiB. */
const MAX_BYTES = 6 * 1024 * 1024;

/** Messages in batches that one append takes each, in order. */
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

/** The bytes of a value as JSON. */
export function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).byteLength;
}
