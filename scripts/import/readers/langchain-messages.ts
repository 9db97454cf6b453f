// Reads LangChain messages as JSON in each of its three forms: flat, with `data`, and as constructors (`lc`).
import { asText, isRecord, recordsOf } from "../entry.ts";
import type { Turn } from "../entry.ts";
import { convertMessage } from "./openai.ts";

const ROLES = new Map([
  ["human", "user"],
  ["ai", "assistant"],
  ["AIMessageChunk", "assistant"],
  ["system", "system"],
  ["developer", "developer"],
  ["tool", "tool"],
  ["function", "tool"],
]);
/** The last part of a constructor's id, such as HumanMessage. */
const CLASSES = new Map([
  ["HumanMessage", "human"],
  ["HumanMessageChunk", "human"],
  ["AIMessage", "ai"],
  ["AIMessageChunk", "ai"],
  ["SystemMessage", "system"],
  ["ToolMessage", "tool"],
  ["FunctionMessage", "function"],
]);
/** Blocks that repeat what `tool_calls` says. */
const CALL_BLOCKS = new Set(["tool_use", "tool_call", "tool_call_chunk", "input_json_delta", "function_call"]);
const REASONING_BLOCKS = new Map([
  ["reasoning", "reasoning"],
  ["thinking", "thinking"],
]);

interface Plain {
  readonly type: string;
  readonly fields: Record<string, unknown>;
}

export function isLangchainMessage(value: unknown): boolean {
  return plainOf(value) !== null;
}

function plainOf(value: unknown): Plain | null {
  if (!isRecord(value)) return null;
  if (value["lc"] !== undefined && Array.isArray(value["id"]) && isRecord(value["kwargs"])) {
    const type = CLASSES.get(String(value["id"].at(-1)));
    return type === undefined ? null : { type, fields: value["kwargs"] };
  }
  const { type, data } = value;
  if (typeof type !== "string" || !ROLES.has(type)) return null;
  if (isRecord(data) && "content" in data) return { type, fields: data };
  return "content" in value ? { type, fields: value } : null;
}

export type Converted = { readonly turn: Turn; readonly lost: readonly string[] } | { readonly fault: string } | null;

/** Null for a message without content. */
export function convertLangchain(value: unknown, toolNames: Map<string, string>, index: number): Converted {
  const plain = plainOf(value);
  if (plain === null) return { fault: "is no message of LangChain" };
  const { type, fields } = plain;
  const role = ROLES.get(type);
  const reasoning: string[] = [];
  const content = Array.isArray(fields["content"])
    ? fields["content"].filter((block) => !isSaidElsewhere(block, reasoning))
    : fields["content"];
  const calls = recordsOf(fields["tool_calls"]).map((call, position) => ({
    id: asText(call["id"]) ?? `call-${index + 1}-${position + 1}`,
    function: { name: call["name"], arguments: JSON.stringify(call["args"] ?? {}) },
  }));
  const converted = convertMessage(
    {
      role,
      content: Array.isArray(content) && content.length === 0 ? null : content,
      id: fields["id"],
      name: fields["name"],
      tool_call_id: fields["tool_call_id"],
      ...(calls.length > 0 ? { tool_calls: calls } : {}),
      ...(reasoning.length > 0 ? { reasoning: reasoning.join("\n") } : {}),
    },
    toolNames,
    index,
  );
  return typeof converted === "string" ? { fault: converted } : converted;
}

function isSaidElsewhere(block: unknown, reasoning: string[]): boolean {
  if (!isRecord(block)) return false;
  const type = String(block["type"]);
  const field = REASONING_BLOCKS.get(type);
  const text = field === undefined ? undefined : asText(block[field]);
  if (text !== undefined) reasoning.push(text);
  return CALL_BLOCKS.has(type) || text !== undefined;
}
