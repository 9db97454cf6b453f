import type { Context, Omitted } from "../contracts/context.ts";
import type { Content, Message, Part, Seq, TokenCount } from "../contracts/message.ts";
import type { Item, Summary } from "../contracts/summary.ts";
import { jsonBytes } from "../contracts/text.ts";
import { createPairTracker } from "./cut.ts";
import { fitItems, ownSources, renderItems } from "./items.ts";
import { nameMedia } from "./media.ts";
import { contentTokens, MESSAGE_OVERHEAD_TOKENS, messageCost, messageText } from "./message-text.ts";
import { RETRIEVED_FRAME_TOKENS, retrievedCost, type RetrievedMessage } from "./retrieved.ts";
import { estimateTokens, isWithinTokens } from "./tokens.ts";
import { outputText, toToolOutput } from "./tool-output.ts";

/** A message for the assembler. `content` is null where it was erased. */
export interface LogMessage extends Omit<Message, "content"> {
  readonly content: Content | null;
  /** Tokens of all messages before this one. */
  readonly tokensBefore: TokenCount;
  /** Of its content and metadata, as JSON. */
  readonly bytes: number;
}

export interface AssemblyInput {
  readonly sessionId: string;
  /** The newest message of the session. */
  readonly headSeq: Seq;
  /** The newest message of this context; `headSeq` unless the caller asked for an earlier one. */
  readonly atSeq: Seq;
  /** The summary that holds at `atSeq`. */
  readonly summary: Summary | null;
  /** Messages at or below `atSeq` and after the summary, newest first, read only as far as they fit. */
  readonly newestFirst: Iterable<LogMessage>;
  /** What the summary covers no more, until the next one. */
  readonly hiddenSeqs: readonly Pick<Omitted, "fromSeq" | "throughSeq">[];
  /** Older messages that may matter to the question, best first; null if nothing was asked. */
  readonly candidates: readonly RetrievedMessage[] | null;
  readonly maxTokens: TokenCount;
  /** Of the messages, as JSON. Files alone make a context large that is short: the newest go in, and older ones are named. */
  readonly maxBytes: number;
  readonly summaryPending: boolean;
}

/** Where messages do not fit, the window starts at steps of this share of its budget, so that a provider's prompt cache keeps hitting. */
const WINDOW_STEP_SHARE = 0.25;
/** A turn of a user before the first answer, as Anthropic wants it. */
const OPENING_TURN_TOKENS = 12;
/** Of a context with a query this share is for older messages, found or not, so that the recent ones begin where they began before. */
const RETRIEVED_SHARE = 0.2;
/** Room for the text that a cut leaves behind. */
const CUT_MARKER_TOKENS = 24;
/** An author's name takes so much of the room of a message that has to be cut, at most. */
const CUT_AUTHOR_SHARE = 0.125;
/** What a message has as JSON besides its content, its metadata and its author. */
const MESSAGE_FRAME_BYTES = 200;
/** All files but those of the newest message leave the rest of the bytes to words. */
const FILES_SHARE = 0.75;

/**
 * A context within its budget, and the proof that nothing is silently missing: every message up to `atSeq` is word for word
 * in `messages`, covered by `summary`, or named in `omitted`. Pure: the same input gives the same bytes.
 *
 * The budget goes half to the summary and half to the messages, after a fifth for what a query brings back; what one does not
 * need, the other gets. Reads no further back than fits.
 */
