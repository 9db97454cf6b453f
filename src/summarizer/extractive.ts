/** The summarizer without a model: it selects statements of the transcript and keeps their words. */
import { MAX_ITEM_TEXT_LENGTH, MAX_ITEMS_PER_SUMMARY, MAX_SOURCES_PER_ITEM } from "../api/limits.ts";
import type { TokenCount } from "../api/message.ts";
import type { ProposedItem, SummarizerRequest, TranscriptMessage } from "../api/summarizer.ts";
import type { Item } from "../api/summary.ts";
import { oneLine } from "../api/text.ts";
import { isRoleName } from "../prompt/guarded-text.ts";
import { ITEM_OVERHEAD_TOKENS, itemTokens, itemsTokens } from "../prompt/items.ts";
import { isSupported } from "../prompt/support.ts";
import { estimateTokens } from "../tokens/estimate.ts";
import { type Fact, factIn, replacedValues, tellBefore, withNewestValues } from "./changed-values.ts";
import { isFirstPerson, isResult, kindOf, tellsFailure, worthOfItem, worthOfStatement } from "./cues.ts";
import { type Candidate, choose } from "./selection.ts";
import { cutAtWord, joinStatements, type Statement, statementsOf } from "./sentences.ts";
import { settleStatuses } from "./statuses.ts";
import type { Summarizer } from "./summarizer.ts";
import { type Term, termsOf } from "./terms.ts";

/**
 * New messages get at least this share of the budget, so that a long conversation does not stay at its beginning. With
 * a third, only a hundredth of the first summary would be left after twelve summaries; and the most recent messages are
 * in the prompt verbatim anyway.
 */
const MIN_NEW_SHARE = 0.15;
/** A summary that takes a larger share of what it replaces than this would save too little. */
const MAX_TRANSCRIPT_SHARE = 0.5;
/**
 * A summary may take this many tokens however short the transcript is, because a single sentence can be all that
 * matters.
 */
const SHORT_SUMMARY_TOKENS = 256;
/** Weight of terms that a statement needs; with less it is only a reaction, such as "sounds delicious". */
const MIN_TERMS_WEIGHT = 1.6;
/** A lower limit for statements about oneself and for binding ones: "I am vegetarian", "She is vegetarian". */
const MIN_OWN_TERMS_WEIGHT = 0.9;
/** Factor for the answer to a question, because answers are asked for more often later. */
const ANSWER_WORTH = 1.5;
/** How many statements after a question may answer it. */
const ANSWER_STATEMENTS = 2;
/** An answer with at most this many terms is not understandable without its question. */
const MAX_TERSE_TERMS = 2;
/** A name only has to distinguish speakers. */
const MAX_SPEAKER_CHARACTERS = 64;

interface Asked {
  readonly message: TranscriptMessage;
  readonly text: string;
}

interface Told extends Candidate {
  readonly group: TranscriptMessage;
  readonly statement: Statement;
  /** The question that is needed to understand it. */
  readonly asked: Asked | null;
  /** The earlier value of the same fact, and the message with it. */
  readonly before: { readonly values: readonly string[]; readonly message: TranscriptMessage } | null;
}

/** Who said it: the author, unless that name would read as another role. */
function speaker({ author, role }: TranscriptMessage): string {
  const name = cutAtWord(oneLine(author ?? ""), MAX_SPEAKER_CHARACTERS);
  return name === "" || isRoleName(name) ? `${role.charAt(0).toUpperCase()}${role.slice(1)}` : name;
}

function withQuestion(text: string, asked: Asked | null): string {
  return asked === null ? text : `${text} (asked: ${asked.text})`;
}

function weightOf(terms: readonly Term[]): number {
  let weight = 0;
  for (const term of terms) weight += term.weight;
  return weight;
}

function isBinding({ text, isQuestion }: Statement): boolean {
  const kind = kindOf(text, isQuestion);
  return kind === "instruction" || kind === "preference" || kind === "decision" || isFirstPerson(text);
}

/**
 * An answer with at most this many statements is one as a person would give it. A longer one is an essay, and says no
 * more about its user.
 */
const ANSWER_LENGTH = 4;
/**
 * A statement of an essay counts as advice until the user refers to it; then it weighs as much as one of a short
 * answer.
 */
