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
} from "../../api/context.ts";
import type { Json } from "../../api/text.ts";
import { fileInWords } from "../file-words.ts";
import { entryPart, promptedOutput, toToolOutput } from "../tool-output.ts";
import { attributeParts, attributeText } from "./attribution.ts";
import type { ToolFiles } from "./audience.ts";
import { fileNote, readFile } from "./files.ts";
import { createIdNamer, objectOf } from "./tool-parts.ts";
import { type AnsweredCall, type AssistantTurn, isNoResult, type OnTurn, type PartOf, type Turn } from "./turns.ts";

/** An answered call under an id that no other has. */
interface OwnCall extends AnsweredCall {
  readonly id: string;
}

/**
 * System text and ModelMessages for the AI SDK, which refuses system messages among the others. Reasoning is kept, with its
 * provider's options: the SDK knows which provider may have it back.
 * @param summary if it is to speak as the system
 * @param toolFiles as they are asked for: some providers give a model the base64 of what a tool shows as text
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
    // The SDK checks the output against what its provider gives, and refuses the whole prompt for a single change.
    return [{ ...toCallPart(call), providerExecuted: true }, toResultPart(call, wholeOutput(part.result.output))];
  });
}

function toCallPart({ call, id }: OwnCall) {
  const { toolName } = call;
  // A provider takes an object alone, and what was nested too deep is kept as its text.
  const input = typeof call.input === "string" ? (objectOf(call.input) ?? call.input) : call.input;
  return { type: "tool-call" as const, toolCallId: id, toolName, input, ...optionsOf(call) };
}

/** The SDK runs a call of the newest step that the user has let run, and tells the model of one that the user has not. */
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

/** A tool's output as it was given. */
function wholeOutput(given: Json): AiSdkToolOutput {
  const output = toToolOutput(given);
  return output.type === "content" ? { type: "content", value: output.value.map(newestForm) } : output;
}

/** A tool's output in the SDK's newest form; its files in words, or as they are asked for. */
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

/** The SDK warns of its older forms, and takes no address within a file that is a text. */
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

/** The text of content that is nothing but one plain text. */
function asPlainText(content: readonly AiSdkAssistantPart[]): string | null {
  const [only, ...others] = content;
  return only?.type === "text" && only.providerOptions === undefined && others.length === 0 ? only.text : null;
}

/** A part's options, where they are by provider: the SDK refuses the whole prompt for any others. */
export function optionsOf(part: { readonly providerOptions?: Record<string, Json> | undefined }): {
  providerOptions?: ProviderOptions;
} {
  const parsed = providerOptionsSchema.safeParse(part.providerOptions);
  return parsed.success ? { providerOptions: parsed.data } : {};
}
