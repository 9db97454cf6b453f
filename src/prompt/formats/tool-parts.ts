import type { Json } from "../../api/text.ts";
import { outputText, promptedOutput } from "../tool-output.ts";
import { type AnsweredCall, type AssistantTurn, isBlank, type PartOf } from "./turns.ts";

/** A call's input as the object that it has to be. Models do give text; mostly it is JSON. */
export function inputObject(input: Json): { [key: string]: Json } {
  return objectOf(input) ?? { value: input };
}

/** The object that an input is, or that its text says; null for any other. */
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

/** The limits of a provider on names and ids of calls. */
export interface CallLimits {
  readonly maxIdLength: number;
  /** What an id may not contain. */
  readonly foreignInId: RegExp | null;
  readonly maxNameLength: number;
}

/** An answered call by the name and id that a provider takes. */
export interface NamedCall extends AnsweredCall {
  readonly id: string;
  readonly name: string;
}

const FOREIGN = /[^a-zA-Z0-9_-]/g;
/** The id of a call that its model gave none. */
const NO_ID = "call";

/** Makes ids of calls unique, and such as a provider takes: an id that came before gets a number. */
export function createIdNamer(limits: Pick<CallLimits, "maxIdLength" | "foreignInId">): (toolCallId: string) => string {
  const taken = new Set<string>();
  /** The number that the next call of an id gets: chats may have thousands of one. */
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
 * Gives calls the ids and names that a provider takes, since a chat may have begun with another one. What it would take as it
 * is stays as it is.
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

/** What stands for an output of nothing: servers refuse a message that is empty. */
export const NO_OUTPUT = "(no output)";

/** A tool's output as text that is never blank. */
export function resultText(result: PartOf<"tool-result">): string {
  const text = outputText(promptedOutput(result.output));
  return isBlank(text) ? NO_OUTPUT : text;
}
