import { Buffer } from "node:buffer";
import type { ToolContentEntry, ToolOutput } from "../../api/context-ai-sdk.ts";
import {
  type AnthropicAnswerIn,
  type AnthropicDocumentIn,
  type AnthropicImageIn,
  type AnthropicMessageIn,
  type AnthropicOwnResultIn,
  type AnthropicResultIn,
  type AnthropicShownIn,
  isKnownAnswer,
  isOwnResult,
  isShown,
} from "../../api/incoming-anthropic.ts";
import type { Part } from "../../api/message.ts";
import type { Json } from "../../api/text.ts";
import { isAddress } from "../file-words.ts";
import {
  heldBy,
  heldFile,
  isGiven,
  ownOf,
  type TakenMessages,
  type TakenPart,
  takenOf,
  textTaken,
  UNNAMED_TOOL,
} from "./taken.ts";

type FilePart = Extract<Part, { type: "file" }>;

/** Suffix for the id of the message that is made of the tool results in a user message. */
export const RESULTS_ID_SUFFIX = ".results";

/**
 * Converts a message of Anthropic's Messages API. Tool results in a user message become a separate message of role
 * `tool`, before the user's text.
 */
export function fromAnthropic(message: AnthropicMessageIn, path: string): TakenMessages[] {
  const { role } = message;
  const fields = { ...ownOf(message), role };
  if (typeof message.content === "string") return [textTaken(fields, path, message.content)];
  if (message.role === "assistant") return [takenOf(fields, path, eachOf(message.content, path, toAnswerParts))];
  if (message.role === "system") return [takenOf(fields, path, eachOf(message.content, path, toShownParts))];
  const results: TakenPart[] = [];
  const said: TakenPart[] = [];
  for (const [index, block] of message.content.entries()) {
    const at = `${path}/content/${index}`;
    if (block.type === "tool_result") results.push({ part: toResult(block), path: at });
    else if (block.type !== "container_upload") said.push(...toShownParts(block).map((part) => ({ part, path: at })));
    else said.push({ part: { type: `data-${block.type}`, data: asJson(block) }, path: at });
  }
  const [first] = results;
  if (first === undefined) return [takenOf(fields, path, said)];
  const tool = { ...fields, role: "tool" as const };
  if (said.length === 0) return [takenOf(tool, path, results, first.path)];
  const { id, author: _author, metadata: _metadata, ...rest } = tool;
  const own = id === undefined ? rest : { ...rest, id: `${id}${RESULTS_ID_SUFFIX}` };
  // The user's text follows the results; only the results follow `afterSeq`.
  const { afterSeq: _afterSeq, ...following } = fields;
  return [takenOf(own, path, results, first.path), takenOf(following, path, said)];
}

function eachOf<B>(blocks: readonly B[], path: string, toParts: (block: B) => Part[]): TakenPart[] {
  return blocks.flatMap((block, index) => toParts(block).map((part) => ({ part, path: `${path}/content/${index}` })));
}

function toAnswerParts(block: AnthropicAnswerIn): Part[] {
  if (isOwnResult(block)) return [toOwnResult(block)];
  if (!isKnownAnswer(block)) return [{ type: `data-${block.type}`, data: asJson(block) }];
  switch (block.type) {
    case "text":
      return toTextParts(block);
    case "thinking":
      return [{ type: "reasoning", text: block.thinking, ...signed({ signature: block.signature }) }];
    case "redacted_thinking":
      return [{ type: "reasoning", text: "", ...signed({ redactedData: block.data }) }];
    case "tool_use":
      return [callPart(block)];
    case "server_tool_use":
      return [{ ...callPart(block), providerExecuted: true }];
    case "mcp_tool_use": {
      const server = isGiven(block.server_name) ? { serverName: block.server_name } : {};
      return [{ ...callPart(block), providerExecuted: true, ...signed({ type: "mcp-tool-use", ...server }) }];
    }
  }
}

/** Stores data that only Anthropic reads in the place where the AI SDK has it. */
function signed(anthropic: { [key: string]: Json }) {
  return { providerOptions: { anthropic } };
}

function callPart({ id, name, input }: { readonly id: string; readonly name: string; readonly input: Json }) {
  return { type: "tool-call" as const, toolCallId: id, toolName: name, input };
}

