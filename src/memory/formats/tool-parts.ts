import type { Json } from "../../contracts/text.ts";
import type { AnsweredCall, PartOf, Turn } from "./turns.ts";

/** A call's input as the object that it has to be. Models do give text; mostly it is JSON. */
export function inputObject(input: Json): { [key: string]: Json } {
  const value = typeof input === "string" ? parseJson(input) : input;
  return value !== null && typeof value === "object" && !Array.isArray(value) ? value : { value: input };
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

/**
 * Gives calls the ids and names that a provider takes, since a chat may have begun with another one. What it would take as it
 * is stays as it is; an id that came before gets a number.
 */
export function createCallNamer(limits: CallLimits): (turn: Extract<Turn, { role: "assistant" }>) => NamedCall[] {
  const taken = new Set<string>();
  const nameId = ({ toolCallId }: PartOf<"tool-call">): string => {
    const isForeign = toolCallId.length > limits.maxIdLength || (limits.foreignInId?.test(toolCallId) ?? false);
    const base = isForeign ? toolCallId.replaceAll(FOREIGN, "_").slice(0, limits.maxIdLength) : toolCallId;
    let id = base;
    for (let count = 2; taken.has(id); count += 1) {
      const suffix = `_${count}`;
      id = base.slice(0, limits.maxIdLength - suffix.length).toWellFormed() + suffix;
    }
    taken.add(id);
    return id;
  };
  return (turn) =>
    turn.calls.map(({ call, result }) => ({
      call,
      result,
      id: nameId(call),
      name: call.toolName.replaceAll(FOREIGN, "_").slice(0, limits.maxNameLength),
    }));
}
