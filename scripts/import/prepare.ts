// From what a reader found to what the service takes: ids, names and the checks of the contract, before anything is sent.
import { MAX_AUTHOR_LENGTH, MAX_MESSAGE_BYTES } from "../../src/contracts/limits.ts";
import { newMessageSchema } from "../../src/contracts/message.ts";
import type { NewMessage } from "../../src/contracts/message.ts";
import { findMended, mendName } from "../../src/contracts/text.ts";
import { isRecord } from "./entry.ts";
import type { Place, Turn } from "./entry.ts";
import { OccurrenceIds, sanitizeId } from "./names.ts";

/** A message that may be sent, and where it came from, for the case that the service refuses it. */
export interface Prepared {
  readonly message: NewMessage & { readonly id: string };
  readonly bytes: number;
  readonly place: Place;
}

export interface PrepareOptions {
  readonly prefix: string;
  /** Mend what can be mended instead of leaving the message out. */
  readonly repair: boolean;
}

export type PrepareResult =
  | { readonly prepared: Prepared; readonly repaired: boolean; readonly warning?: string }
  | { readonly fault: string };

export class Preparer {
  readonly #options: PrepareOptions;
  readonly #ids = new OccurrenceIds();

  constructor(options: PrepareOptions) {
    this.#options = options;
  }

  /** The id of a session in the service. */
  sessionId(source: string): string | null {
    return sanitizeId(this.#options.prefix + source);
  }

  message(session: string, turn: Turn, place: Place): PrepareResult {
    const { role, content, author, occurredAt, metadata } = turn;
    const given = dropAbsent({ role, content, author, occurredAt, metadata });
    const mended = this.#options.repair ? mendTexts(given) : given;
    const cut = cutAuthor(mended);
    // The service would mend it: here it is asked for, so that nobody's file is changed in silence.
    const [unkept] = findMended(cut.message, 1);
    if (unkept !== undefined) return { fault: `${unkept.path.join(".")}: ${unkept.detail}` };
    const parsed = newMessageSchema.safeParse(cut.message);
    if (!parsed.success) return { fault: describeIssues(parsed.error.issues) };
    const found = parsed.data;
    const id =
      (turn.id === undefined ? null : sanitizeId(turn.id)) ??
      this.#ids.next(session, [found.role, found.author ?? null, found.content, found.occurredAt ?? null]);
    const message = { ...found, id };
    const bytes = Buffer.byteLength(JSON.stringify(message));
    if (bytes > MAX_MESSAGE_BYTES) {
      return { fault: `is ${bytes} bytes long as JSON; a message may have ${MAX_MESSAGE_BYTES}` };
    }
    return {
      prepared: { message, bytes, place },
      repaired: mended !== given && JSON.stringify(mended) !== JSON.stringify(given),
      ...(cut.warning === undefined ? {} : { warning: cut.warning }),
    };
  }

  /** The conversation is over in this file: if it comes again, its messages are counted anew. */
  endConversation(session: string): void {
    this.#ids.forget(session);
  }

  endFile(): void {
    this.#ids.forgetAll();
  }
}

/** Exporters write null for what there is not. */
function dropAbsent(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));
}

/** An author is a display name of one line. An empty one is none; one too long is cut rather than the message lost. */
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
  // Cut by code points: half a surrogate pair would be refused.
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

/** Without NUL characters, which PostgreSQL refuses, and with U+FFFD for lone surrogates, which UTF-8 cannot hold. */
function mendTexts(value: Record<string, unknown>): Record<string, unknown> {
  const mended = mend(value, 0);
  return isRecord(mended) ? mended : value;
}

/** Deeper than this the contract refuses the value anyway. */
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

/** "content must not contain NUL characters; role …": the path and the fault, never the text itself. */
export function describeIssues(issues: readonly Issue[]): string {
  const described = issues.flatMap((issue) => describeIssue(issue, []));
  const shown = [...new Set(described)].slice(0, MAX_DESCRIBED_ISSUES);
  const more = described.length > shown.length ? `; and ${described.length - shown.length} more` : "";
  return `${shown.join("; ")}${more}`;
}

/** For a union the branch that came furthest says what is wrong: the others only say that they are not meant. */
function describeIssue(issue: Issue, above: readonly PropertyKey[]): string[] {
  const path = [...above, ...issue.path];
  if (issue.errors !== undefined && issue.errors.length > 0) {
    const deepest = issue.errors.toSorted((one, other) => reach(other) - reach(one))[0] ?? [];
    return deepest.flatMap((inner) => describeIssue(inner, path));
  }
  const shownPath = path.map((step) => String(step).slice(0, 40)).join(".");
  return [`${shownPath === "" ? "the message" : shownPath}: ${issue.message.slice(0, 200)}`];
}

/** Of two branches, the one whose fault lies deeper has matched more; a fault of the type itself has matched nothing. */
function reach(issues: readonly Issue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length * 2 + (issue.code === "invalid_type" ? 0 : 1)));
}
