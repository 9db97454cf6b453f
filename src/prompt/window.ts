import type { Context } from "../api/context.ts";
import type { Seq, TokenCount } from "../api/message.ts";
import { type Allowance, bytesOf, type Candidate, isQuestion, type LogReader, withNamedFiles } from "./candidates.ts";
import { toolIds } from "./message-text.ts";
import { stepCostOf, fitMessage, fitStep, fitToolWords } from "./newest-step.ts";
import { leaveOutOutputs, wholeOutputsFrom } from "./old-outputs.ts";
import { once } from "./once.ts";

/** Chooses the recent messages of a context, and shortens what does not fit. */

type ContextMessage = Context["messages"][number];

export interface Window {
  /** Oldest first. Built on demand, because several windows are tried and only one is used. */
  readonly messages: () => readonly ContextMessage[];
  readonly tokens: TokenCount;
  /** The oldest message in the window, erased ones included; null if the window is empty. */
  readonly fromSeq: Seq | null;
  /** All messages in the window, including those that are cut and those that were erased. */
  readonly seqs: Seq[];
  readonly cutSeqs: Seq[];
  readonly erasedSeqs: Seq[];
  /** True if the window contains every message after the summary. */
  readonly isWhole: boolean;
}

/**
 * If not all messages fit, the beginning of the window moves in steps of this share of its budget. So the prompt rarely
 * changes at its beginning, and the provider's prompt cache stays valid.
 */
const WINDOW_STEP_SHARE = 0.25;
/** The files of all messages but the newest may take this share of the bytes; the rest is for text. */
const FILES_SHARE = 0.75;
/** If the tool results of the newest step have to be cut, this share of the window is reserved for older messages. */
const OLDER_TURNS_SHARE = 0.25;
/** If the question and the newest step do not both fit, the question gets at most this share. */
const QUESTION_SHARE = 0.5;
/**
 * How many messages back the newest question is searched. An agent that has taken more steps since then has a summary,
 * which covers the question.
 */
const MAX_QUESTION_REACH = 1_000;

/** The step, in tokens, by which the beginning of a window moves. */
export function windowStep({ tokens }: Allowance): TokenCount {
  return Math.max(1, Math.floor(tokens * WINDOW_STEP_SHARE));
}

/**
 * Fills a window with the newest messages that fit. If not all fit, the tool results of older steps are left out first.
 * The newest question is always included, however long its answer has been in progress, and so is the newest step, cut
 * if necessary.
 * @param step where the window may begin: see `windowStep`
 * @param coveredQuestion the newest question, if only the summary covers it
 */
export function fillWindow(
  log: LogReader,
  allowance: Allowance,
  step: TokenCount,
  coveredQuestion: () => Candidate | null,
): Window {
  const whole = fit(log, allowance, { change: (candidate) => candidate, pinned: null });
  if (whole.overflow === null) return windowOf(withCoveredQuestion(whole.fitting, allowance, coveredQuestion), true);
  if (whole.isOutOfBytes) return windowOf(startAtStep(whole.fitting, stepWithin(whole.fitting), 0), false);
  const newest = stepLength(log);
  const question = findQuestion(log, newest, coveredQuestion);
  const room = allowance.tokens;
  const asked =
    question === null || question.index < newest
      ? null
      : fitMessage(question.candidate, Math.floor(room * QUESTION_SHARE));
  const reserved = asked?.cost ?? 0;
  const older = olderTokens(log, newest, asked === null ? null : (question?.index ?? null), room);
  const fitted = fitStep(log.read.slice(0, newest), room - reserved - older, room - reserved);
  if (fitted === null) return newestAlone(log, room, asked);
  const from = wholeOutputsFrom(log.read, newest, step / WINDOW_STEP_SHARE, step);
  const change = (candidate: Candidate, index: number): Candidate => {
    const atHand = fitted[index];
    if (atHand !== undefined) return atHand;
    if (index === question?.index && asked !== null) return asked;
    return from !== null && candidate.message.tokensBefore < from ? leaveOutOutputs(candidate) : candidate;
  };
  const pinned = asked === null || question === null ? null : { index: question.index, cost: asked.cost };
  const filled = fit(log, allowance, { change, pinned });
  const isAskedInside = pinned === null || pinned.index < filled.fitting.length;
  if (filled.overflow === null && isAskedInside) return windowOf(filled.fitting, false);
  // If a tool result after the question belongs to a call before it, the window must begin later; the question is then
  // put before it, with a gap.
  const mayStartAtQuestion = pinned !== null && filled.fitting[pinned.index]?.mayStart === true;
  const least = mayStartAtQuestion ? pinned.index : newest - 1;
  const started = filled.overflow === null ? filled.fitting : startAtStep(filled.fitting, step, least);
  const hasQuestion = asked === null || pinned === null || pinned.index < started.length;
  return windowOf(hasQuestion ? started : [...started, asked], false);
}

