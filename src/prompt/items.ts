import { MAX_ITEM_TEXT_LENGTH, MAX_SUMMARY_BYTES } from "../api/limits.ts";
import type { Seq, TokenCount } from "../api/message.ts";
import type { ProposedItem } from "../api/summarizer.ts";
import type { Item, ItemKind, ItemStatus, KeptItem } from "../api/summary.ts";
import { jsonBytes } from "../api/text.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import { guardItem, SUMMARY_TAG } from "./guarded-text.ts";
import { withDay } from "./relative-days.ts";
import { Evidence } from "./support.ts";

/** Tokens of the mark ` (done)` behind an item. */
export const ITEM_OVERHEAD_TOKENS = 3;

/** Cache of item costs, because each context needs those of its summary. */
const COUNTED = new WeakMap<{ readonly text: string }, TokenCount>();

/**
 * Tokens that an item adds to a rendered summary, as a line of its own. The rendered list takes at most the sum of its
 * lines.
 */
export function itemTokens(item: { readonly text: string }): TokenCount {
  const known = COUNTED.get(item);
  if (known !== undefined) return known;
  const tokens = estimateTokens(line(item)) + ITEM_OVERHEAD_TOKENS;
  COUNTED.set(item, tokens);
  return tokens;
}

/**
 * Tokens of several items together. This is less than the sum of `itemTokens`, because the estimate adds a little to
 * every text.
 */
export function itemsTokens(items: readonly { readonly text: string }[]): TokenCount {
  return estimateTokens(items.map(line).join("")) + items.length * ITEM_OVERHEAD_TOKENS;
}

function line(item: { readonly text: string }): string {
  return `- ${guardItem(item.text)}\n`;
}

export interface Merge {
  readonly items: KeptItem[];
  /**
   * Proposed items that were refused: a cited message does not exist or does not support the item, the item is a
   * duplicate, or there is no room.
   */
  readonly dropped: ProposedItem[];
}

/** The messages of this session that an item cites; none for an item carried over from another session. */
export function ownSources(item: Pick<Item, "sourceSeqs" | "sourceSession">): readonly Seq[] {
  return item.sourceSession === undefined ? item.sourceSeqs : [];
}

/** The session and the epoch that an item was carried over from; an empty object if it was not carried over. */
export function sourceOf({ sourceSession, sourceEpoch }: KeptItem): Pick<KeptItem, "sourceSession" | "sourceEpoch"> {
  return {
    ...(sourceSession === undefined ? {} : { sourceSession }),
    ...(sourceEpoch === undefined ? {} : { sourceEpoch }),
  };
}

/** Whether an item was carried over: its sources are messages of another session. */
function isOfOther({ sourceSession }: KeptItem): boolean {
  return sourceSession !== undefined;
}

function sameText(text: string): string {
  return text.normalize("NFKC").toLowerCase().replaceAll(/\s+/g, " ").trim();
}

/**
 * Makes the new list of items from a summarizer's answer. Each item must cite existing messages that support it, none
 * may occur twice, and together they must fit the budget, by priority. Items that the answer leaves out are dropped. An
 * item that was carried over keeps its text and its sources, which cannot be checked in this session; its status may
 * change. A second item with its id or its text is dropped.
 *
 * @param previous the items that the summarizer was given
 * @param proposed the items that it returned
 * @param textOf the text of a message at or below the new `throughSeq`; null if there is none or it may not be cited
 * @param nextId makes the id of a new item
 * @param dayOf the day on which a message was written
 * @param mayInstruct whether a message may contain instructions: those of tools and documents may not
 */
