import type { Part, TokenCount } from "../api/message.ts";
import type { Candidate } from "./candidates.ts";
import { withContent } from "./candidates.ts";
import { providerStepsInWords } from "./formats/provider-steps.ts";
import { partTokens } from "./message-text.ts";
import { outputText, promptedOutput } from "./tool-output.ts";

/** What tools gave for older steps goes first where there is no room for all: its step has been taken, and it can be read again. */

/** So much of a window the outputs of tools may take before the older ones are left out. */
const OUTPUTS_SHARE = 0.5;
/** What takes no more than a line says as much as the line. */
const LINE_TOKENS: TokenCount = 60;

/**
 * Where the outputs begin that stay whole, by the tokens of all messages before it; null if all may stay. It lies at steps, so that a
 * provider's prompt cache keeps hitting.
 * @param newest how many of the newest messages are the step at hand, whose outputs stay
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

/** The message with each output that takes more than a line replaced by one that says where to read it. */
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
