import type { NewMessage, Part } from "../../api/message.ts";

/**
 * A message converted from a provider's format, with JSON Pointers to where it was in the request, for error messages.
 */
export interface TakenMessages {
  readonly message: NewMessage;
  readonly path: string;
  /** Path of what determined its role, if that was not the message's own role. */
  readonly roleAt?: string;
  /** Path of each part; null if the content is a text or the parts are where they were. */
  readonly partPaths: readonly string[] | null;
}

/** A part with its path. */
export interface TakenPart {
  readonly part: Part;
  readonly path: string;
}

/** The name of a tool in results that do not name it; the call has the name. */
export const UNNAMED_TOOL = "tool";

/** The fields that a message has in every format. */
export function ownOf({ id, author, metadata, occurredAt, afterSeq, pinned }: Omit<NewMessage, "role" | "content">) {
  return {
    ...(id === undefined ? {} : { id }),
    ...(author === undefined ? {} : { author }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(occurredAt === undefined ? {} : { occurredAt }),
    ...(afterSeq === undefined ? {} : { afterSeq }),
    ...(pinned === undefined ? {} : { pinned }),
  };
}

/** Makes a message with parts. Without parts it gets an empty text, so that it keeps its place in the log. */
export function takenOf(
  fields: Omit<NewMessage, "content">,
  path: string,
  parts: readonly TakenPart[],
  roleAt?: string,
): TakenMessages {
  const where = roleAt === undefined ? {} : { roleAt };
  if (parts.length === 0) return { message: { ...fields, content: "" }, path, ...where, partPaths: null };
  const message = { ...fields, content: parts.map(({ part }) => part) };
  return { message, path, ...where, partPaths: parts.map((taken) => taken.path) };
}

/** Makes a message whose content is a text. */
export function textTaken(fields: Omit<NewMessage, "content">, path: string, content: string): TakenMessages {
  return { message: { ...fields, content }, path, partPaths: null };
}

/** SDKs and servers write null for absent fields, or omit them. */
export function isGiven<T>(value: T | null | undefined): value is T {
  return value !== undefined && value !== null;
}

/** The address of a file stored at a provider. Only that provider can read it; prompts give it back by its id. */
export function heldFile(provider: string, id: string): string {
  return `${provider}:${id}`;
}

/** The id of a file stored at this provider; null if it is stored elsewhere. */
export function heldBy(provider: string, data: string): string | null {
  return data.startsWith(`${provider}:`) ? data.slice(provider.length + 1) : null;
}
