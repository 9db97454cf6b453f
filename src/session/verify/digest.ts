import { createHash } from "node:crypto";

/**
 * Lines are collected to this many characters before they are hashed: one call of `update` for each line would take
 * longer than the hashing.
 */
const MAX_HELD_LENGTH = 64 * 1024;

/** SHA-256 of lines that are joined by "\n", in hexadecimal. */
export function digestOf(lines: Iterable<string>): string {
  const hash = createHash("sha256");
  let held = "";
  let isFirst = true;
  for (const line of lines) {
    held += isFirst ? line : `\n${line}`;
    isFirst = false;
    if (held.length < MAX_HELD_LENGTH) continue;
    hash.update(held);
    held = "";
  }
  return hash.update(held).digest("hex");
}
