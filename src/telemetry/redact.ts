/** What may be told of an error in a log: what kind it is and where it arose, never the data that it happened to carry. */

import type { LogFields } from "./log.ts";

/** Long enough for a sentence, too short for a document. */
const MAX_LOGGED_MESSAGE_LENGTH = 300;
/** The frames that tell where; the rest is the framework. */
const MAX_LOGGED_FRAMES = 8;

const ERROR_CODE = /^[A-Za-z0-9_.-]{1,40}$/;

/** The fields that describe an error. Causes are named too, because a database driver's own error hides in one. */
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
 * A message of an error without what may be a user's: bound parameters (drizzle appends them to a failed query), quoted text
 * (V8 quotes the JSON that it could not parse), credentials, and anything long.
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

/** The frames alone: the first lines of a stack repeat the message. */
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
