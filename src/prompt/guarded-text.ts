/**
 * Text from a chat must not pose as the frame around it. In a prompt that is one text, a line can be made to read like the heading of
 * another message (`[system] …`), and a tag like the end of the summary. What would read so is marked here; all else stays as it is.
 *
 * Every function is linear in the length of its text.
 */

/** The tags that tell a model where the summary and the earlier messages begin and end, and all that a tool tells of a memory. */
export const SUMMARY_TAG = "conversation_summary";
export const RETRIEVED_TAG = "earlier_messages";
export const MEMORY_TAG = "threadkeep_memory";
const TAG_NAMES = [SUMMARY_TAG, RETRIEVED_TAG, MEMORY_TAG].map((name) => name.replaceAll("_", ""));

/** What a model, or a terminal, takes for the end of a line. */
const LINE_END = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/g;
/** Characters that show nothing: white space, controls, joiners, marks of direction, variation selectors, fillers. */
const UNSEEN = "\\s\\p{C}\\p{M}\\u115f\\u1160\\u2800\\u3164\\uffa0";
const UNSEEN_IN_TEXT = new RegExp(`[${UNSEEN}]*`, "uy");
const UNSEEN_IN_LINE = new RegExp(`(?:(?![\\n\\v\\f\\r\\u0085\\u2028\\u2029])[${UNSEEN}])*`, "uy");
const ALL_UNSEEN = new RegExp(`[${UNSEEN}]+`, "gu");
const ANGLES = "<＜﹤‹〈⟨❬❮❰⧼〈˂ᐸ";
const ANGLE = new RegExp(`[${ANGLES}]`, "gu");
const LINE_ENDS = "\n\v\f\r\u0085\u2028\u2029";
/** As many visible characters tell a heading, or the name of a tag. */
const HEADING_LENGTH = 40;

/** Letters of other scripts that look like Latin ones. */
const LOOK_ALIKES: ReadonlyMap<string, string> = new Map([
  ...Object.entries({ а: "a", с: "c", ԁ: "d", е: "e", һ: "h", і: "i", ӏ: "l", м: "m", п: "n", о: "o", р: "p", г: "r" }),
  ...Object.entries({ ѕ: "s", т: "t", у: "y", х: "x", υ: "u", ν: "v", α: "a", ε: "e", ι: "i", ο: "o", ρ: "p", τ: "t" }),
  ...Object.entries({ η: "n", ı: "i", ɡ: "g", ո: "n", օ: "o", ѵ: "v", ʏ: "y", ꜱ: "s", ᴍ: "m", ʀ: "r" }),
]);

/** Who or what a heading names, in the text format, among retrieved turns, and in transcripts that people paste. */
const SPEAKER = "(?:system|developer|user|assistant|tool|function|human|model|bot|ai)";
/** Opening marks and light markup may stand before it. */
const BRACKETED = new RegExp(
  `^[^\\p{L}\\p{N}]*[\\p{Ps}\\p{Pi}<][^\\p{L}\\p{N}]{0,${HEADING_LENGTH}}(?:${SPEAKER}|calls|resultof|file|image|audio|video|im_?start|\\d{4}[\\p{Pd}/.]\\d)`,
  "u",
);
const LABEL = new RegExp(`^[^\\p{L}\\p{N}]*${SPEAKER}[^\\p{L}\\p{N}]{0,4}:`, "u");

/** Most lines are plain to see: fifteen visible characters, or all there are, without a bracket or a colon. */
const PLAIN_START =
  /[\t ]*(?![\t ])(?:[a-z0-9](?:[\t ]*[a-z0-9,.'"!?-]){14}|(?:[\t ]*[a-z0-9,.'"!?-]){0,14}[\t ]*(?:[\r\n]|$))/iy;

/**
 * The first visible characters from a place on, as a reader would spell them: of one width and one case, in Latin letters.
 * @param unseen what is passed over
 * @param ends characters that the reading ends at
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

/** Marks each line as quoted that would be read as the heading of a message. */
function quoteHeadings(text: string, isLineStart: boolean): string {
  const starts = isLineStart ? [0] : [];
  for (const end of text.matchAll(LINE_END)) starts.push(end.index + end[0].length);
  const quoted = starts.filter((at) => readsAsHeading(text, at));
  if (quoted.length === 0) return text;
  const pieces = quoted.map((at, index) => `> ${text.slice(at, quoted[index + 1])}`);
  return text.slice(0, quoted[0]) + pieces.join("");
}

/** Text in which no tag of ours opens or closes, however it is spelled. */
function withoutTags(text: string): string {
  return text.replaceAll(ANGLE, (angle, at: number) => {
    const name = spelledFrom(text, at + angle.length, UNSEEN_IN_TEXT, ANGLES).replaceAll(/[^a-z]/g, "");
    return TAG_NAMES.some((tag) => name.startsWith(tag)) ? "&lt;" : angle;
  });
}

/**
 * Text that goes into a prompt of one text, among headings of ours.
 * @param isLineStart whether it begins a line there; else a heading of ours stands before it
 */
export function guardText(text: string, isLineStart: boolean): string {
  return quoteHeadings(withoutTags(text), isLineStart);
}

/** Text that goes into a line of ours, all of it. */
export function guardLine(text: string): string {
  return withoutTags(text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ").trim());
}

/** A name that goes into a heading of ours: it cannot end the heading, or begin another. */
export function guardName(name: string): string {
  return guardLine(name)
    .replaceAll(/\p{Ps}/gu, "(")
    .replaceAll(/\p{Pe}/gu, ")");
}
