import type { Seq, TokenCount } from "../api/message.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import type { LogMessage } from "./context.ts";
import { PairTracker } from "./cut.ts";
import { wholeBytes } from "./held-files.ts";
import { nameMedia } from "./media.ts";
import { contentTokens, messageCost, messageText, noteTokens, toolFileTokens, toolIds } from "./message-text.ts";

/** The messages that may go into the window, each with its cost in tokens. */

export interface Candidate {
  readonly message: LogMessage;
  readonly cost: TokenCount;
  /** The window may start here: no result after this message belongs to a call before it. */
  readonly mayStart: boolean;
  /** The message is not verbatim: a part is shortened or left out, or a file is replaced by its name. */
  readonly isCut: boolean;
}

/** How much there is room for. */
export interface Allowance {
  readonly tokens: TokenCount;
  readonly bytes: number;
}

/** Bytes that a message takes as JSON besides content, metadata and author. */
const MESSAGE_FRAME_BYTES = 200;
/**
 * A call without a result gets one that says so, because providers refuse open calls. This is the cost of that result
 * besides the call's id.
 */
const NO_RESULT_TOKENS: TokenCount = 8;
/**
 * A tool message of plain text gets a call to belong to, because providers refuse results without a call. This is the
 * cost of that call besides its ids.
 */
const WORDS_CALL_TOKENS: TokenCount = 18;

/**
 * How many messages covered by the summary are read to find the call of a result that comes right after the summary's
 * end. A summary may end between them if it was made on another branch, or before the result arrived. Parallel calls
 * have one result message each.
 */
const MAX_PARTED_REACH = 16;

/** Reads the messages after the summary, newest first, each once and only on demand. */
export interface LogReader {
  at(index: number): Candidate | undefined;
  /** The messages read so far, newest first. */
  readonly read: readonly Candidate[];
}

/**
 * @param covered the messages that the summary covers, newest first; read only to find the call of a result right after
 *   the summary
 * @param sendsToolFiles whether files in tool results are sent as files, and cost accordingly
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
   * Returns covered messages back to the calls of the results that come right after the summary; none if the calls are
   * not near. Results further on are ignored, because bringing back their calls would change the beginning of the
   * prompt and invalidate the provider's cache.
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

/** Cost of the call that is added for a tool message of plain text; the call contains the message's id and author. */
export function wordsCallTokens({ id, author = "" }: Pick<LogMessage, "id" | "author">): TokenCount {
  return 2 * (estimateTokens(id) + estimateTokens(author)) + WORDS_CALL_TOKENS;
}

function toolWordsNeedCall(content: NonNullable<LogMessage["content"]>): boolean {
  return typeof content === "string" || content.some(({ type }) => type === "text" || type === "file");
}

export function bytesOf({ message }: Candidate): number {
  // A UTF-16 code unit takes at most three bytes in UTF-8.
  return message.bytes + 3 * (message.author?.length ?? 0) + MESSAGE_FRAME_BYTES;
}

/** The same message with other content, and its new cost. */
export function withContent(candidate: Candidate, content: NonNullable<LogMessage["content"]>): Candidate {
  const { message } = candidate;
  const tokens = contentTokens(content);
  const bytes = wholeBytes([content, message.metadata]);
  // Costs besides the content, such as those of added results, stay the same.
  const besides = candidate.cost - message.tokens;
  return { ...candidate, message: { ...message, content, bytes, tokens }, cost: tokens + besides, isCut: true };
}

/** The message with its files replaced by descriptions; null if it has no files that are large enough for that. */
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

/** Whether it is a user message with text. */
export function isQuestion({ message }: Candidate): boolean {
  return message.role === "user" && message.content !== null && messageText(message.content).trim() !== "";
}
