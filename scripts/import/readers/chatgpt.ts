// Reads ChatGPT's conversations.json: an array of conversations, each a tree of messages (`mapping`), because every
// edit and every regenerated answer is a branch. What the person last saw is the path from the root to `current_node`.
import { epochSecondsToIso, isoOf } from "../dates.ts";
import { asText, isRecord, READER_DEFAULTS, titleOf, within } from "../entry.ts";
import type { Entry, Place, ReaderOptions, Turn } from "../entry.ts";
import { nameByContent } from "../names.ts";
import { type ChatgptContent, isSetForAllChats, readContent } from "./chatgpt-content.ts";
import { growTree, pathTo, type Tree, type TreeNode } from "./tree.ts";

const ROLES = new Set(["system", "developer", "user", "assistant", "tool"]);

export function* readChatgpt(value: unknown, place: Place, options: ReaderOptions = READER_DEFAULTS): Generator<Entry> {
  if (!isRecord(value) || !isRecord(value["mapping"])) {
    yield { kind: "bad", place, reason: "has no object mapping" };
    return;
  }
  const { mapping } = value;
  const session = asText(value["conversation_id"]) ?? asText(value["id"]) ?? nameByContent(place.file, mapping);
  const tree = growTree(yield* nodesOf(mapping, place));
  if (tree.nodes.length === 0 && tree.lost.length > 0) {
    yield { kind: "bad", place, reason: "its tree of messages leads nowhere or in a circle" };
    return;
  }
  const reading = new Reading(tree, session, place, options);
  const { leaf, warning } = lastSeen(tree, mapping, value["current_node"]);
  const path = pathTo(tree, leaf);
  if (options.branches === "seen") reading.takeOnly(path);
  const entries = [...reading.read()];
  if (reading.isEmpty && tree.lost.length > 0) {
    yield { kind: "bad", place, reason: "its tree of messages leads nowhere or in a circle" };
    return;
  }
  const created = dateOf(value["create_time"]) ?? reading.firstDate;
  yield {
    kind: "session",
    session,
    place,
    metadata: { source: "chatgpt", ...titleOf(value["title"]), ...shelfOf(value) },
    createdAt: created,
    isBranched: reading.isBranched,
  };
  if (warning !== undefined) yield { kind: "warning", place, reason: warning };
  for (const id of tree.lost) {
    yield { kind: "bad", place: within(place, `message ${id.slice(0, 80)}`), reason: "its parents go in a circle" };
  }
  if (tree.nodes.some((node) => node.parent !== undefined && !Object.hasOwn(mapping, node.parent))) {
    yield { kind: "warning", place, reason: "a message before its first one is not in the file" };
  }
  yield* entries;
  const head = reading.headOf(leaf);
  if (reading.isBranched && head !== null) yield { kind: "head", session, id: head };
  yield { kind: "end", session };
}

/** What ChatGPT says about a conversation besides its messages. */
function shelfOf(value: Record<string, unknown>): Record<string, unknown> {
  const updated = dateOf(value["update_time"]);
  return {
    ...(updated === undefined ? {} : { updatedAt: updated }),
    ...(value["is_archived"] === true ? { archived: true } : {}),
    ...(value["is_starred"] === true ? { starred: true } : {}),
  };
}

function dateOf(value: unknown): string | undefined {
  return typeof value === "string" ? isoOf(value) : epochSecondsToIso(value);
}

type Node = TreeNode<unknown>;

function* nodesOf(mapping: Record<string, unknown>, place: Place): Generator<Entry, Node[]> {
  const nodes: Node[] = [];
  for (const [id, node] of Object.entries(mapping)) {
    if (!isRecord(node)) {
      yield { kind: "bad", place: within(place, `message ${id.slice(0, 80)}`), reason: "is not an object" };
      continue;
    }
    const { message } = node;
    const created = isRecord(message) ? message["create_time"] : undefined;
    nodes.push({ id, parent: asText(node["parent"]), at: typeof created === "number" ? created : 0, value: message });
  }
  return nodes;
}

