/** What the log may contain of an error: its kind and where it was thrown, never the data in its message. */

import type { LogFields } from "./log.ts";

/** Characters of a message: enough for a sentence, too few for a document. */
const MAX_LOGGED_MESSAGE_LENGTH = 300;
/** Stack frames: the first ones tell where it was thrown, the rest belong to the framework. */
const MAX_LOGGED_FRAMES = 8;

const ERROR_CODE = /^[A-Za-z0-9_.-]{1,40}$/;

/**
 * The log fields of an error. Its cause is included, because the database driver's error is the cause of drizzle's.
 */
export function errorFields(thrown: unknown): LogFields {
  if (!(thrown instanceof Error)) return { error: typeof thrown };
  const cause = thrown.cause instanceof Error ? thrown.cause : undefined;
  return {
    error: thrown.name,
    errorMessage: redactText(thrown.message),
    errorCode: errorCode(thrown) ?? errorCode(cause),
    errorStack: stackFrames(thrown.stack),
    cause: cause?.name,
    causeMessage: cause && redactText(cause.message),
  };
}

/**
 * Removes what may be a user's data from an error message: query parameters (drizzle appends them), quoted text (V8
 * quotes JSON that it could not parse), credentials, and everything long.
 * @internal Secrets have more forms than an error of the service shows.
 */
export function redactText(text: string): string {
  const redacted = text
    .replace(/\bparams:[\s\S]*$/i, "params: …")
    .replace(/\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/@]+@/gi, "$1…@")
    .replace(/\bBearer\s+\S+/gi, "Bearer …")
    .replace(/"[\s\S]*"/g, '"…"')
    .replace(/'[^'\n]*'/g, "'…'")
    .replace(/(?<![\w-])[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/g, "…")
    .replace(/[A-Za-z0-9_+/=-]{24,}/g, "…");
  return redacted.length <= MAX_LOGGED_MESSAGE_LENGTH ? redacted : `${redacted.slice(0, MAX_LOGGED_MESSAGE_LENGTH)}…`;
}

/** Only the frames: the first lines of a stack repeat the message. */
function stackFrames(stack: string | undefined): string | undefined {
  const frames = stack?.split("\n").filter((line) => /^\s+at /.test(line));
  if (frames === undefined || frames.length === 0) return undefined;
  return frames
    .slice(0, MAX_LOGGED_FRAMES)
    .map((line) => line.trim())
    .join("\n");
}

function errorCode(error: Error | undefined): string | undefined {
  if (error === undefined || !("code" in error)) return undefined;
  return typeof error.code === "string" && ERROR_CODE.test(error.code) ? error.code : undefined;
}
