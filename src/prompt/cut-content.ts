import type { Content, Part, TokenCount } from "../api/message.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import { cutInput } from "./cut-input.ts";
import { CUT_MARKER_TOKENS, cutText } from "./cut-text.ts";
import { fileInWords } from "./file-words.ts";
import { providerStepsInWords } from "./formats/provider-steps.ts";
import { contentTokens } from "./message-text.ts";
import { outputText, promptedOutput } from "./tool-output.ts";

/** The parts of a message, cut to what there is room for. */

/** Content of at most so many tokens, if what is in it can give way: the largest parts are cut first, and calls last. */
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
    // Each part takes something besides its words: as one text some of them may still have room.
    const whole = said.flatMap((part, index) => (lost.has(index) ? [] : [part.type === "text" ? part : parts[index]]));
    return cutText(whole.map((part) => (part?.type === "text" ? part.text : "")).join("\n"), maxTokens);
  }
  return lost.size === 0 ? kept : kept.map(withoutItemId);
}

function isPlainText(part: Part): boolean {
  return part.type === "text" && part.providerOptions === undefined;
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
