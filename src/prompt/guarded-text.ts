/**
 * Keeps text of the chat from imitating the frame around it (prompt injection). In a prompt that is one text, a line
 * could look like the heading of another message (`[system] …`), and a tag like the end of the summary. Such places are
 * marked; everything else stays unchanged.
 *
 * Every function runs in time linear to the length of its text.
 */

/**
 * The tags that mark the beginning and end of the summary, of the retrieved messages, and of what a memory tool
 * returns.
 */
export const SUMMARY_TAG = "conversation_summary";
export const RETRIEVED_TAG = "earlier_messages";
export const MEMORY_TAG = "threadkeep_memory";
const TAG_NAMES = [SUMMARY_TAG, RETRIEVED_TAG, MEMORY_TAG].map((name) => name.replaceAll("_", ""));

/** Everything that a model or a terminal treats as the end of a line. */
const LINE_END = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/g;
/** Invisible characters: white space, control characters, joiners, direction marks, variation selectors, fillers. */
const UNSEEN = "\\s\\p{C}\\p{M}\\u115f\\u1160\\u2800\\u3164\\uffa0";
const UNSEEN_IN_TEXT = new RegExp(`[${UNSEEN}]*`, "uy");
const UNSEEN_IN_LINE = new RegExp(`(?:(?![\\n\\v\\f\\r\\u0085\\u2028\\u2029])[${UNSEEN}])*`, "uy");
const ALL_UNSEEN = new RegExp(`[${UNSEEN}]+`, "gu");
const ANGLES = "<＜﹤‹〈⟨❬❮❰⧼〈˂ᐸ";
const ANGLE = new RegExp(`[${ANGLES}]`, "gu");
const LINE_ENDS = "\n\v\f\r\u0085\u2028\u2029";
/** So many visible characters are enough to recognize a heading or the name of a tag. */
const HEADING_LENGTH = 40;

/** Letters of other scripts that look like Latin letters. */
const LOOK_ALIKES: ReadonlyMap<string, string> = new Map([
  ...Object.entries({ а: "a", с: "c", ԁ: "d", е: "e", һ: "h", і: "i", ӏ: "l", м: "m", п: "n", о: "o", р: "p", г: "r" }),
  ...Object.entries({ ѕ: "s", т: "t", у: "y", х: "x", υ: "u", ν: "v", α: "a", ε: "e", ι: "i", ο: "o", ρ: "p", τ: "t" }),
  ...Object.entries({ η: "n", ı: "i", ɡ: "g", ո: "n", օ: "o", ѵ: "v", ʏ: "y", ꜱ: "s", ᴍ: "m", ʀ: "r" }),
]);

/** The words in headings: of the text format, of retrieved messages, and of transcripts that people paste. */
const SPEAKER = "(?:system|developer|user|assistant|tool|function|human|model|bot|ai)";
/** A heading may be preceded by opening brackets or light markup. */
const BRACKETED = new RegExp(
  `^[^\\p{L}\\p{N}]*[\\p{Ps}\\p{Pi}<][^\\p{L}\\p{N}]{0,${HEADING_LENGTH}}(?:${SPEAKER}|calls|resultof|file|image|audio|video|im_?start|\\d{4}[\\p{Pd}/.]\\d)`,
  "u",
);
const LABEL = new RegExp(`^[^\\p{L}\\p{N}]*${SPEAKER}[^\\p{L}\\p{N}]{0,4}:`, "u");

/**
 * A fast check for the common case: a line whose first fifteen visible characters, or all of them, contain no bracket
 * and no colon.
 */
const PLAIN_START =
  /[\t ]*(?![\t ])(?:[a-z0-9](?:[\t ]*[a-z0-9,.'"!?-]){14}|(?:[\t ]*[a-z0-9,.'"!?-]){0,14}[\t ]*(?:[\r\n]|$))/iy;

/**
 * Reads the first visible characters from a position on, normalized as a reader would see them: one width, lower case,
 * look-alike letters replaced by Latin ones.
 * @param unseen matches the characters to skip
 * @param ends characters at which reading stops
 */
function spelledFrom(text: string, at: number, unseen: RegExp, ends: string): string {
  let seen = "";
  for (let next = at; seen.length < HEADING_LENGTH;) {
    unseen.lastIndex = next;
    unseen.test(text);
    next = Math.max(next, unseen.lastIndex);
    const codePoint = text.codePointAt(next);
    if (codePoint === undefined) break;
    const character = String.fromCodePoint(codePoint);
    if (ends.includes(character)) break;
    seen += character;
    next += character.length;
  }
  if (seen === "") return "";
  const folded = seen.normalize("NFKD").replaceAll(ALL_UNSEEN, "").toLowerCase();
  return Array.from(folded, (letter) => LOOK_ALIKES.get(letter) ?? letter).join("");
}

function readsAsHeading(text: string, at: number): boolean {
  PLAIN_START.lastIndex = at;
  if (PLAIN_START.test(text)) return false;
  const head = spelledFrom(text, at, UNSEEN_IN_LINE, LINE_ENDS);
  return head !== "" && (BRACKETED.test(head) || LABEL.test(head));
}

/** Puts `> ` before each line that looks like the heading of a message. */
function quoteHeadings(text: string, isLineStart: boolean): string {
  const starts = isLineStart ? [0] : [];
  for (const end of text.matchAll(LINE_END)) starts.push(end.index + end[0].length);
  const quoted = starts.filter((at) => readsAsHeading(text, at));
  if (quoted.length === 0) return text;
  const pieces = quoted.map((at, index) => `> ${text.slice(at, quoted[index + 1])}`);
  return text.slice(0, quoted[0]) + pieces.join("");
}

/** Escapes the opening bracket of each of our tags, however the tag is spelled. */
function withoutTags(text: string): string {
  return text.replaceAll(ANGLE, (angle, at: number) => {
    const name = spelledFrom(text, at + angle.length, UNSEEN_IN_TEXT, ANGLES).replaceAll(/[^a-z]/g, "");
    return TAG_NAMES.some((tag) => name.startsWith(tag)) ? "&lt;" : angle;
  });
}

/**
 * Guards text that goes into a one-text prompt with headings.
 * @param isLineStart whether the text begins a line; false if one of our headings precedes it on the line
 */
export function guardText(text: string, isLineStart: boolean): string {
  return quoteHeadings(withoutTags(text), isLineStart);
}

/** Guards text that must fit on one line: line breaks become spaces. */
export function guardLine(text: string): string {
  return withoutTags(text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").trim());
}

/** How an item names who said it. No other role begins an item in these words. */
const SAID_BY = /^(?:User|Assistant): /;

/** Guards an item of a summary, which stands on a line of its own behind a dash. */
export function guardItem(text: string): string {
  const line = guardLine(text);
  return SAID_BY.test(line) || !readsAsHeading(line, 0) ? line : `> ${line}`;
}

/** Whether a name is that of a role, however it is spelled: as the label of a line it would read as that role. */
export function isRoleName(name: string): boolean {
  return readsAsHeading(`${name}:`, 0);
}

/** Guards a name inside a heading, so that it can neither end the heading nor open another. */
export function guardName(name: string): string {
  return guardLine(name)
    .replaceAll(/\p{Ps}/gu, "(")
    .replaceAll(/\p{Pe}/gu, ")");
}
