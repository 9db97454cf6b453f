/**
 * Splits the text of a message into statements: its sentences in their own words, without parts that carry no
 * information.
 */

import { oneLine } from "../api/text.ts";
import { proseLines } from "./markdown.ts";

/** Longer sentences are cut: they are lists, logs or text without punctuation, and an item is one statement. */
const MAX_STATEMENT_CHARACTERS = 320;
/** Only this much of a message is read. What is further down in a pasted document is not conversation. */
const MAX_READ_CHARACTERS = 32_000;
/**
 * `Intl.Segmenter` reads a whole text before it returns the first segment, so it gets pieces of this length. That also
 * limits the cost of text without any break.
 */
const PIECE_CHARACTERS = 4_000;
/** A text with at least this share of English function words counts as English, and English fillers may be removed. */
const MIN_ENGLISH_SHARE = 0.2;

const ENGLISH = new Set(
  (
    "the a an and or but of to in on at for with from is are was were be been have has had do does did it it's this that i i'm " +
    "i've you we they he she my your our not so just"
  ).split(" "),
);
/** The last character is the Greek question mark. */
const QUESTION_END = /[?？؟\u037e][\s"'”’)»]*$/u;
const FULL_STOP = /[.!?…。！？؟।:;][\s"'”’)»]*$/u;
/**
 * A possible end of a sentence with more text after it. Tested first, because a segmenter is slow to start, and most
 * lines are one sentence.
 */
const INNER_STOP = /[.!?…。！？؟।။։።\u037e]["'”’)»\s]*[^"'”’)»\s]/u;
/** Greetings, thanks and interjections at the beginning of a sentence, in the most frequent languages. */
const OPENING =
  /^(?:(?:oh|wow|well|hey+|hi+|hello|ok|okay|alright|(?:ha){2,}|lol|u[hm]+|hmm+|a+h+|aw+|yay|yeah|yep|yup|sure(?: thing)?|totally|absolutely|definitely|exactly|anyways?|honestly|thanks?(?: (?:you|so much|a lot))*(?: for (?:the|your|all|that|this|sharing|helping|explaining)\b[^.!?,;]{0,60})?|certainly|of course(?=[\s,!.])|sure thing|great (?:question|choice|idea)s?|(?:and|but|so|also|plus|then)(?= )|i (?:mean|guess|feel like)|you know|by the way|btw|hola|gracias|buen[oa]s (?:d[ií]as|tardes|noches)|salut|bonjour|merci(?: beaucoup)?|hallo|danke(?: sch[öo]n)?|guten (?:morgen|tag|abend)|ciao|grazie|ol[áa]|obrigad[oa]|привет|здравствуйте|спасибо)(?![\p{L}\p{N}'’]|-\p{L})|你好|谢谢|好的|こんにちは|ありがとう(?:ございます)?|はい|안녕하세요|감사합니다)[\s,!.…–—、。！，-]*/iu;
/** Not after a negation: "not just a plan" is a plan. */
const INNER_FILLER =
  /(?<![\p{L}\p{N}'’-])(?<!\b(?:not|never|\p{L}+n['’]t) )(?:really|very|just|actually|basically|literally|honestly|totally|definitely|super|quite|(?:kind|sort) of|you know|i mean|of course)(?![\p{L}\p{N}'’-])(?!\s*[.,!?;:])\s*/gu;

/** Not before "but" and "because", because a contrast and a reason belong to what they refer to. */
const CLAUSE_BREAK = /(?:[;—–]\s*|\s-+\s+|\.{3,}\s*|…\s*|,\s+(?=(?:and|so|then|plus)\s))/u;
/** If a sentence contains one of these, a clause of it alone could state something that nobody said. */
const CONDITION =
  /\b(?:if|unless|until|except|although|though|instead|rather|whether|without|before|after|maybe|would(?:n['’]t)?)\b/iu;
/** A clause of fewer words is not understandable without its sentence. */
const MIN_CLAUSE_WORDS = 4;

/** The beginning of a request for help, after a statement. */
const REQUEST =
  /(?<![\p{L}\p{N}'’])(?:(?:can|could|would|will) you|how (?:do|can|could|should|would)|what(?:'s| is| are| do| should| would| can)|which (?:of|one|is)|where (?:do|can|should)|is (?:it|there|this|that)|are (?:there|these)|do you|does (?:it|that|this)|should i|any (?:ideas?|advice|tips|suggestions)|kannst du|könntest du|können sie|wie (?:kann|soll) ich|was soll ich|puedes|podrías|cómo puedo|qué puedo|peux-tu|pouvez-vous|pourriez-vous|comment puis-je|você pode|pode me|como posso)(?![\p{L}\p{N}])/giu;
/** What separates the statement from the request. */
const JOINTS = [",", ";", "–", "—", "-"];
const CONJUNCTION = /(?<=[\s,;])(?:and|but|so|then|und|aber|y|pero|et|mais|e|mas)$/i;

const KEPT_REQUEST = /\d|\b(?:remind|reminder|erinner|rappel|recuérd|lembr)/iu;

export interface Statement {
  readonly text: string;
  readonly isQuestion: boolean;
}

/** The longest beginning of a text within the limit that ends between words, or else between characters. */
export function cutAtWord(text: string, maxCharacters: number): string {
  if (text.length <= maxCharacters) return text;
  const space = text.lastIndexOf(" ", maxCharacters);
  if (space > maxCharacters / 2) return text.slice(0, space);
  const piece = text.slice(0, maxCharacters);
  return piece.isWellFormed() ? piece : piece.slice(0, -1);
}

/** Joins statements into one text, with a semicolon after those that do not end with a full stop. */
export function joinStatements(texts: readonly string[]): string {
  return texts.reduce((all, text) => `${all}${FULL_STOP.test(all) ? "" : ";"} ${text}`);
}

function* pieces(text: string, maxCharacters: number): Generator<string> {
  let rest = text;
  while (rest !== "") {
    const piece = cutAtWord(rest, maxCharacters);
    yield piece;
    rest = rest.slice(piece.length).trimStart();
  }
}

const segmenter = new Intl.Segmenter(undefined, { granularity: "sentence" });

function* sentencesOf(text: string): Generator<string> {
  for (const line of proseLines(text.slice(0, MAX_READ_CHARACTERS))) {
    for (const piece of pieces(oneLine(line), PIECE_CHARACTERS)) {
      if (!INNER_STOP.test(piece)) yield piece;
      else for (const { segment } of segmenter.segment(piece)) yield segment.trim();
    }
  }
}

function isEnglish(text: string): boolean {
  const words = text
    .toLowerCase()
    .replaceAll("’", "'")
    .split(/[^\p{L}']+/u);
  const known = words.filter((word) => ENGLISH.has(word)).length;
  return known > 0 && known >= words.length * MIN_ENGLISH_SHARE;
}

function isShort(clause: string): boolean {
  return clause.split(" ").length < MIN_CLAUSE_WORDS;
}

function clausesOf(sentence: string): string[] {
  if (CONDITION.test(sentence)) return [sentence];
  const clauses: string[] = [];
  for (const piece of sentence.split(CLAUSE_BREAK)) {
    const clause = piece.trimEnd();
    const before = clauses.at(-1);
    if (before !== undefined && (isShort(before) || isShort(clause))) {
      clauses[clauses.length - 1] = `${before}, ${clause}`;
    } else clauses.push(clause);
  }
  return clauses;
}

function withoutOpening(sentence: string): string {
  let text = sentence;
  for (;;) {
    const rest = text.replace(OPENING, "");
    if (rest === text) return text;
    text = rest;
  }
}

/**
 * Splits a sentence that states something and then asks for help: "I set it to 40 °C, can you help me choose …". The
 * request is not a question of its own. It is left out, unless it contains a number or a date, or is to be done later.
 */
function partsOf(sentence: string): Statement[] {
  for (const { index } of sentence.matchAll(REQUEST)) {
    const before = sentence.slice(0, index).trimEnd();
    const bare = before.replace(CONJUNCTION, "").trimEnd();
    const isJoined = bare !== before || JOINTS.some((joint) => bare.endsWith(joint));
    let told = bare;
    while (JOINTS.some((joint) => told.endsWith(joint))) told = told.slice(0, -1).trimEnd();
    if (!isJoined || isShort(told)) continue;
    const asked = sentence.slice(index);
    const parts = [{ text: told, isQuestion: false }];
    return KEPT_REQUEST.test(asked) ? [...parts, { text: asked, isQuestion: true }] : parts;
  }
  return [{ text: sentence, isQuestion: QUESTION_END.test(sentence) }];
}

/**
 * The statements of a message, in order. Code blocks are left out, because they are long and change from turn to turn.
 */
export function statementsOf(text: string): Statement[] {
  const english = isEnglish(text.slice(0, PIECE_CHARACTERS));
  const statements: Statement[] = [];
  for (const sentence of sentencesOf(text)) {
    for (const { text: whole, isQuestion } of partsOf(sentence)) {
      for (const clause of english && !isQuestion ? clausesOf(whole) : [whole]) {
        const opened = withoutOpening(clause);
        const short = english ? opened.replaceAll(INNER_FILLER, "") : opened;
        for (const part of pieces(short.trim(), MAX_STATEMENT_CHARACTERS)) {
          statements.push({ text: part, isQuestion });
        }
      }
    }
  }
  return statements;
}
