// Converts what a reader found into what the API accepts, and checks it before anything is sent.
import { MAX_AUTHOR_LENGTH, MAX_MESSAGE_BYTES } from "../../src/api/limits.ts";
import { newMessageSchema } from "../../src/api/message.ts";
import type { NewMessage } from "../../src/api/message.ts";
import { findMended, mendName } from "../../src/api/text.ts";
import { isRecord } from "./entry.ts";
import type { Place, Turn } from "./entry.ts";
import { OccurrenceIds, sanitizeId } from "./names.ts";

/** A message that may be sent, with its position in the source for error messages. */
export interface Prepared {
  readonly message: NewMessage & { readonly id: string };
  readonly bytes: number;
  readonly place: Place;
  /** In a conversation with branches: the id of the message that it follows; null for none. */
  readonly after?: string | null;
}

export interface PrepareOptions {
  readonly prefix: string;
  /** Repair what can be repaired instead of leaving the message out. */
  readonly repair: boolean;
}

export type PrepareResult =
  /** Several if the text was too long for one message. */
  | { readonly prepared: readonly Prepared[]; readonly repaired: boolean; readonly warnings: readonly string[] }
  | { readonly fault: string };

/** Of the maximum size of a message, reserved for what surrounds a piece of a long text. */
const PIECE_ENVELOPE_BYTES = 16 * 1024;

export class Preparer {
  readonly #options: PrepareOptions;
  readonly #ids = new OccurrenceIds();
  /** By conversation: what to follow instead of a message that was left out or split. */
  readonly #stands = new Map<string, Map<string, string | null>>();

  constructor(options: PrepareOptions) {
    this.#options = options;
  }

  /** The id of a session in the service. */
  sessionId(source: string): string | null {
    return sanitizeId(this.#options.prefix + source);
  }

  /** The id of the message in the service that stands for one of the source; null if there is none. */
  messageId(session: string, source: string): string | null {
    return this.#standIn(session, source);
  }

  message(session: string, turn: Turn, place: Place): PrepareResult {
    const { role, content, author, occurredAt, metadata, pinned } = turn;
    const given = dropAbsent({ role, content, author, occurredAt, metadata, pinned });
    const mended = this.#options.repair ? mendTexts(given) : given;
    const cut = cutAuthor(mended);
    const after = turn.after === undefined ? undefined : this.#standIn(session, turn.after);
    // The service would repair it silently; here the person must ask for it.
    const [unkept] = findMended(cut.message, 1);
    if (unkept !== undefined) return this.#leaveOut(session, turn, after, `${unkept.path.join(".")}: ${unkept.detail}`);
    const parsed = newMessageSchema.safeParse(cut.message);
    if (!parsed.success) return this.#leaveOut(session, turn, after, describeIssues(parsed.error.issues));
    const found = parsed.data;
    const id =
      (turn.id === undefined ? null : sanitizeId(turn.id)) ??
      this.#ids.next(session, [found.role, found.author ?? null, found.content, found.occurredAt ?? null]);
    const message = { ...found, id };
    const bytes = bytesOf(message);
    const warnings = cut.warning === undefined ? [] : [cut.warning];
    const repaired = mended !== given && JSON.stringify(mended) !== JSON.stringify(given);
    const one: Prepared = { message, bytes, place, ...(after === undefined ? {} : { after }) };
    if (bytes <= MAX_MESSAGE_BYTES) return { prepared: [one], repaired, warnings };
    const pieces = turn.isDivisible === true ? divide(one) : null;
    if (pieces === null) {
      const fault = `is ${bytes} bytes long as JSON; a message may have ${MAX_MESSAGE_BYTES}`;
      return this.#leaveOut(session, turn, after, fault);
    }
    const last = pieces.at(-1)?.message.id ?? id;
    this.#standsOf(session).set(id, last);
    warnings.push(`is ${bytes} bytes long and stands in ${pieces.length} messages, one after the other`);
    return { prepared: pieces, repaired, warnings };
  }

  /** The conversation has ended in this file; if it occurs again, its messages are counted from the start. */
  endConversation(session: string): void {
    this.#ids.forget(session);
    this.#stands.delete(session);
  }

  endFile(): void {
    this.#ids.forgetAll();
    this.#stands.clear();
  }

  #standIn(session: string, after: string | null): string | null {
    const id = after === null ? null : sanitizeId(after);
    if (id === null) return null;
    const stands = this.#stands.get(session);
    return stands?.has(id) === true ? (stands.get(id) ?? null) : id;
  }

  /** Messages after this one follow what it would have followed. */
  #leaveOut(session: string, turn: Turn, after: string | null | undefined, fault: string): { readonly fault: string } {
    const id = turn.id === undefined || after === undefined ? null : sanitizeId(turn.id);
    if (id !== null && after !== undefined) this.#standsOf(session).set(id, after);
    return { fault };
  }

  #standsOf(session: string): Map<string, string | null> {
    const stands = this.#stands.get(session) ?? new Map<string, string | null>();
    this.#stands.set(session, stands);
    return stands;
  }
}

function bytesOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** Splits a plain text into as many messages as needed, at ends of lines if possible; null if it is not plain text. */
function divide({ message, place, after }: Prepared): Prepared[] | null {
  const { content } = message;
  if (typeof content !== "string") return null;
  const room = MAX_MESSAGE_BYTES - PIECE_ENVELOPE_BYTES;
  const pieces: Prepared[] = [];
  for (let rest = content; rest !== "";) {
    const text = rest.slice(0, cutAt(rest, room));
    rest = rest.slice(text.length);
    const number = pieces.length + 1;
    const id = number === 1 ? message.id : sanitizeId(`${message.id}.part-${number}`);
    const piece = { ...message, id: id ?? message.id, content: text };
    const follows = after === undefined ? {} : { after: number === 1 ? after : (pieces.at(-1)?.message.id ?? null) };
    pieces.push({ message: piece, bytes: bytesOf(piece), place, ...follows });
  }
  return pieces;
}

/**
 * How many characters of the text fit into so many bytes as JSON: never inside a character, and at the end of a line if
 * there is one in the last half.
 */
function cutAt(text: string, room: number): number {
  let bytes = 0;
  let length = 0;
  while (length < text.length) {
    const point = text.codePointAt(length) ?? 0;
    bytes += jsonBytes(point);
    if (bytes > room) break;
    length += point > LAST_OF_ONE_UNIT ? 2 : 1;
  }
  if (length === text.length) return length;
  const line = text.lastIndexOf("\n", length - 1) + 1;
  return line > length / 2 ? line : length;
}

const LAST_OF_ONE_UNIT = 0xffff;
/** Backspace, tab, line feed, form feed, carriage return, quote and backslash. */
const SHORT_ESCAPES = new Set([0x08, 0x09, 0x0a, 0x0c, 0x0d, 0x22, 0x5c]);

function jsonBytes(point: number): number {
  if (SHORT_ESCAPES.has(point)) return 2;
  if (point < 0x20 || (point >= 0xd800 && point <= 0xdfff)) return "\\u0000".length;
  if (point < 0x80) return 1;
  if (point < 0x800) return 2;
  return point <= LAST_OF_ONE_UNIT ? 3 : 4;
}

/** Exporters write null for absent fields. */
function dropAbsent(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));
}

/**
 * An author is a display name on one line. An empty one is dropped, and a long one is cut, so that the message is not
 * lost.
 */
function cutAuthor(message: Record<string, unknown>): {
  readonly message: Record<string, unknown>;
  readonly warning?: string;
} {
  const { author, ...rest } = message;
  if (author === undefined) return { message: rest };
  if (typeof author !== "string") return { message };
  const name = mendName(author);
  if (name === "") return { message: rest };
  if (name.length <= MAX_AUTHOR_LENGTH) return { message: { ...rest, author: name } };
  // Cut by code points, because half a surrogate pair would be refused.
  let short = "";
  for (const character of name) {
    if (short.length + character.length > MAX_AUTHOR_LENGTH - 1) break;
    short += character;
  }
  return {
    message: { ...rest, author: `${short}…` },
    warning: `the author's name is cut to ${MAX_AUTHOR_LENGTH} characters`,
  };
}

/**
 * Removes NUL characters, which PostgreSQL refuses, and replaces lone surrogates, which UTF-8 cannot represent, by
 * U+FFFD.
 */
function mendTexts(value: Record<string, unknown>): Record<string, unknown> {
  const mended = mend(value, 0);
  return isRecord(mended) ? mended : value;
}

/** The API refuses values that are nested more deeply. */
const MAX_MEND_DEPTH = 64;

function mend(value: unknown, depth: number): unknown {
  if (depth > MAX_MEND_DEPTH) return value;
  if (typeof value === "string") return value.replaceAll("\u0000", "").toWellFormed();
  if (Array.isArray(value)) return value.map((entry) => mend(entry, depth + 1));
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [key.replaceAll("\u0000", "").toWellFormed(), mend(entry, depth + 1)]),
  );
}

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly code?: string | undefined;
  readonly errors?: readonly (readonly Issue[])[];
}

const MAX_DESCRIBED_ISSUES = 3;

/**
 * Makes a text such as "content must not contain NUL characters; role …", with paths and faults, never the text itself.
 */
export function describeIssues(issues: readonly Issue[]): string {
  const described = issues.flatMap((issue) => describeIssue(issue, []));
  const shown = [...new Set(described)].slice(0, MAX_DESCRIBED_ISSUES);
  const more = described.length > shown.length ? `; and ${described.length - shown.length} more` : "";
  return `${shown.join("; ")}${more}`;
}

/** Of a union's alternatives, the one that matched furthest explains the fault; the others were not meant. */
function describeIssue(issue: Issue, above: readonly PropertyKey[]): string[] {
  const path = [...above, ...issue.path];
  if (issue.errors !== undefined && issue.errors.length > 0) {
    const deepest = issue.errors.toSorted((one, other) => reach(other) - reach(one))[0] ?? [];
    return deepest.flatMap((inner) => describeIssue(inner, path));
  }
  const shownPath = path.map((step) => String(step).slice(0, 40)).join(".");
  return [`${shownPath === "" ? "the message" : shownPath}: ${issue.message.slice(0, 200)}`];
}

/** How far an alternative matched: a fault at a deeper path has matched more, a wrong type nothing. */
function reach(issues: readonly Issue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length * 2 + (issue.code === "invalid_type" ? 0 : 1)));
}
