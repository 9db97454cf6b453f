import type { Context } from "../../contracts/context.ts";
import type { Part } from "../../contracts/message.ts";
import { messageText } from "../message-text.ts";
import { nameFiles } from "./files.ts";

export type ContextMessage = Context["messages"][number];
export type PartOf<T extends Part["type"]> = Extract<Part, { type: T }>;
type TextPart = PartOf<"text">;
type FilePart = PartOf<"file">;

/** A call that has its result: providers refuse the one without the other. */
export interface AnsweredCall {
  readonly call: PartOf<"tool-call">;
  readonly result: PartOf<"tool-result">;
}

/** One speaker's turn, as every provider can take it. A turn is never empty. */
export type Turn =
  | { readonly role: "system" | "developer"; readonly author: string | undefined; readonly text: string }
  | {
      readonly role: "user";
      readonly author: string | undefined;
      readonly parts: readonly (TextPart | FilePart)[];
    }
  | {
      readonly role: "assistant";
      /** Only where there is a text among the parts. */
      readonly author: string | undefined;
      readonly parts: readonly (TextPart | FilePart | PartOf<"reasoning">)[];
      /** After the parts, because Anthropic refuses text between a call and its result. */
      readonly calls: readonly AnsweredCall[];
    };

/** The calls that are answered in these messages, each with the result that answers it. */
export interface CallMatches {
  readonly resultOf: ReadonlyMap<Part, PartOf<"tool-result">>;
  readonly matched: ReadonlySet<Part>;
}

/** A result answers the last open call of its id before it: some models count their calls anew in each turn. */
export function matchCalls(messages: readonly ContextMessage[]): CallMatches {
  const open = new Map<string, PartOf<"tool-call">[]>();
  const resultOf = new Map<Part, PartOf<"tool-result">>();
  const matched = new Set<Part>();
  for (const { role, content } of messages) {
    if (typeof content === "string" || role === "system" || role === "developer") continue;
    for (const part of content) {
      if (part.type === "tool-call" && role === "assistant") {
        open.set(part.toolCallId, [...(open.get(part.toolCallId) ?? []), part]);
      } else if (part.type === "tool-result") {
        const call = open.get(part.toolCallId)?.pop();
        if (call === undefined) continue;
        resultOf.set(call, part);
        matched.add(part);
      }
    }
  }
  return { resultOf, matched };
}

/**
 * The messages as turns that every provider takes: no data-* parts, nothing blank, each call followed by its result wherever
 * in the window that came. A call or result without the other becomes text, in its place.
 */
export function toTurns(messages: readonly ContextMessage[]): Turn[] {
  const matches = matchCalls(messages);
  return messages.flatMap((message) => turnsOf(message, matches));
}

function turnsOf(message: ContextMessage, matches: CallMatches): Turn[] {
  const { role, author } = message;
  if (role === "system" || role === "developer") {
    const text = nameFiles(message.content);
    return isBlank(text) ? [] : [{ role, author, text }];
  }
  const parts = partsOf(message).filter((part) => !matches.matched.has(part));
  if (role !== "assistant") {
    const said = parts.flatMap((part): (TextPart | FilePart)[] => (part.type === "file" ? [part] : asText(part)));
    return said.length === 0 ? [] : [{ role: "user", author, parts: said }];
  }
  // A message pays for its author's name once.
  let unnamed = author;
  return splitAtResults(message, matches).flatMap((step): Turn[] => {
    const spoken: (TextPart | FilePart | PartOf<"reasoning">)[] = [];
    const calls: AnsweredCall[] = [];
    for (const part of step) {
      const result = matches.resultOf.get(part);
      if (part.type === "tool-call" && result !== undefined) calls.push({ call: part, result });
      else if (part.type === "file") spoken.push(part);
      else if (part.type === "reasoning") spoken.push(...asSaid(message, part));
      else spoken.push(...asText(part));
    }
    if (spoken.length === 0 && calls.length === 0) return [];
    const speaker = spoken.some((part) => part.type === "text") ? unnamed : undefined;
    if (speaker !== undefined) unnamed = undefined;
    return [{ role, author: speaker, parts: spoken, calls }];
  });
}

/** The AI SDK lets an assistant's message hold results, and go on after them: what follows a result is a step of its own. */
function splitAtResults(message: ContextMessage, { matched }: CallMatches): Part[][] {
  const steps: Part[][] = [[]];
  let isAnswered = false;
  for (const part of partsOf(message)) {
    if (matched.has(part)) {
      isAnswered = true;
      continue;
    }
    if (isAnswered) steps.push([]);
    isAnswered = false;
    steps.at(-1)?.push(part);
  }
  return steps;
}

function partsOf({ content }: ContextMessage): readonly Part[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

/** A data-* part has no text: it belongs to the user interface and is never prompted. */
function asText(part: Part): TextPart[] {
  if (part.type === "text") return isBlank(part.text) ? [] : [part];
  const text = messageText([part]);
  return isBlank(text) ? [] : [{ type: "text", text }];
}

/** A provider signs the reasoning that it gives, and refuses it with another text. */
function asSaid(message: ContextMessage, part: PartOf<"reasoning">): PartOf<"reasoning">[] {
  const isChanged = message.cut === true || message.editedAt !== undefined;
  const said: PartOf<"reasoning"> = isChanged ? { type: "reasoning", text: part.text } : part;
  return isBlank(said.text) && said.providerOptions === undefined ? [] : [said];
}

export function isBlank(text: string): boolean {
  return text.trim() === "";
}