/** Adds the newest question if only the summary covers it and a tool loop is in progress. */
function withCoveredQuestion(
  fitting: readonly Candidate[],
  allowance: Allowance,
  covered: () => Candidate | null,
): readonly Candidate[] {
  const newest = fitting[0];
  if (newest === undefined || !isUnderWay(newest) || fitting.some(isQuestion)) return fitting;
  const question = covered();
  const asked = question === null ? null : fitMessage(question, allowance.tokens - stepCostOf(fitting));
  return asked === null ? fitting : [...fitting, asked];
}

/** Whether an answer is in progress: a tool was called, and the model has not answered since. */
function isUnderWay({ message: { role, content } }: Candidate): boolean {
  if (role === "tool") return true;
  return role === "assistant" && Array.isArray(content) && content.some(({ type }) => type.startsWith("tool-"));
}

interface Fit {
  /** Newest first. */
  readonly fitting: readonly Candidate[];
  /** The first message that does not fit; null if all fit. */
  readonly overflow: Candidate | null;
  readonly isOutOfBytes: boolean;
}

/** How each message is changed before it is added, and the message further back for which room is reserved. */
interface FitRules {
  change(candidate: Candidate, index: number): Candidate;
  readonly pinned: { readonly index: number; readonly cost: TokenCount } | null;
}

function fit(log: LogReader, allowance: Allowance, { change, pinned }: FitRules): Fit {
  const fitting: Candidate[] = [];
  let tokens = pinned?.cost ?? 0;
  let bytes = 0;
  /** How many of the newest messages keep their files; infinite until a file does not fit. */
  let withFiles = Number.POSITIVE_INFINITY;
  for (let index = 0; ; index += 1) {
    const read = log.at(index);
    if (read === undefined) return { fitting: nameOlderFiles(fitting, withFiles), overflow: null, isOutOfBytes: false };
    let candidate = change(read, index);
    const filesShare = index === 0 ? 1 : FILES_SHARE;
    if (index >= withFiles || bytes + bytesOf(candidate) > allowance.bytes * filesShare) {
      const named = withNamedFiles(candidate);
      if (named !== null) {
        withFiles = Math.min(withFiles, index);
        candidate = named;
      }
    }
    // The room for the pinned message is reserved already.
    const cost = index === pinned?.index ? 0 : candidate.cost;
    const isFull = tokens + cost > allowance.tokens;
    if (isFull || bytes + bytesOf(candidate) > allowance.bytes) {
      return {
        fitting: nameOlderFiles(fitting, withFiles),
        overflow: candidate,
        isOutOfBytes: !isFull && fitting.length > 0,
      };
    }
    tokens += cost;
    bytes += bytesOf(candidate);
    fitting.push(candidate);
  }
}

/** The number of newest messages that form the newest step, so that a window may start with it. */
function stepLength(log: LogReader): number {
  for (let index = 0; ; index += 1) {
    const candidate = log.at(index);
    if (candidate === undefined) return knownStepLength(log.read);
    if (candidate.mayStart) return index + 1;
  }
}

/**
 * The same for a log in which a result's call is missing: that result is ignored, and the others stay with their calls.
 */
function knownStepLength(read: readonly Candidate[]): number {
  const ids = read.map(({ message }) => toolIds(message.content));
  const oldestCall = new Map(ids.flatMap(({ calls }, index) => calls.map((id) => [id, index] as const)));
  const awaited = new Set<string>();
  for (const [index, { calls, results }] of ids.entries()) {
    for (const id of results) if ((oldestCall.get(id) ?? -1) >= index) awaited.add(id);
    for (const id of calls) awaited.delete(id);
    if (awaited.size === 0) return index + 1;
  }
  return 1;
}

/**
 * Tokens reserved for the messages before the newest step, besides the question: what they take, at most
 * OLDER_TURNS_SHARE.
 */
