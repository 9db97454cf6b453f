/**
 * Counts the values of a JSON text before it is parsed, because parsing creates an object for each and validation
 * visits each.
 */

import { ThreadkeepError } from "./errors.ts";
import { MAX_USER_JSON_VALUES } from "./limits.ts";

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
/** The characters that come directly before a value: `,` `[` `{`. */
const BEFORE_VALUES = new Set([0x2c, 0x5b, 0x7b]);

/**
 * Whether a JSON text contains more than `most` values. For a text that is not JSON the result has no meaning: parsing
 * refuses it anyway.
 */
export function hasMoreValues(text: string, most: number): boolean {
  // A value takes at least two characters.
  if (text.length <= 2 * most) return false;
  let values = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (BEFORE_VALUES.has(code)) values += 1;
    if (values > most) return true;
  }
  return false;
}

/**
 * The index of the quote that ends the string which begins at `from`, or the length of the text. Finds it with
 * `indexOf`, so long strings cost little.
 */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let first = at;
    while (text.charCodeAt(first - 1) === BACKSLASH) first -= 1;
    if ((at - first) % 2 === 0) return at;
  }
  return text.length;
}

/**
 * Refuses a text from a user before it is parsed, if it contains more JSON values than a user may send.
 * @throws {ThreadkeepError} `validation_failed`
 */
export function refuseManyValues(text: string): void {
  if (!hasMoreValues(text, MAX_USER_JSON_VALUES)) return;
  const detail = `must hold at most ${MAX_USER_JSON_VALUES} values, names and lists among them`;
  throw new ThreadkeepError({
    code: "validation_failed",
    detail: `What a user sends at once ${detail}. Nothing was changed; send it in smaller parts.`,
    errors: [{ path: "", detail }],
    facts: { maxValues: MAX_USER_JSON_VALUES },
  });
}
