/** The summarizer without a model: it chooses statements of the transcript and keeps them in their own words. */
import { MAX_ITEM_TEXT_LENGTH, MAX_ITEMS_PER_SUMMARY, MAX_SOURCES_PER_ITEM } from "../contracts/limits.ts";
import type { TokenCount } from "../contracts/message.ts";
import type { ProposedItem, SummarizerRequest, TranscriptMessage } from "../contracts/summarizer.ts";
import type { Item } from "../contracts/summary.ts";
import { oneLine } from "../contracts/text.ts";
import { ITEM_OVERHEAD_TOKENS, itemTokens, itemsTokens } from "../memory/items.ts";
import { isSupported } from "../memory/support.ts";
import { estimateTokens } from "../memory/tokens.ts";
import { isFirstPerson, kindOf, worthOfItem, worthOfStatement } from "./cues.ts";
import { type Candidate, choose } from "./selection.ts";
import { cutAtWord, joinStatements, type Statement, statementsOf } from "./sentences.ts";
import { settleStatuses } from "./statuses.ts";
import type { Summarizer } from "./summarizer.ts";
import { type Term, termsOf } from "./terms.ts";

/** New messages get at least this share of the budget, so that a long conversation does not freeze at its beginning. */
const MIN_NEW_SHARE = 1 / 3;
/** A summary that takes more than this share of what it stands for saves nothing. */
const MAX_TRANSCRIPT_SHARE = 0.5;
/** What a summary may take of a transcript however short: a single sentence can be all that matters. */
const SHORT_SUMMARY_TOKENS = 256;
/** Terms that a statement must hold to be more than a reaction: "sounds delicious". */
const MIN_TERMS_WEIGHT = 1.6;
/** One is enough of oneself, and of what binds for the future: "I am vegetarian", "She is vegetarian". */
const MIN_OWN_TERMS_WEIGHT = 0.9;
/** What answers a question is looked for more than what nobody asked for. */
const ANSWER_WORTH = 1.5;
/** How many statements after a question may answer it. */
const ANSWER_STATEMENTS = 2;
/** An answer with no more terms than this is not understood without its question. */
const MAX_TERSE_TERMS = 2;
/** A name is for telling speakers apart. */
const MAX_SPEAKER_CHARACTERS = 64;

interface Asked {
  readonly message: TranscriptMessage;
  readonly text: string;
}

interface Told extends Candidate {
  readonly group: TranscriptMessage;
  readonly statement: Statement;
  /** The question without which it says nothing. */
  readonly asked: Asked | null;
}

function speaker({ author, role }: TranscriptMessage): string {
  const name = cutAtWord(oneLine(author ?? ""), MAX_SPEAKER_CHARACTERS);
  return name === "" ? `${role.charAt(0).toUpperCase()}${role.slice(1)}` : name;
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

/** What a message tells, in order, less what is no more than a reaction. */
function toldBy(message: TranscriptMessage, statements: readonly Statement[], question: Asked | null): Told[] {
  const openingTokens = ITEM_OVERHEAD_TOKENS + estimateTokens(`${speaker(message)}: `);
  const told: Told[] = [];
  for (const [place, statement] of statements.entries()) {
    const answers = question !== null && place < ANSWER_STATEMENTS && !statement.isQuestion;
    const own = termsOf(statement.text);
    const asked = answers && place === 0 && own.length <= MAX_TERSE_TERMS ? question : null;
    const least = isBinding(statement) ? MIN_OWN_TERMS_WEIGHT : MIN_TERMS_WEIGHT;
    if (weightOf(own) < (asked === null ? least : MIN_OWN_TERMS_WEIGHT)) continue;
    const text = withQuestion(statement.text, asked);
    told.push({
      group: message,
      statement,
      asked,
      terms: asked === null ? own : termsOf(text),
      worth: worthOfStatement(message, statement) * (answers ? ANSWER_WORTH : 1),
      // What stands between two statements of an item takes up to one token more.
      tokens: estimateTokens(text) + 1,
      openingTokens,
    });
  }
  return told;
}

function toldByAll(messages: readonly TranscriptMessage[]): Told[] {
  const told: Told[] = [];
  let question: Asked | null = null;
  for (const message of messages) {
    const heard: Asked | null = question !== null && speaker(question.message) !== speaker(message) ? question : null;
    const statements = statementsOf(message.text);
    told.push(...toldBy(message, statements, heard));
    const last = statements.at(-1);
    question = last?.isQuestion === true ? { message, text: last.text } : null;
  }
  return told;
}

/** Chosen statements of one message that stood side by side make one item. */
function runsOf(told: readonly Told[], chosen: readonly number[]): Told[][] {
  const runs: Told[][] = [];
  let before = -2;
  for (const place of chosen) {
    const next = told[place];
    if (next === undefined) continue;
    const run = runs.at(-1);
    if (run !== undefined && place === before + 1 && run[0]?.group === next.group) run.push(next);
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
  const said = joinStatements(run.map((part) => withQuestion(part.statement.text, part.asked)));
  const named = `${speaker(message)}: ${said}`;
  const sources = asked === undefined ? [message] : [asked, message];
  const texts = sources.map((source) => source.text);
  // A name is not part of the message: where it would cost the item its support, it stays away.
  const text = cutAtWord(isSupported(named, texts) ? named : said, MAX_ITEM_TEXT_LENGTH);
  const isQuestion = run.every(({ statement }) => statement.isQuestion);
  const kind = kindOf(said, isQuestion, message.role === "user");
  return { kind, text, sourceSeqs: sources.map((source) => source.seq), status: "current" };
}

/** New items from messages that no item covers yet, within a budget. */
function newItems(
  messages: readonly TranscriptMessage[],
  known: readonly Item[],
  maxTokens: TokenCount,
  maxItems: number,
): ProposedItem[] {
  const told = toldByAll(messages);
  let transcriptTokens = 0;
  for (const { text } of messages) transcriptTokens += estimateTokens(text);
  const worthwhile = Math.max(SHORT_SUMMARY_TOKENS, transcriptTokens * MAX_TRANSCRIPT_SHARE);
  const budget = Math.min(maxTokens, worthwhile);
  const names = messages.flatMap(({ author }) => (author === undefined ? [] : [author]));
  const knownTerms = [...known.map(({ text }) => text), ...new Set(names)].flatMap(termsOf);
  const chosen = choose(told, new Set(knownTerms.map(({ key }) => key)), budget, maxItems);
  const items: ProposedItem[] = [];
  let left = budget;
  for (const run of runsOf(told, chosen)) {
    const item = itemOf(run);
    // Tokens of a whole are not the sum of those of its parts: the last word is with the whole.
    if (item === null || itemTokens(item) > left) continue;
    left -= itemTokens(item);
    items.push(item);
  }
  return items;
}

/** The items that are worth the most for their room, in the order they came in. All of them if they fit. */
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
 * The new list of items: earlier ones by their id, then new ones in the order of the conversation, together at most
 * `maxTokens` by `itemsTokens`. Pure and deterministic.
 *
 * Earlier items keep the share of the budget that their part of the conversation has, at most two thirds; what new ones leave
 * over is theirs as well. So what is recent stands in detail and what is old in outline.
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
  return [...kept, ...settleStatuses(fresh, messages)];
}

export const extractive: Summarizer = {
  name: "extractive",
  summarize: async (request) => ({ items: summarizeExtractively(request), model: "extractive" }),
};
