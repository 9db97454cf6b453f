// Ids: from the source where it has them, else from the content, so that a second run meets the same ids again.
import { createHash } from "node:crypto";
import { MAX_ID_LENGTH } from "../../src/api/limits.ts";

const NOT_ALLOWED = /[^A-Za-z0-9._:-]+/g;
const SUFFIX_LENGTH = 8;

/** A hash of any JSON value. JSON text has a form for lone surrogates, which UTF-8 has not. */
export function hashJson(value: unknown, length: number): string {
  return createHash("sha256")
    .update(JSON.stringify(value) ?? "null")
    .digest("hex")
    .slice(0, length);
}

/**
 * A name from the source in the alphabet of ids. A name that had to change gets a hash of the original, so that "a/b" and
 * "a b" stay two names. Null if it is empty.
 */
export function sanitizeId(source: string): string | null {
  if (source === "") return null;
  const clean = source.replaceAll(NOT_ALLOWED, "-");
  // A path that ends in "." or ".." names another resource by the time a URL is parsed.
  const isDots = clean === "." || clean === "..";
  if (clean === source && clean.length <= MAX_ID_LENGTH && !isDots) return clean;
  const room = MAX_ID_LENGTH - SUFFIX_LENGTH - 1;
  return `${clean.slice(0, room)}.${hashJson(source, SUFFIX_LENGTH)}`;
}

/** The name of a file without its folder and ending, for conversations that have no name of their own. */
export function fileStem(file: string): string {
  const name = file.split(/[\\/]/).at(-1) ?? file;
  return name.replace(/\.(jsonl|ndjson|json|txt)$/i, "") || "conversation";
}

/**
 * The name of a conversation that has none. By content, not by position: a line inserted above, or another file of the same
 * name, must not pour one conversation into another.
 */
export function nameByContent(file: string, content: unknown): string {
  return `${fileStem(file)}.${hashJson(content, 10)}`;
}

/** As many digits of a hash as a number holds exactly. */
const COUNTED_DIGITS = 13;

/** Gives ids to messages that have none: the hash of the content, and how often it came up in this conversation. */
export class OccurrenceIds {
  /**
   * Counted by numbers, because texts would cost three times the memory over millions of messages. Should two contents share one,
   * the second merely starts counting at 2: the id has the longer hash in it, and the next run counts the same way.
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

  /** A conversation that comes again starts counting anew: a longer copy of it continues the shorter one. */
  forget(session: string): void {
    this.#counts.delete(session);
  }

  forgetAll(): void {
    this.#counts.clear();
  }
}