export function assembleContext(input: AssemblyInput): Context {
  const throughSeq = input.summary?.throughSeq ?? 0;
  const fullSummary = input.summary === null ? 0 : summaryCost(input.summary.items);
  const reserve = input.candidates === null ? 0 : Math.floor(input.maxTokens * RETRIEVED_SHARE);
  // Where no summary opens the prompt, a format may have to: some providers take no chat that begins with an answer.
  const opening = fullSummary === 0 ? OPENING_TURN_TOKENS : 0;
  const summaryShare = Math.min(fullSummary, Math.floor(input.maxTokens / 2));
  const messagesAllowance = input.maxTokens - reserve - opening - summaryShare;
  const reservedBytes = input.candidates === null ? 0 : Math.floor(input.maxBytes * RETRIEVED_SHARE);
  const window = fillWindow(
    input.newestFirst,
    { tokens: messagesAllowance, bytes: input.maxBytes - reservedBytes },
    throughSeq,
  );
  const beforeSeq = window.fromSeq ?? input.atSeq + 1;
  const retrieved = pickRetrieved(input.candidates ?? [], { tokens: reserve, bytes: reservedBytes }, beforeSeq);
  const messagesTokens = window.tokens + (window.messages.length === 0 ? 0 : opening);
  const summaryAllowance = input.maxTokens - messagesTokens - retrieved.tokens;
  const fitting = fitSummary(input.summary?.items ?? [], fullSummary, summaryAllowance);
  const { kept, left, cost: summaryTokens } = fitting;
  const summary = input.summary === null ? null : { ...input.summary, items: kept };
  return {
    sessionId: input.sessionId,
    headSeq: input.headSeq,
    atSeq: input.atSeq,
    summary,
    messages: window.messages,
    retrieved: retrieved.picked,
    omitted: nameOmitted(input, throughSeq, window, kept, left),
    tokens: {
      budget: input.maxTokens,
      used: summaryTokens + messagesTokens + retrieved.tokens,
      summary: summaryTokens,
      messages: messagesTokens,
      retrieved: retrieved.tokens,
    },
    summaryPending: input.summaryPending,
  };
}

/** What a rendered summary takes of the budget, as a message of its own. */
export function summaryCost(items: readonly Item[]): TokenCount {
  if (!items.some((item) => item.status !== "superseded")) return 0;
  return estimateTokens(renderItems(items)) + MESSAGE_OVERHEAD_TOKENS;
}

/** What there is room for. */
interface Allowance {
  readonly tokens: TokenCount;
  readonly bytes: number;
}

/** The best candidates that fit and are not in the window anyway. */
function pickRetrieved(
  candidates: readonly RetrievedMessage[],
  allowance: Allowance,
  beforeSeq: Seq,
): { picked: RetrievedMessage[]; tokens: TokenCount } {
  const picked: RetrievedMessage[] = [];
  let tokens = RETRIEVED_FRAME_TOKENS;
  let bytes = 0;
  for (const candidate of candidates) {
    if (candidate.message.seq >= beforeSeq) continue;
    const sized = sizeCandidate(candidate, allowance.bytes - bytes);
    if (sized === null) continue;
    const cost = retrievedCost(sized.candidate);
    if (tokens + cost > allowance.tokens) continue;
    tokens += cost;
    bytes += sized.bytes;
    picked.push(sized.candidate);
  }
  return { picked, tokens: picked.length === 0 ? 0 : tokens };
}

/** A candidate of at most so many bytes, with its files named if it has to be; null if that is not enough. */
function sizeCandidate(
  candidate: RetrievedMessage,
  maxBytes: number,
): { candidate: RetrievedMessage; bytes: number } | null {
  const bytes = jsonBytes(candidate);
  if (!(bytes > maxBytes)) return { candidate, bytes };
  const content = nameMedia(candidate.message.content, candidate.message.seq);
  if (content === null) return null;
  const named = { ...candidate, message: { ...candidate.message, content } };
  const namedBytes = jsonBytes(named);
  return namedBytes > maxBytes ? null : { candidate: named, bytes: namedBytes };
}

function fitSummary(
  items: readonly Item[],
  fullCost: TokenCount,
  allowance: TokenCount,
): { kept: Item[]; left: Item[]; cost: TokenCount } {
  if (fullCost <= allowance) return { kept: [...items], left: [], cost: fullCost };
  const { kept, left } = fitItems(items, allowance - MESSAGE_OVERHEAD_TOKENS);
  return { kept, left, cost: summaryCost(kept) };
}

type ContextMessage = Context["messages"][number];

interface Window {
  /** Oldest first. */
  readonly messages: ContextMessage[];
  readonly tokens: TokenCount;
  /** The oldest message inside the window, erased ones included; null if it holds none. */
  readonly fromSeq: Seq | null;
  /** Seqs inside the window that are not there word for word. */
  readonly cutSeqs: Seq[];
  readonly erasedSeqs: Seq[];
}

interface Candidate {
  readonly message: LogMessage;
  readonly cost: TokenCount;
  /** A window may start here without parting a tool call from its result. */
  readonly mayStart: boolean;
  /** Its files are named instead of sent, or its author's name is cut: it is not word for word. */
  readonly isCut: boolean;
}

