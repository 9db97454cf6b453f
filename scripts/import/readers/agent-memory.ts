// Reads the working memory of a session of redis/agent-memory-server, as returned by `GET
// /v1/working-memory/{session_id}`.
import { isoOf } from "../dates.ts";
import { asText, isRecord, READER_DEFAULTS, recordsOf, within } from "../entry.ts";
import type { Entry, Place, ReaderOptions } from "../entry.ts";
import { hashJson, nameByContent } from "../names.ts";

export function* readAgentMemory(
  value: unknown,
  place: Place,
  options: ReaderOptions = READER_DEFAULTS,
): Generator<Entry> {
  if (!isRecord(value) || !Array.isArray(value["messages"])) {
    yield { kind: "bad", place, reason: "has no list messages" };
    return;
  }
  const messages: unknown[] = value["messages"];
  const session = asText(value["session_id"]) ?? nameByContent(place.file, messages);
  const [namespace, user] = [asText(value["namespace"]), asText(value["user_id"])];
  yield {
    kind: "session",
    session,
    place,
    metadata: {
      source: "agent-memory-server",
      ...(namespace === undefined ? {} : { namespace }),
      ...(user === undefined ? {} : { user }),
    },
    createdAt: isoOf(value["created_at"]),
  };
  yield* readMemories(value["memories"], session, place, options);
  if (isRecord(value["data"]) && Object.keys(value["data"]).length > 0) {
    yield { kind: "noted", place, form: "data beside the messages, left out" };
  }
  const context = asText(value["context"]);
  if (context !== undefined) {
    // Only this summary is left of older messages.
    yield { kind: "noted", place, form: "summary of messages that are gone, kept as the first message" };
    yield {
      kind: "message",
      session,
      place,
      turn: {
        id: `context.${hashJson(context, 12)}`,
        role: "user",
        content: `[What was said before, in summary]\n${context}`,
        isDivisible: true,
      },
    };
  }
  for (const [index, message] of messages.entries()) {
    const at = within(place, `message ${index + 1}`);
    if (!isRecord(message) || typeof message["content"] !== "string") {
      yield { kind: "bad", place: at, reason: "has no text content" };
    } else if (message["content"].trim() === "") yield { kind: "skipped", reason: "empty turn" };
    else {
      const { role, content } = message;
      const occurredAt = isoOf(message["created_at"]);
      const turn = { id: asText(message["id"]), role, content, isDivisible: true };
      yield {
        kind: "message",
        session,
        place: at,
        turn: { ...turn, ...(occurredAt === undefined ? {} : { occurredAt }) },
      };
    }
  }
  yield { kind: "end", session };
}

function* readMemories(
  listed: unknown,
  session: string,
  place: Place,
  { instructions }: ReaderOptions,
): Generator<Entry> {
  const memories = recordsOf(listed).flatMap((memory) => asText(memory["text"]) ?? []);
  if (memories.length === 0) return;
  if (instructions === "leave") {
    for (const _ of memories) yield { kind: "skipped", reason: "long-term memory" };
    return;
  }
  const text = `Remembered of earlier chats:\n${memories.map((memory) => `- ${memory}`).join("\n")}`;
  const turn = { id: `memories.${hashJson(text, 12)}`, role: "user", content: text, pinned: true, isDivisible: true };
  yield { kind: "message", session, place, turn };
}