const MIN_TAKEN_UP_TERMS = 2;
const TAKEN_UP_SHARE = 0.5;
/** Factor for computed results in an essay: they were asked for, even if nobody refers to them. */
const COMPUTED_WORTH = 0.5;

interface OneOfMany {
  readonly text: string;
  readonly terms: readonly Term[];
}

function isTakenUp(terms: readonly Term[], takenUp: ReadonlySet<string>): boolean {
  let shared = 0;
  let all = 0;
  for (const { key, weight } of terms) {
    if (weight < 1) continue;
    all += 1;
    if (takenUp.has(key)) shared += 1;
  }
  return shared >= MIN_TAKEN_UP_TERMS && shared >= all * TAKEN_UP_SHARE;
}

/** A term that occurs in more lines than this does not say which of them is meant. */
const MAX_MEANT_LINES = 2;

/** Those keys that occur in only a few lines. */
function rareAmong(lines: readonly (readonly Term[])[], keys: ReadonlySet<string>): ReadonlySet<string> {
  const counts = new Map<string, number>();
  for (const terms of lines) {
    for (const key of new Set(terms.map((term) => term.key))) {
      if (keys.has(key)) counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return new Set([...counts].filter(([, count]) => count <= MAX_MEANT_LINES).map(([key]) => key));
}

/**
 * Factor for a statement, depending on how many statements its message has and whether the next message refers to it.
 */
function shareOf(
  { role, author }: TranscriptMessage,
  { text, terms }: OneOfMany,
  count: number,
  takenUp: ReadonlySet<string>,
): number {
  if (count <= ANSWER_LENGTH) return 1;
  // A log or a listing, which can be produced again: only lines with failures, and lines that somebody refers to,
  // count.
  if (role === "tool") return tellsFailure(text) || terms.some(({ key }) => takenUp.has(key)) ? 1 : 0;
  if (role !== "assistant" || author !== undefined || isTakenUp(terms, takenUp)) return 1;
  return isResult(text) ? COMPUTED_WORTH : 0;
}

/**
 * The statements of a message that are worth considering, in order, without mere reactions.
 * @param takenUp terms with which the next message refers to this one
 */
function toldBy(
  message: TranscriptMessage,
  statements: readonly Statement[],
  question: Asked | null,
  takenUp: ReadonlySet<string>,
): Told[] {
  const isEssay = message.role === "assistant" && message.author === undefined && statements.length > ANSWER_LENGTH;
  const openingTokens = ITEM_OVERHEAD_TOKENS + estimateTokens(`${speaker(message)}: `);
  const told: Told[] = [];
  const termsOfEach = statements.map(({ text }) => termsOf(text));
  const telling = message.role === "tool" ? rareAmong(termsOfEach, takenUp) : takenUp;
  for (const [place, statement] of statements.entries()) {
    const own = termsOfEach[place] ?? [];
    const share = shareOf(message, { text: statement.text, terms: own }, statements.length, telling);
    if (share === 0) continue;
    // The question at the end of an essay is an offer to write more.
    if (isEssay && statement.isQuestion) continue;
    const answers = question !== null && place < ANSWER_STATEMENTS && !statement.isQuestion && !isEssay;
    const asked = answers && place === 0 && own.length <= MAX_TERSE_TERMS ? question : null;
    const least = isBinding(statement) ? MIN_OWN_TERMS_WEIGHT : MIN_TERMS_WEIGHT;
    if (weightOf(own) < (asked === null ? least : MIN_OWN_TERMS_WEIGHT)) continue;
    const text = withQuestion(statement.text, asked);
    told.push({
      group: message,
      statement,
      asked,
      before: null,
      terms: asked === null ? own : termsOf(text),
      worth: worthOfStatement(message, statement) * share * (answers ? ANSWER_WORTH : 1),
      // The separator between two statements of an item takes up to one token.
      tokens: estimateTokens(text) + 1,
      openingTokens,
    });
  }
  return told;
}

function keysOf(text: string): Set<string> {
  return new Set(termsOf(text).map(({ key }) => key));
}

/**
 * The terms with which the next message refers to this one.
 * @param before terms of the user's last message: repeating those refers to nothing
 */
function takenUpFrom(
  { role }: TranscriptMessage,
  next: TranscriptMessage | undefined,
  before: ReadonlySet<string>,
): ReadonlySet<string> {
  // Whoever speaks after a tool may refer to its output with the words of the question too.
  if (role === "tool" && next !== undefined && next.role !== "tool") return keysOf(next.text);
  if (role !== "assistant" || next?.role !== "user") return new Set();
  return new Set([...keysOf(next.text)].filter((key) => !before.has(key)));
}

function toldByAll(messages: readonly TranscriptMessage[]): Told[] {
  const told: Told[] = [];
  let question: Asked | null = null;
  let before: ReadonlySet<string> = new Set();
  for (const [place, message] of messages.entries()) {
    const takenUp = takenUpFrom(message, messages[place + 1], before);
    if (message.role === "user") before = keysOf(message.text);
    const pending: Asked | null = question !== null && speaker(question.message) !== speaker(message) ? question : null;
    const statements = statementsOf(message.text);
    told.push(...toldBy(message, statements, pending, takenUp));
    const last = statements.at(-1);
    question = last?.isQuestion === true ? { message, text: last.text } : null;
  }
  return told;
}

/** How many earlier facts a statement is compared with: those with the same speaker and names, newest first. */
const MAX_COMPARED_FACTS = 50;

/** Removes statements whose value a later one replaces; the later one notes the old value. */
function newestValuesOf(told: readonly Told[]): Told[] {
  const newest: (Told | null)[] = [...told];
  const known = new Map<string, { readonly place: number; readonly fact: Fact }[]>();
  for (const [place, one] of told.entries()) {
    const fact = one.statement.isQuestion ? null : factIn(`${speaker(one.group)}: ${one.statement.text}`);
    if (fact === null) continue;
    const key = `${fact.speaker}\n${fact.names}`;
    const earlier = known.get(key) ?? [];
    for (const { place: then, fact: old } of earlier.slice(-MAX_COMPARED_FACTS).toReversed()) {
      const values = replacedValues(fact, old);
      if (newest[then] === null || values.length === 0) continue;
      const text = `${one.statement.text}${tellBefore(values)}`;
      newest[then] = null;
      newest[place] = {
        ...one,
        before: { values, message: told[then]?.group ?? one.group },
        tokens: estimateTokens(withQuestion(text, one.asked)) + 1,
      };
      break;
    }
    known.set(key, [...earlier, { place, fact }]);
  }
  return newest.filter((one) => one !== null);
}

function textOf({ statement, asked, before }: Told): string {
  return withQuestion(statement.text, asked) + (before === null ? "" : tellBefore(before.values));
}

/** Adjacent selected statements of one message become one item. */
function runsOf(told: readonly Told[], chosen: readonly number[]): Told[][] {
  const runs: Told[][] = [];
  let before = -2;
  for (const place of chosen) {
    const next = told[place];
    if (next === undefined) continue;
    const run = runs.at(-1);
    // Between people, statements are short and depend on each other; what a user tells an assistant is a fact of its
    // own each time.
    const joins = next.group.author !== undefined || next.asked !== null || run?.[0]?.asked !== null;
    if (run !== undefined && joins && place === before + 1 && run[0]?.group === next.group) run.push(next);
    else runs.push([next]);
    before = place;
  }
  return runs;
}

function itemOf(run: readonly Told[]): ProposedItem | null {
  const first = run[0];
  if (first === undefined) return null;
  const message = first.group;
  const asked = first.asked?.message;
  const said = joinStatements(run.map(textOf));
  const named = `${speaker(message)}: ${said}`;
  const replaced = run.flatMap(({ before }) => (before === null ? [] : [before.message]));
  const sources = [...new Set([...replaced, ...(asked === undefined ? [] : [asked]), message])].toSorted(
    (one, other) => one.seq - other.seq,
  );
  const texts = sources.map((source) => source.text);
  // The speaker's name is not part of the message. If the item would not be supported because of it, it is left out.
  const text = cutAtWord(isSupported(named, texts) ? named : said, MAX_ITEM_TEXT_LENGTH);
  const isQuestion = run.every(({ statement }) => statement.isQuestion);
  const kind = kindOf(said, isQuestion, message.role === "user");
  return { kind, text, sourceSeqs: sources.map((source) => source.seq), status: "current" };
}

/** How often statements are selected at most, and the share of the budget that may remain. */
const MAX_SELECTIONS = 3;
const MIN_LEFT_SHARE = 0.04;

/** Makes new items from messages that no item covers yet, within a budget. */
function newItems(
  messages: readonly TranscriptMessage[],
  known: readonly Item[],
  maxTokens: TokenCount,
  maxItems: number,
): ProposedItem[] {
  const told = newestValuesOf(toldByAll(messages));
  let transcriptTokens = 0;
  for (const { text } of messages) transcriptTokens += estimateTokens(text);
  const worthwhile = Math.max(SHORT_SUMMARY_TOKENS, transcriptTokens * MAX_TRANSCRIPT_SHARE);
  const budget = Math.min(maxTokens, worthwhile);
  const names = messages.flatMap(({ author }) => (author === undefined ? [] : [author]));
  const knownTerms = [...known.map(({ text }) => text), ...new Set(names)].flatMap(termsOf);
  const knownKeys = new Set(knownTerms.map(({ key }) => key));
  let made: MadeItems = { items: [], left: budget };
  // The selection adds up statements, and an item of several takes fewer tokens than they do. What remains of the budget
  // is offered to the next selection.
  for (let [pass, offered] = [0, budget]; pass < MAX_SELECTIONS && made.left > budget * MIN_LEFT_SHARE; pass += 1) {
    const next = itemsWithin(runsOf(told, choose(told, knownKeys, offered, maxItems)), budget);
    if (next.left >= made.left) break;
    made = next;
    offered += made.left;
  }
  return made.items;
}

interface MadeItems {
  readonly items: ProposedItem[];
  /** Tokens of the budget that they do not take. */
  readonly left: TokenCount;
}

function itemsWithin(runs: readonly Told[][], budget: TokenCount): MadeItems {
  const items: ProposedItem[] = [];
  let left = budget;
  for (const run of runs) {
    const item = itemOf(run);
    // The tokens of a whole differ from the sum of its parts, so the item itself is measured.
    if (item === null || itemTokens(item) > left) continue;
    left -= itemTokens(item);
    items.push(item);
  }
  return { items, left };
}

/** The items that are worth most for their tokens, in the given order; all of them if they fit. */
function keptItems(items: readonly Item[], maxTokens: TokenCount): Item[] {
  if (itemsTokens(items) <= maxTokens && items.length <= MAX_ITEMS_PER_SUMMARY) return [...items];
  const candidates = items.map((item) => ({
    group: item,
    terms: termsOf(item.text),
    worth: worthOfItem(item),
    tokens: itemTokens(item),
    openingTokens: 0,
  }));
  return choose(candidates, new Set(), maxTokens, MAX_ITEMS_PER_SUMMARY).flatMap((place) => items[place] ?? []);
}

function mayBeProposed({ text, sourceSeqs }: Item): boolean {
  return text !== "" && text.length <= MAX_ITEM_TEXT_LENGTH && sourceSeqs.length <= MAX_SOURCES_PER_ITEM;
}

/**
 * Makes the new list of items: earlier ones with their id, then new ones in the order of the conversation, together at
 * most `maxTokens` by `itemsTokens`. Pure and deterministic.
 *
 * Earlier items get the share of the budget that their part of the conversation has, and whatever the new ones do not
 * use. So recent parts are kept in detail, old ones in outline.
 */
export function summarizeExtractively(request: SummarizerRequest): ProposedItem[] {
  const { messages, maxTokens } = request;
  const previous = settleStatuses(request.previous.filter(mayBeProposed), messages);
  const lastSeq = Math.max(1, messages.at(-1)?.seq ?? 1);
  const newShare = messages.length === 0 ? 0 : Math.max(MIN_NEW_SHARE, Math.min(1, messages.length / lastSeq));
  const sure = keptItems(previous, Math.floor(maxTokens * (1 - newShare)));
  const fresh = newItems(messages, sure, maxTokens - itemsTokens(sure), MAX_ITEMS_PER_SUMMARY - sure.length);
  const room = maxTokens - itemsTokens(fresh);
  const kept = keptItems(previous, room).slice(0, MAX_ITEMS_PER_SUMMARY - fresh.length);
  return withNewestValues(kept, settleStatuses(fresh, messages));
}

export const extractive: Summarizer = {
  name: "extractive",
  summarize: async (request) => ({ items: summarizeExtractively(request), model: "extractive" }),
};