function fillWindow(newestFirst: Iterable<LogMessage>, allowance: Allowance, throughSeq: Seq): Window {
  const pairs = createPairTracker();
  const fitting: Candidate[] = [];
  let tokens = 0;
  let bytes = 0;
  /** How many of the newest have their files in full; all of them until one has no room for its own. */
  let withFiles = Number.POSITIVE_INFINITY;
  let overflow: Candidate | null = null;
  for (const message of newestFirst) {
    if (message.seq <= throughSeq) break;
    const cost = message.content === null ? 0 : messageCost(message);
    let candidate: Candidate = { message, cost, mayStart: pairs.step(message.content), isCut: false };
    const filesShare = fitting.length === 0 ? 1 : FILES_SHARE;
    if (fitting.length >= withFiles || bytes + bytesOf(candidate) > allowance.bytes * filesShare) {
      const named = withNamedFiles(candidate);
      if (named !== null) {
        withFiles = Math.min(withFiles, fitting.length);
        candidate = named;
      }
    }
    if (tokens + candidate.cost > allowance.tokens || bytes + bytesOf(candidate) > allowance.bytes) {
      overflow = candidate;
      break;
    }
    tokens += candidate.cost;
    bytes += bytesOf(candidate);
    fitting.push(candidate);
  }
  const stepped = nameOlderFiles(fitting, withFiles);
  if (overflow === null) return windowOf(stepped);
  const isFull = tokens + overflow.cost > allowance.tokens;
  const step = isFull ? Math.max(1, Math.floor(allowance.tokens * WINDOW_STEP_SHARE)) : stepWithin(stepped);
  const start = chooseStart(stepped, step);
  if (start >= 0) return windowOf(stepped.slice(0, start + 1));
  return cutToFit([...stepped, overflow], allowance.tokens);
}

function bytesOf({ message }: Candidate): number {
  // Three bytes a unit of UTF-16 at most.
  return message.bytes + 3 * (message.author?.length ?? 0) + MESSAGE_FRAME_BYTES;
}

function withNamedFiles(candidate: Candidate): Candidate | null {
  const { message } = candidate;
  const content = message.content === null ? null : nameMedia(message.content, message.seq);
  if (content === null) return null;
  const bytes = jsonBytes([content, message.metadata]);
  const named = { ...message, content, bytes, tokens: contentTokens(content) };
  return { ...candidate, message: named, cost: messageCost(named), isCut: true };
}

/** Where bytes decide how much fits. A power of two: the steps lie where they lay before, though a little more or less fits now. */
function stepWithin(candidates: readonly Candidate[]): TokenCount {
  const tokens = candidates.reduce((sum, { cost }) => sum + cost, 0);
  return 2 ** Math.floor(Math.log2(Math.max(1, tokens * WINDOW_STEP_SHARE)));
}

/** Names a few more files than have no room, so that the first that is sent stays the same while messages come in, but for rare steps. */
function nameOlderFiles(newestFirst: readonly Candidate[], withFiles: number): readonly Candidate[] {
  const oldest = newestFirst[withFiles - 1];
  if (oldest === undefined) return newestFirst;
  const kept = newestFirst.slice(0, withFiles);
  const step = stepWithin(kept);
  const boundary = Math.ceil(oldest.message.tokensBefore / step) * step;
  return newestFirst.map((candidate, index) =>
    index > 0 && index < withFiles && candidate.message.tokensBefore < boundary
      ? (withNamedFiles(candidate) ?? candidate)
      : candidate,
  );
}

/** The index in `fitting` of the oldest message that the window starts with; -1 if no start keeps the tool calls whole. */
function chooseStart(fitting: readonly Candidate[], step: TokenCount): number {
  const oldest = fitting.at(-1);
  if (oldest === undefined) return -1;
  const boundary = Math.ceil(oldest.message.tokensBefore / step) * step;
  let fallback = -1;
  for (let index = fitting.length - 1; index >= 0; index -= 1) {
    const candidate = fitting[index];
    if (candidate === undefined || !candidate.mayStart) continue;
    if (candidate.message.tokensBefore >= boundary) return index;
    if (fallback < 0) fallback = index;
  }
  return fallback;
}

