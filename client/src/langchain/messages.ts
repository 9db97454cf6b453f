import { type AIMessage, type BaseMessage, isAIMessage, isToolMessage } from "@langchain/core/messages";
import type { Content, Json, NewMessage, Part, Role } from "../contract.ts";
import { invalidArgument } from "../errors.ts";
import { storedId } from "../stored-id.ts";

const ROLES: Readonly<Record<string, Role>> = {
  human: "user",
  ai: "assistant",
  system: "system",
  developer: "developer",
  tool: "tool",
  function: "tool",
};
/** Blocks that say again what `tool_calls` says. */
const CALL_BLOCKS: ReadonlySet<string> = new Set([
  "tool_use",
  "tool_call",
  "tool_call_chunk",
  "input_json_delta",
  "server_tool_call",
]);

/** Whether somebody said it: what only tells a graph to change its state is nothing to remember. */
export function isSaid({ type }: BaseMessage): boolean {
  return Object.hasOwn(ROLES, type);
}

/** A message as it is stored. Without an id of its own it is one more message each time it is added. */
export function toStored(message: BaseMessage): NewMessage {
  const role = ROLES[message.type];
  if (role === undefined) {
    throw invalidArgument(`A message of type ${message.type} cannot be remembered. Add messages that somebody said.`);
  }
  const author = role === "user" || role === "assistant" ? message.name : undefined;
  return {
    id: message.id === undefined ? crypto.randomUUID() : storedId(message.id),
    role,
    content: contentOf(message),
    ...(author === undefined || author === "" ? {} : { author }),
  };
}

function contentOf(message: BaseMessage): Content {
  if (isToolMessage(message)) {
    const type = message.status === "error" ? "error-text" : "text";
    const output = { type, value: message.text };
    return [{ type: "tool-result", toolCallId: message.tool_call_id, toolName: message.name ?? "tool", output }];
  }
  const said = typeof message.content === "string" ? textParts(message.content) : message.content.flatMap(blockParts);
  const parts = [...said, ...(isAIMessage(message) ? callParts(message) : [])];
  const [first] = parts;
  if (first === undefined) return "";
  return parts.length === 1 && first.type === "text" ? first.text : parts;
}

function callParts({ tool_calls: calls = [] }: AIMessage): Part[] {
  return calls.map(({ id, name, args }, index) => ({
    type: "tool-call",
    toolCallId: id ?? `call-${index}`,
    toolName: name,
    input: toJson(args),
  }));
}

function textParts(text: string): Part[] {
  return text === "" ? [] : [{ type: "text", text }];
}

function blockParts(block: Readonly<Record<string, unknown>> | string): Part[] {
  if (typeof block === "string") return textParts(block);
  const { type, text, reasoning } = block;
  if (type === "text" && typeof text === "string") return textParts(text);
  if (type === "reasoning" && typeof reasoning === "string") return [{ type: "reasoning", text: reasoning }];
  if (type === "image_url") {
    const url = urlOf(block["image_url"]);
    if (url !== null) return [{ type: "file", mediaType: mediaTypeOf(url), data: url }];
  }
  if (typeof type === "string" && CALL_BLOCKS.has(type)) return [];
  return [{ type: "data-langchain-block", data: toJson(block) }];
}

function urlOf(image: unknown): string | null {
  if (typeof image === "string") return image;
  return typeof image === "object" && image !== null && "url" in image && typeof image.url === "string"
    ? image.url
    : null;
}

function mediaTypeOf(url: string): string {
  return /^data:([\w.+-]+\/[\w.+-]+)/.exec(url)?.[1] ?? "image/*";
}

function toJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value) ?? "null");
}
