import {
  type AIMessage,
  type BaseMessage,
  isAIMessage,
  isToolMessage,
  type ToolMessage,
} from "@langchain/core/messages";
import { toJson } from "../base64.ts";
import type { Content, Json, JsonObject, NewMessage, Part, Role } from "../contract.ts";
import { invalidArgument } from "../errors.ts";
import { fitContent } from "../fit-content.ts";
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
/** Blocks that repeat what is in `tool_calls`. */
const CALL_BLOCKS: ReadonlySet<string> = new Set([
  "tool_use",
  "tool_call",
  "tool_call_chunk",
  "input_json_delta",
  "server_tool_call",
]);

/** The roles that a `ChatMessage` may have. */
const NAMED_ROLES: Readonly<Record<string, Role>> = { ...ROLES, user: "user", assistant: "assistant" };

function roleOf(message: BaseMessage): Role | undefined {
  if (message.type !== "generic") return Object.hasOwn(ROLES, message.type) ? ROLES[message.type] : undefined;
  const role = "role" in message ? message.role : undefined;
  return typeof role === "string" && Object.hasOwn(NAMED_ROLES, role) ? NAMED_ROLES[role] : undefined;
}

/** Whether the message is part of the conversation. Messages that only change the state of a graph are not stored. */
export function isSaid(message: BaseMessage): boolean {
  return roleOf(message) !== undefined;
}

/** Converts a message for storing. Without an id of its own it is stored again each time it is added. */
export function toStored(message: BaseMessage): NewMessage {
  const role = roleOf(message);
  if (role === undefined) {
    throw invalidArgument(
      `A message of type ${message.type} cannot be stored. Add messages of people, models or tools.`,
    );
  }
  const author = role === "user" || role === "assistant" ? message.name : undefined;
  return {
    id: message.id === undefined ? crypto.randomUUID() : storedId(message.id),
    role,
    content: fitContent(contentOf(message)),
    ...(author === undefined || author === "" ? {} : { author }),
  };
}

function contentOf(message: BaseMessage): Content {
  if (isToolMessage(message)) {
    const { tool_call_id: toolCallId, name = "tool" } = message;
    return [{ type: "tool-result", toolCallId, toolName: name, output: outputOf(message) }];
  }
  const said = typeof message.content === "string" ? textParts(message.content) : message.content.flatMap(blockParts);
  const parts = isAIMessage(message) ? [...keptReasoning(message, said), ...said, ...callParts(message)] : said;
  const [first] = parts;
  if (first === undefined) return "";
  return parts.length === 1 && first.type === "text" ? first.text : parts;
}

/** A tool's output, including the files in it. */
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

/** All tool calls, including those with invalid arguments, because a tool message answers them too. */
function callParts({ tool_calls: calls = [], invalid_tool_calls: invalid = [] }: AIMessage): Part[] {
  const named = invalid.flatMap(({ id, name, args }) => (name === undefined ? [] : [{ id, name, args }]));
  return [...calls, ...named].map(({ id, name, args }, index) => ({
    type: "tool-call",
    toolCallId: id ?? `call-${index}`,
    toolName: name,
    input: toJson(args),
  }));
}

/** Reasoning that a provider's integration stores outside of the content. */
function keptReasoning({ additional_kwargs: beside }: AIMessage, said: readonly Part[]): Part[] {
  if (said.some(({ type }) => type === "reasoning")) return [];
  const { reasoning, reasoning_content: words } = beside;
  if (typeof words === "string" && words !== "") return [{ type: "reasoning", text: words }];
  return typeof reasoning === "object" && reasoning !== null ? reasoningParts({ ...reasoning, type: "reasoning" }) : [];
}

/**
 * Reasoning in the forms of Anthropic, OpenAI's Responses and LangChain, with the provider's signature, without which
 * the provider does not accept it. Empty if the block is no reasoning.
 */
function reasoningParts(block: Readonly<Record<string, unknown>>): Part[] {
  const { type, reasoning, thinking, data, signature, id, summary, encrypted_content: encrypted } = block;
  if (type === "redacted_thinking" && typeof data === "string") {
    return [{ type: "reasoning", text: "", providerOptions: { anthropic: { redactedData: data } } }];
  }
  const words = type === "thinking" ? thinking : type === "reasoning" ? reasoning : undefined;
  if (typeof words === "string") {
    const bySignature = typeof signature === "string" ? { anthropic: { signature } } : null;
    const byItem = typeof id === "string" && typeof encrypted === "string" ? openaiItem(id, encrypted) : null;
    const providerOptions = bySignature ?? byItem;
    return [{ type: "reasoning", text: words, ...(providerOptions === null ? {} : { providerOptions }) }];
  }
  if (type !== "reasoning" || typeof id !== "string" || !Array.isArray(summary)) return [];
  const text = summary
    .flatMap((each: { text?: unknown }) => (typeof each.text === "string" ? [each.text] : []))
    .join("\n\n");
  return [{ type: "reasoning", text, providerOptions: openaiItem(id, encrypted) }];
}

function openaiItem(itemId: string, encrypted: unknown) {
  const kept = typeof encrypted === "string" ? { reasoningEncryptedContent: encrypted } : {};
  return { openai: { itemId, ...kept } };
}

function textParts(text: string): Part[] {
  return text === "" ? [] : [{ type: "text", text }];
}

function blockParts(block: Readonly<Record<string, unknown>> | string): Part[] {
  if (typeof block === "string") return textParts(block);
  const { type, text } = block;
  if ((type === "text" || type === "text-plain") && typeof text === "string") return textParts(text);
  const thought = reasoningParts(block);
  if (thought.length > 0) return thought;
  const file = filePart(block);
  if (file !== null) return [file];
  if (typeof type === "string" && CALL_BLOCKS.has(type)) return [];
  return [{ type: "data-langchain-block", data: toJson(block) }];
}