/** A newest message, or a newest tool call with its result, that is larger than the budget: its largest texts are cut. */
function cutToFit(newestFirst: readonly Candidate[], allowance: TokenCount): Window {
  const startsWhole = newestFirst.findIndex((candidate) => candidate.mayStart);
  const unit = newestFirst.slice(0, startsWhole + 1).map((candidate) => withShortAuthor(candidate, allowance));
  const whole = unit.length > 0 ? shrink(unit, allowance) : null;
  if (whole !== null) return whole;
  // Tool calls whose start lies out of reach: the newest message alone, as plain text, since a result without its call is refused.
  const newest = newestFirst[0];
  if (newest === undefined) return windowOf([]);
  const named = withShortAuthor(newest, allowance);
  const text = messageText(named.message.content ?? "");
  const overhead = named.cost - named.message.tokens;
  const content = cutText(text, Math.max(1, allowance - overhead));
  const message: LogMessage = {
    ...named.message,
    role: named.message.role === "tool" ? "user" : named.message.role,
    content,
    tokens: contentTokens(content),
  };
  const cost = messageCost(message);
  // A budget that has no room even for the marker of a cut: the message is named in `omitted`, as all others are.
  if (cost > allowance) return windowOf([]);
  return windowOf([{ message, cost, mayStart: true, isCut: true }]);
}

/** A name is no more than a hint where the words themselves have no room. */
function withShortAuthor(candidate: Candidate, allowance: TokenCount): Candidate {
  const { author, ...rest } = candidate.message;
  const maxTokens = Math.floor(allowance * CUT_AUTHOR_SHARE);
  if (author === undefined || isWithinTokens(author, maxTokens)) return candidate;
  const short = prefixWithin(author, maxTokens);
  const message = short === "" ? rest : { ...rest, author: short };
  const cost = message.content === null ? 0 : messageCost(message);
  return { ...candidate, message, cost, isCut: true };
}

function shrink(unit: readonly Candidate[], allowance: TokenCount): Window | null {
  const shrunk = [...unit];
  let total = shrunk.reduce((sum, candidate) => sum + candidate.cost, 0);
  const largestFirst = unit
    .map((candidate, index) => ({ candidate, index }))
    .toSorted((a, b) => b.candidate.cost - a.candidate.cost);
  for (const { candidate, index } of largestFirst) {
    if (total <= allowance) break;
    if (candidate.message.content === null) continue;
    const overhead = candidate.cost - candidate.message.tokens;
    const target = Math.max(
      CUT_MARKER_TOKENS,
      Math.min(candidate.message.tokens, candidate.cost - (total - allowance) - overhead),
    );
    const content = cutContent(candidate.message.content, target);
    const message = { ...candidate.message, content, tokens: contentTokens(content) };
    const cost = messageCost(message);
    total += cost - candidate.cost;
    shrunk[index] = { ...candidate, message, cost, isCut: true };
  }
  return total <= allowance ? windowOf(shrunk) : null;
}

/** Text of at most so many tokens, if the marker has room: its head and its tail, and between them what says how much is gone. */
export function cutText(text: string, maxTokens: TokenCount): string {
  if (isWithinTokens(text, maxTokens)) return text;
  for (let room = Math.max(0, maxTokens - CUT_MARKER_TOKENS); ;) {
    const cut = headAndTail(text, room);
    const over = estimateTokens(cut) - maxTokens;
    if (over <= 0 || room === 0) return cut;
    // Parts may come to less than the whole.
    room = Math.max(0, room - over);
  }
}

function headAndTail(text: string, maxTokens: TokenCount): string {
  const head = prefixWithin(text, Math.ceil(maxTokens / 2));
  const tail = suffixWithin(text, Math.floor(maxTokens / 2));
  const gone = text.length - head.length - tail.length;
  return `${head}\n[… ${gone} characters cut …]\n${tail}`;
}

function isInsidePair(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** A prefix within a budget. The estimate rises with length but for a token or two, so halving finds nearly the longest. */
function prefixWithin(text: string, maxTokens: TokenCount): string {
  let low = 0;
  let high = Math.min(text.length, maxTokens * 16);
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (isWithinTokens(text.slice(0, middle), maxTokens)) low = middle;
    else high = middle - 1;
  }
  return text.slice(0, isInsidePair(text, low) ? low - 1 : low);
}

function suffixWithin(text: string, maxTokens: TokenCount): string {
  let low = Math.max(0, text.length - maxTokens * 16);
  let high = text.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (isWithinTokens(text.slice(middle), maxTokens)) high = middle;
    else low = middle + 1;
  }
  return text.slice(isInsidePair(text, low) ? low + 1 : low);
}

