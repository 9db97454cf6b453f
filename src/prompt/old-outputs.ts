import type { Part, TokenCount } from "../api/message.ts";
import type { Candidate } from "./candidates.ts";
import { withContent } from "./candidates.ts";
import { providerStepsInWords } from "./formats/provider-steps.ts";
import { partTokens } from "./message-text.ts";
import { outputText, promptedOutput } from "./tool-output.ts";

/**
 * Leaves out the results of older tool calls first if not everything fits: the model has used them already, and can
 * read them again.
 */

/** Share of the window that tool results may take before older ones are left out. */
const OUTPUTS_SHARE = 0.5;
/** A result up to this size stays, because the line that would replace it is about as long. */
const LINE_TOKENS: TokenCount = 60;

/**
 * The point from which on tool results stay whole, as the sum of the tokens of all messages before it; null if all
 * stay. It moves in steps, so that the beginning of the prompt rarely changes and the provider's prompt cache stays
 * valid.
 * @param newest how many of the newest messages form the newest step, whose results always stay
 */
export function wholeOutputsFrom(
  newestFirst: readonly Candidate[],
  newest: number,
  room: TokenCount,
  step: TokenCount,
): TokenCount | null {
  let outputs = 0;
  for (const [index, { message, cost }] of newestFirst.entries()) {
    if (typeof message.content === "string" || message.content === null) continue;
    if (!message.content.some(({ type }) => type === "tool-result")) continue;
    outputs += cost;
    if (index < newest || outputs <= room * OUTPUTS_SHARE) continue;
    const end = message.tokensBefore + cost;
    const first = newestFirst[newest - 1]?.message.tokensBefore ?? end;
    return Math.min(Math.ceil(end / step) * step, Math.max(end, first));
  }
  return null;
}

/** Replaces each large tool result of a message by a line that says where to read it. */
export function leaveOutOutputs(candidate: Candidate): Candidate {
  const { content, seq, id } = candidate.message;
  if (content === null || typeof content === "string") return candidate;
  const line = (length: number): string =>
    `[${length} characters left out: read them in message ${seq} of this session, id ${id}]`;
  const parts = providerStepsInWords(content, (call, result) => ({
    type: "text",
    text: `(The provider's ${call.toolName}: ${line(JSON.stringify(result ?? null).length)})`,
  })).map((part): Part => {
    if (part.type !== "tool-result" || partTokens(part) <= LINE_TOKENS) return part;
    const { length } = outputText(promptedOutput(part.output));
    return { ...part, output: { type: "text", value: line(length) } };
  });
  const isSame = parts.length === content.length && parts.every((part, index) => part === content[index]);
  return isSame ? candidate : withContent(candidate, parts);
}
