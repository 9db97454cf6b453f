/** The texts that get a vector, as they are given to the model. Pure. */

/**
 * UTF-16 units of a text that are embedded, about 1,000 tokens. The rest is cut off: the vector of a longer text would
 * represent each part of it less well.
 */
const MAX_TEXT_LENGTH = 4_000;

/**
 * The text of a user's turn. Where several people talk, a query mostly names one of them, so the author's name comes
 * first.
 */
export const textOfTurn = (text: string, author: string | null): string =>
  cut(author === null ? text : `${author}: ${text}`);

export const textOfItem = (text: string): string => cut(text);

/** Cuts a text to `MAX_TEXT_LENGTH`, without leaving half of a surrogate pair. */
function cut(text: string): string {
  return text.length <= MAX_TEXT_LENGTH ? text : text.slice(0, MAX_TEXT_LENGTH).toWellFormed();
}