function toOwnResult(block: AnthropicOwnResultIn): Part {
  const { content } = block;
  const isError = block.is_error === true || (isObject(content) && String(content["type"]).endsWith("_error"));
  const value = Array.isArray(content) ? content.map(toFoundPage) : content;
  return {
    type: "tool-result",
    toolCallId: block.tool_use_id,
    toolName: block.type.slice(0, -"_tool_result".length),
    output: { type: isError ? "error-json" : "json", value },
    providerExecuted: true,
  };
}

/** A page found by a web search, with the AI SDK's field names; other values unchanged. */
function toFoundPage(page: Json): Json {
  if (!isObject(page) || page["type"] !== "web_search_result") return page;
  const { encrypted_content: encryptedContent = null, page_age: pageAge = null, ...rest } = page;
  return { ...rest, pageAge, encryptedContent };
}

function isObject(value: Json): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asJson(block: object): Json {
  return JSON.parse(JSON.stringify(block));
}

function toTextParts({ text, citations }: { readonly text: string; readonly citations?: Json | undefined }): Part[] {
  const cited = Array.isArray(citations) && citations.length > 0;
  return [{ type: "text", text }, ...(cited ? [{ type: "data-citations" as const, data: citations }] : [])];
}

function toShownParts(block: AnthropicShownIn): Part[] {
  switch (block.type) {
    case "text":
      return toTextParts(block);
    case "image":
      return [toImage(block)];
    case "document":
      return toDocument(block);
    case "search_result":
      return [{ type: "text", text: searchResultText(block) }];
  }
}

function searchResultText({ title, source, content }: Extract<AnthropicShownIn, { type: "search_result" }>): string {
  return [`${title} (${source})`, ...content.map(({ text }) => text)].join("\n");
}

function toImage({ source }: AnthropicImageIn): FilePart {
  switch (source.type) {
    case "base64":
      return { type: "file", mediaType: source.media_type, data: source.data };
    case "url":
      return { type: "file", mediaType: "image/*", data: source.url };
    case "file":
      return { type: "file", mediaType: "image/*", data: heldFile("anthropic", source.file_id) };
  }
}

function toDocument({ source, title, context }: AnthropicDocumentIn): Part[] {
  const named = isGiven(title) ? { filename: title } : {};
  // The document's context becomes a text before it, because no other provider has a field for it.
  const told: Part[] = !isGiven(context) || context === "" ? [] : [{ type: "text", text: context }];
  const file = (mediaType: string, data: string): Part[] => [...told, { type: "file", mediaType, data, ...named }];
  switch (source.type) {
    case "base64":
      return file(source.media_type, source.data);
    case "url":
      return file("application/pdf", source.url);
    case "file":
      return file("application/pdf", heldFile("anthropic", source.file_id));
    case "text":
      return file("text/plain", toBase64(source.data));
    case "content":
      if (typeof source.content === "string") return file("text/plain", toBase64(source.content));
      return [...told, ...source.content.flatMap(toShownParts)];
  }
}

function toBase64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}

function toResult({ tool_use_id: toolCallId, content, is_error: isError }: AnthropicResultIn): Part {
  const output = toOutput(content ?? "", isError === true);
  return { type: "tool-result", toolCallId, toolName: UNNAMED_TOOL, output: asJson(output) };
}

function toOutput(content: NonNullable<AnthropicResultIn["content"]>, isError: boolean): ToolOutput {
  if (typeof content === "string") return { type: isError ? "error-text" : "text", value: content };
  const entries = content.flatMap((block): ToolContentEntry[] =>
    isShown(block) ? toShownParts(block).flatMap(toEntry) : [{ type: "text", text: JSON.stringify(block) }],
  );
  const texts = entries.flatMap((entry) => (entry.type === "text" ? [entry.text] : []));
  // The error form of an output can only contain text.
  if (isError) return { type: "error-text", value: texts.join("\n") };
  const isText = texts.length === entries.length && texts.length < 2;
  return isText ? { type: "text", value: texts.join("\n") } : { type: "content", value: entries };
}

function toEntry(part: Part): ToolContentEntry[] {
  if (part.type === "text") return [{ type: "text", text: part.text }];
  if (part.type !== "file") return [];
  const { mediaType, data, filename } = part;
  const named = filename === undefined ? {} : { filename };
  const held = heldBy("anthropic", data);
  if (held !== null) {
    return [{ type: "file", mediaType, data: { type: "reference", reference: { anthropic: held } }, ...named }];
  }
  return [
    isAddress(data)
      ? { type: "file", mediaType, data: { type: "url", url: data }, ...named }
      : { type: "file", mediaType, data: { type: "data", data }, ...named },
  ];
}
