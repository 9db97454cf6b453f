import type { OpenaiResponsesContext, OpenaiResponsesItem } from "../../contracts/context.ts";
import { outputText, toToolOutput } from "../tool-output.ts";
import { attributeParts, attributeText, joinTexts } from "./attribution.ts";
import { fileNote, fileUrl, imageType, isImage, isSound, readFile } from "./files.ts";
import type { Opening } from "./opening.ts";
import { type CallLimits, createCallNamer, inputObject } from "./tool-parts.ts";
import type { PartOf, Turn } from "./turns.ts";

/** As its refusals state them: "maximum length 64". */
const CALL_LIMITS: CallLimits = { maxIdLength: 64, foreignInId: null, maxNameLength: 64 };

type InputPart = Exclude<Extract<OpenaiResponsesItem, { type: "message" }>["content"], string>[number];

/**
 * Instructions and input for OpenAI's Responses. An assistant's message is plain text: as a list it would need the id that
 * OpenAI gave it. Reasoning is left out, because OpenAI takes back none but its own.
 */
export function toOpenaiResponses(
  turns: readonly Turn[],
  { summary, summaryRole }: Opening,
): Omit<OpenaiResponsesContext, "meta"> {
  const nameCalls = createCallNamer(CALL_LIMITS);
  const input: OpenaiResponsesItem[] = [];
  if (summary !== null && summaryRole === "user") input.push({ type: "message", role: "user", content: summary });
  for (const turn of turns) {
    if (turn.role === "assistant") {
      const text = joinTexts(turn.parts);
      if (text !== "") input.push({ type: "message", role: "assistant", content: attributeText(turn.author, text) });
      const calls = nameCalls(turn);
      for (const { id, name, call } of calls) {
        input.push({
          type: "function_call",
          call_id: id,
          name,
          arguments: JSON.stringify(inputObject(call.input)),
        });
      }
      for (const { id, result } of calls) {
        input.push({ type: "function_call_output", call_id: id, output: outputText(toToolOutput(result.output)) });
      }
    } else if (turn.role === "user") {
      input.push({ type: "message", role: "user", content: userContent(turn.author, turn.parts) });
    } else input.push({ type: "message", role: turn.role, content: attributeText(turn.author, turn.text) });
  }
  return { ...(summary !== null && summaryRole === "system" ? { instructions: summary } : {}), input };
}

function userContent(author: string | undefined, parts: Extract<Turn, { role: "user" }>["parts"]) {
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
