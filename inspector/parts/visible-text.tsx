/** Shows text of a chat literally: nothing in it can hide, change the reading order, or act as markup. */

import type { ComponentChildren } from "preact";

/**
 * Invisible characters, and those that reorder the text around them. The joiners that scripts and emoji need (U+200C,
 * U+200D) are not included.
 */
const HIDDEN = /([\u{61C}\u{200B}\u{200E}\u{200F}\u{202A}-\u{202E}\u{2060}-\u{2069}\u{FEFF}\u{E0000}-\u{E007F}]+)/u;
const MEANINGS: Readonly<Record<number, string>> = {
  0x200b: "zero-width space",
  0x200e: "left-to-right mark",
  0x200f: "right-to-left mark",
  0x202a: "left-to-right embedding",
  0x202b: "right-to-left embedding",
  0x202c: "end of an override",
  0x202d: "left-to-right override",
  0x202e: "right-to-left override",
  0x2060: "word joiner",
  0xfeff: "byte order mark",
};
/** Of a run of hidden characters only so many are shown. */
const SHOWN_HIDDEN = 4;

export function visibleText(text: string): ComponentChildren {
  const pieces = text.split(HIDDEN);
  if (pieces.length === 1) return text;
  return pieces.map((piece, index) => (index % 2 === 0 ? piece : <HiddenCharacters key={index} characters={piece} />));
}

function HiddenCharacters({ characters }: { characters: string }) {
  const codes = Array.from(characters, (character) => character.codePointAt(0) ?? 0);
  const names = codes.slice(0, SHOWN_HIDDEN).map((code) => `U+${code.toString(16).toUpperCase().padStart(4, "0")}`);
  const more = codes.length > SHOWN_HIDDEN ? ` +${codes.length - SHOWN_HIDDEN}` : "";
  const meaning = MEANINGS[codes[0] ?? 0] ?? "a character that is not seen";
  return (
    <span class="hidden-characters" title={`Hidden here: ${meaning}`}>
      {names.join(" ")}
      {more}
    </span>
  );
}
