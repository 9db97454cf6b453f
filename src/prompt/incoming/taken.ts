import type { NewMessage, Part } from "../../api/message.ts";

/** A message out of what a provider's SDK has, and where in the request it stood: JSON Pointers, for what may be wrong with it. */
export interface TakenMessages {
  readonly message: NewMessage;
  readonly path: string;
  /** What made its role, where that is not the message's own. */
  readonly roleAt?: string;
  /** The place of each part; null where the content is a text, or the parts stand where they were. */
  readonly partPaths: readonly string[] | null;
}

/** A part with its place. */
export interface TakenPart {
  readonly part: Part;
  readonly path: string;
}

/** What a tool is called whose result does not say it: the call that it answers does. */
export const UNNAMED_TOOL = "tool";

/** What a message says of itself, whatever its shape. */
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

/** A message of parts; one of none has a text that is empty: it keeps its place. */
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

/** A message whose content is a text. */
export function textTaken(fields: Omit<NewMessage, "content">, path: string, content: string): TakenMessages {
  return { message: { ...fields, content }, path, partPaths: null };
}

/** SDKs and servers write null where there is nothing, or leave it out. */
export function isGiven<T>(value: T | null | undefined): value is T {
  return value !== undefined && value !== null;
}

/** The address of a file that one provider holds: it alone can read it, and gets it back by its id. */
export function heldFile(provider: string, id: string): string {
  return `${provider}:${id}`;
}

/** The id of a file that a provider holds, out of its address; null where another holds it, or none. */
export function heldBy(provider: string, data: string): string | null {
  return data.startsWith(`${provider}:`) ? data.slice(provider.length + 1) : null;
}
