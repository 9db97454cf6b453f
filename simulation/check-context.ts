import type { Context } from "../src/api/context.ts";
import type { Content } from "../src/api/message.ts";
import { type ModelMessage, type ModelSession, pathTo } from "./model.ts";
import { Violation } from "./violation.ts";

/** If call and result are further apart than this, a summary may have ended between them before the result was there. */
const MAX_PAIR_DISTANCE = 3;

/** The parts that a prompt contains, as text, to compare what was said with what is read. */
function promptedText(content: Content): string {
  if (typeof content === "string") return content;
  return JSON.stringify(content.filter((part) => !part.type.startsWith("data-")));
}

/** Promises 5 and 6 for one context in our own format. */
export function checkContext(
  context: Context,
  model: ModelSession,
  request: { atSeq?: number; maxTokens?: number },
): void {
  const { headSeq } = model;
  const isPast = request.atSeq === undefined || request.atSeq > model.log.length;
  const atSeq = isPast ? headSeq : (request.atSeq ?? headSeq);
  if (context.headSeq !== headSeq)
    throw new Violation(1, `the context's headSeq is ${context.headSeq}, not ${headSeq}`);
  if (context.atSeq !== atSeq) throw new Violation(5, `the context is as of ${context.atSeq}, not of ${atSeq}`);
  checkAccount(context, model, atSeq, request.atSeq === undefined ? model.log.length : atSeq);
  checkPairs(context, model);
  checkPinned(context, model);
  const { used, budget, summary, messages } = context.tokens;
  if (used > budget) throw new Violation(6, `the context takes ${used} tokens of ${budget}`);
  if (summary + messages > used) throw new Violation(6, `the context takes more than the ${used} tokens that it tells`);
  if (request.maxTokens !== undefined && budget !== request.maxTokens) {
    throw new Violation(6, `the budget is ${budget}, not ${request.maxTokens}`);
  }
}

/** @param lastSeq the last message that has to be accounted for */
function checkAccount(context: Context, model: ModelSession, atSeq: number, lastSeq: number): void {
  const path = pathTo(model.log, atSeq);
  const wordForWord = new Set<number>();
  const covered = context.summary?.throughSeq ?? 0;
  if (covered > 0 && !path.has(covered)) {
    throw new Violation(7, `a context as of ${atSeq} has the summary of another branch, through ${covered}`);
  }
  if (covered > atSeq) throw new Violation(5, `a context as of ${atSeq} has a summary through ${covered}`);
  let last = 0;
  for (const message of context.messages) {
    if (message.seq <= last) throw new Violation(1, `seq ${message.seq} comes after ${last}`);
    last = message.seq;
    if (!path.has(message.seq)) throw new Violation(5, `seq ${message.seq} is off the branch, and in the context`);
    if (message.seq > atSeq) throw new Violation(5, `a context as of ${atSeq} holds seq ${message.seq}`);
    if (message.cut === true) continue;
    wordForWord.add(message.seq);
    const said = model.log[message.seq - 1];
    if (said?.content === undefined || said.content === null) {
      throw new Violation(9, `seq ${message.seq} is erased and in the context`);
    }
    if (promptedText(said.content) !== promptedText(message.content)) {
      throw new Violation(5, `seq ${message.seq} is not verbatim in the context`);
    }
  }
  const omitted = new Set<number>();
  for (const { fromSeq, throughSeq, reason } of context.omitted) {
    if (fromSeq < 1 || throughSeq > lastSeq || fromSeq > throughSeq) {
      throw new Violation(5, `omitted names ${fromSeq} to ${throughSeq} of a log of ${atSeq}`);
    }
    for (let seq = fromSeq; seq <= throughSeq; seq += 1) {
      omitted.add(seq);
      if (path.has(seq) === (reason === "branch")) {
        throw new Violation(5, `seq ${seq} is ${path.has(seq) ? "on" : "off"} the branch, and omitted for ${reason}`);
      }
      if (wordForWord.has(seq)) throw new Violation(5, `seq ${seq} is in the context and in omitted (${reason})`);
    }
  }
  for (let seq = 1; seq <= lastSeq; seq += 1) {
    if (path.has(seq) && seq <= covered) continue;
    if (!wordForWord.has(seq) && !omitted.has(seq)) throw new Violation(5, `seq ${seq} is silently missing`);
  }
  for (const item of context.summary?.items ?? []) {
    if (item.sourceSession === undefined) checkSources(item.sourceSeqs, covered, model, item.id);
  }
}

