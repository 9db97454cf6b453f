import type { Context } from "../../api/context.ts";
import type { Part, Seq } from "../../api/message.ts";
import { type CallMatches, matchCalls } from "../calls.ts";
import { messageText } from "../message-text.ts";
import type { Audience } from "./audience.ts";
import { nameFiles } from "./files.ts";
import { type ProviderStep, providerWords } from "./provider-steps.ts";

export type ContextMessage = Context["messages"][number];
export type PartOf<T extends Part["type"]> = Extract<Part, { type: T }>;
type TextPart = PartOf<"text">;
type FilePart = PartOf<"file">;
type CallPart = PartOf<"tool-call">;
type ResultPart = PartOf<"tool-result">;

/** A call and its result. Providers refuse one without the other. */
export interface AnsweredCall {
  readonly call: CallPart;
  readonly result: ResultPart;
}

export type Spoken = TextPart | FilePart | PartOf<"reasoning"> | ProviderStep;

/** A turn of one speaker, in a form from which every provider's format can be made. A turn is never empty. */
export type Turn = {
  /** The message that it comes from; of a merged turn, the last one. */
  readonly seq: Seq;
  readonly author: string | undefined;
} & (
  | { readonly role: "system" | "developer"; readonly text: string }
  | { readonly role: "user"; readonly parts: readonly (TextPart | FilePart)[] }
  | {
      readonly role: "assistant";
      /** `author` is set only if one of the parts is a text. */
      readonly parts: readonly Spoken[];
      /** Calls come after all parts, because Anthropic refuses text between a call and its result. */
      readonly calls: readonly AnsweredCall[];
    }
);
/** Called when a format reaches a turn, with the turn's index and the number of messages made so far. */
export type OnTurn = (index: number, messages: number) => void;

export type AssistantTurn = Extract<Turn, { role: "assistant" }>;
export type UserTurn = Extract<Turn, { role: "user" }>;

/**
 * The result given to a call that has none.
 * @internal Tests expect the sentence by name.
 */
export const NO_RESULT = "[no result: nothing answered this call]";
/** The name of a tool whose name is unknown. */
const UNNAMED_TOOL = "tool";

/**
 * Converts messages into turns that every provider accepts: without data parts and blank texts, and with each call
 * followed by its own result, in the order of the calls, wherever in the window the result was. A call without a result
 * gets one that says so; a result without a call gets a call.
 */
export function toTurns(messages: readonly ContextMessage[], audience: Audience): Turn[] {
  const matches = matchCalls(messages);
  return messages.flatMap((message) => turnsOf(message, matches, audience));
}

function turnsOf(message: ContextMessage, matches: CallMatches, audience: Audience): Turn[] {
  const { role, author, seq } = message;
  if (role === "system" || role === "developer") {
    const text = nameFiles(message.content);
    return isBlank(text) ? [] : [{ role, author, seq, text }];
  }
  const parts = partsOf(message).filter((part) => !matches.matched.has(part));
  if (role === "assistant") return assistantTurns(message, matches, audience);
  const turns: Turn[] = [];
  let said: (TextPart | FilePart)[] = [];
  const flush = (): void => {
    if (said.length > 0 && role === "user") turns.push({ role, author, seq, parts: said });
    else if (said.length > 0) turns.push(toolWords(message, said));
    said = [];
  };
  for (const part of parts) {
    if (part.type !== "tool-result") {
      said.push(...(part.type === "file" ? [part] : asText(part)));
      continue;
    }
    flush();
    turns.push(resultAlone(message, part));
  }
  flush();
  return turns;
}

/** A turn for a result whose call is not among the messages. */
function resultAlone({ seq }: ContextMessage, result: ResultPart): Turn {
  return { role: "assistant", author: undefined, seq, parts: [], calls: [{ call: callOf(result), result }] };
}

/** The call that is made for a result without one. */
export function callOf({ toolCallId, toolName }: ResultPart): CallPart {
  return { type: "tool-call", toolCallId, toolName, input: {} };
}

