import type { Context, Omitted, Tokenizer } from "../api/context.ts";
import type { Content, Message, Seq, TokenCount } from "../api/message.ts";
import type { Item, Summary } from "../api/summary.ts";
import { countFor, plainBudget } from "../tokens/tokenizers.ts";
import type { SeqRange } from "./branch.ts";
import { type Allowance, type Candidate, createLogReader } from "./candidates.ts";
import { fitItems, renderSummary, SUMMARY_FRAME_TOKENS } from "./items.ts";
import { tellLeftOut } from "./left-out.ts";
import { MESSAGE_OVERHEAD_TOKENS, messageCost } from "./message-text.ts";
import { nameOmitted } from "./omitted.ts";
import { once } from "./once.ts";
import { type Picked, pickRetrieved, withoutWindow } from "./pick-retrieved.ts";
import {
  budgetForInstructions,
  mostForInstructions,
  NOTHING_PINNED,
  type Pinned,
  pinInstructions,
  unpin,
  withLost,
} from "./pin-instructions.ts";
import type { RetrievedMessage } from "./retrieved.ts";
import { fillWindow, type Window, windowStep } from "./window.ts";

/** A message for the assembler. `content` is null where it was erased. */
export interface LogMessage extends Omit<Message, "content"> {
  readonly content: Content | null;
  /** Tokens of all messages before this one. */
  readonly tokensBefore: TokenCount;
  /** Of its content and metadata, as JSON. */
  readonly bytes: number;
}

/** What the assembler looks up only where the window does not hold it. */
export interface EarlierMessages {
  /** The newest message of a user; null if there is none within reach. */
  question(): LogMessage | null;
  /** What the summary covers, newest first. */
  covered(): Iterable<LogMessage>;
  /** What a system or a developer said and was not erased, newest first. */
  instructions(): Iterable<LogMessage>;
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
  readonly earlier: EarlierMessages;
  /** What is not on the branch of this context, oldest first. */
  readonly offBranch?: readonly SeqRange[];
  /** What the summary covers no more, until the next one. */
  readonly hiddenSeqs: readonly Pick<Omitted, "fromSeq" | "throughSeq">[];
  /** Older messages that may matter to the question, best first; null if nothing was asked. */
  readonly candidates: readonly RetrievedMessage[] | null;
  readonly maxTokens: TokenCount;
  /** Whose tokens these are. */
  readonly tokenizer: Tokenizer;
  /** Of the messages, as JSON. Files alone make a context large that is short: the newest go in, and older ones are named. */
  readonly maxBytes: number;
  /** What tools show is sent as files. */
  readonly sendsToolFiles: boolean;
  readonly summaryPending: boolean;
  /** The last message that the summary under way covers; all of them where that is not said. */
  readonly pendingThroughSeq?: Seq;
  /** Of all messages that are not summarized; asked for only where some are left out. */
  readonly unsummarizedTokens?: () => TokenCount;
}

/** A turn of a user before the first answer, as Anthropic wants it. */
const OPENING_TURN_TOKENS = 12;
/** See `inSteps`. */
const SUMMARY_STEP_SHARE = 1 / 8;
/** So often instructions are looked for again that a window has lost to those found before. */
const MAX_PIN_ROUNDS = 4;
/** Of the newest message and of the question so much stays, before anything older is brought back. */
const MIN_CUT_WORDS_TOKENS = 200;
/** Of a context with a query this share is for older messages, where the chat does not fit whole. */
const RETRIEVED_SHARE = 0.2;

/**
 * A context within its budget, and the proof that nothing is silently missing: every message up to `atSeq` is word for word
 * in `messages`, covered by `summary`, or named in `omitted`. Pure: the same input gives the same bytes.
 *
 * The budget goes half to the summary and half to the messages; what one does not need, the other gets. Where not all fits, what a
 * query brings back has a fifth, and what it does not use goes back to the messages. Reads no further back than fits.
 */
export function assembleContext(input: AssemblyInput): Context {
  const { tokenizer, maxTokens } = input;
  if (tokenizer === "o200k") return assemble(input);
  const context = assemble({ ...input, maxTokens: plainBudget(maxTokens, tokenizer) });
  return { ...context, tokens: countFor(context.tokens, tokenizer, maxTokens) };
}

