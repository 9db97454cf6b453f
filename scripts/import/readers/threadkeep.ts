// Reads our own JSON Lines. A line is a message, `{"session", "id"?, "role", "content", "author"?, "occurredAt"?,
// "metadata"?}`, with or without `"type": "message"`; or it begins a conversation, `{"type": "session", "id",
// "metadata"?, "settings"?}`, and the messages after it that name no session belong to it.
import { asText, isRecord } from "../entry.ts";
import type { Entry, Place } from "../entry.ts";
import { fileStem } from "../names.ts";

const MESSAGE_FIELDS = new Set(["type", "session", "id", "role", "author", "content", "occurredAt", "metadata"]);
/** Further fields of a stored message, which the service sets again. */
const STORED_FIELDS = new Set(["seq", "createdAt", "editedAt", "erasedAt", "tokens", "erased"]);

/** Reads the lines of one file in order: a session line applies to the lines after it. */
export class ThreadkeepReader {
  #current: string | undefined;

  *read(value: unknown, place: Place): Generator<Entry> {
    if (!isRecord(value)) {
      yield { kind: "bad", place, reason: "is not a JSON object" };
      return;
    }
    const type = value["type"];
    if (type === undefined || type === "message") yield this.#readMessage(value, place);
    else if (type === "session") yield this.#readSession(value, place);
    else yield { kind: "warning", place, reason: "is neither a message nor a session: left out" };
  }

  #readSession(value: Record<string, unknown>, place: Place): Entry {
    const session = asText(value["id"]);
    if (session === undefined) return { kind: "bad", place, reason: "the session line has no id" };
    this.#current = session;
    const { metadata, settings } = value;
    return {
      kind: "session",
      session,
      place,
      ...(isRecord(metadata) ? { metadata } : {}),
      ...(isRecord(settings) ? { settings } : {}),
    };
  }

  #readMessage(value: Record<string, unknown>, place: Place): Entry {
    const unknownField = Object.keys(value).find((field) => !MESSAGE_FIELDS.has(field) && !STORED_FIELDS.has(field));
    // An unknown field is an error: silently ignoring a misspelt occurredAt would lose the dates of a whole archive.
    if (unknownField !== undefined) {
      return { kind: "bad", place, reason: `has an unknown field ${JSON.stringify(unknownField.slice(0, 80))}` };
    }
    if (value["erased"] === true || value["erasedAt"] !== undefined)
      return { kind: "skipped", reason: "erased message" };
    const { session, id, role, author, content, occurredAt, metadata } = value;
    if (session !== undefined && asText(session) === undefined) {
      return { kind: "bad", place, reason: "session must be a text" };
    }
    if (id !== undefined && asText(id) === undefined) {
      return { kind: "bad", place, reason: "id must be a text" };
    }
    return {
      kind: "message",
      session: asText(session) ?? this.#current ?? fileStem(place.file),
      place,
      turn: { id: asText(id), role, author, content, occurredAt, metadata },
    };
  }
}
