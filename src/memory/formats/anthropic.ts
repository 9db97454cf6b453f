import type {
  AnthropicAssistantBlock,
  AnthropicContext,
  AnthropicMessage,
  AnthropicUserBlock,
} from "../../contracts/context.ts";
import { isFailure, outputText, toToolOutput } from "../tool-output.ts";
import { attributeParts, attributeText, joinTexts } from "./attribution.ts";
import { fileNote, imageType, isImage, type PromptFile, readFile } from "./files.ts";
import type { Opening } from "./opening.ts";
import { type CallLimits, createCallNamer, inputObject, type NamedCall } from "./tool-parts.ts";
import { isBlank, type PartOf, type Turn } from "./turns.ts";

/** Its refusal of an id says "String should match pattern '^[a-zA-Z0-9_-]+$'". */
const CALL_LIMITS: CallLimits = { maxIdLength: 64, foreignInId: /[^a-zA-Z0-9_-]/, maxNameLength: 128 };

/**
 * Stands before an answer that the window begins with, because the first message has to be the user's. One token: what a
 * message is charged for its frame pays for it.
 */
export const FIRST_USER_NOTE = "[…]";

/**
 * System text and messages for Anthropic's Messages: in turns, the user's first, neighbours of one role merged, a call's result
 * in the very next message. Reasoning is left out: it is refused without the signature of the model that made it.
 */
export function toAnthropic(turns: readonly Turn[], { summary, summaryRole }: Opening): Omit<AnthropicContext, "meta"> {
  const nameCalls = createCallNamer(CALL_LIMITS);
  const system: string[] = [];
  const messages: AnthropicMessage[] = [];
  if (summary !== null) {
    if (summaryRole === "system") system.push(summary);
    else sayAsUser(messages, [{ type: "text", text: summary }]);
  }
  for (const turn of turns) {
    if (turn.role === "user") sayAsUser(messages, attributeParts(turn.author, turn.parts).map(toUserBlock));
    else if (turn.role === "assistant") {
      const calls = nameCalls(turn);
      sayAsAssistant(messages, assistantBlocks(turn, calls));
      sayAsUser(messages, calls.map(toResultBlock));
    } else system.push(attributeText(turn.author, turn.text));
  }
  return { ...(system.length === 0 ? {} : { system: system.join("\n\n") }), messages };
}

function sayAsUser(messages: AnthropicMessage[], blocks: AnthropicUserBlock[]): void {
  const last = messages.at(-1);
  if (blocks.length === 0) return;
  if (last?.role === "user") last.content.push(...blocks);
  else messages.push({ role: "user", content: blocks });
}

function sayAsAssistant(messages: AnthropicMessage[], blocks: AnthropicAssistantBlock[]): void {
  const last = messages.at(-1);
  if (blocks.length === 0) return;
  if (last === undefined) sayAsUser(messages, [{ type: "text", text: FIRST_USER_NOTE }]);
  if (last?.role === "assistant") last.content.push(...blocks);
  else messages.push({ role: "assistant", content: blocks });
}

function assistantBlocks(
  turn: Extract<Turn, { role: "assistant" }>,
  calls: readonly NamedCall[],
): AnthropicAssistantBlock[] {
  const text = joinTexts(turn.parts);
  return [
    ...(text === "" ? [] : [{ type: "text" as const, text: attributeText(turn.author, text) }]),
    ...calls.map(({ id, name, call }) => ({ type: "tool_use" as const, id, name, input: inputObject(call.input) })),
  ];
}

function toResultBlock({ id, result }: NamedCall): AnthropicUserBlock {
  const output = toToolOutput(result.output);
  const content = outputText(output);
  return {
    type: "tool_result",
    tool_use_id: id,
    ...(isBlank(content) ? {} : { content }),
    ...(isFailure(output) ? { is_error: true as const } : {}),
  };
}

function toUserBlock(part: PartOf<"text"> | PartOf<"file">): AnthropicUserBlock {
  if (part.type === "text") return { type: "text", text: part.text };
  const file = readFile(part);
  return (file === null ? null : toFileBlock(file)) ?? { type: "text", text: fileNote(part).text };
}

function toFileBlock(file: PromptFile): AnthropicUserBlock | null {
  if (isImage(file)) {
    if ("url" in file) return { type: "image", source: { type: "url", url: file.url } };
    const type = imageType(file);
    return type === undefined
      ? null
      : { type: "image", source: { type: "base64", media_type: type, data: file.base64 } };
  }
  const title = file.filename === undefined || isBlank(file.filename) ? {} : { title: file.filename };
  if (file.mediaType === "application/pdf") {
    if ("url" in file) return { type: "document", ...title, source: { type: "url", url: file.url } };
    return {
      type: "document",
      ...title,
      source: { type: "base64", media_type: "application/pdf", data: file.base64 },
    };
  }
  if (/^text\//i.test(file.mediaType) && "base64" in file) {
    const bytes = Uint8Array.from(atob(file.base64), (unit) => unit.charCodeAt(0));
    const data = new TextDecoder().decode(bytes);
    if (!isBlank(data)) return { type: "document", ...title, source: { type: "text", media_type: "text/plain", data } };
  }
  return null;
}
