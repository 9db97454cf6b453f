import type { Content, Seq, TokenCount } from "../api/message.ts";
import { toolIds } from "./message-text.ts";

/** At least this many recent messages stay verbatim; fewer do not show the course of a conversation. */
const MIN_RECENT_MESSAGES = 4;
/**
 * How many messages a cut may move back to keep a tool call together with its result. Without a limit, a result whose
 * call is missing would hold the cut back forever.
 */
const MAX_PAIR_REACH_MESSAGES = 64;

/** The fields of a message that decide where to cut. */
export interface CutMessage {
  readonly seq: Seq;
  readonly content: Content | null;
  /** Tokens that it takes of a context's budget. */
  readonly cost: TokenCount;
}

/** Whether there are enough new messages since the last summary to make a new one. */
export function isSummaryDue(
  tokensSinceSummary: TokenCount,
  settings: { readonly summarizeAfterTokens: TokenCount },
): boolean {
  return tokensSinceSummary > settings.summarizeAfterTokens;
}

/** When a summary is due, and how much it leaves verbatim. In tokens. */
export interface Thresholds {
  readonly summarizeAfterTokens: TokenCount;
  readonly keepRecentTokens: TokenCount;
}

/**
 * The thresholds that apply. If a context would have to leave messages out before the configured threshold is reached,
 * the summary is made earlier, and leaves at most half of the context's room verbatim.
 */
export function thresholdsWithin(settings: Thresholds, room: TokenCount): Thresholds {
  if (settings.summarizeAfterTokens <= room) {
    const { summarizeAfterTokens, keepRecentTokens } = settings;
    return { summarizeAfterTokens, keepRecentTokens };
  }
  return { summarizeAfterTokens: room, keepRecentTokens: Math.min(settings.keepRecentTokens, Math.floor(room / 2)) };
}

/**
 * Walks messages from the newest to the oldest and says before which of them a cut separates no tool call from its
 * result. It is a class for memory's sake, because each context creates one: V8 keeps an object literal with a getter,
 * and everything that the getter references, until the next full garbage collection.
 */
export class PairTracker {
  readonly #awaitingCall = new Map<string, number>();
  #steps = 0;
  #unanswered: readonly string[] = NO_IDS;

  /** The ids of the calls in the last message that no later message answers. */
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
 * Chooses the last message that a new summary should cover. The messages after it stay verbatim: as many as fit into
 * `keepRecentTokens`, and at least four, without separating a tool call from its result. Returns 0 if there is nothing
 * to cover.
 *
 * @param newestFirst the messages after the last summary, read only as far as needed
 * @param room tokens of a context; beyond it fewer than four messages stay, because the context would leave them out
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
