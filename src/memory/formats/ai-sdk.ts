import {
  type AiSdkAssistantPart,
  type AiSdkContext,
  type AiSdkMessage,
  type AiSdkUserPart,
  type ProviderOptions,
  providerOptionsSchema,
} from "../../contracts/context.ts";
import type { Json } from "../../contracts/text.ts";
import { toToolOutput } from "../tool-output.ts";
import { attributeParts, attributeText } from "./attribution.ts";
import { fileNote, readFile } from "./files.ts";
import type { Opening } from "./opening.ts";
import type { PartOf, Turn } from "./turns.ts";

/**
 * System text and ModelMessages for the AI SDK, which refuses system messages among the others. Reasoning is kept, with its
 * provider's options: the SDK knows which provider may have it back.
 */
export function toAiSdk(turns: readonly Turn[], { summary, summaryRole }: Opening): Omit<AiSdkContext, "meta"> {
  const system: string[] = [];
  const messages: AiSdkMessage[] = [];
  if (summary !== null) {
    if (summaryRole === "system") system.push(summary);
    else messages.push({ role: "user", content: summary });
  }
  for (const turn of turns) {
    if (turn.role === "user") {
      const content = attributeParts(turn.author, turn.parts).map(toUserPart);
      messages.push({ role: "user", content: asPlainText(content) ?? content });
    } else if (turn.role === "assistant") {
      const content = assistantParts(turn);
      messages.push({ role: "assistant", content: asPlainText(content) ?? content });
      if (turn.calls.length > 0) messages.push({ role: "tool", content: turn.calls.map(toResult) });
    } else system.push(attributeText(turn.author, turn.text));
  }
  return { ...(system.length === 0 ? {} : { system: system.join("\n\n") }), messages };
}

function toUserPart(part: PartOf<"text"> | PartOf<"file">): AiSdkUserPart {
  if (part.type === "text") return { type: "text", text: part.text, ...optionsOf(part) };
  const file = readFile(part);
  if (file === null) return { type: "text", text: fileNote(part).text };
  return {
    type: "file",
    mediaType: file.mediaType,
    data: "url" in file ? file.url : file.base64,
    ...(file.filename === undefined ? {} : { filename: file.filename }),
    ...optionsOf(part),
  };
}

function assistantParts(turn: Extract<Turn, { role: "assistant" }>): AiSdkAssistantPart[] {
  const parts = attributeParts(turn.author, turn.parts);
  return [
    ...parts.map((part): AiSdkAssistantPart =>
      part.type === "reasoning" ? { type: "reasoning", text: part.text, ...optionsOf(part) } : toUserPart(part),
    ),
    ...turn.calls.map(({ call }) => ({
      type: "tool-call" as const,
      toolCallId: call.toolCallId,
      toolName: call.toolName,
      input: call.input,
      ...optionsOf(call),
    })),
  ];
}

function toResult({ result }: { readonly result: PartOf<"tool-result"> }) {
  return {
    type: "tool-result" as const,
    toolCallId: result.toolCallId,
    toolName: result.toolName,
    output: toToolOutput(result.output),
    ...optionsOf(result),
  };
}

/** The text of content that is nothing but one plain text. */
function asPlainText(content: readonly AiSdkAssistantPart[]): string | null {
  const [only, ...others] = content;
  return only?.type === "text" && only.providerOptions === undefined && others.length === 0 ? only.text : null;
}

/** A part's options, where they are by provider: the SDK refuses the whole prompt for any others. */
export function optionsOf(part: { readonly providerOptions?: Record<string, Json> | undefined }): {
  providerOptions?: ProviderOptions;
} {
  const parsed = providerOptionsSchema.safeParse(part.providerOptions);
  return parsed.success ? { providerOptions: parsed.data } : {};
}
