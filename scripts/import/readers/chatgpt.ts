// ChatGPT's conversations.json: an array of conversations, each a tree of messages (`mapping`), because every edit and every
// regenerated answer is a branch. What the person last saw is the path from `current_node` up to the root.
import { epochSecondsToIso } from "../dates.ts";
import { asText, isRecord, within } from "../entry.ts";
import type { Entry, Place, Turn } from "../entry.ts";
import { nameByContent } from "../names.ts";

const ROLES = new Set(["system", "user", "assistant", "tool"]);
/** What a person set for all chats, and what ChatGPT remembers of them: nobody said it in this one. Newer exports leave out the mark that hides it. */
const UNSAID = new Map([
  ["user_editable_context", "custom instructions"],
  ["model_editable_context", "memory of other chats"],
]);

export function* readChatgpt(value: unknown, place: Place): Generator<Entry> {
  if (!isRecord(value) || !isRecord(value["mapping"])) {
    yield { kind: "bad", place, reason: "has no object mapping" };
    return;
  }
  const mapping = value["mapping"];
  const session = asText(value["conversation_id"]) ?? asText(value["id"]) ?? nameByContent(place.file, mapping);
  const title = asText(value["title"]);
  const path = lastSeenPath(mapping, value["current_node"]);
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
  for (const reason of path.warnings) yield { kind: "warning", place, reason };
  const calls = new OpenCalls();
  for (const node of path.nodes) yield readNode(node, calls, session, place);
  yield { kind: "end", session };
}

interface TreeNode {
  readonly id: string;
  readonly message: unknown;
}

interface TreePath {
  /** Root first. */
  readonly nodes: TreeNode[];
  readonly warnings: string[];
}

/** What the person last saw; null if the tree has no way from a leaf to a root. */
function lastSeenPath(mapping: Record<string, unknown>, current: unknown): TreePath | null {
  if (Object.keys(mapping).length === 0) return { nodes: [], warnings: [] };
  const warnings: string[] = [];
  const named = asText(current);
  const isThere = named !== undefined && Object.hasOwn(mapping, named);
  if (named !== undefined && !isThere) {
    warnings.push("its current_node is not in the file: the newest message that nothing follows stands for it");
  }
  const leaf = isThere ? named : newestLeaf(mapping);
  if (leaf === undefined) return null;
  const nodes: TreeNode[] = [];
  const seen = new Set<string>();
  for (let id: string | undefined = leaf; id !== undefined;) {
    const node: unknown = Object.hasOwn(mapping, id) ? mapping[id] : undefined;
    if (node === undefined && nodes.length > 0) {
      warnings.push("a message before its first one is not in the file");
      break;
    }
    if (!isRecord(node) || seen.has(id)) return null;
    seen.add(id);
    nodes.push({ id, message: node["message"] });
    id = asText(node["parent"]);
  }
  return { nodes: nodes.toReversed(), warnings };
}

/** Where the chat stood if nothing says so: the newest message that nothing follows. Newer exports link to parents alone. */
function newestLeaf(mapping: Record<string, unknown>): string | undefined {
  const parents = new Set(Object.values(mapping).map((node) => (isRecord(node) ? node["parent"] : undefined)));
  let newest: { readonly id: string; readonly at: number } | undefined;
  for (const [id, node] of Object.entries(mapping)) {
    if (!isRecord(node) || parents.has(id)) continue;
    const created = isRecord(node["message"]) ? node["message"]["create_time"] : undefined;
    const at = typeof created === "number" ? created : 0;
    if (newest === undefined || at >= newest.at) newest = { id, at };
  }
  return newest?.id;
}

/** The calls of tools on the way to a message, by the tool: its answers name it, and no call. */
class OpenCalls {
  readonly #open = new Map<string, string[]>();

  begin(toolName: string, toolCallId: string): void {
    const open = this.#open.get(toolName);
    if (open === undefined) this.#open.set(toolName, [toolCallId]);
    else open.push(toolCallId);
  }

  /** The oldest call of the tool that has no answer; undefined if there is none. */
  answer(toolName: string): string | undefined {
    return this.#open.get(toolName)?.shift();
  }
}

function readNode(node: TreeNode, calls: OpenCalls, session: string, place: Place): Entry {
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
  const unsaid = isRecord(message["content"]) ? UNSAID.get(String(message["content"]["content_type"])) : undefined;
  if (unsaid !== undefined) return { kind: "skipped", reason: unsaid };
  const text = contentText(message["content"]);
  if (text === null) return { kind: "bad", place: at, reason: "has content of an unknown form" };
  if (text.trim() === "") return { kind: "skipped", reason: "empty turn" };
  const id = asText(message["id"]) ?? node.id;
  const said = { role, id, text, author: asText(author["name"]), recipient: asText(message["recipient"]) };
  const occurredAt = epochSecondsToIso(message["create_time"]);
  return {
    kind: "message",
    session,
    place: at,
    turn: {
      id,
      role,
      author: said.author,
      content: isReasoning(message["content"]) ? [{ type: "reasoning", text }] : toContent(said, calls),
      ...(occurredAt === undefined ? {} : { occurredAt }),
    },
  };
}

interface Said {
  readonly role: string;
  readonly id: string;
  readonly text: string;
  readonly author: string | undefined;
  /** Who is spoken to: a tool, or all. */
  readonly recipient: string | undefined;
}

/** What is said to a tool is a call of it, and what the tool says next is the result. */
function toContent({ role, id, text, author, recipient = "all" }: Said, calls: OpenCalls): Turn["content"] {
  if (role === "assistant" && recipient !== "all") {
    calls.begin(recipient, id);
    return [{ type: "tool-call", toolCallId: id, toolName: recipient, input: parseInput(text) }];
  }
  const toolCallId = role === "tool" && author !== undefined ? calls.answer(author) : undefined;
  if (toolCallId === undefined) return text;
  return [{ type: "tool-result", toolCallId, toolName: author, output: { type: "text", value: text } }];
}

/** A tool is called with JSON or with code. */
function parseInput(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
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
  if (Array.isArray(parts)) return joinTexts(partTexts(parts));
  if (Array.isArray(thoughts)) {
    return joinTexts(thoughts.map((thought) => (isRecord(thought) ? asText(thought["content"]) : undefined)));
  }
  // code, execution_output, quotes, reasoning_recap, browsing results: each has its own field.
  const fields = ["text", "content", "result"];
  if (!fields.some((field) => field in content)) return null;
  return joinTexts(fields.map((field) => asText(content[field])));
}

/** Marks that the page makes links of: private characters around them, or the older brackets. They tell a reader nothing. */
const CITATIONS = /\ue200[^\ue200\ue201]{0,500}\ue201|【\d{1,4}(?::\d{1,4})?†[^【】]{0,200}】/gu;

/** What was spoken comes as its transcript, and the sound beside it. */
function partTexts(parts: readonly unknown[]): (string | undefined)[] {
  const isTranscribed = parts.some((part) => isRecord(part) && part["content_type"] === "audio_transcription");
  return parts.map((part) => {
    if (typeof part === "string") return part;
    if (!isRecord(part)) return undefined;
    const type = asText(part["content_type"]);
    if (type === "image_asset_pointer") return "[image]";
    if (type?.includes("audio") === true && type !== "audio_transcription")
      return isTranscribed ? undefined : "[audio]";
    return asText(part["text"]) ?? (type === undefined ? undefined : `[${type.slice(0, 40)}]`);
  });
}

function joinTexts(texts: readonly (string | undefined)[]): string {
  return texts
    .filter((text) => text !== undefined && text !== "")
    .join("\n")
    .replace(CITATIONS, "");
}
