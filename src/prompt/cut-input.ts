import type { TokenCount } from "../api/message.ts";
import type { Json } from "../api/text.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import { cutText } from "./cut-text.ts";
import { waterLevel } from "./water-level.ts";

/**
 * Shortens the input of a tool call that is too large, such as a file to write: long strings are cut, the structure
 * stays.
 */

/** Strings up to this size are ordinary arguments and are not shortened further. */
const MIN_TEXT_TOKENS: TokenCount = 40;

export function cutInput(input: Json, maxTokens: TokenCount): Json {
  const costs: TokenCount[] = [];
  walkTexts(input, (text) => {
    costs.push(estimateTokens(text));
    return text;
  });
  const texts = costs.reduce((sum, cost) => sum + cost, 0);
  const frame = Math.max(0, estimateTokens(JSON.stringify(input)) - texts);
  // A string takes a little more tokens inside JSON, because of escapes; so smaller rooms are tried.
  for (let room = maxTokens - frame; room > 0; room = Math.floor(room * 0.8)) {
    const most = Math.max(MIN_TEXT_TOKENS, waterLevel(costs, room));
    const cut = walkTexts(input, (text) => cutText(text, most));
    if (estimateTokens(JSON.stringify(cut)) <= maxTokens) return cut;
    if (most === MIN_TEXT_TOKENS) break;
  }
  return { input: `[${JSON.stringify(input).length} characters left out]` };
}

function walkTexts(value: Json, change: (text: string) => string): Json {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((entry) => walkTexts(entry, change));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, walkTexts(entry, change)]));
}