/** The most that pins and instructions may take of a budget: up to that they are in every context. */
const INSTRUCTIONS_SHARE = 0.25;
/** An upper bound for a text's tokens, whatever it says. */
const TOKENS_A_MESSAGE = 16;

/**
 * Promise 13: pinned messages and system instructions are verbatim in every context of their branch, or named. If they fit, all of them are
 * there.
 */
function checkPinned(context: Context, model: ModelSession): void {
  const { log } = model;
  const path = pathTo(log, context.atSeq);
  const instructions = log.filter(
    ({ seq, role, content, isPinned }) => path.has(seq) && content !== null && (isPinned || role === "system"),
  );
  const whole = new Set<number>();
  for (const { seq, cut } of context.messages) if (cut !== true) whole.add(seq);
  const absent = instructions.filter(({ seq }) => !whole.has(seq));
  if (absent.length === 0) return;
  const words = ({ role, author, content }: ModelMessage): string => JSON.stringify([role, author ?? null, content]);
  const said = new Set(log.filter(({ seq }) => whole.has(seq)).map(words));
  const isNamed = (seq: number): boolean =>
    context.omitted.some(({ fromSeq, throughSeq }) => fromSeq <= seq && seq <= throughSeq);
  const lost = absent.filter((message) => !said.has(words(message)));
  const silent = lost.find(({ seq }) => !isNamed(seq));
  if (silent !== undefined) {
    const what = silent.isPinned ? "is pinned" : "instructs";
    throw new Violation(13, `seq ${silent.seq} ${what}, and a context of ${context.tokens.budget} silently lacks it`);
  }
  // In messages without neighbours files are only named, and so are calls whose results are elsewhere.
  const missed = lost.find(({ content }) => typeof content === "string");
  if (missed === undefined) return;
  const most = instructions.reduce((sum, { content }) => sum + JSON.stringify(content).length + TOKENS_A_MESSAGE, 0);
  if (most <= context.tokens.budget * INSTRUCTIONS_SHARE) {
    throw new Violation(13, `seq ${missed.seq} is left out of a context of ${context.tokens.budget}, and has room`);
  }
}

export function checkSources(sources: readonly number[], throughSeq: number, model: ModelSession, id: string): void {
  const path = pathTo(model.log, throughSeq);
  if (sources.length === 0) throw new Violation(8, `item ${id} cites nothing`);
  for (const seq of sources) {
    if (seq > throughSeq) throw new Violation(8, `item ${id} cites ${seq}, and the summary ends at ${throughSeq}`);
    const message = model.log[seq - 1];
    if (message === undefined) throw new Violation(8, `item ${id} cites ${seq}, which does not exist`);
    if (!path.has(seq))
      throw new Violation(8, `item ${id} cites ${seq}, which is off the branch through ${throughSeq}`);
    if (message.content === null) throw new Violation(9, `item ${id} cites ${seq}, which is erased`);
  }
}

function toolPartsOf(message: ModelMessage | undefined, type: "tool-call" | "tool-result"): string[] {
  if (message === undefined || message.content === null || typeof message.content === "string") return [];
  return message.content.flatMap((part) => (part.type === type ? [part.toolCallId] : []));
}

function checkPairs(context: Context, model: ModelSession): void {
  const there = new Set(context.messages.map(({ seq }) => seq));
  const path = pathTo(model.log, context.atSeq);
  const covered = context.summary?.throughSeq ?? 0;
  for (const { seq, cut } of context.messages) {
    // A pinned result is there alone if its call does not fit: formats describe it in words.
    if (cut === true || model.log[seq - 1]?.isPinned === true) continue;
    for (const id of toolPartsOf(model.log[seq - 1], "tool-result")) {
      const call = model.log
        .slice(Math.max(0, seq - 1 - MAX_PAIR_DISTANCE), seq - 1)
        .findLast((message) => path.has(message.seq) && toolPartsOf(message, "tool-call").includes(id));
      // A call that the summary covers is retrieved only for results right after it: later ones do not move a prompt's beginning.
      const isParted = call !== undefined && call.seq <= covered && !standsRightAfter(covered, seq, model, path);
      if (isParted) continue;
      if (call !== undefined && !there.has(call.seq)) {
        throw new Violation(5, `the result at seq ${seq} is in the context, and its call at ${call.seq} is not`);
      }
    }
  }
}

/** Whether there are only results on the branch between what the summary covers and a message. */
function standsRightAfter(covered: number, seq: number, model: ModelSession, path: ReadonlySet<number>): boolean {
  return model.log.slice(covered, seq - 1).every((message) => !path.has(message.seq) || message.role === "tool");
}
