import type { Content, Part, TokenCount } from "../contracts/message.ts";
import { cutInput } from "./cut-input.ts";
import { fileInWords } from "./file-words.ts";
import { providerStepsInWords } from "./formats/provider-steps.ts";
import { contentTokens } from "./message-text.ts";
import { estimateTokens, isWithinTokens } from "./tokens.ts";
import { outputText, promptedOutput } from "./tool-output.ts";

/** What has no room for all of itself: the head and the tail stay, and a marker says how much is gone between them. */

/** Room for the text that a cut leaves behind. */
export const CUT_MARKER_TOKENS = 24;

/** Text of at most so many tokens, if the marker has room: its head and its tail, and between them what says how much is gone. */
export function cutText(text: string, maxTokens: TokenCount): string {
  if (isWithinTokens(text, maxTokens)) return text;
  for (let room = Math.max(0, maxTokens - CUT_MARKER_TOKENS); ;) {
    const cut = headAndTail(text, room);
    const over = estimateTokens(cut) - maxTokens;
    if (over <= 0 || room === 0) return cut;
    // Parts may come to less than the whole.
    room = Math.max(0, room - over);
  }
}

function headAndTail(text: string, maxTokens: TokenCount): string {
  const head = prefixWithin(text, Math.ceil(maxTokens / 2));
  const tail = suffixWithin(text, Math.floor(maxTokens / 2));
  const gone = text.length - head.length - tail.length;
  return `${head}\n[… ${gone} characters cut …]\n${tail}`;
}

function isInsidePair(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** A prefix within a budget. The estimate rises with length but for a token or two, so halving finds nearly the longest. */
export function prefixWithin(text: string, maxTokens: TokenCount): string {
  let low = 0;
  let high = Math.min(text.length, maxTokens * 16);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (isWithinTokens(text.slice(0, middle), maxTokens)) low = middle;
    else high = middle - 1;
  }
  return text.slice(0, isInsidePair(text, low) ? low - 1 : low);
}

function suffixWithin(text: string, maxTokens: TokenCount): string {
  let low = Math.max(0, text.length - maxTokens * 16);
  let high = text.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (isWithinTokens(text.slice(middle), maxTokens)) high = middle;
    else low = middle + 1;
  }
  return text.slice(isInsidePair(text, low) ? low + 1 : low);
}

/** Content of at most so many tokens, if what is in it can give way: the largest parts are cut first, and calls last. */
export function cutContent(content: Content, maxTokens: TokenCount): Content {
  if (typeof content === "string") return cutText(content, maxTokens);
  const parts = providerStepsInWords(content.filter((part) => !part.type.startsWith("data-")));
  const costs = parts.map((part) => contentTokens([part]));
  let total = costs.reduce((sum, cost) => sum + cost, 0);
  const isCall = (index: number): number => (parts[index]?.type === "tool-call" ? 1 : 0);
  const largestFirst = parts
    .map((_, index) => index)
    .toSorted((a, b) => isCall(a) - isCall(b) || (costs[b] ?? 0) - (costs[a] ?? 0));
  const lost = new Set<number>();
  for (const index of largestFirst) {
    if (total <= maxTokens) break;
    const part = parts[index];
    const cost = costs[index];
    if (part === undefined || cost === undefined) continue;
    const cut = cutPart(part, Math.max(CUT_MARKER_TOKENS, cost - (total - maxTokens)));
    if (cut === null) lost.add(index);
    else parts[index] = cut;
    total += (cut === null ? 0 : contentTokens([cut])) - cost;
  }
  const kept = parts.filter((_, index) => !lost.has(index));
  if (kept.length === 0) return "";
  return lost.size === 0 ? kept : kept.map(withoutItemId);
}

/** OpenAI refuses what refers to reasoning that is not there: a part that goes on without it is no more the item that it was. */
function withoutItemId(part: Part): Part {
  if (!("providerOptions" in part) || part.providerOptions === undefined) return part;
  const { openai: _, azure: _azure, ...providerOptions } = part.providerOptions;
  return { ...part, providerOptions };
}

/** A part of at most so many tokens, as far as it can give way; null for reasoning that is signed, and refused with any other text. */
export function cutPart(part: Part, maxTokens: TokenCount): Part | null {
  const frame = contentTokens([part]);
  if (frame <= maxTokens) return part;
  switch (part.type) {
    case "reasoning":
      if (part.providerOptions !== undefined) return null;
      return { ...part, text: cutText(part.text, maxTokens - (frame - estimateTokens(part.text))) };
    case "text":
      return { ...part, text: cutText(part.text, maxTokens - (frame - estimateTokens(part.text))) };
    case "tool-result": {
      const text = outputText(promptedOutput(part.output));
      const around = contentTokens([{ ...part, output: "" }]);
      return { ...part, output: { type: "text", value: cutText(text, maxTokens - around) } };
    }
    case "file": {
      const named: Part = { type: "text", text: `${fileInWords(part)} (left out: no room)` };
      return contentTokens([named]) <= maxTokens ? named : { type: "text", text: "[file left out: no room]" };
    }
    case "tool-call": {
      // Which tool was called for what stays: what a provider ran itself it wants back as it was.
      if (part.providerExecuted === true) return part;
      const around = contentTokens([{ ...part, input: {} }]);
      return { ...part, input: cutInput(part.input, maxTokens - around) };
    }
    default:
      return part;
  }
}
