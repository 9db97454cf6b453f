import type { Omitted } from "../api/context-meta.ts";
import type { Context, Tokenizer } from "../api/context.ts";
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

/** A message as the assembler gets it. `content` is null if the message was erased. */
export interface LogMessage extends Omit<Message, "content"> {
  readonly content: Content | null;
  /** Sum of the tokens of all messages before this one. */
  readonly tokensBefore: TokenCount;
  /** Size of content and metadata as JSON. */
  readonly bytes: number;
}

/** Older messages that the assembler reads only if the window does not contain them. */
export interface EarlierMessages {
  /** The newest message of a user; null if none is found within the search limit. */
  question(): LogMessage | null;
  /** The messages that the summary covers, newest first. */
  covered(): Iterable<LogMessage>;
  /** The messages of the roles `system` and `developer`, and the pinned ones, that were not erased; newest first. */
  instructions(): Iterable<LogMessage>;
}

export interface AssemblyInput {
  readonly sessionId: string;
  /** The newest message of the session. */
  readonly headSeq: Seq;
  /** The newest message of this context; equals `headSeq` unless the caller asked for an earlier state. */
  readonly atSeq: Seq;
  /** The summary that was valid at `atSeq`. */
  readonly summary: Summary | null;
  /** The messages after the summary up to `atSeq`, newest first; read only as far as they fit. */
  readonly newestFirst: Iterable<LogMessage>;
  readonly earlier: EarlierMessages;
  /** The messages that are not on the branch of this context, oldest first. */
  readonly offBranch?: readonly SeqRange[];
  /** Messages that the summary no longer covers, because they were edited or erased, until it is rebuilt. */
  readonly hiddenSeqs: readonly Pick<Omitted, "fromSeq" | "throughSeq">[];
  /** Older messages that are relevant to the query, best first; null if there is no query. */
  readonly candidates: readonly RetrievedMessage[] | null;
  readonly maxTokens: TokenCount;
  /** The tokenizer that `maxTokens` counts in. */
  readonly tokenizer: Tokenizer;
  /**
   * Limit for the messages as JSON. Only files make a short context large: the newest files are sent, older ones are
   * replaced by a description.
   */
  readonly maxBytes: number;
  /** Whether files in tool results are sent as files. */
  readonly sendsToolFiles: boolean;
  readonly summaryPending: boolean;
  /** The last message that the pending summary will cover; if absent, all of them. */
  readonly pendingThroughSeq?: Seq;
  /** Tokens of all messages after the summary; called only if some are left out. */
  readonly unsummarizedTokens?: () => TokenCount;
}

/** Cost of the user turn that is put before a first assistant message, because Anthropic requires one. */
const OPENING_TURN_TOKENS = 12;
/** See `inSteps`. */
const SUMMARY_STEP_SHARE = 1 / 8;
/**
 * How often pinning is repeated when pinned instructions take room from the window, which then loses further
 * instructions.
 */
const MAX_PIN_ROUNDS = 4;
/** The newest message and the question keep at least this many tokens before older messages are retrieved. */
const MIN_CUT_WORDS_TOKENS = 200;
/** Share of the budget that retrieved messages may take if the chat does not fit as a whole. */
const RETRIEVED_SHARE = 0.2;

/**
 * Builds a context within its budget. Nothing is missing silently: every message up to `atSeq` is verbatim in
 * `messages`, covered by `summary`, or named in `omitted`. Pure: the same input gives the same bytes.
 *
 * Half of the budget is for the summary and half for the messages; each may use what the other does not need. If the
 * chat does not fit, retrieved messages may take a fifth, and what they do not use goes to the recent messages. The log
 * is read only as far back as it fits.
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
    // The question that belongs to the newest step may be older than a pinned instruction.
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

/** Tokens of the instructions that only the summary covers and that the instructions' share has no room for. */
function leftTokens({ left }: Pinned, window: Window, throughSeq: Seq): TokenCount {
  const here = new Set(window.seqs);
  return left.filter(({ seq }) => seq <= throughSeq && !here.has(seq)).reduce((sum, { cost }) => sum + cost, 0);
}

/**
 * Without a summary the prompt may begin with an assistant message, which some providers refuse; the format then adds a
 * user turn.
 */
function openingCost(summaryTokens: TokenCount): TokenCount {
  return summaryTokens === 0 ? OPENING_TURN_TOKENS : 0;
}

/** Tokens that a budget leaves for messages beside a summary. */
function roomBeside(summaryTokens: TokenCount, budget: TokenCount): TokenCount {
  return budget - openingCost(summaryTokens) - Math.min(summaryTokens, Math.floor(budget / 2));
}

/**
 * The same as `roomBeside` if only the cost of the summary's items is known. It never returns more than `roomBeside`
 * would.
 */
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

