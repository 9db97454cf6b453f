/** Extracts the prose of a Markdown text: without markup, and without headings, rules and code. */

const FENCED_CODE = /```[^]*?(?:```|$)/g;
const LINE_MARK = /^\s*(?:[-*+•>|]+|\d{1,3}[.)])\s+/;
const HEADING = /^\s*#{1,6}\s/;
const RULE = /^[\s|:=*_-]+$/;
/** A line that is entirely bold is a heading, also in a list: "2. **Set Milestones**:". */
const BOLD_LINE = /^(?:\*\*|__)[^*_]+(?:\*\*|__)\s*:?\s*$|^(?:\*\*|__)[^*_]+:(?:\*\*|__)\s*$/;
/** A line that introduces a list says nothing without it: "Here is what I would do:". */
const ANNOUNCEMENT = /:\s*$/;
/** A longer line that ends with a colon says more than that. */
const MAX_ANNOUNCEMENT_WORDS = 14;

const IMAGE = /!\[[^\][\n]{0,200}\]\([^()\n]{0,500}\)/g;
const LINK = /\[([^\][\n]{1,200})\]\((?:https?:|mailto:|[/#.])[^()\n]{0,500}\)/g;
const STRONG = /\*\*|__(?=\S)|(?<=\S)__/g;
/** Only around whole words: 3 * 4 is a product. */
const EMPHASIS = /(?<![\p{L}\p{N}*])\*(?=\S)([^*\n]+?)(?<=\S)\*(?![\p{L}\p{N}*])/gu;
const CODE_MARK = /`/g;

/**
 * The lines of prose, without markup.
 * @param text at most as much as is to be read
 */
export function proseLines(text: string): string[] {
  return text
    .replaceAll(FENCED_CODE, "\n")
    .split(/[\r\n]+/)
    .flatMap((line) => {
      if (HEADING.test(line) || RULE.test(line)) return [];
      const bare = line.replace(LINE_MARK, "").replace(LINE_MARK, "").trim();
      if (bare === "" || BOLD_LINE.test(bare) || isAnnouncement(bare)) return [];
      return [withoutMarks(bare)];
    });
}

function isAnnouncement(line: string): boolean {
  return ANNOUNCEMENT.test(line) && line.split(/\s+/).length <= MAX_ANNOUNCEMENT_WORDS;
}

function withoutMarks(line: string): string {
  const isRow = line.endsWith("|");
  const plain = line
    .replaceAll(IMAGE, "")
    .replaceAll(LINK, "$1")
    .replaceAll(STRONG, "")
    .replaceAll(EMPHASIS, "$1")
    .replaceAll(CODE_MARK, "");
  const cells = isRow ? plain.split("|").map((cell) => cell.trim()) : [plain];
  return cells
    .filter((cell) => cell !== "")
    .join(", ")
    .trim();
}
