import type { Json } from "../../api/text.ts";
import { outputText, promptedOutput } from "../tool-output.ts";
import { type AnsweredCall, type AssistantTurn, isBlank, type PartOf } from "./turns.ts";

/** A call's input as an object, which providers require. Models sometimes give text, mostly JSON. */
export function inputObject(input: Json): { [key: string]: Json } {
  return objectOf(input) ?? { value: input };
}

/** The object that an input is, or that its text contains as JSON; null if neither. */
export function objectOf(input: Json): { [key: string]: Json } | null {
  const value = typeof input === "string" ? parseJson(input) : input;
  return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
}

function parseJson(text: string): Json {
  try {
    const value: Json = JSON.parse(text);
    return value;
  } catch {
    return text;
  }
}

/** A provider's limits for the ids and names of calls. */
export interface CallLimits {
  readonly maxIdLength: number;
  /** Matches characters that an id may not contain. */
  readonly foreignInId: RegExp | null;
  readonly maxNameLength: number;
}

/** A call with its result, under a name and an id that the provider accepts. */
export interface NamedCall extends AnsweredCall {
  readonly id: string;
  readonly name: string;
}

const FOREIGN = /[^a-zA-Z0-9_-]/g;
/** The id of a call whose model gave it none. */
const NO_ID = "call";

/** Makes call ids unique and acceptable to the provider: a repeated id gets a number. */
export function createIdNamer(limits: Pick<CallLimits, "maxIdLength" | "foreignInId">): (toolCallId: string) => string {
  const taken = new Set<string>();
  /** The next number for each id. A map, because chats may repeat an id thousands of times. */
  const nextOf = new Map<string, number>();
  return (toolCallId) => {
    const isForeign = toolCallId.length > limits.maxIdLength || (limits.foreignInId?.test(toolCallId) ?? false);
    const known = isForeign ? toolCallId.replaceAll(FOREIGN, "_").slice(0, limits.maxIdLength) : toolCallId;
    const base = known === "" ? NO_ID : known;
    let id = base;
    for (let count = nextOf.get(base) ?? 2; taken.has(id); count += 1) {
      const suffix = `_${count}`;
      id = base.slice(0, limits.maxIdLength - suffix.length).toWellFormed() + suffix;
      nextOf.set(base, count + 1);
    }
    taken.add(id);
    return id;
  };
}

/**
 * Gives calls acceptable ids and names; the chat may have begun with another provider. Acceptable ones stay unchanged.
 */
export function createCallNamer(limits: CallLimits): (turn: Pick<AssistantTurn, "calls">) => NamedCall[] {
  const nameId = createIdNamer(limits);
  return (turn) =>
    turn.calls.map(({ call, result }) => ({
      call,
      result,
      id: nameId(call.toolCallId),
      name: call.toolName.replaceAll(FOREIGN, "_").slice(0, limits.maxNameLength),
    }));
}

/** Replaces an empty output, because servers refuse empty messages. */
const NO_OUTPUT = "(no output)";

/** A tool's output as text that is never blank. */
export function resultText(result: PartOf<"tool-result">): string {
  const text = outputText(promptedOutput(result.output));
  return isBlank(text) ? NO_OUTPUT : text;
}
