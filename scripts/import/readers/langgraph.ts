// Reads threads of LangGraph: `GET /threads/{id}`, its state, the states of its history, and checkpoints as JSON. Each
// state contains all messages up to it, so the newest state of each thread is read.
import { isoOf } from "../dates.ts";
import { asText, isRecord, within } from "../entry.ts";
import type { Entry, Place } from "../entry.ts";
import { hashJson, nameByContent } from "../names.ts";
import { convertLangchain } from "./langchain-messages.ts";

interface State {
  readonly place: Place;
  readonly at: string;
  readonly messages: readonly unknown[];
  /** Names of other values in the state. */
  readonly others: readonly string[];
}

interface Thread {
  newest: State;
  /** When the first state in the file was made. */
  begunAt: string;
  readonly messages: Map<string, Place>;
}

export class LanggraphReader {
  readonly #threads = new Map<string, Thread>();

  *read(value: unknown, place: Place): Generator<Entry> {
    const state = isRecord(value) ? stateOf(value, place) : null;
    if (state === null || !isRecord(value)) {
      yield { kind: "bad", place, reason: "is no state of a thread with a list of messages" };
      return;
    }
    const session = threadIdOf(value) ?? nameByContent(place.file, state.messages);
    const known = this.#threads.get(session);
    const thread = known ?? { newest: state, begunAt: state.at, messages: new Map<string, Place>() };
    this.#threads.set(session, thread);
    for (const [index, message] of state.messages.entries()) {
      thread.messages.set(keyOf(message), within(place, `message ${index + 1}`));
    }
    if (known === undefined) return;
    if (state.at !== "" && (thread.begunAt === "" || state.at < thread.begunAt)) thread.begunAt = state.at;
    if (state.at > thread.newest.at) thread.newest = state;
    yield { kind: "skipped", reason: "earlier state of a thread" };
  }

  *end(): Generator<Entry> {
    for (const [session, { newest, begunAt, messages }] of this.#threads) {
      const { place } = newest;
      const createdAt = isoOf(begunAt);
      yield { kind: "session", session, place, metadata: { source: "langgraph" }, createdAt };
      for (const name of newest.others) {
        yield { kind: "noted", place, form: `field ${name.slice(0, 40)} of a thread's state, left out` };
      }
      const toolNames = new Map<string, string>();
      for (const [index, message] of newest.messages.entries()) {
        const at = within(place, `message ${index + 1}`);
        messages.delete(keyOf(message));
        const converted = convertLangchain(message, toolNames, index);
        if (converted === null) yield { kind: "skipped", reason: "empty turn" };
        else if ("fault" in converted) yield { kind: "bad", place: at, reason: converted.fault };
        else {
          for (const reason of converted.lost) yield { kind: "warning", place: at, reason };
          yield { kind: "message", session, place: at, turn: { ...converted.turn, isDivisible: true } };
        }
      }
      for (const at of messages.values()) {
        yield { kind: "noted", place: at, form: "message that only an earlier state of its thread holds, left out" };
      }
      yield { kind: "end", session };
    }
    this.#threads.clear();
  }
}

function keyOf(message: unknown): string {
  const id = isRecord(message) ? asText(message["id"]) : undefined;
  return id ?? hashJson(message, 20);
}

function stateOf(value: Record<string, unknown>, place: Place): State | null {
  const checkpoint = isRecord(value["checkpoint"]) ? value["checkpoint"] : {};
  const channels = [value["values"], value["channel_values"], checkpoint["channel_values"], value].find(
    (held) => isRecord(held) && Array.isArray(held["messages"]),
  );
  if (!isRecord(channels) || !Array.isArray(channels["messages"])) return null;
  const moments = [value["created_at"], value["ts"], checkpoint["ts"], value["updated_at"]];
  return {
    place,
    at: moments.map(asText).find((at) => at !== undefined) ?? "",
    messages: channels["messages"],
    others: channels === value ? [] : Object.keys(channels).filter((name) => !isInternal(name)),
  };
}

/** Whether LangGraph uses the channel internally. */
function isInternal(name: string): boolean {
  return name === "messages" || name.startsWith("__") || name.startsWith("branch:") || name.startsWith("start:");
}

function threadIdOf(value: Record<string, unknown>): string | undefined {
  const places = [value, value["checkpoint"], value["metadata"]];
  const { config } = value;
  if (isRecord(config)) places.push(config["configurable"]);
  return places.map((held) => (isRecord(held) ? asText(held["thread_id"]) : undefined)).find((id) => id !== undefined);
}
