import type { OpenaiResponsesContext, OpenaiResponsesItem } from "../../api/context-openai.ts";
import { outputFiles, outputParts, promptedOutput } from "../tool-output.ts";
import { attributeParts, attributeText, joinTexts } from "./attribution.ts";
import type { Audience, ToolFiles } from "./audience.ts";
import { fileNote, fileUrl, imageType, isImage, isSound, readFile } from "./files.ts";
import { type CallLimits, createCallNamer, inputObject, resultText } from "./tool-parts.ts";
import type { AssistantTurn, OnTurn, PartOf, Spoken, Turn, UserTurn } from "./turns.ts";

/** As stated in OpenAI's error messages: "maximum length 64". */
const CALL_LIMITS: CallLimits = { maxIdLength: 64, foreignInId: null, maxNameLength: 64 };

type InputPart = Exclude<Extract<OpenaiResponsesItem, { type: "message" }>["content"], string>[number];
type ReasoningItem = Extract<OpenaiResponsesItem, { type: "reasoning" }>;

/** OpenAI accepts its own reasoning back. The encrypted content is complete, so OpenAI need not have stored it. */
export const RESPONSES_AUDIENCE: Audience = {
  takesReasoning: (part) => openaiReasoning(part) !== null,
  takesProviderStep: () => false,
  takesSignedBlanks: false,
};

/**
 * Makes input items for OpenAI's Responses API. An assistant message is given as plain text, because a list of parts
 * would need the message's id at OpenAI.
 */
export function toOpenaiResponses(turns: readonly Turn[], toolFiles: ToolFiles, onTurn: OnTurn): OpenaiResponsesItem[] {
  const nameCalls = createCallNamer(CALL_LIMITS);
  const input: OpenaiResponsesItem[] = [];
  for (const [index, turn] of turns.entries()) {
    onTurn(index, input.length);
    if (turn.role === "assistant") {
      input.push(...spokenItems(turn));
      const calls = nameCalls(turn);
      for (const { id, name, call } of calls) {
        input.push({
          type: "function_call",
          call_id: id,
          name,
          arguments: JSON.stringify(inputObject(call.input)),
        });
      }
      for (const { id, result } of calls)
        input.push({ type: "function_call_output", call_id: id, output: shown(result, toolFiles) });
    } else if (turn.role === "user") {
      input.push({ type: "message", role: "user", content: userContent(turn.author, turn.parts) });
    } else input.push({ type: "message", role: turn.role, content: attributeText(turn.author, turn.text) });
  }
  return input;
}

/** The summary as `instructions`, if it belongs into the system prompt. */
export function instructionsOf(summary: string | null): Pick<OpenaiResponsesContext, "instructions"> {
  return summary === null ? {} : { instructions: summary };
}

/** The items of an answer, in order: reasoning precedes the message or the calls that it led to. */
function spokenItems(turn: AssistantTurn): OpenaiResponsesItem[] {
  const items: OpenaiResponsesItem[] = [];
  let said: Spoken[] = [];
  let author = turn.author;
  const flush = (): void => {
    const text = joinTexts(said);
    if (text !== "") {
      items.push({ type: "message", role: "assistant", content: attributeText(author, text) });
      author = undefined;
    }
    said = [];
  };
  for (const part of turn.parts) {
    if (part.type !== "reasoning") {
      said.push(part);
      continue;
    }
    flush();
    const item = openaiReasoning(part);
    if (item !== null) addReasoning(items, item);
  }
  flush();
  return items;
}

/** Adds a reasoning item. Parts of one reasoning summary have the same id and become one item. */
function addReasoning(items: OpenaiResponsesItem[], item: ReasoningItem): void {
  const last = items.at(-1);
  if (last?.type !== "reasoning" || last.id !== item.id) items.push(item);
  else items[items.length - 1] = { ...item, summary: [...last.summary, ...item.summary] };
}

function openaiReasoning({ text, providerOptions }: PartOf<"reasoning">): ReasoningItem | null {
  const made = providerOptions?.["openai"];
  if (typeof made !== "object" || made === null || Array.isArray(made)) return null;
  const { itemId: id, reasoningEncryptedContent: encrypted } = made;
  if (typeof id !== "string" || typeof encrypted !== "string") return null;
  return {
    type: "reasoning",
    id,
    summary: text === "" ? [] : [{ type: "summary_text", text }],
    encrypted_content: encrypted,
  };
}

function shown(result: PartOf<"tool-result">, toolFiles: ToolFiles): string | InputPart[] {
  const output = promptedOutput(result.output);
  const isText = toolFiles === "named" || outputFiles(output).length === 0;
  return isText ? resultText(result) : outputParts(output).map(toInputPart);
}

function userContent(author: string | undefined, parts: UserTurn["parts"]) {
  if (parts.every((part) => part.type === "text")) return attributeText(author, joinTexts(parts));
  return attributeParts(author, parts).map(toInputPart);
}

function toInputPart(part: PartOf<"text"> | PartOf<"file">): InputPart {
  if (part.type === "text") return { type: "input_text", text: part.text };
  const file = readFile(part);
  if (file !== null && isImage(file) && ("url" in file || imageType(file) !== undefined)) {
    return { type: "input_image", image_url: fileUrl(file), detail: "auto" };
  }
  if (file !== null && !isImage(file) && !isSound(file)) {
    if ("url" in file) return { type: "input_file", file_url: file.url };
    return { type: "input_file", filename: file.filename ?? "file", file_data: fileUrl(file) };
  }
  return { type: "input_text", text: fileNote(part).text };
}
