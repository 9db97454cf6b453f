import {
  type AiSdkAssistantPart,
  type AiSdkContext,
  type AiSdkMessage,
  type AiSdkToolContent,
  type AiSdkToolOutput,
  type AiSdkToolPart,
  type AiSdkUserPart,
  type ProviderOptions,
  providerOptionsSchema,
  type ToolContentEntry,
} from "../../api/context-ai-sdk.ts";
import type { Json } from "../../api/text.ts";
import { fileInWords } from "../file-words.ts";
import { entryPart, promptedOutput, toToolOutput } from "../tool-output.ts";
import { attributeParts, attributeText } from "./attribution.ts";
import type { ToolFiles } from "./audience.ts";
import { fileNote, readFile } from "./files.ts";
import { createIdNamer, objectOf } from "./tool-parts.ts";
import { type AnsweredCall, type AssistantTurn, isNoResult, type OnTurn, type PartOf, type Turn } from "./turns.ts";

/** A call with its result, under an id that is unique in the prompt. */
interface OwnCall extends AnsweredCall {
  readonly id: string;
}

/**
 * Makes system text and ModelMessages for the AI SDK, which refuses system messages among the others. Reasoning is kept
 * with its provider's options, because the SDK knows which provider may get it back.
 * @param summary the summary, if it belongs into the system text
 * @param toolFiles how files in tool results are given; some providers show a model their base64 as text
 */
export function toAiSdk(
  turns: readonly Turn[],
  summary: string | null,
  toolFiles: ToolFiles,
  onTurn: OnTurn,
): Omit<AiSdkContext, "meta"> {
  const nameId = createIdNamer({ maxIdLength: Number.POSITIVE_INFINITY, foreignInId: null });
  const system = summary === null ? [] : [summary];
  const messages: AiSdkMessage[] = [];
  for (const [index, turn] of turns.entries()) {
    onTurn(index, messages.length);
    if (turn.role === "user") {
      const content = attributeParts(turn.author, turn.parts).map(toUserPart);
      messages.push({ role: "user", content: asPlainText(content) ?? content });
    } else if (turn.role === "assistant") {
      const spoken = spokenParts(turn, nameId);
      const calls = turn.calls.map((one): OwnCall => ({ ...one, id: nameId(one.call.toolCallId) }));
      const isNewest = index === turns.length - 1;
      const asked = calls.flatMap((call) => (isNewest ? approvalRequest(call) : []));
      const content = [...spoken, ...calls.map(toCallPart), ...asked];
      messages.push({ role: "assistant", content: asPlainText(content) ?? content });
      if (calls.length > 0) {
        const answers = calls.map((call): AiSdkToolPart => {
          const approval = isNewest ? approvalResponse(call) : null;
          return approval ?? toResultPart(call, shownOutput(call.result.output, toolFiles));
        });
        messages.push({ role: "tool", content: answers });
      }
    } else system.push(attributeText(turn.author, turn.text));
  }
  return { ...(system.length === 0 ? {} : { system: system.join("\n\n") }), messages };
}

function toUserPart(part: PartOf<"text"> | PartOf<"file">): AiSdkUserPart {
  if (part.type === "text") return { type: "text", text: part.text, ...optionsOf(part) };
  const file = readFile(part);
  if (file === null) return { type: "text", text: fileNote(part).text };
  return {
    type: "file",
    mediaType: file.mediaType,
    data: "url" in file ? file.url : file.base64,
    ...(file.filename === undefined ? {} : { filename: file.filename }),
    ...optionsOf(part),
  };
}

function spokenParts(turn: AssistantTurn, nameId: (id: string) => string): AiSdkAssistantPart[] {
  return attributeParts(turn.author, turn.parts).flatMap((part): AiSdkAssistantPart[] => {
    if (part.type === "reasoning") return [{ type: "reasoning", text: part.text, ...optionsOf(part) }];
    if (part.type !== "provider-step") return [toUserPart(part)];
    const call = { ...part, id: nameId(part.call.toolCallId) };
    // The output must not be changed: the SDK validates it against what the provider returned, and refuses the whole
    // prompt if it differs.
    return [{ ...toCallPart(call), providerExecuted: true }, toResultPart(call, wholeOutput(part.result.output))];
  });
}

