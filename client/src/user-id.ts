import { invalidArgument } from "./errors.ts";

const MAX_LENGTH = 256;
/**
 * The mark before percent-encoded text in a header, because a header can only hold ASCII: the extended value of RFC
 * 8187.
 */
const ENCODED = "UTF-8''";

/**
 * Checks a user's id: text on one line. The service checks the remaining rules.
 * @throws {ThreadkeepError} `invalid_argument`
 */
export function checkUserId(id: string): string {
  const isText = id !== "" && id === id.trim() && id.length <= MAX_LENGTH && id.isWellFormed();
  if (isText && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(id) && !/^(?:\.{1,2}|-)$/.test(id)) return id;
  throw invalidArgument(
    `The user must be 1 to ${MAX_LENGTH} characters on one line, without white space around it, and none of . .. -`,
  );
}

/** Encodes a text for a header. */
export function headerText(text: string): string {
  const isPlain = /^[\u0020-\u007e]*$/.test(text) && !text.toUpperCase().startsWith(ENCODED);
  return isPlain ? text : `${ENCODED}${encodeURIComponent(text)}`;
}
