// Reads Claude's conversations.json: an array of conversations, each with all messages of all branches: an edit or a
// regenerated answer has the same parent as its original. What the person last saw is the path to the newest leaf.
import { isoOf, toIso } from "../dates.ts";
import { asText, isRecord, READER_DEFAULTS, recordsOf, titleOf, within } from "../entry.ts";
import type { Entry, Place, ReaderOptions } from "../entry.ts";
import { nameByContent } from "../names.ts";
import { growTree, pathTo, type TreeNode } from "./tree.ts";

const ROLES = new Map([
  ["human", "user"],
  ["assistant", "assistant"],
]);

export function* readClaude(value: unknown, place: Place, options: ReaderOptions = READER_DEFAULTS): Generator<Entry> {
  if (!isRecord(value) || !Array.isArray(value["chat_messages"])) {
    yield { kind: "bad", place, reason: "has no list chat_messages" };
    return;
  }
  const listed: unknown[] = value["chat_messages"];
  const session = asText(value["uuid"]) ?? nameByContent(place.file, listed);
  const nodes: TreeNode<Record<string, unknown>>[] = [];
  const bad: Entry[] = [];
  const ids = new Set<string>();
  for (const [index, message] of listed.entries()) {
    if (!isRecord(message)) {
      bad.push({ kind: "bad", place: within(place, `message ${index + 1}`), reason: "is not an object" });
      continue;
    }
    const uuid = asText(message["uuid"]) ?? `without uuid, ${index + 1}`;
    const id = ids.has(uuid) ? `${uuid}.${index + 1}` : uuid;
    ids.add(id);
    nodes.push({ id, parent: asText(message["parent_message_uuid"]), at: timeOf(message), value: message });
  }
  const tree = growTree(nodes);
  // Older exports have no parents, and parents in a circle have no beginning; then the order of the file is used.
  const isTree = tree.nodes.length > 0 && nodes.some(({ parent }) => parent !== undefined && ids.has(parent));
  const leaf = isTree ? tree.leaf : undefined;
  const path = pathTo(tree, leaf);
  const updated = isoOf(value["updated_at"]);
  const entries: Entry[] = [];
  const standings = new Map<string, string | null>();
  let last: string | null = null;
  let isBranched = false;
  for (const node of isTree ? tree.nodes : nodes) {
    if (isTree && options.branches === "seen" && !path.has(node.id)) {
      entries.push({ kind: "skipped", reason: "left branch" });
      continue;
    }
    const before: string | null = isTree ? (standings.get(node.parent ?? "") ?? null) : last;
    let newest = before;
    for (const entry of readMessage(node.value, session, place)) {
      if (entry.kind !== "message") entries.push(entry);
      else {
        const isPlaced = isTree && options.branches === "all";
        const turn = { ...entry.turn, ...(isPlaced ? { after: before } : {}) };
        entries.push({ ...entry, turn });
        if (before !== last) isBranched = true;
        newest = node.id;
        last = node.id;
      }
    }
    standings.set(node.id, newest);
  }
  yield {
    kind: "session",
    session,
    place,
    metadata: { source: "claude", ...titleOf(value["name"]), ...(updated === undefined ? {} : { updatedAt: updated }) },
    createdAt: isoOf(value["created_at"]) ?? nodes.map(({ value: { created_at: at } }) => isoOf(at)).find(Boolean),
    isBranched,
  };
  yield* bad;
  if (asText(value["summary"]) !== undefined) yield { kind: "noted", place, form: "summary by claude.ai, left out" };
  if (isTree) {
    for (const id of tree.lost) {
      yield { kind: "bad", place: within(place, `message ${id.slice(0, 80)}`), reason: "its parents go in a circle" };
    }
  }
  yield* entries;
  const head = standings.get(leaf ?? "") ?? null;
  if (isBranched && head !== null) yield { kind: "head", session, id: head };
  yield { kind: "end", session };
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
  yield* notesOf(message, at);
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
  const turn = { id, role, content, isDivisible: true, ...(occurredAt === undefined ? {} : { occurredAt }) };
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

/** Content of which only a note is imported, or nothing. */
function* notesOf(message: Record<string, unknown>, place: Place): Generator<Entry> {
  for (const _ of recordsOf(message["files"])) {
    yield { kind: "noted", place, form: "attached file, kept as a note of its name" };
  }
  for (const attachment of recordsOf(message["attachments"])) {
    if (asText(attachment["extracted_content"]) !== undefined) continue;
    yield { kind: "noted", place, form: "attachment without its text, kept as a note of its name" };
  }
  for (const block of recordsOf(message["content"])) {
    if (recordsOf(block["citations"]).length > 0) {
      yield { kind: "noted", place, form: "citations of sources, left out" };
    }
    for (const part of recordsOf(block["content"])) {
      if (block["type"] === "tool_result" && asText(part["text"]) === undefined) {
        yield { kind: "noted", place, form: `part of a result of the form ${formOf(part)}, kept as a note` };
      }
    }
  }
}

function formOf(part: Record<string, unknown>): string {
  return (asText(part["type"]) ?? "untyped").slice(0, 40);
}

/** Pasted or attached text, if the export has it. */
function attachmentParts(attachments: unknown): ReadPart[] {
  return recordsOf(attachments).map((attachment) => {
    const name = asText(attachment["file_name"]) ?? "attachment";
    const text = asText(attachment["extracted_content"]);
    return { type: "text", text: text === undefined ? `[${name}]` : `[${name}]\n${text}` };
  });
}

function fileParts(files: unknown): ReadPart[] {
  return recordsOf(files).map((file) => ({ type: "text", text: `[${asText(file["file_name"]) ?? "file"}]` }));
}

/** Older exports have only text, newer ones also have blocks. */
function contentParts(message: Record<string, unknown>): (ReadPart | UnknownPart)[] {
  const blocks = recordsOf(message["content"]);
  if (blocks.length === 0) {
    return textParts("text", message["text"]);
  }
  return blocks.flatMap((block, index) => readBlock(block, `${asText(message["uuid"]) ?? "message"}-${index}`));
}

/** @param place used as the id of a call that has none */
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
    // How many tokens the model had left is not part of the conversation.
    case "token_budget":
      return [];
    default:
      return [{ type: "unknown", form: formOf(block) }];
  }
}

function textParts(type: "text" | "reasoning", text: unknown): ReadPart[] {
  return typeof text === "string" && text.trim() !== "" ? [{ type, text }] : [];
}

function resultText(content: unknown): string {
  if (typeof content === "string") return content;
  return recordsOf(content)
    .map((block) => asText(block["text"]) ?? `[${formOf(block)}]`)
    .join("\n");
}
