/** How much a JSON text holds, told before it is read: reading makes an object of each value, and checking looks at each. */

import { ThreadkeepError } from "./errors.ts";
import { MAX_USER_JSON_VALUES } from "./limits.ts";

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
/** Each of them begins a value, or comes before the next one: `,` `[` `{`. */
const BEFORE_VALUES = new Set([0x2c, 0x5b, 0x7b]);

/** Whether a text that is JSON holds more values than a bound. What is no JSON is told as it comes: reading it refuses it. */
export function hasMoreValues(text: string, most: number): boolean {
  // Each takes two characters at least.
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

/** Where a string ends that begins at a quote. Prose is passed over in one step. */
function endOfString(text: string, from: number): number {
  for (let at = text.indexOf('"', from + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    let first = at;
    while (text.charCodeAt(first - 1) === BACKSLASH) first -= 1;
    if ((at - first) % 2 === 0) return at;
  }
  return text.length;
}

/** Refuses what a user sent before it is read, if it holds more values than one may. */
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
