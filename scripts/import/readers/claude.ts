// Claude's conversations.json: an array of conversations, each with all its messages, branches among them: every edit and every
// answer that was asked for again has the parent of the one before. What the person last saw is the path up from the newest leaf.
import { toIso } from "../dates.ts";
import { asText, isRecord, within } from "../entry.ts";
import type { Entry, Place } from "../entry.ts";
import { nameByContent } from "../names.ts";

const ROLES = new Map([
  ["human", "user"],
  ["assistant", "assistant"],
]);

export function* readClaude(value: unknown, place: Place): Generator<Entry> {
  if (!isRecord(value) || !Array.isArray(value["chat_messages"])) {
    yield { kind: "bad", place, reason: "has no list chat_messages" };
    return;
  }
  const listed: unknown[] = value["chat_messages"];
  const session = asText(value["uuid"]) ?? nameByContent(place.file, listed);
  const title = asText(value["name"]);
  yield {
    kind: "session",
    session,
    place,
    metadata: { source: "claude", ...(title === undefined ? {} : { title: title.slice(0, 500) }) },
  };
  const messages: Record<string, unknown>[] = [];
  for (const [index, message] of listed.entries()) {
    if (isRecord(message)) messages.push(message);
    else yield { kind: "bad", place: within(place, `message ${index + 1}`), reason: "is not an object" };
  }
  const seen = lastSeen(messages);
  for (let left = messages.length - seen.length; left > 0; left -= 1) yield { kind: "skipped", reason: "left branch" };
  for (const message of seen) yield* readMessage(message, session, place);
  yield { kind: "end", session };
}

/** The path from the newest leaf up to where it names no message of the file; all of them, in order, where they have no parents. */
function lastSeen(messages: readonly Record<string, unknown>[]): readonly Record<string, unknown>[] {
  const byId = new Map(messages.map((message) => [asText(message["uuid"]), message]));
  const parents = new Set(messages.map(parentOf).filter((parent) => parent !== undefined && byId.has(parent)));
  if (parents.size === 0) return messages;
  let leaf: Record<string, unknown> | undefined;
  for (const message of messages) {
    if (parents.has(asText(message["uuid"]))) continue;
    if (leaf === undefined || timeOf(message) >= timeOf(leaf)) leaf = message;
  }
  const path = new Set<Record<string, unknown>>();
  for (let message = leaf; message !== undefined && !path.has(message); message = byId.get(parentOf(message))) {
    path.add(message);
  }
  // A circle has no leaf: then the order of the file has to do.
  return path.size === 0 ? messages : [...path].toReversed();
}

function parentOf(message: Record<string, unknown>): string | undefined {
  return asText(message["parent_message_uuid"]);
}

function timeOf(message: Record<string, unknown>): number {
  const at = Date.parse(asText(message["created_at"]) ?? "");
  return Number.isNaN(at) ? 0 : at;
}

function* readMessage(message: Record<string, unknown>, session: string, place: Place): Generator<Entry> {
  const id = asText(message["uuid"]);
  const at = within(place, `message ${(id ?? "without uuid").slice(0, 80)}`);
  const sender = asText(message["sender"]);
  const role = sender === undefined ? undefined : ROLES.get(sender);
  if (role === undefined) {
    yield { kind: "bad", place: at, reason: "has no sender that is human or assistant" };
    return;
  }
  const parts = [...attachmentParts(message["attachments"]), ...fileParts(message["files"])];
  for (const part of contentParts(message)) {
    if (part.type === "unknown")
      yield { kind: "warning", place: at, reason: `content of type ${part.form} is left out` };
    else parts.push(part);
  }
  if (parts.length === 0) {
    yield { kind: "skipped", reason: "empty turn" };
    return;
  }
  const [first] = parts;
  const content = parts.length === 1 && first?.type === "text" ? first.text : parts;
  const occurredAt = toIso(timeOf(message) || Number.NaN);
  const turn = { id, role, content, ...(occurredAt === undefined ? {} : { occurredAt }) };
  yield { kind: "message", session, place: at, turn };
}

type ReadPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "reasoning"; readonly text: string }
  | { readonly type: "tool-call"; readonly toolCallId: string; readonly toolName: string; readonly input: unknown }
  | {
      readonly type: "tool-result";
      readonly toolCallId: string;
      readonly toolName: string;
      readonly output: { readonly type: "text" | "error-text"; readonly value: string };
    };

interface UnknownPart {
  readonly type: "unknown";
  readonly form: string;
}

/** What was pasted or attached, in its own words where the export has them. */
function attachmentParts(attachments: unknown): ReadPart[] {
  return listOf(attachments).map((attachment) => {
    const name = asText(attachment["file_name"]) ?? "attachment";
    const text = asText(attachment["extracted_content"]);
    return { type: "text", text: text === undefined ? `[${name}]` : `[${name}]\n${text}` };
  });
}

function fileParts(files: unknown): ReadPart[] {
  return listOf(files).map((file) => ({ type: "text", text: `[${asText(file["file_name"]) ?? "file"}]` }));
}

/** Older exports have the words alone, newer ones have blocks as well. */
function contentParts(message: Record<string, unknown>): (ReadPart | UnknownPart)[] {
  const blocks = listOf(message["content"]);
  if (blocks.length === 0) {
    return textParts("text", message["text"]);
  }
  return blocks.flatMap((block, index) => readBlock(block, `${asText(message["uuid"]) ?? "message"}-${index}`));
}

/** @param place stands for the id of a call that has none */
function readBlock(block: Record<string, unknown>, place: string): (ReadPart | UnknownPart)[] {
  const toolName = asText(block["name"]) ?? "tool";
  switch (block["type"]) {
    case "text":
      return textParts("text", block["text"]);
    case "thinking":
      return textParts("reasoning", block["thinking"]);
    case "tool_use": {
      const toolCallId = asText(block["id"]) ?? place;
      return [{ type: "tool-call", toolCallId, toolName, input: block["input"] ?? {} }];
    }
    case "tool_result": {
      const toolCallId = asText(block["tool_use_id"]) ?? place;
      const type = block["is_error"] === true ? "error-text" : "text";
      return [{ type: "tool-result", toolCallId, toolName, output: { type, value: resultText(block["content"]) } }];
    }
    // How much the model had left to say is nothing that was said.
    case "token_budget":
      return [];
    default:
      return [{ type: "unknown", form: (asText(block["type"]) ?? "untyped").slice(0, 40) }];
  }
}

function textParts(type: "text" | "reasoning", text: unknown): ReadPart[] {
  return typeof text === "string" && text.trim() !== "" ? [{ type, text }] : [];
}

function resultText(content: unknown): string {
  if (typeof content === "string") return content;
  return listOf(content)
    .map((block) => asText(block["text"]) ?? `[${(asText(block["type"]) ?? "untyped").slice(0, 40)}]`)
    .join("\n");
}

function listOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}