function assemble(input: AssemblyInput): Context {
  const throughSeq = input.summary?.throughSeq ?? 0;
  const fullSummary = input.summary === null ? 0 : summaryCost(input.summary.items);
  const opening = openingCost(fullSummary);
  const room = roomBeside(fullSummary, input.maxTokens);
  const { window, pinned, retrieved } = chooseMessages(input, room, throughSeq);
  const isEmpty = window.messages().length === 0 && pinned.messages.length === 0;
  const messagesTokens = window.tokens + pinned.tokens + (isEmpty ? 0 : opening);
  const beside = input.maxTokens - messagesTokens - retrieved.tokens;
  const summaryAllowance = fullSummary <= beside ? beside : inSteps(beside, input.maxTokens);
  const fitting = fitSummary(input.summary?.items ?? [], fullSummary, summaryAllowance);
  const { kept, left, cost: summaryTokens } = fitting;
  const summary = input.summary === null ? null : { ...input.summary, items: kept };
  const omitted = nameOmitted(input, throughSeq, { window, pinned, kept, left });
  const unsummarized = once(() => input.unsummarizedTokens?.() ?? 0);
  const leftInstructions = leftTokens(pinned, window, throughSeq);
  const missing = fullSummary - summaryTokens + leftInstructions;
  const instructed = pinned.tokens + leftInstructions;
  const leftOut = tellLeftOut(
    omitted,
    {
      tokens: () => Math.max(0, unsummarized() - window.tokens) + missing,
      whole: () =>
        Math.max(
          fullSummary + unsummarized() + openingCost(fullSummary) + instructed,
          leftInstructions === 0 ? 0 : budgetForInstructions(instructed),
        ),
      budget: input.maxTokens,
    },
    input.tokenizer,
  );
  return {
    sessionId: input.sessionId,
    headSeq: input.headSeq,
    atSeq: input.atSeq,
    summary,
    // The question of the step at hand may be older than an instruction.
    messages: [...pinned.messages, ...window.messages()].toSorted((a, b) => a.seq - b.seq),
    retrieved: retrieved.messages,
    omitted,
    ...(leftOut === null ? {} : { leftOut }),
    tokens: {
      budget: input.maxTokens,
      used: summaryTokens + messagesTokens + retrieved.tokens,
      summary: summaryTokens,
      messages: messagesTokens,
      retrieved: retrieved.tokens,
      ...(pinned.tokens === 0 ? {} : { pinned: pinned.tokens }),
    },
    summaryPending: input.summaryPending,
  };
}

/** Of instructions that only the summary has, and that their share has no room for. */
function leftTokens({ left }: Pinned, window: Window, throughSeq: Seq): TokenCount {
  const here = new Set(window.seqs);
  return left.filter(({ seq }) => seq <= throughSeq && !here.has(seq)).reduce((sum, { cost }) => sum + cost, 0);
}

/** Where no summary opens the prompt, a format may have to: some providers take no chat that begins with an answer. */
function openingCost(summaryTokens: TokenCount): TokenCount {
  return summaryTokens === 0 ? OPENING_TURN_TOKENS : 0;
}

/** What a budget has for messages beside a summary. */
function roomBeside(summaryTokens: TokenCount, budget: TokenCount): TokenCount {
  return budget - openingCost(summaryTokens) - Math.min(summaryTokens, Math.floor(budget / 2));
}

/** The same, for whoever knows no more of the summary than what its items take: no less than this is there. */
export function roomForMessages(
  itemsTokens: TokenCount,
  { maxTokens, tokenizer }: { readonly maxTokens: TokenCount; readonly tokenizer: Tokenizer },
): TokenCount {
  const summaryTokens = itemsTokens === 0 ? 0 : itemsTokens + SUMMARY_FRAME_TOKENS + MESSAGE_OVERHEAD_TOKENS;
  return roomBeside(summaryTokens, plainBudget(maxTokens, tokenizer));
}

interface Chosen {
  readonly window: Window;
  readonly pinned: Pinned;
  readonly retrieved: Picked;
}

