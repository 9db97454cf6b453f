import type { AgentInputItem } from "@openai/agents-core";
import { jsonBytes } from "../batches.ts";
import type { Content, Json, Message, NewMessage, Part, Role } from "../contract.ts";
import { fitContent } from "../fit-content.ts";
import { toItems } from "./from-parts.ts";
import { canonical, keptPart } from "./kept.ts";
import { toParts } from "./to-parts.ts";

/** The type of the part that records the operation which wrote a message, so that a retry recognizes it. */
const OPERATION_PART = "data-openai-agents-operation";
/**
 * The type of the part that marks items of the SDK's own compaction. They replace all earlier items for this SDK; other
 * frameworks use the summary.
 */
const COMPACTION_PART = "data-openai-agents-compaction";

/** A longer run is split into several messages, because a message has to be read and edited as a whole. In bytes. */
const MAX_RUN_BYTES = 1024 * 1024;
/** The largest content of a message as JSON, in bytes. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024 - 1024;

interface Group {
  readonly role: Role;
  readonly items: AgentInputItem[];
  bytes: number;
}

/**
 * Converts items to messages. All consecutive items of a model and its tools become one message, as a user sees it.
 */
export function toMessages(items: readonly AgentInputItem[]): NewMessage[] {
  const groups: Group[] = [];
  for (const item of items) {
    const role = roleOf(item);
    const bytes = jsonBytes(item);
    const last = groups.at(-1);
    const goesOn = last?.role === "assistant" && role === "assistant" && last.bytes + bytes <= MAX_RUN_BYTES;
    if (last === undefined || !goesOn) groups.push({ role, items: [item], bytes });
    else {
      last.items.push(item);
      last.bytes += bytes;
    }
  }
  return groups.map(({ role, items: own }) => ({ role: isAnswer(own) ? "tool" : role, content: contentOf(role, own) }));
}

function roleOf(item: AgentInputItem): Role {
  return "role" in item && (item.role === "user" || item.role === "system") ? item.role : "assistant";
}

/** Whether there are only tool results, for example after an approval. Their calls are in the message before. */
function isAnswer(items: readonly AgentInputItem[]): boolean {
  return items.every(({ type }) => type === "function_call_result" || (type ?? "").endsWith("_output"));
}

/**
 * The content of a message for items. The complete items are stored only if the parts alone would not restore them.
 */
function contentOf(role: Role, items: readonly AgentInputItem[]): Content {
  const told = items.map((item) => ({ item, parts: toParts(item) }));
  const parts = told.flatMap((one) => one.parts);
  const plain = plainContent(parts);
  if (canonical(toItems(role, plain)) === canonical(items)) return fitContent(plain);
  const whole = [...parts, keptPart(told)];
  return jsonBytes(whole) <= MAX_MESSAGE_BYTES ? whole : fitContent(plain);
}

function plainContent(parts: readonly Part[]): Content {
  const [first] = parts;
  if (first === undefined) return "";
  const isText = parts.length === 1 && first.type === "text" && first.providerOptions === undefined;
  return isText ? first.text : [...parts];
}

/** The items of a message. The items of a compaction replace all earlier ones. */
export function itemsOf({ role, content, erased }: Message): AgentInputItem[] {
  if (erased === true) return [];
  return compactedItems(content) ?? toItems(role, content);
}

/** Whether no part of a message is ever in a prompt. */
export function isUntold(content: Content): boolean {
  return typeof content === "string" ? content === "" : content.every(({ type }) => type.startsWith("data-"));
}

export function compactedItems(content: Content): AgentInputItem[] | null {
  if (typeof content === "string" || !content.some(({ type }) => type === COMPACTION_PART)) return null;
  return toItems(
    "assistant",
    content.filter(({ type }) => type !== COMPACTION_PART),
  );
}

/** The content of a compaction. It is in no prompt of another framework. */
export function compactionContent(items: readonly AgentInputItem[]): Content {
  return [{ type: COMPACTION_PART, data: items.length }, keptPart(items.map((item) => ({ item, parts: [] })))];
}

/** The content of a message after its items were changed. */
export function editedContent({ role, content }: Message, items: readonly AgentInputItem[]): Content {
  const changed = compactedItems(content) === null ? contentOf(role, items) : compactionContent(items);
  const operation = typeof content === "string" ? [] : content.filter(({ type }) => type === OPERATION_PART);
  return operation.length === 0 ? changed : [...partsOf(changed), ...operation];
}

/** Adds the record of an operation to a message. */
export function withOperation(message: NewMessage, id: string, mark: string): NewMessage {
  return { ...message, content: [...partsOf(message.content), { type: OPERATION_PART, data: { id, mark } }] };
}

function partsOf(content: Content): Part[] {
  if (typeof content !== "string") return content;
  return content === "" ? [] : [{ type: "text", text: content }];
}

export function operationOf(content: Content): Json | undefined {
  if (typeof content === "string") return undefined;
  for (const part of content) if (part.type === OPERATION_PART && "data" in part) return part.data;
  return undefined;
}
