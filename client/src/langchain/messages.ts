import {
  type AIMessage,
  type BaseMessage,
  isAIMessage,
  isToolMessage,
  type ToolMessage,
} from "@langchain/core/messages";
import type { Content, Json, JsonObject, NewMessage, Part, Role } from "../contract.ts";
import { invalidArgument } from "../errors.ts";
import { storedId } from "../stored-id.ts";
import { filePart, toolFile } from "./media.ts";

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
    const { tool_call_id: toolCallId, name = "tool" } = message;
    return [{ type: "tool-result", toolCallId, toolName: name, output: outputOf(message) }];
  }
  const said = typeof message.content === "string" ? textParts(message.content) : message.content.flatMap(blockParts);
  const parts = [...said, ...(isAIMessage(message) ? callParts(message) : [])];
  const [first] = parts;
  if (first === undefined) return "";
  return parts.length === 1 && first.type === "text" ? first.text : parts;
}

/** What a tool answered, with what it shows. */
function outputOf(message: ToolMessage): Json {
  if (message.status === "error") return { type: "error-text", value: message.text };
  const blocks = typeof message.content === "string" ? [] : message.content;
  const shown = blocks.map((block) => filePart(block));
  if (shown.every((file) => file === null)) return { type: "text", value: message.text };
  const value = blocks.flatMap((block, at): JsonObject[] => {
    const file = shown[at] ?? null;
    if (file !== null) return [toolFile(file)];
    return block.type === "text" && typeof block["text"] === "string" ? [{ type: "text", text: block["text"] }] : [];
  });
  return { type: "content", value };
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
  if ((type === "text" || type === "text-plain") && typeof text === "string") return textParts(text);
  if (type === "reasoning" && typeof reasoning === "string") return [{ type: "reasoning", text: reasoning }];
  const file = filePart(block);
  if (file !== null) return [file];
  if (typeof type === "string" && CALL_BLOCKS.has(type)) return [];
  return [{ type: "data-langchain-block", data: toJson(block) }];
}

function toJson(value: unknown): Json {
  return JSON.parse(JSON.stringify(value) ?? "null");
}
