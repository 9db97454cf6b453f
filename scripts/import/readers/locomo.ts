// Reads LoCoMo: an array of samples, each a long chat between two people in many sittings (`session_1`, `session_2` …).
import { parseLocomoDate, toIso } from "../dates.ts";
import { asText, isRecord, within } from "../entry.ts";
import type { Entry, Place } from "../entry.ts";
import { nameByContent } from "../names.ts";

/**
 * One sample becomes one session, with its sittings in order. Both people are imported as `user` with their name as
 * author, because neither is an assistant. A sitting has one date; each turn gets a time one second after the one
 * before, which keeps their order. The caption of a picture is part of the text.
 */
export function* readLocomo(value: unknown, place: Place): Generator<Entry> {
  if (!isRecord(value) || !isRecord(value["conversation"])) {
    yield { kind: "bad", place, reason: "has no object conversation" };
    return;
  }
  const conversation = value["conversation"];
  const session = asText(value["sample_id"]) ?? nameByContent(place.file, conversation);
  yield { kind: "session", session, place, metadata: { source: "locomo" } };
  for (const number of sittingNumbers(conversation)) {
    const turns = conversation[`session_${number}`];
    if (!Array.isArray(turns)) {
      yield { kind: "bad", place: within(place, `session_${number}`), reason: "is not a list of turns" };
      continue;
    }
    const dateText = conversation[`session_${number}_date_time`];
    const startMs = parseLocomoDate(dateText);
    if (startMs === undefined && turns.length > 0) {
      yield {
        kind: "warning",
        place: within(place, `session_${number}`),
        reason: "its date is missing or not understood: its turns get none",
      };
    }
    for (const [index, turn] of turns.entries()) {
      yield readTurn(turn, { session, place, number, index, startMs });
    }
  }
  yield { kind: "end", session };
}

interface Sitting {
  readonly session: string;
  readonly place: Place;
  readonly number: number;
  readonly index: number;
  readonly startMs: number | undefined;
}

function readTurn(turn: unknown, sitting: Sitting): Entry {
  const { session, number, index, startMs } = sitting;
  const diaId = isRecord(turn) ? asText(turn["dia_id"]) : undefined;
  const place = within(sitting.place, diaId ?? `session_${number} turn ${index + 1}`);
  if (!isRecord(turn)) return { kind: "bad", place, reason: "is not an object" };
  const text = typeof turn["text"] === "string" ? turn["text"].trim() : "";
  const caption = asText(turn["blip_caption"]);
  const content = [text, caption === undefined ? "" : `[image: ${caption}]`].filter((part) => part !== "").join(" ");
  if (content === "") return { kind: "skipped", reason: "empty turn" };
  const occurredAt = startMs === undefined ? undefined : toIso(startMs + index * 1_000);
  return {
    kind: "message",
    session,
    place,
    turn: {
      id: diaId,
      role: "user",
      author: turn["speaker"],
      content,
      ...(occurredAt === undefined ? {} : { occurredAt }),
      metadata: { sitting: number, ...(diaId === undefined ? {} : { diaId }) },
    },
  };
}

/** Ordered by number; as text, session_10 would come before session_2. */
function sittingNumbers(conversation: Record<string, unknown>): number[] {
  return Object.keys(conversation)
    .map((key) => /^session_(\d{1,6})$/.exec(key)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .toSorted((one, other) => one - other);
}
