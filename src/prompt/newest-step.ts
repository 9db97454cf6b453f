import type { Content, Part, TokenCount } from "../api/message.ts";
import { isWithinTokens } from "../tokens/estimate.ts";
import { type Candidate, withContent, wordsCallTokens } from "./candidates.ts";
import { cutContent, cutPart } from "./cut-content.ts";
import { CUT_MARKER_TOKENS, cutText, prefixWithin } from "./cut-text.ts";
import { contentTokens, messageCost, messageText, partTokens } from "./message-text.ts";
import { waterLevel } from "./water-level.ts";

/** The step at hand, its question with it, where they are larger than the room: what gives way, and in which order. */

/** Of an output that is cut so much stays, if there is room for it. */
const MIN_OUTPUT_TOKENS: TokenCount = 200;
/** An author's name takes so much of the room of a message that has to be cut, at most. */
const CUT_AUTHOR_SHARE = 0.125;

type PartType = "tool-result" | "tool-call";

/**
 * The messages of a step within a budget: the outputs of its tools are cut in the middle, evenly, down to where older turns have
 * room as well; then what went into the calls; then all that was said. null if there is no room even for that.
 * @param target what it should take, if cutting outputs is enough for that
 * @param most what it may take
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

/** Cuts the parts of one type to one level, the small ones left whole. */
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

/** Cuts whatever there is, the largest messages first. */
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

/** One message alone, within a budget; null if there is no room even for the marker of a cut. */
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

/** A tool's result in plain words: the id of its call, and the name of its tool, may be what has no room. */
export function fitToolWords(candidate: Candidate, most: TokenCount): Candidate | null {
  const { message } = candidate;
  const frame = messageCost({ ...message, tokens: 0 }) + wordsCallTokens(message);
  const content = cutText(messageText(message.content ?? ""), Math.max(1, most - frame));
  const tokens = contentTokens(content);
  const cut = { ...candidate, message: { ...message, content, tokens }, cost: tokens + frame, isCut: true };
  return tokens > 0 && cut.cost <= most ? cut : null;
}

/** A name is no more than a hint where the words themselves have no room. */
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
