/** The least share of an item's content words that its sources must hold. Leaves room for rewording, none for invention. */
const MIN_SUPPORTED_SHARE = 0.5;

/** Words carry content from this length on; shorter ones are mostly grammar. Scripts without spaces are cut in pairs instead. */
const MIN_CONTENT_WORD_LENGTH = 4;

const WORD = /[\p{L}\p{M}\p{N}]+/gu;
const SPACELESS_SCRIPT =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const NUMBER = /\p{N}+(?:[.,:/-]\p{N}+)*/gu;

function fold(text: string): string {
  return text.normalize("NFKC").toLowerCase();
}

/** Words of Latin-like scripts are compared by their stems, cheaply: a long word by its first letters. */
function stem(word: string): string {
  return word.length > 6 ? word.slice(0, Math.max(5, word.length - 3)) : word.slice(0, 5);
}

function contentWords(text: string): Set<string> {
  const words = new Set<string>();
  for (const [word] of fold(text).matchAll(WORD)) {
    if (SPACELESS_SCRIPT.test(word)) {
      for (let at = 0; at + 1 < word.length; at += 1) words.add(word.slice(at, at + 2));
    } else if (word.length >= MIN_CONTENT_WORD_LENGTH) words.add(stem(word));
  }
  return words;
}

/**
 * Whether a statement rests on its sources, lexically: every number in it stands in one of them, and at least half of its
 * content words do. Catches invention, not subtle distortion.
 */
export function isSupported(statement: string, sources: readonly string[]): boolean {
  const source = fold(sources.join("\n"));
  for (const [number] of fold(statement).matchAll(NUMBER)) {
    if (!source.includes(number)) return false;
  }
  const words = contentWords(statement);
  if (words.size === 0) return true;
  const there = contentWords(source);
  let found = 0;
  for (const word of words) if (there.has(word)) found += 1;
  return found / words.size >= MIN_SUPPORTED_SHARE;
}
