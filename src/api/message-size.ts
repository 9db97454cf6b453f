import { ThreadkeepError } from "./errors.ts";
import { MAX_MESSAGE_BYTES } from "./limits.ts";
import type { Content } from "./message.ts";
import { byteLength } from "./text.ts";

/**
 * Refuses contents that are larger than a message may be. It is not part of a schema, because the answer is a 413, not
 * a 422.
 * @throws {ThreadkeepError} `message_too_large`, with the path of each
 */
export function refuseOversize(contents: readonly { path: string; content: Content }[]): void {
  const errors = contents.flatMap(({ path, content }) => {
    const bytes = byteLength(JSON.stringify(content));
    return bytes <= MAX_MESSAGE_BYTES ? [] : [{ path, detail: `has ${bytes} bytes as JSON` }];
  });
  if (errors.length === 0) return;
  throw new ThreadkeepError({
    code: "message_too_large",
    detail: `A message holds at most ${MAX_MESSAGE_BYTES} bytes. Store large content elsewhere and append a reference to it.`,
    errors,
    facts: { maxBytes: MAX_MESSAGE_BYTES },
  });
}
