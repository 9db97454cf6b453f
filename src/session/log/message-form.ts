import type { Content, Message, Part, Seq } from "../../api/message.ts";
import type { Item, Summary, SummaryVersion } from "../../api/summary.ts";
import { type Branch, isOn, type Siblings } from "../../prompt/branch.ts";
import { ownSources } from "../../prompt/items.ts";
import { toIsoTime, type MessageRow, saidTime, type SummaryRow, type VersionedItem } from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import { toPlainItem } from "../summary/index.ts";
import { messageId } from "./append.ts";

/** Messages and summaries in the form of the API, made from their rows. */

/** The fields of a message except its content. */
export function described(row: MessageRow): Omit<Message, "content"> {
  if (isPlain(row)) {
    const { seq, role, tokens } = row;
    return { id: messageId(row), seq, role, createdAt: toIsoTime(row.createdAt), tokens };
  }
  return {
    id: messageId(row),
    seq: row.seq,
    role: row.role,
    ...(row.author === null ? {} : { author: row.author }),
    ...(row.metadata === null ? {} : { metadata: row.metadata }),
    ...(row.occurredAt === null ? {} : { occurredAt: saidTime(row) }),
    createdAt: toIsoTime(row.createdAt),
    ...(row.editedAt === null ? {} : { editedAt: toIsoTime(row.editedAt) }),
    ...(row.erasedAt === null ? {} : { erased: true as const }),
    ...(row.isPinned ? { pinned: true as const } : {}),
    ...(row.afterSeq === null ? {} : { afterSeq: row.afterSeq }),
    tokens: row.tokens,
  };
}

/**
 * Whether a message has only the fields that every message has. Nearly all do, and building those takes a fifth of the
 * time.
 */
function isPlain(row: MessageRow): boolean {
  const { author, metadata, occurredAt, editedAt, erasedAt, afterSeq } = row;
  return (
    author === null &&
    metadata === null &&
    occurredAt === null &&
    editedAt === null &&
    erasedAt === null &&
    afterSeq === null &&
    !row.isPinned
  );
}

export function toMessage(row: MessageRow): Message {
  return { ...described(row), content: row.content ?? "" };
}

/** The message with its place among the branches. */
export function toPlacedMessage(row: MessageRow, places: Places | null): Message {
  return places === null ? toMessage(row) : { ...toMessage(row), ...placeOf(row.seq, places) };
}

/** What is needed to say where messages are among the branches. */
interface Places {
  readonly branch: Branch;
  readonly siblings: Siblings;
}

/** Null if the session has one branch. */
export function placesOf({ branches, messages }: SessionStore): Places | null {
  const tip = branches.isSole ? null : messages.tip();
  return tip === null ? null : { branch: tip.branch, siblings: branches.siblings(tip.lastSeq) };
}

function placeOf(seq: Seq, { branch, siblings }: Places): Pick<Message, "offBranch" | "siblings"> {
  const alternatives = siblings.of(seq);
  return {
    ...(isOn(branch, seq) ? {} : { offBranch: true as const }),
    ...(alternatives.length === 0 ? {} : { siblings: alternatives }),
  };
}

/** The content without `data-*` parts, which are stored for user interfaces and never go into a prompt. */
export function prompted(content: Content): Content {
  if (typeof content === "string" || !content.some(isData)) return content;
  const parts = content.filter((part) => !isData(part));
  return parts.length === 0 ? "" : parts;
}

function isData(part: Part): boolean {
  return part.type.startsWith("data-");
}

/**
 * The items of a version in the form of the API, kept as long as their rows are, so that later users find the same
 * objects.
 */
const PLAIN_ITEMS = new WeakMap<readonly VersionedItem[], Item[]>();

function plainItems(items: readonly VersionedItem[]): Item[] {
  const known = PLAIN_ITEMS.get(items);
  if (known !== undefined) return known;
  const plain = items.map(toPlainItem).toSorted((a, b) => (ownSources(a)[0] ?? 0) - (ownSources(b)[0] ?? 0));
  PLAIN_ITEMS.set(items, plain);
  return plain;
}

export function toSummary(row: SummaryRow, items: readonly VersionedItem[]): Summary {
  return {
    version: row.version,
    throughSeq: row.throughSeq,
    items: plainItems(items),
    tokens: row.tokens,
    summarizer: row.summarizer,
    degraded: row.degraded,
    droppedItems: row.droppedItems,
    createdAt: toIsoTime(row.createdAt),
  };
}

/** The summary together with the tokens that were spent on it. */
export function toVersion(row: SummaryRow, items: readonly VersionedItem[]): SummaryVersion {
  return { ...toSummary(row, items), ...(row.usage === null ? {} : { usage: row.usage }) };
}

/**
 * Whether a version stands for having no summary: it covers nothing and has no items. Such a version is written on a
 * switch to a branch that has none.
 */
export function isEmptyVersion({ throughSeq }: SummaryRow, items: readonly VersionedItem[]): boolean {
  return throughSeq === 0 && items.length === 0;
}