/**
 * Chooses the recent messages, the instructions from before them, and the retrieved messages, within the room that the
 * summary leaves.
 */
function chooseMessages(input: AssemblyInput, room: TokenCount, throughSeq: Seq): Chosen {
  const log = createLogReader(input.newestFirst, throughSeq, () => input.earlier.covered(), input.sendsToolFiles);
  const covered = once(() => toCandidate(input.earlier.question()));
  const fill = (allowance: Allowance, step = windowStep(allowance), besideSeqs: readonly Seq[] = []): Window =>
    fillWindow(log, allowance, step, () => {
      const question = covered();
      return question !== null && besideSeqs.includes(question.message.seq) ? null : question;
    });
  const instructions = once(() => [...input.earlier.instructions()]);
  /**
   * The messages that the window contains. A question that only the summary covers may be cut in the window although it
   * fits among the pinned instructions; such a message does not count as contained.
   */
  const heldSeqs = (window: Window): readonly Seq[] =>
    window.seqs.filter((seq) => {
      const isCut = seq <= throughSeq && window.cutSeqs.includes(seq);
      const pin = isCut ? instructions().find((instruction) => instruction.seq === seq) : undefined;
      return pin === undefined || messageCost(pin) > mostForInstructions(input.maxTokens);
    });
  /**
   * Fills a window, and pins the instructions that it does not contain. The pinned ones take room from the window,
   * which may then lose further instructions; so this is repeated.
   */
  const hold = (allowance: Allowance, step?: TokenCount): { window: Window; pinned: Pinned } => {
    let window = fill(allowance, step);
    // `fromSeq` does not serve here: a question may stand alone before a gap.
    if ((throughSeq === 0 && window.isWhole) || instructions().length === 0) return { window, pinned: NOTHING_PINNED };
    let pinned = NOTHING_PINNED;
    for (let round = 0; ; round += 1) {
      const next = pinInstructions(instructions(), heldSeqs(window), input.maxTokens);
      const isSettled = next.seqs.every((seq) => pinned.seqs.includes(seq));
      // Instructions that the window has lost since, and that have no room, are named in `omitted`.
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
    // If the whole chat fits, or the question and the newest step would have to be cut, retrieved messages get only the
    // tokens that are free.
    const allowance = { tokens: Math.min(share, free), bytes: sharedBytes };
    return chosen(window, pinned, pickRetrieved(input.candidates, allowance, [...window.seqs, ...pinned.seqs]));
  }
  const here = [...base.window.seqs, ...base.pinned.seqs];
  const picked = pickRetrieved(input.candidates, { tokens: share, bytes: sharedBytes }, here);
  // What retrieval does not use goes back to the window. It keeps the steps of the smaller window, so that it begins at
  // the same message or an earlier one.
  const left = { tokens: reserved.tokens - base.pinned.tokens, bytes: reserved.bytes };
  const wide = { tokens: reserved.tokens + share - picked.tokens, bytes: reserved.bytes };
  // `hold` again: the larger window may begin later than an instruction that the smaller one contained, because one
  // whole message fills it.
  const wider = hold(wide, windowStep(left));
  return chosen(wider.window, wider.pinned, withoutWindow(picked, [...wider.window.seqs, ...wider.pinned.seqs]));
}

/**
 * Whether the smaller window has less of the newest message or of the question. Both are more important than retrieved
 * messages.
 */
function isWorse(smaller: Window, larger: Window): boolean {
  const question = larger.messages().findLast(({ role }) => role === "user");
  return [larger.messages().at(-1), question].some((message) => {
    if (message === undefined) return false;
    const left = smaller.messages().find(({ seq }) => seq === message.seq);
    return left === undefined || (left.tokens < message.tokens && left.tokens < MIN_CUT_WORDS_TOKENS);
  });
}

/** The final window may contain messages that were pinned for an earlier one; those are not pinned twice. */
function chosen(window: Window, pinned: Pinned, retrieved: Picked): Chosen {
  return { window, pinned: unpin(pinned, window.seqs), retrieved };
}

function toCandidate(message: LogMessage | null): Candidate | null {
  return message === null ? null : { message, cost: messageCost(message), mayStart: true, isCut: false };
}

/**
 * Rounds the room for a summary that exceeds its half down to steps, so that the rendered summary stays the same while
 * messages arrive.
 */
function inSteps(allowance: TokenCount, budget: TokenCount): TokenCount {
  const half = Math.floor(budget / 2);
  const step = Math.max(1, Math.floor(budget * SUMMARY_STEP_SHARE));
  return allowance <= half ? allowance : half + Math.floor((allowance - half) / step) * step;
}

/** Tokens of a rendered summary as a message of its own. */
function summaryCost(items: readonly Item[]): TokenCount {
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
