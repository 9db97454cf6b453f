// Reads QMSum: one meeting per line, `{"meeting_transcripts": [{"speaker", "content"}, …]}`.
import { isRecord, within } from "../entry.ts";
import type { Entry, Place } from "../entry.ts";
import { nameByContent } from "../names.ts";

/**
 * Nobody in a meeting is an assistant, so everybody is imported as `user` with their name as author. The meetings have
 * no ids and no dates.
 */
export function* readQmsum(value: unknown, place: Place): Generator<Entry> {
  if (!isRecord(value) || !Array.isArray(value["meeting_transcripts"])) {
    yield { kind: "bad", place, reason: "has no list meeting_transcripts" };
    return;
  }
  const turns: unknown[] = value["meeting_transcripts"];
  const session = nameByContent(place.file, turns);
  yield { kind: "session", session, place, metadata: { source: "qmsum" } };
  for (const [index, turn] of turns.entries()) {
    const at = within(place, `turn ${index + 1}`);
    if (!isRecord(turn) || typeof turn["content"] !== "string") {
      yield { kind: "bad", place: at, reason: "has no text content" };
    } else if (turn["content"].trim() === "") {
      yield { kind: "skipped", reason: "empty turn" };
    } else {
      yield {
        kind: "message",
        session,
        place: at,
        turn: { role: "user", author: turn["speaker"], content: turn["content"] },
      };
    }
  }
  yield { kind: "end", session };
}