/** Content of at most so many tokens, if its texts alone can give way: the largest parts are cut first. */
function cutContent(content: Content, maxTokens: TokenCount): Content {
  if (typeof content === "string") return cutText(content, maxTokens);
  const parts = content.filter((part) => !part.type.startsWith("data-"));
  const costs = parts.map((part) => contentTokens([part]));
  let total = costs.reduce((sum, cost) => sum + cost, 0);
  const largestFirst = parts.map((_, index) => index).toSorted((a, b) => (costs[b] ?? 0) - (costs[a] ?? 0));
  for (const index of largestFirst) {
    if (total <= maxTokens) break;
    const part = parts[index];
    const cost = costs[index];
    if (part === undefined || cost === undefined) continue;
    const cut = cutPart(part, Math.max(CUT_MARKER_TOKENS, cost - (total - maxTokens)));
    total += contentTokens([cut]) - cost;
    parts[index] = cut;
  }
  return parts.length === 0 ? "" : parts;
}

function cutPart(part: Part, maxTokens: TokenCount): Part {
  const frame = contentTokens([part]);
  switch (part.type) {
    case "text":
    case "reasoning":
      return { ...part, text: cutText(part.text, maxTokens - (frame - estimateTokens(part.text))) };
    case "tool-result": {
      const text = outputText(toToolOutput(part.output));
      const around = contentTokens([{ ...part, output: "" }]);
      return { ...part, output: { type: "text", value: cutText(text, maxTokens - around) } };
    }
    case "file":
      return {
        type: "text",
        text: `[file ${part.filename ?? ""} ${part.mediaType} left out: no room]`,
      };
    default:
      // A tool call's input must stay valid for its schema.
      return part;
  }
}

function windowOf(newestFirst: readonly Candidate[]): Window {
  const messages: ContextMessage[] = [];
  const erasedSeqs: Seq[] = [];
  let tokens = 0;
  const cutSeqs: Seq[] = [];
  for (const { message, cost, isCut } of newestFirst.toReversed()) {
    if (message.content === null) {
      erasedSeqs.push(message.seq);
      continue;
    }
    if (isCut) cutSeqs.push(message.seq);
    const { tokensBefore: _, bytes: _bytes, ...rest } = message;
    tokens += cost;
    messages.push({
      ...rest,
      content: message.content,
      ...(isCut ? { cut: true as const } : {}),
    });
  }
  return {
    messages,
    tokens,
    fromSeq: newestFirst.at(-1)?.message.seq ?? null,
    cutSeqs,
    erasedSeqs,
  };
}

function nameOmitted(
  input: AssemblyInput,
  throughSeq: Seq,
  window: Window,
  kept: readonly Item[],
  left: readonly Item[],
): Omitted[] {
  const omitted: Omitted[] = [];
  const stillCited = new Set(kept.flatMap(ownSources));
  for (const seq of new Set(left.flatMap(ownSources))) {
    if (!stillCited.has(seq)) omitted.push({ fromSeq: seq, throughSeq: seq, reason: "budget" });
  }
  const firstSeq = window.fromSeq ?? input.atSeq + 1;
  if (firstSeq > throughSeq + 1) {
    omitted.push({
      fromSeq: throughSeq + 1,
      throughSeq: firstSeq - 1,
      reason: input.summaryPending ? "pending" : "budget",
    });
  }
  for (const seq of window.cutSeqs) {
    omitted.push({ fromSeq: seq, throughSeq: seq, reason: "budget" });
  }
  for (const seq of window.erasedSeqs) {
    omitted.push({ fromSeq: seq, throughSeq: seq, reason: "hidden" });
  }
  for (const range of input.hiddenSeqs) omitted.push({ ...range, reason: "hidden" });
  return joinRanges(omitted);
}

/** Neighbouring ranges of one reason become one, in order. */
export function joinRanges(ranges: readonly Omitted[]): Omitted[] {
  const joined: Omitted[] = [];
  for (const range of ranges.toSorted((a, b) => a.fromSeq - b.fromSeq)) {
    const last = joined.at(-1);
    if (last !== undefined && last.reason === range.reason && range.fromSeq <= last.throughSeq + 1) {
      last.throughSeq = Math.max(last.throughSeq, range.throughSeq);
    } else joined.push({ ...range });
  }
  return joined;
}