export function mergeItems(
  previous: readonly KeptItem[],
  proposed: readonly ProposedItem[],
  textOf: (seq: Seq) => string | null,
  maxTokens: TokenCount,
  nextId: () => string,
  dayOf: (seq: Seq) => string | null = () => null,
  mayInstruct: (seq: Seq) => boolean = () => true,
): Merge {
  const known = new Map(previous.map((item) => [item.id, item]));
  const carriedTexts = new Set(previous.filter(isOfOther).map(({ text }) => sameText(text)));
  const taken = new Set<string>();
  const texts = new Set<string>();
  const sound: { readonly item: KeptItem; readonly proposal: ProposedItem }[] = [];
  const dropped: ProposedItem[] = [];
  for (const given of proposed) {
    const named = known.get(given.id ?? "");
    const before = named !== undefined && !taken.has(named.id) ? named : undefined;
    const isCarried = before !== undefined && isOfOther(before);
    // Words of another session must not become an item of this one: an erasure there would not find it here.
    const repeatsCarried =
      !isCarried && (named === undefined ? carriedTexts.has(sameText(given.text)) : isOfOther(named));
    const proposal = isCarried ? { ...before, status: given.status } : given;
    const sourceSeqs = [...new Set(proposal.sourceSeqs)].toSorted((a, b) => a - b);
    const text = sameText(proposal.text);
    const isSound =
      text !== "" &&
      !texts.has(text) &&
      !repeatsCarried &&
      (isCarried || citesWell(proposal.text, sourceSeqs, before, textOf));
    if (!isSound) {
      dropped.push(proposal);
      continue;
    }
    texts.add(text);
    if (before !== undefined) taken.add(before.id);
    const item: KeptItem = {
      id: before?.id ?? nextId(),
      kind: proposal.kind !== "instruction" || isCarried || sourceSeqs.some(mayInstruct) ? proposal.kind : "fact",
      text: isCarried ? proposal.text : datedText(proposal.text, sourceSeqs, textOf, dayOf),
      sourceSeqs,
      ...(isCarried ? sourceOf(before) : {}),
      status: proposal.status,
    };
    sound.push({ item, proposal });
  }
  const kept = withinBudget(
    sound.map(({ item }) => item),
    ({ id }) => !known.has(id),
    maxTokens,
  );
  return {
    items: sound.flatMap(({ item }) => (kept.has(item) ? [item] : [])),
    dropped: [...dropped, ...sound.flatMap(({ item, proposal }) => (kept.has(item) ? [] : [proposal]))],
  };
}

/**
 * Adds the day on which the cited message was written, if the item uses words such as "tomorrow", which mean another
 * day later on.
 */
function datedText(
  text: string,
  sourceSeqs: readonly Seq[],
  textOf: (seq: Seq) => string | null,
  dayOf: (seq: Seq) => string | null,
): string {
  const dated = withDay(text, (words) => {
    const seq = sourceOfWords(words, text, sourceSeqs, textOf) ?? sourceSeqs.at(-1);
    return seq === undefined ? null : dayOf(seq);
  });
  return dated.length <= MAX_ITEM_TEXT_LENGTH ? dated : text;
}

/**
 * Finds the cited message that an item has such words from: of several that contain them, the one that shares most
 * words with the item; the last of equals.
 */
function sourceOfWords(
  spoken: string,
  text: string,
  sourceSeqs: readonly Seq[],
  textOf: (seq: Seq) => string | null,
): Seq | null {
  const plain = (said: string): string => said.normalize("NFC").toLowerCase();
  const words = plain(text).match(/[\p{L}\p{N}]+/gu) ?? [];
  let best: { readonly seq: Seq; readonly shared: number } | null = null;
  for (const seq of sourceSeqs) {
    const source = plain(textOf(seq) ?? "");
    if (!source.includes(plain(spoken))) continue;
    const said = new Set(source.match(/[\p{L}\p{N}]+/gu));
    const shared = words.filter((word) => said.has(word)).length;
    if (best === null || shared >= best.shared) best = { seq, shared };
  }
  return best?.seq ?? null;
}

/** The most important kinds first. */
const KIND_PRIORITY: readonly ItemKind[] = [
  "instruction",
  "task",
  "decision",
  "preference",
  "fact",
  "question",
  "event",
];
const STATUS_PRIORITY: readonly ItemStatus[] = ["current", "done", "superseded"];

/** New items get at least this share of the budget, so that a full summary can still change. */
const MIN_NEW_SHARE = 0.25;

/** Size of an item as stored, with its citations. */
export function itemBytes(item: Item): number {
  return jsonBytes(item);
}

/** Keeps those items, in the given order of importance, that fit into `maxBytes`. */
export function firstWithinBytes<T extends Item>(items: readonly T[], maxBytes: number): T[] {
  let left = maxBytes;
  return items.filter((item) => {
    const bytes = itemBytes(item);
    if (bytes > left) return false;
    left -= bytes;
    return true;
  });
}

