import { type OpenaiChatMessage, openaiImageDetailSchema } from "../../api/context-openai.ts";
import { heldBy } from "../incoming/taken.ts";
import { attributeParts, attributeText, joinTexts } from "./attribution.ts";
import { fileNote, fileUrl, imageType, isImage, isSound, readFile } from "./files.ts";
import { type CallLimits, createCallNamer, inputObject, type NamedCall, resultText } from "./tool-parts.ts";
import type { OnTurn, PartOf, Turn, UserTurn } from "./turns.ts";

/** OpenAI accepts only names of this form. */
const AUTHOR_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** As stated in OpenAI's error messages: "maximum length 40" for ids, "maximum length 64" for names. */
const CALL_LIMITS: CallLimits = { maxIdLength: 40, foreignInId: null, maxNameLength: 64 };

type UserPart = Exclude<Extract<OpenaiChatMessage, { role: "user" }>["content"], string>[number];

/**
 * Makes messages for OpenAI's Chat Completions API and the many servers that implement it. Reasoning is left out,
 * because the format has no field for it.
 * @param onTurn is called before each turn with the number of messages made so far
 */
export function toOpenaiChat(turns: readonly Turn[], onTurn: OnTurn): OpenaiChatMessage[] {
  const nameCalls = createCallNamer(CALL_LIMITS);
  const messages: OpenaiChatMessage[] = [];
  for (const [index, turn] of turns.entries()) {
    onTurn(index, messages.length);
    const isNamed = turn.author !== undefined && AUTHOR_NAME.test(turn.author);
    const name = isNamed && turn.author !== undefined ? { name: turn.author } : {};
    const prefix = isNamed ? undefined : turn.author;
    if (turn.role === "assistant") {
      const text = joinTexts(turn.parts);
      const calls = nameCalls(turn);
      if (text === "" && calls.length === 0) continue;
      messages.push({
        role: "assistant",
        content: text === "" ? null : attributeText(prefix, text),
        ...name,
        ...(calls.length === 0 ? {} : { tool_calls: calls.map(toToolCall) }),
      });
      for (const { id, result } of calls) {
        messages.push({ role: "tool", tool_call_id: id, content: resultText(result) });
      }
    } else if (turn.role === "user") {
      messages.push({ role: "user", content: userContent(prefix, turn.parts), ...name });
    } else messages.push({ role: turn.role, content: attributeText(prefix, turn.text), ...name });
  }
  return messages;
}

function toToolCall({ id, name, call }: NamedCall) {
  return {
    id,
    type: "function" as const,
    function: { name, arguments: JSON.stringify(inputObject(call.input)) },
  };
}

function userContent(author: string | undefined, parts: UserTurn["parts"]) {
  if (parts.every((part) => part.type === "text")) return attributeText(author, joinTexts(parts));
  return attributeParts(author, parts).map(toUserPart);
}

function toUserPart(part: PartOf<"text"> | PartOf<"file">): UserPart {
  if (part.type === "text") return { type: "text", text: part.text };
  const held = heldBy("openai", part.data);
  if (held !== null) return { type: "file", file: { file_id: held } };
  const file = readFile(part);
  if (file !== null && isImage(file) && ("url" in file || imageType(file) !== undefined)) {
    return { type: "image_url", image_url: { url: fileUrl(file), ...detailOf(part) } };
  }
  // Chat Completions fetches only images from URLs, and takes audio in another form.
  if (file !== null && !isImage(file) && !isSound(file) && "base64" in file) {
    return { type: "file", file: { filename: file.filename ?? "file", file_data: fileUrl(file) } };
  }
  return fileNote(part);
}

/** The level of detail for an image, which the AI SDK stores as `imageDetail`. */
function detailOf({ providerOptions }: PartOf<"file">) {
  const options = providerOptions?.["openai"];
  if (typeof options !== "object" || options === null || Array.isArray(options)) return {};
  const { data: detail } = openaiImageDetailSchema.safeParse(options["imageDetail"]);
  return detail === undefined ? {} : { detail };
}
