// ChatGPT's conversations.json: an array of conversations, each a tree of messages (`mapping`), because every edit and every
// regenerated answer is a branch. What the person last saw is the path from `current_node` up to the root.
import { epochSecondsToIso } from "../dates.ts";
import { asText, isRecord, within } from "../entry.ts";
import type { Entry, Place, Turn } from "../entry.ts";
import { nameByContent } from "../names.ts";

const ROLES = new Set(["system", "user", "assistant", "tool"]);

export function* readChatgpt(value: unknown, place: Place): Generator<Entry> {
  if (!isRecord(value) || !isRecord(value["mapping"])) {
    yield { kind: "bad", place, reason: "has no object mapping" };
    return;
  }
  const mapping = value["mapping"];
  const session = asText(value["conversation_id"]) ?? asText(value["id"]) ?? nameByContent(place.file, mapping);
  const title = asText(value["title"]);
  const path = ancestorPath(mapping, value["current_node"]);
  if (path === null) {
    yield { kind: "bad", place, reason: "its tree of messages leads nowhere or in a circle" };
    return;
  }
  yield {
    kind: "session",
    session,
    place,
    metadata: { source: "chatgpt", ...(title === undefined ? {} : { title: title.slice(0, 500) }) },
  };
  for (const node of path) yield readNode(node, session, place);
  yield { kind: "end", session };
}

interface TreeNode {
  readonly id: string;
  readonly message: unknown;
}

/** Root first. Null if the tree has no way from a leaf to a root. */
function ancestorPath(mapping: Record<string, unknown>, current: unknown): TreeNode[] | null {
  const leaf = asText(current) ?? newestLeaf(mapping);
  if (leaf === undefined) return Object.keys(mapping).length === 0 ? [] : null;
  const path: TreeNode[] = [];
  const seen = new Set<string>();
  for (let id: string | undefined = leaf; id !== undefined;) {
    const node: unknown = Object.hasOwn(mapping, id) ? mapping[id] : undefined;
    if (!isRecord(node) || seen.has(id)) return null;
    seen.add(id);
    path.push({ id, message: node["message"] });
    id = asText(node["parent"]);
  }
  return path.toReversed();
}

/** Old exports lack current_node: then the newest message that nothing follows is where the chat stood. */
function newestLeaf(mapping: Record<string, unknown>): string | undefined {
  let newest: { readonly id: string; readonly at: number } | undefined;
  for (const [id, node] of Object.entries(mapping)) {
    if (!isRecord(node)) continue;
    const children = node["children"];
    if (Array.isArray(children) && children.length > 0) continue;
    const created = isRecord(node["message"]) ? node["message"]["create_time"] : undefined;
    const at = typeof created === "number" ? created : 0;
    if (newest === undefined || at >= newest.at) newest = { id, at };
  }
  return newest?.id;
}

function readNode(node: TreeNode, session: string, place: Place): Entry {
  const at = within(place, `message ${node.id.slice(0, 80)}`);
  const { message } = node;
  if (message === null || message === undefined) return { kind: "skipped", reason: "empty node" };
  if (!isRecord(message)) return { kind: "bad", place: at, reason: "message is not an object" };
  const author = isRecord(message["author"]) ? message["author"] : {};
  const role = author["role"];
  if (typeof role !== "string" || !ROLES.has(role)) {
    return { kind: "bad", place: at, reason: "has no author with a known role" };
  }
  const metadata = isRecord(message["metadata"]) ? message["metadata"] : {};
  const isHidden = metadata["is_visually_hidden_from_conversation"] === true || message["weight"] === 0;
  if (isHidden) return { kind: "skipped", reason: "hidden message" };
  const text = contentText(message["content"]);
  if (text === null) return { kind: "bad", place: at, reason: "has content of an unknown form" };
  if (text.trim() === "") return { kind: "skipped", reason: "empty turn" };
  const content: Turn["content"] = isReasoning(message["content"]) ? [{ type: "reasoning", text }] : text;
  const occurredAt = epochSecondsToIso(message["create_time"]);
  return {
    kind: "message",
    session,
    place: at,
    turn: {
      id: asText(message["id"]) ?? node.id,
      role,
      author: asText(author["name"]),
      content,
      ...(occurredAt === undefined ? {} : { occurredAt }),
    },
  };
}

function isReasoning(content: unknown): boolean {
  return isRecord(content) && (content["content_type"] === "thoughts" || content["content_type"] === "reasoning_recap");
}

/** The words of a message, whichever of the export's forms they come in; null for none that we know. */
function contentText(content: unknown): string | null {
  if (content === null || content === undefined) return "";
  if (typeof content === "string") return content;
  if (!isRecord(content)) return null;
  const { parts, thoughts } = content;
  if (Array.isArray(parts)) return joinTexts(parts.map(partText));
  if (Array.isArray(thoughts)) {
    return joinTexts(thoughts.map((thought) => (isRecord(thought) ? asText(thought["content"]) : undefined)));
  }
  // code, execution_output, quotes, reasoning_recap, browsing results, custom instructions: each has its own field.
  const fields = ["text", "content", "result", "user_profile", "user_instructions", "model_set_context"];
  if (!fields.some((field) => field in content)) return null;
  return joinTexts(fields.map((field) => asText(content[field])));
}

function partText(part: unknown): string | undefined {
  if (typeof part === "string") return part;
  if (!isRecord(part)) return undefined;
  const type = asText(part["content_type"]);
  if (type === "image_asset_pointer") return "[image]";
  return asText(part["text"]) ?? (type === undefined ? undefined : `[${type.slice(0, 40)}]`);
}

function joinTexts(texts: readonly (string | undefined)[]): string {
  return texts.filter((text) => text !== undefined && text !== "").join("\n");
}