/** The recent messages, the instructions from before them, and what the query brought back, in the room that the summary leaves. */
function chooseMessages(input: AssemblyInput, room: TokenCount, throughSeq: Seq): Chosen {
  const log = createLogReader(input.newestFirst, throughSeq, () => input.earlier.covered(), input.sendsToolFiles);
  const covered = once(() => toCandidate(input.earlier.question()));
  const fill = (allowance: Allowance, step = windowStep(allowance), besideSeqs: readonly Seq[] = []): Window =>
    fillWindow(log, allowance, step, () => {
      const question = covered();
      return question !== null && besideSeqs.includes(question.message.seq) ? null : question;
    });
  const instructions = once(() => [...input.earlier.instructions()]);
  /** A pinned question that only the summary has may be cut to what the newest messages leave, and have room as an instruction. */
  const heldSeqs = (window: Window): readonly Seq[] =>
    window.seqs.filter((seq) => {
      const isCut = seq <= throughSeq && window.cutSeqs.includes(seq);
      const pin = isCut ? instructions().find((instruction) => instruction.seq === seq) : undefined;
      return pin === undefined || messageCost(pin) > mostForInstructions(input.maxTokens);
    });
  /** A window, and the instructions that it has not got, whose room it gives up: with less room it may lose others. */
  const hold = (allowance: Allowance, step?: TokenCount): { window: Window; pinned: Pinned } => {
    let window = fill(allowance, step);
    // A question that stands before a gap is not where the window begins.
    if ((throughSeq === 0 && window.isWhole) || instructions().length === 0) return { window, pinned: NOTHING_PINNED };
    let pinned = NOTHING_PINNED;
    for (let round = 0; ; round += 1) {
      const next = pinInstructions(instructions(), heldSeqs(window), input.maxTokens);
      const isSettled = next.seqs.every((seq) => pinned.seqs.includes(seq));
      // What the window has lost since, and what has no room besides, is named.
      if ((round > 0 && isSettled) || round === MAX_PIN_ROUNDS) return { window, pinned: withLost(pinned, next) };
      pinned = next;
      const left = { tokens: allowance.tokens - pinned.tokens, bytes: allowance.bytes };
      if (pinned.tokens > 0) window = fill(left, step, pinned.seqs);
    }
  };
  const plain = { tokens: room, bytes: input.maxBytes };
  const { window, pinned } = hold(plain);
  if (input.candidates === null) return chosen(window, pinned, { messages: [], tokens: 0 });
  const share = Math.floor(input.maxTokens * RETRIEVED_SHARE);
  const sharedBytes = Math.floor(input.maxBytes * RETRIEVED_SHARE);
  const free = room - pinned.tokens - window.tokens;
  const reserved = { tokens: room - share, bytes: input.maxBytes - sharedBytes };
  const base = window.isWhole ? null : hold(reserved);
  if (base === null || isWorse(base.window, window)) {
    // A chat that fits loses nothing to what is older, and neither do the question and the step at hand: that takes what is free.
    const allowance = { tokens: Math.min(share, free), bytes: sharedBytes };
    return chosen(window, pinned, pickRetrieved(input.candidates, allowance, [...window.seqs, ...pinned.seqs]));
  }
  const here = [...base.window.seqs, ...base.pinned.seqs];
  const picked = pickRetrieved(input.candidates, { tokens: share, bytes: sharedBytes }, here);
  // What is not used goes back, at the steps of the smaller window: it begins where it began, or earlier.
  const left = { tokens: reserved.tokens - base.pinned.tokens, bytes: reserved.bytes };
  const wide = { tokens: reserved.tokens + share - picked.tokens, bytes: reserved.bytes };
  // An instruction that the smaller window has itself may stand before the larger one, which a whole message fills.
  const wider = hold(wide, windowStep(left));
  return chosen(wider.window, wider.pinned, withoutWindow(picked, [...wider.window.seqs, ...wider.pinned.seqs]));
}

/** Whether a smaller window has less of the newest message, or of the question: what is older gives way to both. */
function isWorse(smaller: Window, larger: Window): boolean {
  const question = larger.messages().findLast(({ role }) => role === "user");
  return [larger.messages().at(-1), question].some((message) => {
    if (message === undefined) return false;
    const left = smaller.messages().find(({ seq }) => seq === message.seq);
    return left === undefined || (left.tokens < message.tokens && left.tokens < MIN_CUT_WORDS_TOKENS);
  });
}

/** A window with less room may begin elsewhere, and have an instruction itself. */
function chosen(window: Window, pinned: Pinned, retrieved: Picked): Chosen {
  return { window, pinned: unpin(pinned, window.seqs), retrieved };
}

function toCandidate(message: LogMessage | null): Candidate | null {
  return message === null ? null : { message, cost: messageCost(message), mayStart: true, isCut: false };
}

/** What a summary that does not fit may have of what messages leave, past its half: in steps, so that it stays the same while they come in. */
function inSteps(allowance: TokenCount, budget: TokenCount): TokenCount {
  const half = Math.floor(budget / 2);
  const step = Math.max(1, Math.floor(budget * SUMMARY_STEP_SHARE));
  return allowance <= half ? allowance : half + Math.floor((allowance - half) / step) * step;
}

/** What a rendered summary takes of the budget, as a message of its own. */
export function summaryCost(items: readonly Item[]): TokenCount {
  const rendered = renderSummary(items);
  return rendered === null ? 0 : rendered.tokens + MESSAGE_OVERHEAD_TOKENS;
}

function fitSummary(
  items: Item[],
  fullCost: TokenCount,
  allowance: TokenCount,
): { kept: Item[]; left: Item[]; cost: TokenCount } {
  if (fullCost <= allowance) return { kept: items, left: [], cost: fullCost };
  const { kept, left } = fitItems(items, allowance - MESSAGE_OVERHEAD_TOKENS);
  return { kept, left, cost: summaryCost(kept) };
}
