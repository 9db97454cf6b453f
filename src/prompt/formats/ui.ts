import type { ProviderOptions } from "../../api/context-ai-sdk.ts";
import type { UiMessage, UiPart } from "../../api/context-ui.ts";
import type { Part, ToolApproval } from "../../api/message.ts";
import type { Json } from "../../api/text.ts";
import { type CallMatches, matchCalls } from "../calls.ts";
import { fileInWords } from "../file-words.ts";
import { messageText } from "../message-text.ts";
import { isFailure, outputFiles, outputParts, outputText, promptedOutput, toToolOutput } from "../tool-output.ts";
import { optionsOf } from "./ai-sdk.ts";
import { fileNote, fileUrl, nameFiles, readFile } from "./files.ts";
import type { Opening } from "./opening.ts";
import { createIdNamer } from "./tool-parts.ts";
import { callOf, type ContextMessage, isBlank, type PartOf, resultOfWords } from "./turns.ts";

/**
 * The id of the message that contains the summary. No client can use it, because client ids may not contain a slash.
 */
const UI_SUMMARY_ID = "threadkeep/summary";

/** Shared while one list of messages is converted. */
interface Listing {
  readonly matches: CallMatches;
  readonly nameId: (toolCallId: string) => string;
}

/**
 * Makes the AI SDK's UIMessages, under the ids of the messages. Texts are verbatim, and a result is in the part of its
 * call, as in the SDK. Data parts are kept.
 */
export function toUi(messages: readonly ContextMessage[], { summary, summaryRole }: Opening): UiMessage[] {
  const nameId = createIdNamer({ maxIdLength: Number.POSITIVE_INFINITY, foreignInId: null });
  const listing = { matches: matchCalls(messages), nameId };
  const opening: UiMessage[] =
    summary === null ? [] : [{ id: UI_SUMMARY_ID, role: summaryRole, parts: [{ type: "text", text: summary }] }];
  return [...opening, ...messages.flatMap((message) => toUiMessage(message, listing))];
}

function toUiMessage(message: ContextMessage, listing: Listing): UiMessage[] {
  const parts = uiParts(message, listing);
  if (parts.length === 0) return [];
  return [{ id: message.id, role: uiRole(message.role), ...metadataOf(message), parts }];
}

function uiRole(role: ContextMessage["role"]): UiMessage["role"] {
  if (role === "assistant" || role === "tool") return "assistant";
  return role === "system" || role === "developer" ? "system" : "user";
}

/** If a message has alternatives, they are given under `threadkeep`. */
function metadataOf({ author, metadata, seq, siblings }: ContextMessage): { metadata?: Record<string, Json> } {
  if (author === undefined && metadata === undefined && siblings === undefined) return {};
  const place = siblings === undefined ? {} : { threadkeep: { seq, siblings } };
  return { metadata: { ...(author === undefined ? {} : { author }), ...metadata, ...place } };
}

function uiParts(message: ContextMessage, listing: Listing): UiPart[] {
  const { role, content } = message;
  if (role === "tool" && isWords(message)) {
    const said = typeof content === "string" ? [{ type: "text" as const, text: content }] : content;
    const words = said.flatMap((part) => (part.type === "text" || part.type === "file" ? [part] : []));
    return [resultPart(resultOfWords(message, words), listing)];
  }
  if (typeof content === "string") return [{ type: "text", text: content }];
  if (role === "system" || role === "developer") return [{ type: "text", text: nameFiles(content) }];
  const { matches } = listing;
  const parts: UiPart[] = [];
  let isAnswered = false;
  let isToldOf = false;
  const own = new Set<Part>();
  for (const part of content) {
    if (matches.matched.has(part)) {
      isToldOf ||= own.has(part);
      continue;
    }
    const result = matches.resultOf.get(part);
    // What follows a result is a new step. Without this mark the SDK would move it before the result. Parallel calls
    // belong to one step.
    if (isToldOf || (isAnswered && part.type !== "tool-call")) {
      parts.push({ type: "step-start" });
      isToldOf = false;
      isAnswered = false;
    }
    if (result !== undefined && part.type === "tool-call" && part.providerExecuted !== true) {
      isAnswered = true;
      own.add(result);
    }
    if (part.type === "text") parts.push({ type: "text", text: part.text, ...metadataFor(part) });
    else if (part.type === "file") parts.push(toFilePart(part));
    else if (part.type === "reasoning" && role === "assistant") {
      parts.push({ type: "reasoning", text: part.text, ...metadataFor(part) });
    } else if (part.type === "tool-call" && role === "assistant") parts.push(toToolPart(part, result, listing));
    else if (part.type === "tool-result" && role !== "user") parts.push(resultPart(part, listing));
    else if (isData(part)) {
      parts.push({ type: part.type, ...(part.id === undefined ? {} : { id: part.id }), data: part.data });
    } else parts.push({ type: "text", text: messageText([part]) });
  }
  return parts;
}

