import type { AgentInputItem } from "@openai/agents-core";
import { jsonBytes } from "../batches.ts";
import type { Content, Json, Message, NewMessage, Part, Role } from "../contract.ts";
import { fitContent } from "../fit-content.ts";
import { toItems } from "./from-parts.ts";
import { canonical, keptPart } from "./kept.ts";
import { toParts } from "./to-parts.ts";

/** Which operation wrote a message: a retry finds it, and changes nothing. */
export const OPERATION_PART = "data-openai-agents-operation";
/** The items that stand for all that was said before, where the SDK compacted its history itself. Other frameworks keep their own summary. */
export const COMPACTION_PART = "data-openai-agents-compaction";

/** A run that is longer is more than one message: each has to be read and edited whole. */
const MAX_RUN_BYTES = 1024 * 1024;
/** What a message has room for, as JSON. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024 - 1024;

interface Group {
  readonly role: Role;
  readonly items: AgentInputItem[];
  bytes: number;
}

/** Items as messages: what a model and its tools did in a row is one, as a user sees it. */
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

/** Results alone, as after an approval: their calls stand in the message before. */
function isAnswer(items: readonly AgentInputItem[]): boolean {
  return items.every(({ type }) => type === "function_call_result" || (type ?? "").endsWith("_output"));
}

/** Items as the content of a message. What the parts alone bring back as it was needs nothing kept beside them. */
export function contentOf(role: Role, items: readonly AgentInputItem[]): Content {
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

/** The items of a message: those of a compaction stand for all that was before it. */
export function itemsOf({ role, content, erased }: Message): AgentInputItem[] {
  if (erased === true) return [];
  return compactedItems(content) ?? toItems(role, content);
}

/** Whether models are told nothing of a message: no context has it. */
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

/** All of a compaction in one message, of which no prompt of another framework has anything. */
export function compactionContent(items: readonly AgentInputItem[]): Content {
  return [{ type: COMPACTION_PART, data: items.length }, keptPart(items.map((item) => ({ item, parts: [] })))];
}

/** The content of a message in which other items stand than before. */
export function editedContent({ role, content }: Message, items: readonly AgentInputItem[]): Content {
  const changed = compactedItems(content) === null ? contentOf(role, items) : compactionContent(items);
  const operation = typeof content === "string" ? [] : content.filter(({ type }) => type === OPERATION_PART);
  return operation.length === 0 ? changed : [...partsOf(changed), ...operation];
}

/** The message by which an operation is known to be applied. */
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
