// Reads lines in OpenAI's format: `{"messages": [{"role", "content", "name"?, "tool_calls"?, "tool_call_id"?}, …]}`,
// one conversation each.
import type { Part } from "../../../src/api/message.ts";
import { asText, isRecord, within } from "../entry.ts";
import type { Entry, Place, Turn } from "../entry.ts";
import { nameByContent } from "../names.ts";
import { convertParts } from "./openai-parts.ts";

/** Fields in which logs and exports store the name of a conversation. */
const NAME_FIELDS = ["session", "session_id", "conversation_id", "thread_id", "id", "custom_id"];

export function* readOpenai(value: unknown, place: Place): Generator<Entry> {
  if (!isRecord(value) || !Array.isArray(value["messages"])) {
    yield { kind: "bad", place, reason: "has no list messages" };
    return;
  }
  const messages: unknown[] = value["messages"];
  const named = NAME_FIELDS.map((field) => asText(value[field])).find((name) => name !== undefined);
  const session = named ?? nameByContent(place.file, messages);
  yield { kind: "session", session, place, metadata: { source: "openai" } };
  const toolNames = new Map<string, string>();
  for (const [index, message] of messages.entries()) {
    const at = within(place, `message ${index + 1}`);
    const converted = convertMessage(message, toolNames, index);
    if (typeof converted === "string") yield { kind: "bad", place: at, reason: converted };
    else if (converted === null) yield { kind: "skipped", reason: "empty turn" };
    else {
      for (const lost of converted.lost) yield { kind: "warning", place: at, reason: lost };
      yield { kind: "message", session, place: at, turn: converted.turn };
    }
  }
  yield { kind: "end", session };
}

/** The turn, null for one without content, or what is wrong with it. */
export function convertMessage(
  message: unknown,
  toolNames: Map<string, string>,
  index: number,
): { readonly turn: Turn; readonly lost: string[] } | string | null {
  if (!isRecord(message)) return "is not an object";
  const { role, content } = message;
  const common = { id: asText(message["id"]), author: asText(message["name"]) };
  if (role === "tool" || role === "function") {
    return convertToolResult(message, common.id, toolNames);
  }
  const { parts, lost, fault } = convertParts(content);
  if (fault !== undefined) return fault;
  const reasoning = asText(message["reasoning_content"]) ?? asText(message["reasoning"]);
  if (reasoning !== undefined) parts.unshift({ type: "reasoning", text: reasoning });
  const calls = readToolCalls(message, index);
  if (typeof calls === "string") return calls;
  for (const call of calls) {
    toolNames.set(call.toolCallId, call.toolName);
    parts.push(call);
  }
  const refusal = asText(message["refusal"]);
  if (refusal !== undefined) parts.push({ type: "text", text: refusal });
  // Plain text stays a string, which is the most common and the smallest form.
  if (typeof content === "string" && parts.length === 1 && parts[0]?.type === "text") {
    return content.trim() === "" ? null : { turn: { ...common, role, content }, lost };
  }
  if (parts.length === 0) return null;
  return { turn: { ...common, role, content: parts }, lost };
}

type ToolCall = Extract<Part, { type: "tool-call" }>;

function readToolCalls(message: Record<string, unknown>, index: number): ToolCall[] | string {
  const calls: ToolCall[] = [];
  const listed = message["tool_calls"] ?? [];
  if (!Array.isArray(listed)) return "tool_calls is not a list";
  for (const [position, call] of listed.entries()) {
    const target = isRecord(call) ? (call["function"] ?? call["custom"]) : undefined;
    if (!isRecord(call) || !isRecord(target)) return `tool_calls[${position}] has no function`;
    const toolName = asText(target["name"]);
    if (toolName === undefined) return `tool_calls[${position}] names no function`;
    calls.push({
      type: "tool-call",
      toolCallId: asText(call["id"]) ?? `call-${index + 1}-${position + 1}`,
      toolName,
      input: parseArguments(target["arguments"] ?? target["input"]),
    });
  }
  const legacy = message["function_call"];
  if (isRecord(legacy)) {
    const toolName = asText(legacy["name"]);
    if (toolName === undefined) return "function_call names no function";
    // The old format has no ids; a result refers to the function's name.
    calls.push({
      type: "tool-call",
      toolCallId: `call-${toolName}`,
      toolName,
      input: parseArguments(legacy["arguments"]),
    });
  }
  return calls;
}

/** Arguments are JSON text written by a model; what is not valid JSON is kept as text. */
function parseArguments(text: unknown): ToolCall["input"] {
  if (typeof text !== "string") return text === undefined ? {} : JSON.parse(JSON.stringify(text));
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function convertToolResult(
  message: Record<string, unknown>,
  id: string | undefined,
  toolNames: Map<string, string>,
): { readonly turn: Turn; readonly lost: string[] } | string {
  const legacyName = asText(message["name"]);
  const toolCallId =
    asText(message["tool_call_id"]) ??
    (message["role"] === "function" && legacyName !== undefined ? `call-${legacyName}` : undefined);
  if (toolCallId === undefined) return "a tool's result needs tool_call_id";
  const { parts, lost, fault } = convertParts(message["content"]);
  if (fault !== undefined) return fault;
  const texts = parts.map((part) => (part.type === "text" ? part.text : `[${part.type}]`));
  const result: Part = {
    type: "tool-result",
    toolCallId,
    toolName: toolNames.get(toolCallId) ?? legacyName ?? "tool",
    output: { type: "text", value: texts.join("\n") },
  };
  return { turn: { id, role: "tool", content: [result] }, lost };
}