function toCallPart({ call, id }: OwnCall) {
  const { toolName } = call;
  // Providers accept only an object as input. If the text contains no object, for example because it is nested too deep
  // to be parsed, it is kept as text.
  const input = typeof call.input === "string" ? (objectOf(call.input) ?? call.input) : call.input;
  return { type: "tool-call" as const, toolCallId: id, toolName, input, ...optionsOf(call) };
}

/**
 * For a call of the newest step that awaits the user's approval: the SDK runs it if the user approved, and tells the
 * model if the user denied.
 */
function approvalResponse({ call: { approval }, result }: OwnCall): AiSdkToolPart | null {
  if (approval?.approved === undefined || !isNoResult(result)) return null;
  const { id: approvalId, approved, reason } = approval;
  return { type: "tool-approval-response", approvalId, approved, ...(reason === undefined ? {} : { reason }) };
}

function approvalRequest(answered: OwnCall): AiSdkAssistantPart[] {
  const { approval } = answered.call;
  if (approval === undefined || approvalResponse(answered) === null) return [];
  const { id: approvalId, requestReason, isAutomatic, signature, inputSchemaInput } = approval;
  return [
    {
      type: "tool-approval-request",
      approvalId,
      toolCallId: answered.id,
      ...(requestReason === undefined ? {} : { reason: requestReason }),
      ...(isAutomatic === undefined ? {} : { isAutomatic }),
      ...(signature === undefined ? {} : { signature }),
      ...(inputSchemaInput === undefined ? {} : { inputSchemaInput }),
    },
  ];
}

function toResultPart({ call, result, id }: OwnCall, output: AiSdkToolOutput) {
  return { type: "tool-result" as const, toolCallId: id, toolName: call.toolName, output, ...optionsOf(result) };
}

/** A tool's output, unchanged. */
function wholeOutput(given: Json): AiSdkToolOutput {
  const output = toToolOutput(given);
  return output.type === "content" ? { type: "content", value: output.value.map(newestForm) } : output;
}

/** A tool's output in the SDK's newest form. Its files are described in words or sent, as `toolFiles` says. */
function shownOutput(given: Json, toolFiles: ToolFiles): AiSdkToolOutput {
  const output = promptedOutput(given);
  if (output.type !== "content") return output;
  return {
    type: "content",
    value: output.value.map((entry): AiSdkToolContent => {
      const part = entryPart(entry);
      if (part.type !== "file") return newestForm(entry);
      const file = toolFiles === "sent" ? readFile(part) : null;
      if (file === null) return { type: "text", text: fileInWords(part) };
      const { mediaType, filename } = file;
      const data =
        "url" in file ? ({ type: "url", url: file.url } as const) : ({ type: "data", data: file.base64 } as const);
      return newestForm({ type: "file", mediaType, data, ...(filename === undefined ? {} : { filename }) });
    }),
  };
}

/**
 * Converts an entry into the SDK's newest form, because the SDK warns about its older forms and refuses a file entry
 * whose data is a URL.
 */
function newestForm(entry: ToolContentEntry): AiSdkToolContent {
  if (entry.type === "file") {
    const { data, ...file } = entry;
    if (data.type !== "url") return { ...file, data };
    const { mediaType } = file;
    return /^image(?:\/|$)/i.test(mediaType)
      ? { type: "image-url", url: data.url }
      : { type: "file-url", url: data.url, mediaType };
  }
  if (entry.type !== "file-data" && entry.type !== "image-data") return entry;
  const { data, ...file } = entry;
  return { ...file, type: "file", data: { type: "data", data } };
}

/** The text, if the content is a single text part without options; else null. */
function asPlainText(content: readonly AiSdkAssistantPart[]): string | null {
  const [only, ...others] = content;
  return only?.type === "text" && only.providerOptions === undefined && others.length === 0 ? only.text : null;
}

/**
 * The provider options of a part, if they are grouped by provider; the SDK refuses the whole prompt if they are not.
 */
export function optionsOf(part: { readonly providerOptions?: Record<string, Json> | undefined }): {
  providerOptions?: ProviderOptions;
} {
  const parsed = providerOptionsSchema.safeParse(part.providerOptions);
  return parsed.success ? { providerOptions: parsed.data } : {};
}
