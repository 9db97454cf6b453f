import type { AnthropicAssistantBlock, AnthropicSaidBlock, AnthropicUserBlock } from "../../api/context-anthropic.ts";
import type { Json } from "../../api/text.ts";
import { decodeBase64 } from "../file-tokens.ts";
import { heldBy } from "../incoming/taken.ts";
import { isFailure, outputFiles, outputParts, outputText, promptedOutput, toToolOutput } from "../tool-output.ts";
import type { Audience, ToolFiles } from "./audience.ts";
import { fileNote, imageType, isImage, type PromptFile, readFile } from "./files.ts";
import { isRunBy } from "./provider-steps.ts";
import { inputObject, type NamedCall } from "./tool-parts.ts";
import { isBlank, type PartOf } from "./turns.ts";

/** Converts message parts into content blocks of Anthropic's Messages API. */

/** Anthropic accepts only reasoning that it signed itself, and its own web searches. */
export const ANTHROPIC_AUDIENCE: Audience = {
  takesReasoning: (part) => thinkingBlock(part) !== null,
  takesProviderStep: (call, result) => isRunBy("anthropic", call) && searchBlocks(call, result) !== null,
  takesSignedBlanks: false,
};

/** Reasoning with Anthropic's signature, unchanged; null for any other reasoning. */
export function thinkingBlock({ text, providerOptions }: PartOf<"reasoning">): AnthropicAssistantBlock | null {
  const signed = providerOptions?.["anthropic"];
  if (typeof signed !== "object" || signed === null || Array.isArray(signed)) return null;
  const { signature, redactedData } = signed;
  if (typeof signature === "string") return { type: "thinking", thinking: text, signature };
  return typeof redactedData === "string" ? { type: "redacted_thinking", data: redactedData } : null;
}

/** A web search that Anthropic ran, with its results; null if the call is not such a search. */
export function searchBlocks(
  call: PartOf<"tool-call">,
  result: PartOf<"tool-result">,
): AnthropicAssistantBlock[] | null {
  const output = toToolOutput(result.output);
  if (call.toolName !== "web_search" || output.type !== "json" || !Array.isArray(output.value)) return null;
  const found = output.value.map(foundPage);
  if (found.some((page) => page === null) || !/^[a-zA-Z0-9_-]+$/.test(call.toolCallId)) return null;
  return [
    { type: "server_tool_use", id: call.toolCallId, name: "web_search", input: inputObject(call.input) },
    {
      type: "web_search_tool_result",
      tool_use_id: call.toolCallId,
      content: found.filter((page) => page !== null),
    },
  ];
}

function foundPage(page: Json) {
  if (typeof page !== "object" || page === null || Array.isArray(page)) return null;
  const { url, title, encryptedContent, pageAge = null } = page;
  if (typeof url !== "string" || typeof title !== "string" || typeof encryptedContent !== "string") return null;
  if (pageAge !== null && typeof pageAge !== "string") return null;
  return { type: "web_search_result" as const, url, title, encrypted_content: encryptedContent, page_age: pageAge };
}

export function toResultBlock({ id, result }: NamedCall, toolFiles: ToolFiles): AnthropicUserBlock {
  const output = promptedOutput(result.output);
  const isText = toolFiles === "named" || outputFiles(output).length === 0;
  const content = isText ? outputText(output) : outputParts(output).flatMap(shownBlock);
  return {
    type: "tool_result",
    tool_use_id: id,
    ...(typeof content === "string" && isBlank(content) ? {} : { content }),
    ...(isFailure(output) ? { is_error: true as const } : {}),
  };
}

function shownBlock(part: PartOf<"text"> | PartOf<"file">): AnthropicSaidBlock[] {
  return part.type === "text" && isBlank(part.text) ? [] : [toSaidBlock(part)];
}

export function toSaidBlock(part: PartOf<"text"> | PartOf<"file">): AnthropicSaidBlock {
  if (part.type === "text") return { type: "text", text: part.text };
  const held = heldBy("anthropic", part.data);
  if (held !== null) return heldBlock(part, held);
  const file = readFile(part);
  return (file === null ? null : toFileBlock(file)) ?? { type: "text", text: fileNote(part).text };
}

function heldBlock(part: PartOf<"file">, id: string): AnthropicSaidBlock {
  const source = { type: "file" as const, file_id: id };
  if (isImage(part)) return { type: "image", source };
  return { type: "document", ...titleOf(part), source };
}

function titleOf({ filename }: { readonly filename?: string | undefined }) {
  return filename === undefined || isBlank(filename) ? {} : { title: filename };
}

function toFileBlock(file: PromptFile): AnthropicSaidBlock | null {
  if (isImage(file)) {
    if ("url" in file) return { type: "image", source: { type: "url", url: file.url } };
    const type = imageType(file);
    return type === undefined
      ? null
      : { type: "image", source: { type: "base64", media_type: type, data: file.base64 } };
  }
  const title = titleOf(file);
  if (file.mediaType === "application/pdf") {
    if ("url" in file) return { type: "document", ...title, source: { type: "url", url: file.url } };
    return {
      type: "document",
      ...title,
      source: { type: "base64", media_type: "application/pdf", data: file.base64 },
    };
  }
  if (/^text\//i.test(file.mediaType) && "base64" in file) {
    const data = decodeBase64(file.base64);
    if (data !== null && !isBlank(data)) {
      return { type: "document", ...title, source: { type: "text", media_type: "text/plain", data } };
    }
  }
  return null;
}
