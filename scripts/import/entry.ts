// What a reader makes of a file: a flat stream of these, in the order of the file.

/** Where something stands, so that a person can find it. */
export interface Place {
  readonly file: string;
  readonly line?: number;
  /** Inside the line or the document, such as "turn 7". */
  readonly where?: string;
}

/** A message as a reader found it. Nothing of it is trusted yet: `prepare` checks it against the contract. */
export interface Turn {
  readonly id?: string | undefined;
  readonly role: unknown;
  readonly author?: unknown;
  readonly content: unknown;
  readonly occurredAt?: unknown;
  readonly metadata?: unknown;
  readonly pinned?: boolean;
  /**
   * In a conversation with branches: the id of the message that it follows; null for none. Left out where each message follows the one
   * before it.
   */
  readonly after?: string | null;
  /** A text too long for one message may become several. Only where nobody counts on the ids of the source. */
  readonly isDivisible?: boolean;
}

export type Entry =
  /** A conversation begins, with what is known about it. Not needed before messages. */
  | {
      readonly kind: "session";
      readonly session: string;
      readonly place: Place;
      readonly metadata?: Record<string, unknown>;
      readonly settings?: Record<string, unknown>;
      /** When it began: the list of sessions has it under this date. */
      readonly createdAt?: string | undefined;
      /** Some of its messages do not follow the one before them. */
      readonly isBranched?: boolean;
    }
  | { readonly kind: "message"; readonly session: string; readonly place: Place; readonly turn: Turn }
  /** The message that the active branch ends with: the last that the person saw. */
  | { readonly kind: "head"; readonly session: string; readonly id: string }
  /** No more of this conversation follows in this file. */
  | { readonly kind: "end"; readonly session: string }
  /** Could not be read, and was left out. */
  | { readonly kind: "bad"; readonly place: Place; readonly reason: string }
  /** Read, but something of it was lost. */
  | { readonly kind: "warning"; readonly place: Place; readonly reason: string }
  /** Not carried over as it was: a note in words stands for it, or nothing. Counted by its form, with the first place. */
  | { readonly kind: "noted"; readonly place: Place; readonly form: string }
  /** Left out on purpose: nothing that was said. */
  | { readonly kind: "skipped"; readonly reason: string };

/** What becomes of what a person set for all chats, and of what the assistant remembered of others. */
export type Instructions = "pinned" | "leave";
/** Which branches of a conversation come along. */
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

/** Undefined for everything but text, and for empty text. */
export function asText(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** The records of a list; nothing for what is no list. */
export function recordsOf(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

const MAX_TITLE_LENGTH = 500;

/** A title for metadata: bounded, and whole to its last character. */
export function titleOf(value: unknown): { readonly title?: string } {
  const text = asText(value);
  // Cut in the middle of a surrogate pair it would be refused.
  return text === undefined ? {} : { title: text.slice(0, MAX_TITLE_LENGTH).toWellFormed().replaceAll("\u0000", "") };
}
