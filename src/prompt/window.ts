import type { Context } from "../api/context.ts";
import type { Seq, TokenCount } from "../api/message.ts";
import { type Allowance, bytesOf, type Candidate, isQuestion, type LogReader, withNamedFiles } from "./candidates.ts";
import { toolIds } from "./message-text.ts";
import { stepCostOf, fitMessage, fitStep, fitToolWords } from "./newest-step.ts";
import { leaveOutOutputs, wholeOutputsFrom } from "./old-outputs.ts";
import { once } from "./once.ts";

/** The recent messages of a context: which of the log go in, and what of them. */

type ContextMessage = Context["messages"][number];

export interface Window {
  /** Oldest first. Of several windows that are tried one is chosen: those of the others are not put together. */
  readonly messages: () => readonly ContextMessage[];
  readonly tokens: TokenCount;
  /** The oldest message inside the window, erased ones included; null if it holds none. */
  readonly fromSeq: Seq | null;
  /** All messages inside, those not there word for word, and the erased ones. */
  readonly seqs: Seq[];
  readonly cutSeqs: Seq[];
  readonly erasedSeqs: Seq[];
  /** Every message that the log has is there. */
  readonly isWhole: boolean;
}

/** Where messages do not fit, the window starts at steps of this share of its budget, so that a provider's prompt cache keeps hitting. */
const WINDOW_STEP_SHARE = 0.25;
/** All files but those of the newest message leave the rest of the bytes to words. */
const FILES_SHARE = 0.75;
/** Of a step whose outputs have to be cut, so much of the window stays for what was said before. */
const OLDER_TURNS_SHARE = 0.25;
/** A question has at most this share of a window that has no room for all of it and the step at hand. */
const QUESTION_SHARE = 0.5;
/** So far back the newest question is looked for: an agent that took 500 steps since has a summary, and its question is there. */
const MAX_QUESTION_REACH = 1_000;

/** The steps at which windows of an allowance begin. */
export function windowStep({ tokens }: Allowance): TokenCount {
  return Math.max(1, Math.floor(tokens * WINDOW_STEP_SHARE));
}

/**
 * The newest messages that fit. Where not all do, the outputs of tools for older steps are left out first; the newest question is there
 * however long its answer is under way, and so is the step at hand, cut if it has to be.
 * @param step where the window may begin: see `windowStep`
 * @param coveredQuestion the newest question, if only the summary has it
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
  // Where a result after the question has its call before it, the window begins later, and the question stands before a gap.
  const mayStartAtQuestion = pinned !== null && filled.fitting[pinned.index]?.mayStart === true;
  const least = mayStartAtQuestion ? pinned.index : newest - 1;
  const started = filled.overflow === null ? filled.fitting : startAtStep(filled.fitting, step, least);
  const hasQuestion = asked === null || pinned === null || pinned.index < started.length;
  return windowOf(hasQuestion ? started : [...started, asked], false);
}

/** In the middle of a tool loop whose question only the summary has, the question is there all the same. */
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

/** Whether an answer is under way: a tool was called, and the model has not spoken since. */
function isUnderWay({ message: { role, content } }: Candidate): boolean {
  if (role === "tool") return true;
  return role === "assistant" && Array.isArray(content) && content.some(({ type }) => type.startsWith("tool-"));
}

interface Fit {
  /** Newest first. */
  readonly fitting: readonly Candidate[];
  /** The first that has no room; null if all have. */
  readonly overflow: Candidate | null;
  readonly isOutOfBytes: boolean;
}

/** How messages go in: changed by their place, and with room kept for one further back. */
interface FitRules {
  change(candidate: Candidate, index: number): Candidate;
  readonly pinned: { readonly index: number; readonly cost: TokenCount } | null;
}

function fit(log: LogReader, allowance: Allowance, { change, pinned }: FitRules): Fit {
  const fitting: Candidate[] = [];
  let tokens = pinned?.cost ?? 0;
  let bytes = 0;
  /** How many of the newest have their files in full; all of them until one has no room for its own. */
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
    // The room of the one further back is kept already.
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

/** How many of the newest messages are the step at hand: a window may start with it. */
function stepLength(log: LogReader): number {
  for (let index = 0; ; index += 1) {
    const candidate = log.at(index);
    if (candidate === undefined) return knownStepLength(log.read);
    if (candidate.mayStart) return index + 1;
  }
}

/** The same of a log in which a result has no call, and would be waited for in vain: the other results stay with theirs. */
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

/** What stays for the messages before the step at hand, besides its question: what they take, up to their share. */
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
  /** How far back; past the log where only the summary has it. */
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

/** The newest message and the question, both cut: there is no room for the step between them. */
function newestAlone(log: LogReader, room: TokenCount, asked: Candidate | null): Window {
  const newest = log.at(0);
  const left = room - (asked?.cost ?? 0);
  const cut = newest === undefined ? null : fitAlone(newest, left);
  // A budget that has no room even for the marker of a cut: the message is named in `omitted`, as all others are.
  const alone = cut === null || cut.cost > left ? [] : [cut];
  return windowOf(asked === null ? alone : [...alone, asked], false);
}

/** A result without its call becomes a tool's plain words: the call that it would be given again may have an id of any length. */
function fitAlone(newest: Candidate, most: TokenCount): Candidate | null {
  return newest.message.role === "tool" && !newest.mayStart ? fitToolWords(newest, most) : fitMessage(newest, most);
}

/** From the oldest that stands at a step, and no newer than the one at `least`. */
function startAtStep(fitting: readonly Candidate[], step: TokenCount, least: number): readonly Candidate[] {
  const start = chooseStart(fitting, step, least);
  return fitting.slice(0, Math.max(start, least) + 1);
}

/** The index of the oldest message that the window starts with; -1 if no start keeps the tool calls whole. */
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

/** Where bytes decide how much fits. A power of two: the steps lie where they lay before, though a little more or less fits now. */
function stepWithin(candidates: readonly Candidate[]): TokenCount {
  return 2 ** Math.floor(Math.log2(Math.max(1, stepCostOf(candidates) * WINDOW_STEP_SHARE)));
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
