import { ThreadkeepError } from "../api/errors.ts";
import { MAX_BODY_BYTES } from "../api/limits.ts";
import { byteLength } from "../api/text.ts";

/**
 * Converts a caller's value to plain JSON, as HTTP would carry it: RPC also carries dates, maps, cycles and stubs, and
 * up to 32 MiB. The size limit is that of an HTTP body.
 * @throws {ThreadkeepError} `body_too_large`, or `malformed_json` if JSON cannot represent it
 */
export function plainJson(value: unknown): unknown {
  const text = writeJson(value);
  if (text === undefined) return undefined;
  if (text.length > MAX_BODY_BYTES || byteLength(text) > MAX_BODY_BYTES) {
    throw new ThreadkeepError({
      code: "body_too_large",
      detail: `A request may have at most ${MAX_BODY_BYTES} bytes as JSON. Send the messages in several smaller requests.`,
      facts: { maxBytes: MAX_BODY_BYTES },
    });
  }
  return JSON.parse(text);
}

function writeJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    // The value has a cycle, a bigint, or too many levels for the stack.
    throw new ThreadkeepError({
      code: "malformed_json",
      detail:
        "The request contains values that JSON cannot represent. Send plain objects, arrays, strings, numbers and booleans.",
    });
  }
}
