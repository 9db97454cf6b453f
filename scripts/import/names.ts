// Makes ids: from the source if it has them, else from the content, so that a second run makes the same ids.
import { createHash } from "node:crypto";
import { MAX_ID_LENGTH } from "../../src/api/limits.ts";

const NOT_ALLOWED = /[^A-Za-z0-9._:-]+/g;
const SUFFIX_LENGTH = 8;

/** Hashes a JSON value as JSON text, which can represent lone surrogates, unlike UTF-8. */
export function hashJson(value: unknown, length: number): string {
  return createHash("sha256")
    .update(JSON.stringify(value) ?? "null")
    .digest("hex")
    .slice(0, length);
}

/**
 * Converts a name into an allowed id. If characters had to be replaced, a hash of the original is appended, so that
 * "a/b" and "a b" stay different. Null if it is empty.
 */
export function sanitizeId(source: string): string | null {
  if (source === "") return null;
  const clean = source.replaceAll(NOT_ALLOWED, "-");
  // A path that ends in "." or ".." would become another path when a URL is parsed.
  const isDots = clean === "." || clean === "..";
  if (clean === source && clean.length <= MAX_ID_LENGTH && !isDots) return clean;
  const room = MAX_ID_LENGTH - SUFFIX_LENGTH - 1;
  return `${clean.slice(0, room)}.${hashJson(source, SUFFIX_LENGTH)}`;
}

/** The file's name without folder and extension, for conversations without a name. */
export function fileStem(file: string): string {
  const name = file.split(/[\\/]/).at(-1) ?? file;
  return name.replace(/\.(jsonl|ndjson|json|txt)$/i, "") || "conversation";
}

/**
 * Names a conversation by its content instead of its position, so that neither an inserted line nor another file with
 * the same name mixes two conversations.
 */
export function nameByContent(file: string, content: unknown): string {
  return `${fileStem(file)}.${hashJson(content, 10)}`;
}

/** Hexadecimal digits that a number can represent exactly. */
const COUNTED_DIGITS = 13;

/**
 * Gives ids to messages without one: a hash of the content, and how often that content has occurred in the
 * conversation.
 */
export class OccurrenceIds {
  /**
   * Keyed by numbers, because strings would take three times the memory over millions of messages. If two contents had
   * the same number, the second would merely start at 2: the id contains the longer hash, and the next run counts in
   * the same way.
   */
  readonly #counts = new Map<string, Map<number, number>>();

  next(session: string, content: unknown): string {
    const hash = hashJson(content, 20);
    const counted = Number.parseInt(hash.slice(0, COUNTED_DIGITS), 16);
    const counts = this.#counts.get(session) ?? new Map<number, number>();
    this.#counts.set(session, counts);
    const occurrence = (counts.get(counted) ?? 0) + 1;
    counts.set(counted, occurrence);
    return `h.${hash}.${occurrence}`;
  }

  /** If a conversation occurs again, counting starts again, so that a longer copy of it continues the shorter one. */
  forget(session: string): void {
    this.#counts.delete(session);
  }

  forgetAll(): void {
    this.#counts.clear();
  }
}
