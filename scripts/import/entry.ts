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
}

export type Entry =
  /** A conversation begins, with what is known about it. Not needed before messages. */
  | {
      readonly kind: "session";
      readonly session: string;
      readonly place: Place;
      readonly metadata?: Record<string, unknown>;
      readonly settings?: Record<string, unknown>;
    }
  | { readonly kind: "message"; readonly session: string; readonly place: Place; readonly turn: Turn }
  /** No more of this conversation follows in this file. */
  | { readonly kind: "end"; readonly session: string }
  /** Could not be read, and was left out. */
  | { readonly kind: "bad"; readonly place: Place; readonly reason: string }
  /** Read, but something of it was lost. */
  | { readonly kind: "warning"; readonly place: Place; readonly reason: string }
  /** Left out on purpose: nothing that was said. */
  | { readonly kind: "skipped"; readonly reason: string };

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
