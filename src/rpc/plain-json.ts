import { ThreadkeepError } from "../api/errors.ts";
import { MAX_BODY_BYTES } from "../api/limits.ts";
import { byteLength } from "../api/text.ts";

/**
 * What a caller sent, as the JSON that HTTP would have brought: an RPC also carries dates, maps, cycles and live stubs, and up to
 * 32 MiB of them. The same limit holds as for a body.
 */
export function plainJson(value: unknown): unknown {
  const text = writeJson(value);
  if (text === undefined) return undefined;
  if (text.length > MAX_BODY_BYTES || byteLength(text) > MAX_BODY_BYTES) {
    throw new ThreadkeepError({
      code: "body_too_large",
      detail: `A request may have ${MAX_BODY_BYTES} bytes as JSON. Send the messages in several smaller requests.`,
      facts: { maxBytes: MAX_BODY_BYTES },
    });
  }
  return JSON.parse(text);
}

function writeJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    // A cycle, a bigint, or a nesting past what the stack holds.
    throw new ThreadkeepError({
      code: "malformed_json",
      detail: "The request holds what JSON cannot say. Send plain objects, arrays, strings, numbers and booleans.",
    });
  }
}
