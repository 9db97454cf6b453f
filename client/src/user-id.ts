import { invalidArgument } from "./errors.ts";

const MAX_LENGTH = 256;
/** Before text that is percent-encoded, since a header holds ASCII alone: the extended value of RFC 8187. */
const ENCODED = "UTF-8''";

/** What the service takes for the id of a user, which is text on one line. It says itself what else it does not take. */
export function checkUserId(id: string): string {
  const isText = id !== "" && id === id.trim() && id.length <= MAX_LENGTH && id.isWellFormed();
  if (isText && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(id) && !/^(?:\.{1,2}|-)$/.test(id)) return id;
  throw invalidArgument(
    `The user must be 1 to ${MAX_LENGTH} characters on one line, without white space around it, and none of . .. -`,
  );
}

/** A text as a header carries it. */
export function headerText(text: string): string {
  const isPlain = /^[\u0020-\u007e]*$/.test(text) && !text.toUpperCase().startsWith(ENCODED);
  return isPlain ? text : `${ENCODED}${encodeURIComponent(text)}`;
}
