import type { Content, Part, TokenCount } from "../api/message.ts";
import { isWithinTokens } from "../tokens/estimate.ts";
import { type Candidate, withContent, wordsCallTokens } from "./candidates.ts";
import { cutContent, cutPart } from "./cut-content.ts";
import { CUT_MARKER_TOKENS, cutText, prefixWithin } from "./cut-text.ts";
import { contentTokens, messageCost, messageText, partTokens } from "./message-text.ts";
import { waterLevel } from "./water-level.ts";

/**
 * Shortens the newest step (the newest message with the tool calls and results that belong to it) if it exceeds the
 * budget: what is cut, and in which order.
 */

/** A tool result keeps at least this many tokens, if there is room. */
const MIN_OUTPUT_TOKENS: TokenCount = 200;
/** In a message that has to be cut, the author's name may take at most this share. */
const CUT_AUTHOR_SHARE = 0.125;

type PartType = "tool-result" | "tool-call";

/**
 * Fits the messages of a step into a budget. Tool results are shortened first, the longest most, so that older turns
 * keep their room; then the inputs of the calls; then all text. Null if even that does not fit.
 * @param target tokens to reach, if shortening the results suffices for that
 * @param most tokens that it may take at most
 */
export function fitStep(step: readonly Candidate[], target: TokenCount, most: TokenCount): Candidate[] | null {
  if (stepCostOf(step) <= most) return [...step];
  let fitted = cutParts(step, "tool-result", target, MIN_OUTPUT_TOKENS);
  if (stepCostOf(fitted) > most) fitted = cutParts(fitted, "tool-call", most, CUT_MARKER_TOKENS);
  if (stepCostOf(fitted) > most) fitted = cutParts(fitted, "tool-result", most, CUT_MARKER_TOKENS);
  if (stepCostOf(fitted) > most) fitted = cutWords(fitted, most);
  return stepCostOf(fitted) <= most ? fitted : null;
}

export function stepCostOf(candidates: readonly Candidate[]): TokenCount {
  return candidates.reduce((sum, { cost }) => sum + cost, 0);
}

/** Shortens all parts of one type to one common size; smaller parts stay whole. */
function cutParts(step: readonly Candidate[], type: PartType, target: TokenCount, least: TokenCount): Candidate[] {
  const costs = step.flatMap(({ message }) => partsOf(message.content, type).map(partTokens));
  const over = stepCostOf(step) - target;
  if (over <= 0 || costs.length === 0) return [...step];
  const all = costs.reduce((sum, cost) => sum + cost, 0);
  const level = Math.max(least, waterLevel(costs, all - over));
  return step.map((candidate) => {
    const { content } = candidate.message;
    if (content === null || typeof content === "string") return candidate;
    if (!content.some((part) => part.type === type && partTokens(part) > level)) return candidate;
    return withContent(
      candidate,
      content.flatMap((part) => (part.type === type ? (cutPart(part, level) ?? []) : [part])),
    );
  });
}

function partsOf(content: Content | null, type: PartType): Part[] {
  return content === null || typeof content === "string" ? [] : content.filter((part) => part.type === type);
}

/** Shortens any content, the largest messages first. */
function cutWords(step: readonly Candidate[], most: TokenCount): Candidate[] {
  const cut = step.map((candidate) => withShortAuthor(candidate, most));
  let total = stepCostOf(cut);
  const largestFirst = cut.map((_, index) => index).toSorted((a, b) => (cut[b]?.cost ?? 0) - (cut[a]?.cost ?? 0));
  for (const index of largestFirst) {
    const candidate = cut[index];
    if (total <= most || candidate === undefined || candidate.message.content === null) continue;
    const overhead = candidate.cost - candidate.message.tokens;
    const tokens = Math.max(
      CUT_MARKER_TOKENS,
      Math.min(candidate.message.tokens, candidate.cost - (total - most) - overhead),
    );
    const shorter = withContent(candidate, cutContent(candidate.message.content, tokens));
    total += shorter.cost - candidate.cost;
    cut[index] = shorter;
  }
  return cut;
}

/** Fits one message into a budget; null if not even the marker of a cut fits. */
export function fitMessage(candidate: Candidate, most: TokenCount): Candidate | null {
  if (candidate.cost <= most) return candidate;
  const named = withShortAuthor(candidate, most);
  const fitted = fitWords(named, most) ?? fitWords(withAuthor(named, ""), most);
  if (fitted !== null) return fitted;
  return candidate.message.role === "tool" ? fitToolWords(named, most) : null;
}

function fitWords(candidate: Candidate, most: TokenCount): Candidate | null {
  const { content } = candidate.message;
  if (content === null || candidate.cost <= most) return candidate;
  const overhead = candidate.cost - candidate.message.tokens;
  const cut = withContent(candidate, cutContent(content, Math.max(1, most - overhead)));
  return cut.cost <= most && contentTokens(cut.message.content ?? "") > 0 ? cut : null;
}

/**
 * Turns a tool result into plain text, without the id of its call and the name of its tool, which may be what does not
 * fit.
 */
export function fitToolWords(candidate: Candidate, most: TokenCount): Candidate | null {
  const { message } = candidate;
  const frame = messageCost({ ...message, tokens: 0 }) + wordsCallTokens(message);
  const content = cutText(messageText(message.content ?? ""), Math.max(1, most - frame));
  const tokens = contentTokens(content);
  const cut = { ...candidate, message: { ...message, content, tokens }, cost: tokens + frame, isCut: true };
  return tokens > 0 && cut.cost <= most ? cut : null;
}

/** Shortens the author's name: if there is little room, the text of the message is more important. */
function withShortAuthor(candidate: Candidate, allowance: TokenCount): Candidate {
  const { author } = candidate.message;
  const maxTokens = Math.floor(allowance * CUT_AUTHOR_SHARE);
  return author === undefined || isWithinTokens(author, maxTokens)
    ? candidate
    : withAuthor(candidate, prefixWithin(author, maxTokens));
}

function withAuthor(candidate: Candidate, short: string): Candidate {
  const { author, ...rest } = candidate.message;
  if (author === undefined) return candidate;
  const message = short === "" ? rest : { ...rest, author: short };
  const besides = candidate.cost - messageCost(candidate.message);
  const cost = message.content === null ? 0 : messageCost(message) + besides;
  return { ...candidate, message, cost, isCut: true };
}