/** Chooses the items that fit the budget: current ones first, then by kind, then those with the newest sources. */
function withinBudget(items: readonly Item[], isNew: (item: Item) => boolean, maxTokens: TokenCount): Set<Item> {
  if (itemsTokens(items) <= maxTokens && firstWithinBytes(items, MAX_SUMMARY_BYTES).length === items.length) {
    return new Set(items);
  }
  const byPriority = items.toSorted(
    (a, b) =>
      STATUS_PRIORITY.indexOf(a.status) - STATUS_PRIORITY.indexOf(b.status) ||
      KIND_PRIORITY.indexOf(a.kind) - KIND_PRIORITY.indexOf(b.kind) ||
      (ownSources(b).at(-1) ?? 0) - (ownSources(a).at(-1) ?? 0),
  );
  const standing = firstWithin(byPriority.filter(isStanding), maxTokens).kept;
  const holding = byPriority.filter((item) => isNew(item) && item.status !== "superseded" && !standing.includes(item));
  const left = maxTokens - itemsTokens(standing);
  const fresh = firstWithin(holding, Math.min(left, Math.floor(maxTokens * MIN_NEW_SHARE))).kept;
  const first = [...standing, ...fresh];
  const others = byPriority.filter((item) => !first.includes(item));
  const within = [...first, ...firstWithin(others, maxTokens - itemsTokens(first)).kept];
  return new Set(firstWithinBytes(within, MAX_SUMMARY_BYTES));
}

/**
 * Splits a summary that is larger than a summarizer may be given: current items first, then those with the newest
 * sources. The items held back stay as they are.
 */
export function partItems(items: readonly Item[], maxTokens: TokenCount): { given: Item[]; heldBack: Item[] } {
  const newest = newestFirst(items);
  const ordered = [...newest.filter(isCurrent), ...newest.filter((item) => !isCurrent(item))];
  const given = new Set(firstWithin(ordered, maxTokens).kept);
  return { given: items.filter((item) => given.has(item)), heldBack: items.filter((item) => !given.has(item)) };
}

function isCurrent({ status }: Item): boolean {
  return status === "current";
}

/** An instruction that is still valid. It is kept before all other items. */
function isStanding({ kind, status }: Item): boolean {
  return kind === "instruction" && status === "current";
}

function citesWell(
  text: string,
  sourceSeqs: readonly Seq[],
  before: Item | undefined,
  textOf: (seq: Seq) => string | null,
): boolean {
  // An item whose text is unchanged, and which still cites all its old sources, was checked when it was new.
  const kept =
    before !== undefined && before.text === text && before.sourceSeqs.every((seq) => sourceSeqs.includes(seq));
  // One source at a time, because an item may cite many messages, and each may be large.
  const evidence = new Evidence();
  let isBorneOut = kept;
  for (const seq of sourceSeqs) {
    const source = textOf(seq);
    if (source === null) return false;
    if (isBorneOut) continue;
    evidence.add(source);
    isBorneOut = evidence.supports(text);
  }
  return isBorneOut;
}

/** Sorts by the newest source, newest first; items that were carried over come last. */
export function newestFirst<T extends Item>(items: readonly T[]): T[] {
  return items.toSorted((a, b) => (ownSources(b).at(-1) ?? 0) - (ownSources(a).at(-1) ?? 0) || itemOrder(a, b));
}

/** Keeps those items, in the given order of importance, that fit into `maxTokens`. */
export function firstWithin<T extends { readonly text: string }>(
  items: readonly T[],
  maxTokens: TokenCount,
): { kept: T[]; left: T[] } {
  // An item that is too large by itself does not take the room of those after it.
  const possible = items.filter((item) => itemTokens(item) <= maxTokens);
  let low = 0;
  let high = possible.length;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (itemsTokens(possible.slice(0, middle)) <= maxTokens) low = middle;
    else high = middle - 1;
  }
  const kept = new Set(possible.slice(0, low));
  return { kept: [...kept], left: items.filter((item) => !kept.has(item)) };
}

