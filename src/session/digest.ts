import { createHash } from "node:crypto";

/** SHA-256 of lines, in hexadecimal. */
export function digestOf(lines: Iterable<string>): string {
  const hash = createHash("sha256");
  let isFirst = true;
  for (const line of lines) {
    hash.update(isFirst ? line : `\n${line}`);
    isFirst = false;
  }
  return hash.digest("hex");
}