/** A turn for a tool message that is plain text: it becomes a result, so that it is attributed to the tool. */
function toolWords(message: ContextMessage, said: readonly (TextPart | FilePart)[]): Turn {
  return resultAlone(message, resultOfWords(message, said));
}

export function resultOfWords(
  { id, author = UNNAMED_TOOL }: ContextMessage,
  said: readonly (TextPart | FilePart)[],
): ResultPart {
  return { type: "tool-result", toolCallId: id, toolName: author, output: messageText([...said]) };
}

function assistantTurns(message: ContextMessage, matches: CallMatches, audience: Audience): Turn[] {
  const { seq, author } = message;
  const turns: Turn[] = [];
  // The name is shown once per message, because its cost counts once.
  let unnamed = author;
  let spoken: Spoken[] = [];
  let calls: AnsweredCall[] = [];
  let isAnswered = false;
  const flush = (): void => {
    if (calls.length === 0) dropUnfinished(spoken);
    const hasWords = spoken.some((part) => part.type !== "reasoning" && !(part.type === "text" && isBlank(part.text)));
    if (hasWords || calls.length > 0) {
      const isNamed = spoken.some((part) => part.type === "text" && !isBlank(part.text));
      turns.push({ role: "assistant", seq, author: isNamed ? unnamed : undefined, parts: spoken, calls });
      if (isNamed) unnamed = undefined;
    }
    spoken = [];
    calls = [];
    isAnswered = false;
  };
  for (const part of partsOf(message)) {
    // In the AI SDK an assistant message may contain results and continue after them; what follows a result is a new
    // step.
    if (part.type === "tool-result") {
      if (matches.matched.has(part)) {
        isAnswered ||= calls.some(({ result }) => result === part);
        continue;
      }
      flush();
      turns.push(resultAlone(message, part));
      continue;
    }
    // Reasoning must precede the calls that it led to, so it starts a new turn after other calls.
    if (isAnswered || (part.type === "reasoning" && calls.length > 0)) flush();
    const result = matches.resultOf.get(part);
    if (part.type === "tool-call" && part.providerExecuted === true) {
      const isTaken = result !== undefined && audience.takesProviderStep(part, result);
      spoken.push(isTaken ? { type: "provider-step", call: part, result } : providerWords(part, result));
    } else if (part.type === "tool-call") {
      calls.push({ call: part, result: result ?? noResult(part) });
    } else if (part.type === "file") spoken.push(part);
    else if (part.type === "reasoning") {
      const isTaken = !isBlank(part.text) || part.providerOptions !== undefined;
      if (isTaken && audience.takesReasoning(part)) spoken.push(part);
    } else if (part.type === "text" && audience.takesSignedBlanks && part.providerOptions !== undefined) {
      spoken.push(part);
    } else spoken.push(...asText(part));
  }
  flush();
  return turns;
}

/** Whether this is the result given to a call that has none. */
export function isNoResult({ output }: ResultPart): boolean {
  return typeof output === "object" && output !== null && "value" in output && output.value === NO_RESULT;
}

function noResult({ toolCallId, toolName }: CallPart): ResultPart {
  return { type: "tool-result", toolCallId, toolName, output: { type: "error-text", value: NO_RESULT } };
}

/** Removes reasoning at the end of an answer, because providers refuse an answer that ends with it. */
function dropUnfinished(spoken: Spoken[]): void {
  while (spoken.at(-1)?.type === "reasoning") spoken.pop();
}

function partsOf({ content }: ContextMessage): readonly Part[] {
  return typeof content === "string" ? [{ type: "text", text: content }] : content;
}

/** A data part has no text: it is for the user interface and never sent to a model. */
function asText(part: Part): TextPart[] {
  if (part.type === "text") return isBlank(part.text) ? [] : [part];
  const text = messageText([part]);
  return isBlank(text) ? [] : [{ type: "text", text }];
}

export function isBlank(text: string): boolean {
  return text.trim() === "";
}
