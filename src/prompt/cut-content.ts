import type { Content, Part, TokenCount } from "../api/message.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import { cutInput } from "./cut-input.ts";
import { CUT_MARKER_TOKENS, cutText } from "./cut-text.ts";
import { fileInWords } from "./file-words.ts";
import { providerStepsInWords } from "./formats/provider-steps.ts";
import { contentTokens } from "./message-text.ts";
import { outputText, promptedOutput } from "./tool-output.ts";

/** Shortens the parts of a message to a token budget. */

/**
 * Shortens content to at most `maxTokens`, as far as its parts can be shortened: the largest first, tool calls last.
 */
export function cutContent(content: Content, maxTokens: TokenCount): Content {
  if (typeof content === "string") return cutText(content, maxTokens);
  const said = providerStepsInWords(content.filter((part) => !part.type.startsWith("data-")));
  const parts = [...said];
  const costs = parts.map((part) => contentTokens([part]));
  let total = costs.reduce((sum, cost) => sum + cost, 0);
  const isCall = (index: number): number => (parts[index]?.type === "tool-call" ? 1 : 0);
  const largestFirst = parts
    .map((_, index) => index)
    .toSorted((a, b) => isCall(a) - isCall(b) || (costs[b] ?? 0) - (costs[a] ?? 0));
  const lost = new Set<number>();
  let isAllCut = false;
  for (const index of largestFirst) {
    if (total <= maxTokens) break;
    const part = parts[index];
    const cost = costs[index];
    if (part === undefined || cost === undefined) continue;
    const room = cost - (total - maxTokens);
    const cut = cutPart(part, Math.max(CUT_MARKER_TOKENS, room));
    isAllCut ||= room <= CUT_MARKER_TOKENS && part.type === "text";
    if (cut === null) lost.add(index);
    else parts[index] = cut;
    total += (cut === null ? 0 : contentTokens([cut])) - cost;
  }
  const kept = parts.filter((_, index) => !lost.has(index));
  if (kept.length === 0) return "";
  if ((total > maxTokens || isAllCut) && kept.every(isPlainText)) {
    // Each part has an overhead besides its text. Joined into one text, some of them may still fit.
    const whole = said.flatMap((part, index) => (lost.has(index) ? [] : [part.type === "text" ? part : parts[index]]));
    return cutText(whole.map((part) => (part?.type === "text" ? part.text : "")).join("\n"), maxTokens);
  }
  return lost.size === 0 ? kept : kept.map(withoutItemId);
}

function isPlainText(part: Part): boolean {
  return part.type === "text" && part.providerOptions === undefined;
}

/**
 * OpenAI refuses an item that refers to a missing reasoning item. A part whose reasoning was removed therefore loses
 * its item id.
 */
function withoutItemId(part: Part): Part {
  if (!("providerOptions" in part) || part.providerOptions === undefined) return part;
  const { openai: _, azure: _azure, ...providerOptions } = part.providerOptions;
  return { ...part, providerOptions };
}

/**
 * Shortens a part to at most `maxTokens`, as far as possible. Null for signed reasoning: providers refuse it with any
 * other text, so it can only be removed.
 */
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
      // A call that the provider executed itself must be sent back unchanged.
      if (part.providerExecuted === true) return part;
      const around = contentTokens([{ ...part, input: {} }]);
      return { ...part, input: cutInput(part.input, maxTokens - around) };
    }
    default:
      return part;
  }
}
