// The entries that a reader makes of a file, in the order of the file.

/** A position in a source, for messages to people. */
export interface Place {
  readonly file: string;
  readonly line?: number;
  /** Position within the line or document, such as "turn 7". */
  readonly where?: string;
}

/** A message as a reader found it; `prepare` checks it against the API's schema. */
export interface Turn {
  readonly id?: string | undefined;
  readonly role: unknown;
  readonly author?: unknown;
  readonly content: unknown;
  readonly occurredAt?: unknown;
  readonly metadata?: unknown;
  readonly pinned?: boolean;
  /**
   * In a conversation with branches: the id of the message that it follows; null for none. Absent if each message
   * follows the one before it.
   */
  readonly after?: string | null;
  /**
   * Whether a text that is too long for one message may be split into several. Only if nobody relies on the ids of the
   * source.
   */
  readonly isDivisible?: boolean;
}

export type Entry =
  /** The beginning of a conversation, with what is known about it. Optional before messages. */
  | {
      readonly kind: "session";
      readonly session: string;
      readonly place: Place;
      readonly metadata?: Record<string, unknown>;
      readonly settings?: Record<string, unknown>;
      /** When it began; the list of sessions shows this date. */
      readonly createdAt?: string | undefined;
      /** Whether some of its messages do not follow the one before them. */
      readonly isBranched?: boolean;
    }
  | { readonly kind: "message"; readonly session: string; readonly place: Place; readonly turn: Turn }
  /** The last message of the active branch: the last that the person saw. */
  | { readonly kind: "head"; readonly session: string; readonly id: string }
  /** The end of a conversation in this file. */
  | { readonly kind: "end"; readonly session: string }
  /** Something that could not be read, and was left out. */
  | { readonly kind: "bad"; readonly place: Place; readonly reason: string }
  /** Something was read, but a part of it was lost. */
  | { readonly kind: "warning"; readonly place: Place; readonly reason: string }
  /**
   * Something that was not imported as it was, but as a note, or not at all. Counted by its form, with its first
   * position.
   */
  | { readonly kind: "noted"; readonly place: Place; readonly form: string }
  /** Left out on purpose, because it is not part of the conversation. */
  | { readonly kind: "skipped"; readonly reason: string };

/** What to do with instructions that a person set for all chats, and with what the assistant remembered from others. */
export type Instructions = "pinned" | "leave";
/** Which branches of a conversation are imported. */
export type Branches = "all" | "seen";

export interface ReaderOptions {
  readonly instructions: Instructions;
  readonly branches: Branches;
}

export const READER_DEFAULTS: ReaderOptions = { instructions: "leave", branches: "all" };

export function showPlace(place: Place): string {
  const line = place.line === undefined ? "" : `:${place.line}`;
  const where = place.where === undefined ? "" : ` (${place.where})`;
  return `${place.file}${line}${where}`;
}

export function within(place: Place, where: string): Place {
  return { ...place, where: place.where === undefined ? where : `${place.where}, ${where}` };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value if it is a non-empty text; else undefined. */
export function asText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** The objects in a list; none if it is not a list. */
export function recordsOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

const MAX_TITLE_LENGTH = 500;

/** A title for metadata, of limited length. */
export function titleOf(value: unknown): { readonly title?: string } {
  const text = asText(value);
  // Cut inside a surrogate pair it would be refused, so lone surrogates are replaced.
  return text === undefined ? {} : { title: text.slice(0, MAX_TITLE_LENGTH).toWellFormed().replaceAll("\u0000", "") };
}