/** The node that the person last saw. Some exports have no `current_node`, a missing one, or the empty root. */
function lastSeen(
  tree: Tree<unknown>,
  mapping: Record<string, unknown>,
  current: unknown,
): { readonly leaf: string | undefined; readonly warning?: string } {
  const newest = tree.leaf;
  const named = asText(current);
  if (named === undefined) return { leaf: newest };
  const isThere = Object.hasOwn(mapping, named);
  const path = pathTo(tree, named);
  const says = (id: string): boolean => isRecord(mapping[id]) && isRecord(mapping[id]["message"]);
  if (isThere && [...path].some(says)) return { leaf: named };
  // A chat without any text ends where it begins.
  if (isThere && !tree.nodes.some(({ id }) => says(id))) return { leaf: newest };
  const what = isThere ? "leads to no message" : "is not in the file";
  return {
    leaf: newest,
    warning: `its current_node ${what}: the newest message that nothing follows stands for it`,
  };
}

/** The unanswered tool calls on the path to a message, by tool: answers name their tool, but not their call. */
class OpenCalls {
  readonly #open: readonly { readonly toolName: string; readonly toolCallId: string }[];

  constructor(open: OpenCalls["list"] = []) {
    this.#open = open;
  }

  get list(): readonly { readonly toolName: string; readonly toolCallId: string }[] {
    return this.#open;
  }

