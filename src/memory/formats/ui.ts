import type { ProviderOptions, UiMessage, UiPart } from "../../contracts/context.ts";
import type { Json } from "../../contracts/text.ts";
import { messageText } from "../message-text.ts";
import { isFailure, outputText, toToolOutput } from "../tool-output.ts";
import { optionsOf } from "./ai-sdk.ts";
import { fileNote, fileUrl, nameFiles, readFile } from "./files.ts";
import type { Opening } from "./opening.ts";
import { type CallMatches, type ContextMessage, matchCalls, type PartOf } from "./turns.ts";

/** The id of the message that a summary is. No client can have it: the slash is not for them. */
export const UI_SUMMARY_ID = "threadkeep/summary";

/**
 * UIMessages of the AI SDK, by the ids of the messages. Texts are word for word, and a result is in the part of its call, as the
 * SDK has it. data-* parts are kept.
 */
export function toUi(messages: readonly ContextMessage[], { summary, summaryRole }: Opening): UiMessage[] {
  const matches = matchCalls(messages);
  const opening: UiMessage[] =
    summary === null ? [] : [{ id: UI_SUMMARY_ID, role: summaryRole, parts: [{ type: "text", text: summary }] }];
  return [...opening, ...messages.flatMap((message) => toUiMessage(message, matches))];
}

function toUiMessage(message: ContextMessage, matches: CallMatches): UiMessage[] {
  const parts = uiParts(message, matches);
  if (parts.length === 0) return [];
  return [{ id: message.id, role: uiRole(message.role), ...metadataOf(message), parts }];
}

function uiRole(role: ContextMessage["role"]): UiMessage["role"] {
  if (role === "assistant") return role;
  return role === "system" || role === "developer" ? "system" : "user";
}

function metadataOf({ author, metadata }: ContextMessage): { metadata?: Record<string, Json> } {
  if (author === undefined && metadata === undefined) return {};
  return { metadata: { ...(author === undefined ? {} : { author }), ...metadata } };
}

function uiParts(message: ContextMessage, matches: CallMatches): UiPart[] {
  const { role, content } = message;
  if (typeof content === "string") return [{ type: "text", text: content }];
  if (role === "system" || role === "developer") return [{ type: "text", text: nameFiles(content) }];
  const parts: UiPart[] = [];
  let isAnswered = false;
  for (const part of content) {
    if (matches.matched.has(part)) continue;
    const result = matches.resultOf.get(part);
    // What follows an answer is another step: without the mark, the SDK would put it before the answer.
    if (isAnswered && result === undefined) parts.push({ type: "step-start" });
    isAnswered = result !== undefined;
    if (part.type === "text") parts.push({ type: "text", text: part.text, ...metadataFor(part) });
    else if (part.type === "file") parts.push(toFilePart(part));
    else if (part.type === "reasoning" && role === "assistant") {
      parts.push({ type: "reasoning", text: part.text, ...metadataFor(part) });
    } else if (part.type === "tool-call" && role === "assistant") parts.push(toToolPart(part, result));
    else if (isData(part)) {
      parts.push({ type: part.type, ...(part.id === undefined ? {} : { id: part.id }), data: part.data });
    } else parts.push({ type: "text", text: messageText([part]) });
  }
  return parts;
}

function isData(part: { readonly type: string }): part is PartOf<`data-${string}`> {
  return part.type.startsWith("data-");
}

function metadataFor(part: Parameters<typeof optionsOf>[0]): { providerMetadata?: ProviderOptions } {
  const { providerOptions } = optionsOf(part);
  return providerOptions === undefined ? {} : { providerMetadata: providerOptions };
}

function toFilePart(part: PartOf<"file">): UiPart {
  const file = readFile(part);
  if (file === null) return fileNote(part);
  return {
    type: "file",
    mediaType: file.mediaType,
    url: fileUrl(file),
    ...(file.filename === undefined ? {} : { filename: file.filename }),
    ...metadataFor(part),
  };
}

function toToolPart(call: PartOf<"tool-call">, result: PartOf<"tool-result"> | undefined): UiPart {
  const { providerOptions } = optionsOf(call);
  const called = {
    type: `tool-${call.toolName}` as const,
    toolCallId: call.toolCallId,
    input: call.input,
    ...(providerOptions === undefined ? {} : { callProviderMetadata: providerOptions }),
  };
  if (result === undefined) return { ...called, state: "input-available" };
  const output = toToolOutput(result.output);
  if (isFailure(output)) return { ...called, state: "output-error", errorText: outputText(output) };
  return { ...called, state: "output-available", output: "value" in output ? output.value : null };
}
