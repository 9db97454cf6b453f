import { unwrap } from "../../../src/api/errors.ts";
import type { NewMessage } from "../../../src/api/message.ts";
import type { SessionRef, SessionSettings } from "../../../src/api/session.ts";
import type { SessionCreation } from "../../../src/session/object.ts";
import { sessionAt } from "./object.ts";

/** Chats for tests. */

/** A name that no other test uses: objects are isolated by file, not by test, and PostgreSQL is shared by all. */
export function freshRef(owner = "-"): SessionRef {
  return { tenant: "test", owner, session: crypto.randomUUID() };
}

export function creationOf(ref: SessionRef, settings?: SessionSettings): SessionCreation {
  return { ref, createdAt: Date.now(), ...(settings === undefined ? {} : { settings }) };
}

export function said(text: string, id?: string): NewMessage {
  return { role: "user", content: text, ...(id === undefined ? {} : { id }) };
}

/** A turn of about this many words, different from every other turn. */
export function turn(number: number, words = 40): NewMessage {
  const filler = Array.from({ length: words }, (_, index) => `word${(number * 31 + index * 17) % 997}`);
  return {
    id: `turn-${number}`,
    role: number % 2 === 1 ? "user" : "assistant",
    content: `Turn ${number}: the invoice ${1000 + number} goes to harbour office ${number}. ${filler.join(" ")}.`,
  };
}

/** A session with this many turns. */
export async function chatOf(
  count: number,
  options: { settings?: SessionSettings; words?: number } = {},
): Promise<SessionRef> {
  const ref = freshRef();
  for (let from = 1; from <= count; from += 100) {
    const size = Math.min(100, count - from + 1);
    const messages = Array.from({ length: size }, (_, index) => turn(from + index, options.words));
    unwrap(await sessionAt(ref).append({ messages }, creationOf(ref, options.settings)));
  }
  return ref;
}