/** Removes items whose text equals that of an earlier one, or of one in `others`. */
export function withoutDoubles<T extends Item>(items: readonly T[], others: readonly Item[]): T[] {
  const texts = new Set(others.map(({ text }) => sameText(text)));
  return items.filter(({ text }) => {
    const isNew = !texts.has(sameText(text));
    texts.add(sameText(text));
    return isNew;
  });
}

/** Whether two versions of an item are equal in every stored field. */
export function sameItem(a: KeptItem, b: KeptItem): boolean {
  return (
    a.text === b.text &&
    a.kind === b.kind &&
    a.status === b.status &&
    a.sourceSession === b.sourceSession &&
    a.sourceEpoch === b.sourceEpoch &&
    a.sourceSeqs.length === b.sourceSeqs.length &&
    a.sourceSeqs.every((seq, index) => seq === b.sourceSeqs[index])
  );
}

const HEADINGS: readonly (readonly [ItemKind, string])[] = [
  ["instruction", "Standing wishes"],
  ["fact", "Facts"],
  ["preference", "Preferences"],
  ["decision", "Decisions"],
  ["task", "Tasks"],
  ["question", "Questions"],
  ["event", "Events"],
];

/** Order within a kind: by the first message cited, then by id. Items carried over come first. */
function itemOrder(a: Item, b: Item): number {
  const bySource = (ownSources(a)[0] ?? 0) - (ownSources(b)[0] ?? 0);
  return bySource !== 0 ? bySource : a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

/** A summary as it appears in prompts, and its tokens. */
interface RenderedItems {
  readonly text: string;
  readonly tokens: TokenCount;
}

/**
 * Cache of rendered summaries, so that each version is rendered once. Lists of items are never modified after
 * rendering.
 */
const RENDERED = new WeakMap<readonly Item[], RenderedItems | null>();

/** Renders a summary for a prompt; null if every item is superseded. */
export function renderSummary(items: readonly Item[]): RenderedItems | null {
  const known = RENDERED.get(items);
  if (known !== undefined) return known;
  const text = items.some((item) => item.status !== "superseded") ? renderItems(items) : null;
  const rendered = text === null ? null : { text, tokens: estimateTokens(text) };
  RENDERED.set(items, rendered);
  return rendered;
}

/**
 * Renders the items that are not superseded, by kind, oldest first. The same items give the same bytes.
 * @internal A test counts the tokens of items as they are rendered.
 */
export function renderItems(items: readonly Item[]): string {
  const lines: string[] = [`<${SUMMARY_TAG}>`];
  for (const [kind, heading] of HEADINGS) {
    const ofKind = items.filter((item) => item.kind === kind && item.status !== "superseded").toSorted(itemOrder);
    if (ofKind.length === 0) continue;
    lines.push(`${heading}:`);
    for (const item of ofKind) {
      lines.push(`- ${guardItem(item.text)}${item.status === "done" ? " (done)" : ""}`);
    }
  }
  lines.push(`</${SUMMARY_TAG}>`);
  return lines.join("\n");
}

/** Tokens of the tags and all headings: the cost of a rendered summary besides its items. */
export const SUMMARY_FRAME_TOKENS = estimateTokens(
  `<${SUMMARY_TAG}>\n\n</${SUMMARY_TAG}>\n${HEADINGS.map(([, heading]) => `${heading}:\n`).join("")}`,
);

/**
 * Chooses the items that fit a budget: valid instructions first, then those with the newest sources, because older
 * statements are more likely to be outdated. Also returns those left out.
 */
export function fitItems(items: readonly Item[], maxTokens: TokenCount): { kept: Item[]; left: Item[] } {
  const kept: Item[] = [];
  const left: Item[] = [];
  let tokens = SUMMARY_FRAME_TOKENS;
  const newest = newestFirst(items);
  for (const item of [...newest.filter(isStanding), ...newest.filter((other) => !isStanding(other))]) {
    const cost = item.status === "superseded" ? 0 : itemTokens(item);
    if (tokens + cost > maxTokens) {
      left.push(item);
      continue;
    }
    tokens += cost;
    kept.push(item);
  }
  return { kept: kept.toSorted(itemOrder), left };
}
