/** Checks a model's answer and converts it into items, or lists its faults for the model. */
import { z } from "zod";
import { MAX_ITEM_TEXT_LENGTH, MAX_ITEMS_PER_SUMMARY, MAX_SOURCES_PER_ITEM } from "../api/limits.ts";
import type { Seq, TokenCount } from "../api/message.ts";
import type { ProposedItem, SummarizerRequest } from "../api/summarizer.ts";
import { type Item, type ItemStatus, itemKindSchema, itemStatusSchema } from "../api/summary.ts";
import { oneLine } from "../api/text.ts";
import { firstWithin } from "../prompt/items.ts";
import type { ItemNames } from "./item-names.ts";

const modelItemSchema = z.object({
  /** Null for a new item. An empty string counts as null, because some models fill in every string. */
  id: z
    .string()
    .nullish()
    .transform((id) => (id === "" ? null : id)),
  kind: itemKindSchema,
  text: z.string(),
  sourceSeqs: z.array(z.int()),
  status: itemStatusSchema,
});
const modelAnswerSchema = z.object({ items: z.array(modelItemSchema) });
type ModelItem = z.infer<typeof modelItemSchema>;

/** Order in which items are kept if there is not enough room. */
const STATUS_RANK: Record<ItemStatus, number> = { current: 0, done: 1, superseded: 2 };

export type ReadAnswer =
  | { readonly ok: true; readonly items: ProposedItem[] }
  /** Each fault names a place in the answer, never its text. */
  | { readonly ok: false; readonly faults: string[] };

function itemFaults(item: ModelItem, place: string, known: Item | undefined, seqs: ReadonlySet<Seq>): string[] {
  const faults: string[] = [];
  const strangers = item.sourceSeqs.filter((seq) => !seqs.has(seq));
  if (typeof item.id === "string" && known === undefined) {
    faults.push(`${place}.id is none of the ids in "previous"; a new item has the id null`);
  }
  if (oneLine(item.text) === "") faults.push(`${place}.text is empty`);
  if (item.text.length > MAX_ITEM_TEXT_LENGTH) {
    faults.push(`${place}.text is longer than ${MAX_ITEM_TEXT_LENGTH} characters; an item is one statement`);
  }
  if (item.sourceSeqs.length === 0) faults.push(`${place}.sourceSeqs is empty`);
  if (strangers.length > 0) {
    faults.push(
      `${place}.sourceSeqs names ${strangers.slice(0, 5).join(", ")}, and no message in the data has that seq`,
    );
  }
  if (new Set(item.sourceSeqs).size > MAX_SOURCES_PER_ITEM) {
    faults.push(`${place}.sourceSeqs names more than ${MAX_SOURCES_PER_ITEM} messages`);
  }
  return faults;
}

function proposed(item: ModelItem, known: Item | undefined): ProposedItem {
  const text = oneLine(item.text);
  // An unchanged item keeps its old sources, even if the model names only the new ones.
  const kept = known !== undefined && oneLine(known.text) === text;
  const seqs = new Set(kept ? [...known.sourceSeqs, ...item.sourceSeqs] : item.sourceSeqs);
  return {
    ...(known === undefined ? {} : { id: known.id }),
    kind: item.kind,
    text: kept ? known.text : text,
    sourceSeqs: [...seqs].toSorted((a, b) => a - b).slice(-MAX_SOURCES_PER_ITEM),
    status: item.status,
  };
}

/** Keeps as many items as fit: current ones first, newest sources first; in the given order. */
function withinBudget(items: readonly ProposedItem[], maxTokens: TokenCount): ProposedItem[] {
  const dearestFirst = items.toSorted(
    (a, b) => STATUS_RANK[a.status] - STATUS_RANK[b.status] || (b.sourceSeqs.at(-1) ?? 0) - (a.sourceSeqs.at(-1) ?? 0),
  );
  const kept = new Set(firstWithin(dearestFirst, maxTokens).kept);
  return items.filter((item) => kept.has(item));
}

/**
 * Checks an answer against its request: shape, ids, sources and texts. Exceeding the token budget is not a fault: what
 * does not fit is dropped, because asking again would cost more than it is worth.
 */
export function readAnswer(data: unknown, request: SummarizerRequest, names: ItemNames): ReadAnswer {
  if (data === undefined) return { ok: false, faults: ["it is no JSON object"] };
  const parsed = modelAnswerSchema.safeParse(data);
  if (!parsed.success) {
    return { ok: false, faults: parsed.error.issues.map(({ path, code }) => `${placeOf(path)}: ${code}`) };
  }
  const { items } = parsed.data;
  if (items.length > MAX_ITEMS_PER_SUMMARY) {
    return { ok: false, faults: [`it has more than ${MAX_ITEMS_PER_SUMMARY} items`] };
  }
  // The model was talked into forgetting everything, or gave up. Either way the memory must stay.
  if (items.length === 0 && request.previous.some(({ status }) => status === "current")) {
    return { ok: false, faults: ['it has no items, though some of "previous" still hold; give those back'] };
  }
  const seqs = new Set([
    ...request.messages.map(({ seq }) => seq),
    ...request.previous.flatMap(({ sourceSeqs }) => sourceSeqs),
  ]);
  const faults: string[] = [];
  const continued = new Set<Item>();
  const proposals: ProposedItem[] = [];
  for (const [index, item] of items.entries()) {
    const known = typeof item.id === "string" ? names.get(item.id) : undefined;
    faults.push(...itemFaults(item, `items[${index}]`, known, seqs));
    if (known !== undefined && continued.has(known))
      faults.push(`items[${index}].id stands in an earlier item already`);
    if (known !== undefined) continued.add(known);
    proposals.push(proposed(item, known));
  }
  return faults.length > 0 ? { ok: false, faults } : { ok: true, items: withinBudget(proposals, request.maxTokens) };
}

/**
 * The place of a fault, such as `items[3].kind`. It cannot contain unknown property names, which are the model's words,
 * because zod does not report them.
 */
function placeOf(path: readonly PropertyKey[]): string {
  return (
    path
      .map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`))
      .join("")
      .replace(/^\./, "") || "the object"
  );
}
