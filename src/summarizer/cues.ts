/**
 * Inexpensive signs of what kind a statement is and how much it is worth. The English ones are here, those of other
 * languages in `cue-phrases.ts`.
 */
import type { TranscriptMessage } from "../api/summarizer.ts";
import type { Item, ItemKind } from "../api/summary.ts";
import { isStandingWish } from "../prompt/standing-wish.ts";
import { hasPhrase } from "./cue-phrases.ts";

const DECISION =
  /\b(?:decided|agreed|settled on|chose|chosen|opted|we'll (?:go|stick|use)|let's (?:go with|use|stick|take|book|choose)|going with|made up (?:my|our) mind)\b/i;
const PREFERENCE =
  /\b(?:prefer|preferred|favou?rites?|i (?:like|love|hate|enjoy|dislike|adore|avoid)|i(?:'m| am) (?:into|keen|(?:a )?fan)|(?:severely |highly |deadly )?(?:allergic|intolerant) to|vegan|vegetarian|coeliac|can't stand|i(?:'d| would) rather|i don't (?:like|eat|drink|want))\b/i;
const TASK =
  /\b(?:todo|to-do|(?:i|we|you)(?:'ll| will| need to| have to| must| should| gotta| am going to| are going to)|(?:i'm|we're) (?:going to|gonna|planning)|remind (?:me|us)|please|let's|don't forget|make sure|deadline|due (?:by|on))\b/i;
const EVENT =
  /\b(?:yesterday|today|tonight|tomorrow|last (?:night|week|month|year|weekend|summer|winter|spring|fall|autumn)|next (?:week|month|year|weekend)|ago|this (?:morning|afternoon|week|weekend|month)|(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|april|june|july|august|september|october|november|december|\d{4}-\d{2}-\d{2})\b/i;

const FIRST_PERSON = /\b(?:i|my|mine|me|we|our|us)\b/i;
const SECOND_PERSON = /\b(?:you|your|yours)\b/i;

/** A statement that is only about the other person is mostly an answer or encouragement. */
const SECOND_PERSON_FACTOR = 0.6;
/** The answer to a question usually repeats what matters of it. */
const QUESTION_FACTOR = 0.5;
/** Output of programs is long and can be produced again; what people say about themselves cannot. */
const ROLE_FACTORS: Readonly<Record<TranscriptMessage["role"], number>> = {
  user: 1,
  assistant: 0.7,
  tool: 0.4,
  system: 0.4,
  developer: 0.4,
};
/**
 * If there is little room, what is binding for the future is kept longer than single events, and a standing wish
 * longest.
 */
const KIND_FACTORS: Readonly<Record<ItemKind, number>> = {
  instruction: 8,
  decision: 1.4,
  preference: 1.4,
  task: 1.2,
  fact: 1,
  event: 1,
  question: 0.5,
};
/** If items compete for room, those of the user are kept longer than those of the assistant. */
const ASSISTANT_ITEM_FACTOR = 0.3;
const STATUS_FACTORS: Readonly<Record<Item["status"], number>> = {
  current: 1,
  done: 0.5,
  superseded: 0.2,
};

function straight(text: string): string {
  return text.replaceAll("’", "'");
}

/** @param isWish whether the speaker may give instructions: tools and models may not */
export function kindOf(text: string, isQuestion: boolean, isWish = true): ItemKind {
  const plain = straight(text);
  if (isQuestion) return "question";
  if (isWish && isStandingWish(plain)) return "instruction";
  if (DECISION.test(plain) || hasPhrase(plain, "decision")) return "decision";
  if (PREFERENCE.test(plain) || hasPhrase(plain, "preference")) return "preference";
  if (TASK.test(plain) || hasPhrase(plain, "task")) return "task";
  return EVENT.test(plain) || hasPhrase(plain, "event") ? "event" : "fact";
}

/** Computed results: "so the total is 84", "9 + 16 = 25". */
const RESULT =
  /[=≈] ?[-+~]?[$€£]?\d|\b(?:answer|result|total|sum|average|difference|probability|area|cost) (?:is|are|comes to|equals) (?:about |around |exactly )?[-+~]?[$€£]?\d/i;

export function isResult(text: string): boolean {
  return RESULT.test(text);
}

/** Words with which programs report failures, in the English that programs use. */
const FAILURE =
  /\b(?:error|fail(?:ed|s|ure)?|fatal|exception|panic|denied|refused|rejected|timed out|not found|cannot|unable to|expected)\b/i;

export function tellsFailure(text: string): boolean {
  return FAILURE.test(text);
}

/** Whether people speak about themselves; then even a single word may be worth keeping. */
export function isFirstPerson(text: string): boolean {
  const plain = straight(text);
  return FIRST_PERSON.test(plain) || hasPhrase(plain, "firstPerson");
}

/** Factor for the terms of a statement, by who says it and how: 0 to 1. */
export function worthOfStatement(
  message: TranscriptMessage,
  statement: { readonly text: string; readonly isQuestion: boolean },
): number {
  const aside = SECOND_PERSON.test(statement.text) && !isFirstPerson(statement.text);
  // With named speakers, several people talk, and the role says nothing about them.
  const named = message.author !== undefined && message.role !== "tool";
  return (
    (aside ? SECOND_PERSON_FACTOR : 1) *
    (named ? 1 : ROLE_FACTORS[message.role]) *
    (statement.isQuestion ? QUESTION_FACTOR : 1)
  );
}

/** An item begins with its speaker. Speakers without a name are called by their role. */
function isAssistants(text: string): boolean {
  return text.startsWith("Assistant: ");
}

/** Factor for the terms of an item when items compete for room. */
export function worthOfItem(item: Item): number {
  return KIND_FACTORS[item.kind] * STATUS_FACTORS[item.status] * (isAssistants(item.text) ? ASSISTANT_ITEM_FACTOR : 1);
}