  with(toolName: string, toolCallId: string): OpenCalls {
    return new OpenCalls([...this.#open, { toolName, toolCallId }]);
  }

  /** The oldest unanswered call of the tool or its family: `browser.open` is answered by `browser`. */
  answer(toolName: string): { readonly toolCallId: string; readonly rest: OpenCalls } | null {
    const family = toolName.split(".", 1)[0] ?? toolName;
    const found =
      this.#open.find((call) => call.toolName === toolName) ??
      this.#open.find((call) => call.toolName.split(".", 1)[0] === family);
    if (found === undefined) return null;
    return { toolCallId: found.toolCallId, rest: new OpenCalls(this.#open.filter((call) => call !== found)) };
  }
}

/** What is known at a node, for those that follow it. */
interface Standing {
  /** The id of the newest message on the path, including the node itself; null if there is none. */
  readonly messageId: string | null;
  readonly calls: OpenCalls;
}

const BEGINNING: Standing = { messageId: null, calls: new OpenCalls() };

/** Reads the nodes of a tree, each with what is known from those on its path. */
class Reading {
  readonly #tree: Tree<unknown>;
  readonly #session: string;
  readonly #place: Place;
  readonly #options: ReaderOptions;
  readonly #standings = new Map<string, Standing>();
  readonly #usedIds = new Set<string>();
  #only: ReadonlySet<string> | null = null;
  #last: string | null = null;
  #isBranched = false;
  #firstDate: string | undefined;

  constructor(tree: Tree<unknown>, session: string, place: Place, options: ReaderOptions) {
    this.#tree = tree;
    this.#session = session;
    this.#place = place;
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#usedIds.size === 0;
  }

  get isBranched(): boolean {
    return this.#isBranched;
  }

  get firstDate(): string | undefined {
    return this.#firstDate;
  }

  takeOnly(path: ReadonlySet<string>): void {
    this.#only = path;
  }

  headOf(leaf: string | undefined): string | null {
    return this.#standings.get(leaf ?? "")?.messageId ?? null;
  }

  *read(): Generator<Entry> {
    for (const node of this.#tree.nodes) {
      if (this.#only !== null && !this.#only.has(node.id)) {
        if (isRecord(node.value)) yield { kind: "skipped", reason: "left branch" };
        continue;
      }
      const before = this.#standings.get(node.parent ?? "") ?? BEGINNING;
      this.#standings.set(node.id, yield* this.#readNode(node, before));
    }
  }

  *#readNode(node: Node, before: Standing): Generator<Entry, Standing> {
    const at = within(this.#place, `message ${node.id.slice(0, 80)}`);
    const { value: message } = node;
    if (message === null || message === undefined) {
      yield { kind: "skipped", reason: "empty node" };
      return before;
    }
    if (!isRecord(message)) {
      yield { kind: "bad", place: at, reason: "message is not an object" };
      return before;
    }
    const author = isRecord(message["author"]) ? message["author"] : {};
    const { role } = author;
    if (typeof role !== "string" || !ROLES.has(role)) {
      yield { kind: "bad", place: at, reason: `has no author with a known role${nameForm(role)}` };
      return before;
    }
    const metadata = isRecord(message["metadata"]) ? message["metadata"] : {};
    const isSet = isSetForAllChats(message["content"]);
    const isHidden = metadata["is_visually_hidden_from_conversation"] === true || message["weight"] === 0;
    if (isHidden && !isSet) {
      yield { kind: "skipped", reason: "hidden message" };
      return before;
    }
    const content = readContent(message["content"], metadata);
    if ("unknownForm" in content) {
      yield { kind: "bad", place: at, reason: `has content of an unknown form${nameForm(content.unknownForm)}` };
      return before;
    }
    if (isSet && this.#options.instructions === "leave") {
      yield { kind: "skipped", reason: content.kind };
      return before;
    }
    for (const form of content.noted) yield { kind: "noted", place: at, form };
    if (content.text.trim() === "") {
      yield { kind: "skipped", reason: "empty turn" };
      return before;
    }
    const id = this.#unusedId(asText(message["id"]) ?? node.id, node.id);
    const name = asText(author["name"]);
    const said = { role, id, content, name, recipient: asText(message["recipient"]) };
    const spoken = isSet ? { content: content.text, calls: before.calls } : toContent(said, before.calls);
    const occurredAt = dateOf(message["create_time"]);
    this.#firstDate ??= occurredAt;
    if (before.messageId !== this.#last) this.#isBranched = true;
    this.#last = id;
    yield {
      kind: "message",
      session: this.#session,
      place: at,
      turn: {
        id,
        role: isSet ? "user" : role,
        author: isSet ? undefined : name,
        content: spoken.content,
        isDivisible: true,
        ...(isSet ? { pinned: true } : {}),
        ...(occurredAt === undefined ? {} : { occurredAt }),
        ...(this.#options.branches === "all" ? { after: before.messageId } : {}),
      },
    };
    return { messageId: id, calls: spoken.calls };
  }

  /** Two nodes of a tree may contain messages with the same id, but node ids are unique. */
  #unusedId(id: string, nodeId: string): string {
    const own = [id, nodeId].find((free) => !this.#usedIds.has(free)) ?? `${nodeId}.2`;
    this.#usedIds.add(own);
    return own;
  }
}

interface Said {
  readonly role: string;
  readonly id: string;
  readonly content: ChatgptContent;
  readonly name: string | undefined;
  /** The addressee: a tool, or all. */
  readonly recipient: string | undefined;
}

/** What is addressed to a tool is a call of it, and what the tool says next is the result. */
function toContent(
  { role, id, content, name, recipient = "all" }: Said,
  calls: OpenCalls,
): { readonly content: Turn["content"]; readonly calls: OpenCalls } {
  const { text, kind } = content;
  if (kind === "reasoning") return { content: [{ type: "reasoning", text }], calls };
  if (role === "assistant" && recipient !== "all") {
    const call = { type: "tool-call", toolCallId: id, toolName: recipient, input: parseInput(text) };
    return { content: [call], calls: calls.with(recipient, id) };
  }
  const answered = role === "tool" && name !== undefined ? calls.answer(name) : null;
  if (answered === null) return { content: text, calls };
  const { toolCallId, rest } = answered;
  const result = { type: "tool-result", toolCallId, toolName: name, output: { type: "text", value: text } };
  return { content: [result], calls: rest };
}

/** A tool is called with JSON or with code. */
function parseInput(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function nameForm(form: unknown): string {
  return typeof form === "string" ? `: ${JSON.stringify(form.slice(0, 40))}` : "";
}
