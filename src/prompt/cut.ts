import type { Content, Seq, TokenCount } from "../api/message.ts";
import { toolIds } from "./message-text.ts";

/** Below this many messages a tail is no conversation. */
export const MIN_RECENT_MESSAGES = 4;
/** How far a cut may move back to keep a tool call with its result. A result whose call never came must not hold the cut forever. */
const MAX_PAIR_REACH_MESSAGES = 64;

/** A message as the cut sees it. */
export interface CutMessage {
  readonly seq: Seq;
  readonly content: Content | null;
  /** What it takes of a context's budget. */
  readonly cost: TokenCount;
}

/** Whether enough has been said since the last summary to make a new one. */
export function isSummaryDue(
  tokensSinceSummary: TokenCount,
  settings: { readonly summarizeAfterTokens: TokenCount },
): boolean {
  return tokensSinceSummary > settings.summarizeAfterTokens;
}

/** When a summary is due, and what it leaves word for word. */
export interface Thresholds {
  readonly summarizeAfterTokens: TokenCount;
  readonly keepRecentTokens: TokenCount;
}

/** The thresholds that hold: they come sooner where a context would leave messages out before, and then leave half of its room for what comes. */
export function thresholdsWithin(settings: Thresholds, room: TokenCount): Thresholds {
  if (settings.summarizeAfterTokens <= room) {
    const { summarizeAfterTokens, keepRecentTokens } = settings;
    return { summarizeAfterTokens, keepRecentTokens };
  }
  return { summarizeAfterTokens: room, keepRecentTokens: Math.min(settings.keepRecentTokens, Math.floor(room / 2)) };
}

/**
 * Walks messages newest first and tells before which of them a cut parts no tool call from its result. A class, since each context makes one: V8
 * keeps an object that is written with a getter, and all that the getter sees, until the next collection of the whole heap.
 */
export class PairTracker {
  readonly #awaitingCall = new Map<string, number>();
  #steps = 0;
  #unanswered: readonly string[] = NO_IDS;

  /** The ids of the calls of the last message that nothing after it answers. */
  get unanswered(): readonly string[] {
    return this.#unanswered;
  }

  step(content: Content | null): boolean {
    this.#steps += 1;
    const awaiting = this.#awaitingCall;
    if (typeof content === "string" || content === null) this.#unanswered = NO_IDS;
    else {
      const { calls, results } = toolIds(content);
      for (const id of results) awaiting.set(id, this.#steps);
      this.#unanswered = calls.filter((id) => !awaiting.delete(id));
    }
    if (awaiting.size === 0) return true;
    for (const [id, since] of awaiting) {
      if (this.#steps - since >= MAX_PAIR_REACH_MESSAGES) awaiting.delete(id);
    }
    return awaiting.size === 0;
  }
}

const NO_IDS: readonly string[] = [];

/**
 * The last message that a new summary should cover, so that the ones after it stay word for word: as many as fit
 * `keepRecentTokens`, and at least four, no tool call parted from its result. 0 if there is nothing to cover.
 *
 * @param newestFirst the messages after the last summary, read only as far as needed
 * @param room of a context: past it fewer than four stay, since it would leave them out
 */
export function chooseCut(
  newestFirst: Iterable<CutMessage>,
  keepRecentTokens: TokenCount,
  room: TokenCount = Number.POSITIVE_INFINITY,
): Seq {
  const pairs = new PairTracker();
  let kept = 0;
  let count = 0;
  let mayCut = true;
  for (const message of newestFirst) {
    const isFull = count >= MIN_RECENT_MESSAGES && kept + message.cost > keepRecentTokens;
    const isOver = count > 0 && kept + message.cost > room;
    if ((isFull || isOver) && mayCut) return message.seq;
    mayCut = pairs.step(message.content);
    kept += message.cost;
    count += 1;
  }
  return 0;
}