/** Whether a tool message contains text but no result. */
function isWords({ content }: ContextMessage): boolean {
  if (typeof content === "string") return !isBlank(content);
  return content.every(({ type }) => type === "text" || type === "file");
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

/** The part for a result whose call is not in the list. */
function resultPart(result: PartOf<"tool-result">, listing: Listing): UiPart {
  return toToolPart(callOf(result), result, listing);
}

function toToolPart(call: PartOf<"tool-call">, result: PartOf<"tool-result"> | undefined, listing: Listing): UiPart {
  const { providerOptions } = optionsOf(call);
  const called = {
    ...(call.dynamic === true
      ? { type: "dynamic-tool" as const, toolName: call.toolName }
      : { type: `tool-${call.toolName}` as const }),
    toolCallId: listing.nameId(call.toolCallId),
    input: call.input,
    ...(call.providerExecuted === true ? { providerExecuted: true as const } : {}),
    ...(providerOptions === undefined ? {} : { callProviderMetadata: providerOptions }),
  };
  const asked = call.approval === undefined ? null : approvalOf(call.approval);
  const approved = call.approval?.approved;
  if (result === undefined) {
    if (asked === null) return { ...called, state: "input-available" };
    if (approved === undefined) return { ...called, state: "approval-requested", approval: asked.request };
    return { ...called, state: "approval-responded", approval: { ...asked.answer, approved } };
  }
  const output = call.providerExecuted === true ? toToolOutput(result.output) : promptedOutput(result.output);
  if (asked !== null && approved === false && output.type === "execution-denied") {
    return { ...called, state: "output-denied", approval: { ...asked.answer, approved } };
  }
  // The SDK accepts an approval beside an output only if it was granted.
  const given = asked !== null && approved === true ? { approval: { ...asked.answer, approved } } : {};
  if (isFailure(output)) return { ...called, ...given, state: "output-error", errorText: outputText(output) };
  return { ...called, ...given, state: "output-available", output: shownValue(output) };
}

/** The request for approval, and the answer: the request with the user's reason. */
function approvalOf({ id, reason, requestReason, isAutomatic, signature, inputSchemaInput, descriptor }: ToolApproval) {
  const request = {
    id,
    ...(requestReason === undefined ? {} : { requestReason }),
    ...(isAutomatic === undefined ? {} : { isAutomatic }),
    ...(signature === undefined ? {} : { signature }),
    ...(inputSchemaInput === undefined ? {} : { inputSchemaInput }),
    ...(descriptor === undefined ? {} : { descriptor }),
  };
  return { request, answer: { ...request, ...(reason === undefined ? {} : { reason }) } };
}

/** The SDK turns the value into text, so files are replaced by descriptions. */
function shownValue(output: ReturnType<typeof toToolOutput>): Json {
  if (output.type !== "content") return "value" in output ? output.value : null;
  if (outputFiles(output).length === 0 && output.value.every(({ type }) => type === "text")) return output.value;
  return outputParts(output).map((part) => ({
    type: "text",
    text: part.type === "text" ? part.text : fileInWords(part),
  }));
}