function olderTokens(log: LogReader, newest: number, question: number | null, room: TokenCount): TokenCount {
  const share = Math.floor(room * OLDER_TURNS_SHARE);
  let tokens = 0;
  for (let index = newest; tokens < share; index += 1) {
    const candidate = log.at(index);
    if (candidate === undefined) break;
    if (index !== question) tokens += candidate.cost;
  }
  return Math.min(tokens, share);
}

interface Question {
  /** Index counted from the newest message; beyond the log if only the summary covers the question. */
  readonly index: number;
  readonly candidate: Candidate;
}

function findQuestion(log: LogReader, newest: number, covered: () => Candidate | null): Question | null {
  for (let index = 0; index < MAX_QUESTION_REACH; index += 1) {
    const candidate = log.at(index);
    if (candidate === undefined) {
      const asked = covered();
      return asked === null ? null : { index: Math.max(index, newest), candidate: asked };
    }
    if (isQuestion(candidate)) return { index, candidate };
  }
  return null;
}

/** Only the newest message and the question, both cut, because the rest of the newest step does not fit. */
function newestAlone(log: LogReader, room: TokenCount, asked: Candidate | null): Window {
  const newest = log.at(0);
  const left = room - (asked?.cost ?? 0);
  const cut = newest === undefined ? null : fitAlone(newest, left);
  // If not even the marker of a cut fits, the message is named in `omitted` like all others.
  const alone = cut === null || cut.cost > left ? [] : [cut];
  return windowOf(asked === null ? alone : [...alone, asked], false);
}

/** A result whose call is missing becomes plain text. As a result it would get a new call, with an id of any length. */
function fitAlone(newest: Candidate, most: TokenCount): Candidate | null {
  return newest.message.role === "tool" && !newest.mayStart ? fitToolWords(newest, most) : fitMessage(newest, most);
}

/** Drops the oldest messages, so that the window starts at a step, but not after index `least`. */
function startAtStep(fitting: readonly Candidate[], step: TokenCount, least: number): readonly Candidate[] {
  const start = chooseStart(fitting, step, least);
  return fitting.slice(0, Math.max(start, least) + 1);
}

/**
 * The index of the oldest message that the window starts with; -1 if every start would separate a tool call from its
 * result.
 */
function chooseStart(fitting: readonly Candidate[], step: TokenCount, least: number): number {
  const oldest = fitting.at(-1);
  if (oldest === undefined) return -1;
  const boundary = Math.ceil(oldest.message.tokensBefore / step) * step;
  let fallback = -1;
  for (let index = fitting.length - 1; index >= least; index -= 1) {
    const candidate = fitting[index];
    if (candidate === undefined || !candidate.mayStart) continue;
    if (candidate.message.tokensBefore >= boundary) return index;
    if (fallback < 0) fallback = index;
  }
  return fallback;
}

/**
 * The step for windows that are limited by bytes. A power of two, so that the steps stay where they are if a little
 * more or less fits.
 */
function stepWithin(candidates: readonly Candidate[]): TokenCount {
  return 2 ** Math.floor(Math.log2(Math.max(1, stepCostOf(candidates) * WINDOW_STEP_SHARE)));
}

/**
 * Replaces the files of a few more messages than necessary, so that the oldest file that is sent rarely changes while
 * messages arrive.
 */
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

function windowOf(newestFirst: readonly Candidate[], isWhole: boolean): Window {
  const erasedSeqs: Seq[] = [];
  const cutSeqs: Seq[] = [];
  const seqs: Seq[] = [];
  let tokens = 0;
  const candidates = newestFirst.toReversed();
  for (const { message, cost, isCut } of candidates) {
    seqs.push(message.seq);
    if (message.content === null) {
      erasedSeqs.push(message.seq);
      continue;
    }
    if (isCut) cutSeqs.push(message.seq);
    tokens += cost;
  }
  return {
    messages: once(() => messagesOf(candidates)),
    tokens,
    fromSeq: seqs[0] ?? null,
    seqs,
    cutSeqs,
    erasedSeqs,
    isWhole,
  };
}

function messagesOf(candidates: readonly Candidate[]): ContextMessage[] {
  const messages: ContextMessage[] = [];
  for (const { message, isCut } of candidates) {
    if (message.content !== null) messages.push(toContextMessage(message, message.content, isCut));
  }
  return messages;
}

export function toContextMessage(
  message: Candidate["message"],
  content: ContextMessage["content"],
  isCut: boolean,
): ContextMessage {
  const { tokensBefore: _, bytes: _bytes, ...rest } = message;
  return { ...rest, content, ...(isCut ? { cut: true as const } : {}) };
}
