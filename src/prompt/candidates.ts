import type { Seq, TokenCount } from "../api/message.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import type { LogMessage } from "./context.ts";
import { PairTracker } from "./cut.ts";
import { wholeBytes } from "./held-files.ts";
import { nameMedia } from "./media.ts";
import { contentTokens, messageCost, messageText, noteTokens, toolFileTokens, toolIds } from "./message-text.ts";

/** The messages that a window may hold, with what each takes of it. */

export interface Candidate {
  readonly message: LogMessage;
  readonly cost: TokenCount;
  /** A window may start here without parting a tool call from its result. */
  readonly mayStart: boolean;
  /** It is not word for word: something of it is cut, left out, or named instead of sent. */
  readonly isCut: boolean;
}

/** What there is room for. */
export interface Allowance {
  readonly tokens: TokenCount;
  readonly bytes: number;
}

/** What a message has as JSON besides its content, its metadata and its author. */
const MESSAGE_FRAME_BYTES = 200;
/** The result that a call is given which has none, its frame and the id that it has besides the call's own. */
const NO_RESULT_TOKENS: TokenCount = 8;
/** The call that a tool's plain words are given, and its frame. */
const WORDS_CALL_TOKENS: TokenCount = 18;

/**
 * So many messages that a summary covers are looked at where it ends between a tool's call and its result: it was made of another branch,
 * or before the result was there. Calls that run side by side have a message each for what they give.
 */
const MAX_PARTED_REACH = 16;

/** The messages of a log after its summary, newest first, each read once and only when it is asked for. */
export interface LogReader {
  at(index: number): Candidate | undefined;
  /** Those that were asked for so far, newest first. */
  readonly read: readonly Candidate[];
}

/**
 * @param covered what the summary covers, newest first: read only where a result after it may have its call there
 * @param sendsToolFiles what tools show is sent as files, and costs as much
 */
export function createLogReader(
  newestFirst: Iterable<LogMessage>,
  throughSeq: Seq,
  covered: () => Iterable<LogMessage>,
  sendsToolFiles: boolean,
): LogReader {
  const iterator = newestFirst[Symbol.iterator]();
  const pairs = new PairTracker();
  const read: Candidate[] = [];
  const toCandidate = (message: LogMessage): Candidate => {
    noteTokens(message.content, message.tokens);
    const mayStart = pairs.step(message.content);
    let besides = 0;
    for (const id of pairs.unanswered) besides += estimateTokens(id) + NO_RESULT_TOKENS;
    return { message, cost: costOf(message, sendsToolFiles) + besides, mayStart, isCut: false };
  };
  /**
   * Back to the calls of the results that stand right after the summary; none if they are not near. Results that come later are no matter: to
   * bring their calls back would change what prompts begin with.
   */
  const partedCalls = (): Candidate[] => {
    const awaited = new Set<string>();
    for (const { message } of read.toReversed()) {
      if (message.role !== "tool") break;
      for (const id of toolIds(message.content).results) awaited.add(id);
    }
    if (awaited.size === 0) return [];
    const back: Candidate[] = [];
    let needed = 0;
    for (const message of covered()) {
      back.push(toCandidate(message));
      const found = toolIds(message.content).calls.filter((id) => awaited.delete(id));
      if (found.length > 0) needed = back.length;
      if (awaited.size === 0 || back.length === MAX_PARTED_REACH) break;
    }
    return back.slice(0, needed);
  };
  let isOver = false;
  return {
    read,
    at(index) {
      while (!isOver && read.length <= index) {
        const next = iterator.next();
        if (next.done !== true && next.value.seq > throughSeq) {
          read.push(toCandidate(next.value));
          continue;
        }
        isOver = true;
        iterator.return?.();
        if (throughSeq > 0) read.push(...partedCalls());
      }
      return read[index];
    },
  };
}

function costOf(message: LogMessage, sendsToolFiles: boolean): TokenCount {
  if (message.content === null) return 0;
  const files = sendsToolFiles ? toolFileTokens(message.content) : 0;
  const isWords = message.role === "tool" && toolWordsNeedCall(message.content);
  return messageCost(message) + files + (isWords ? wordsCallTokens(message) : 0);
}

/** What the call takes that a tool's plain words are given, under the id and the author of their message. */
export function wordsCallTokens({ id, author = "" }: Pick<LogMessage, "id" | "author">): TokenCount {
  return 2 * (estimateTokens(id) + estimateTokens(author)) + WORDS_CALL_TOKENS;
}

function toolWordsNeedCall(content: NonNullable<LogMessage["content"]>): boolean {
  return typeof content === "string" || content.some(({ type }) => type === "text" || type === "file");
}

export function bytesOf({ message }: Candidate): number {
  // Three bytes a unit of UTF-16 at most.
  return message.bytes + 3 * (message.author?.length ?? 0) + MESSAGE_FRAME_BYTES;
}

/** The same message with other content, and what it takes now. */
export function withContent(candidate: Candidate, content: NonNullable<LogMessage["content"]>): Candidate {
  const { message } = candidate;
  const tokens = contentTokens(content);
  const bytes = wholeBytes([content, message.metadata]);
  // What it takes besides its words, such as the answers of its calls, stays.
  const besides = candidate.cost - message.tokens;
  return { ...candidate, message: { ...message, content, bytes, tokens }, cost: tokens + besides, isCut: true };
}

/** Its files in words; null if it has none that are worth it. */
export function withNamedFiles(candidate: Candidate): Candidate | null {
  const { message } = candidate;
  const content = message.content === null ? null : nameMedia(message.content, message.seq);
  if (content === null) return null;
  const files = message.content === null ? 0 : toolFileTokens(message.content);
  const named = withContent(candidate, content);
  const without = candidate.cost - message.tokens - files;
  return without >= 0 && candidate.cost > messageCost(message)
    ? { ...named, cost: named.message.tokens + without }
    : named;
}

/** Whether a user asks something in it. */
export function isQuestion({ message }: Candidate): boolean {
  return message.role === "user" && message.content !== null && messageText(message.content).trim() !== "";
}
