import type { OpenaiChatMessageIn, OpenaiUserPartIn } from "../../api/incoming-openai.ts";
import type { Part } from "../../api/message.ts";
import type { Json } from "../../api/text.ts";
import {
  heldFile,
  isGiven,
  ownOf,
  type TakenMessages,
  type TakenPart,
  takenOf,
  textTaken,
  UNNAMED_TOOL,
} from "./taken.ts";

type Of<Role extends OpenaiChatMessageIn["role"]> = Extract<OpenaiChatMessageIn, { role: Role }>;

/** Converts a message of OpenAI's Chat Completions API: calls, results, files and reasoning become parts. */
export function fromOpenaiChat(message: OpenaiChatMessageIn, path: string): TakenMessages {
  switch (message.role) {
    case "system":
    case "developer": {
      const { role, content } = message;
      const fields = { ...namedOf(message), role };
      if (typeof content === "string") return textTaken(fields, path, content);
      return takenOf(fields, path, placed(content, `${path}/content`, toText));
    }
    case "user": {
      const fields = { ...namedOf(message), role: message.role };
      if (typeof message.content === "string") return textTaken(fields, path, message.content);
      return takenOf(fields, path, placed(message.content, `${path}/content`, toUserPart));
    }
    case "assistant":
      return fromAssistant(message, path);
    case "tool": {
      const { tool_call_id: toolCallId, name, content } = message;
      const fields = { ...ownOf(message), role: message.role };
      const part = resultPart(toolCallId, name || UNNAMED_TOOL, joined(content));
      return takenOf(fields, path, [{ part, path: `${path}/content` }]);
    }
    case "function": {
      const part = resultPart("", message.name, message.content ?? "");
      return takenOf({ ...ownOf(message), role: "tool" }, path, [{ part, path: `${path}/content` }]);
    }
  }
}

function fromAssistant(message: Of<"assistant">, path: string): TakenMessages {
  const { content, refusal, audio, reasoning, reasoning_content: thought, tool_calls: calls } = message;
  const fields = { ...namedOf(message), role: message.role };
  const parts: TakenPart[] = [];
  const add = (field: string, part: Part): void => {
    parts.push({ part, path: `${path}/${field}` });
  };
  const reasoned = thought ?? (typeof reasoning === "string" ? reasoning : "");
  if (reasoned !== "")
    add(thought === reasoned ? "reasoning_content" : "reasoning", { type: "reasoning", text: reasoned });
  if (typeof content === "string") {
    if (content !== "") add("content", { type: "text", text: content });
  } else if (isGiven(content)) {
    const said = placed(content, `${path}/content`, (part) => ({
      type: "text",
      text: part.type === "text" ? part.text : part.refusal,
    }));
    parts.push(...said);
  }
  if (isGiven(refusal) && refusal !== "") add("refusal", { type: "text", text: refusal });
  if (isGiven(audio?.transcript) && audio.transcript !== "") add("audio", { type: "text", text: audio.transcript });
  for (const [index, call] of (calls ?? []).entries()) {
    const { name, input } =
      call.type === "custom"
        ? { name: call.custom.name, input: call.custom.input }
        : { name: call.function.name, input: inputOf(call.function.arguments) };
    add(`tool_calls/${index}`, { type: "tool-call", toolCallId: call.id ?? "", toolName: name, input });
  }
  const { function_call: called } = message;
  if (isGiven(called)) {
    add("function_call", {
      type: "tool-call",
      toolCallId: "",
      toolName: called.name,
      input: inputOf(called.arguments),
    });
  }
  if (isGiven(message.annotations) && message.annotations.length > 0) {
    add("annotations", { type: "data-annotations", data: message.annotations });
  }
  const [only, ...others] = parts;
  const isPlain = only?.part.type === "text" && others.length === 0;
  return isPlain ? textTaken(fields, path, only.part.text) : takenOf(fields, path, parts);
}

function namedOf(message: Of<"system" | "developer" | "user" | "assistant">) {
  const author = message.author ?? message.name ?? undefined;
  return ownOf({ ...message, author });
}

function placed<P>(list: readonly P[], path: string, toPart: (part: P) => Part): TakenPart[] {
  return list.map((part, index) => ({ part: toPart(part), path: `${path}/${index}` }));
}

function toText({ text }: { readonly text: string }): Part {
  return { type: "text", text };
}

function toUserPart(part: OpenaiUserPartIn): Part {
  switch (part.type) {
    case "text":
      return toText(part);
    case "image_url": {
      const { url, detail } = part.image_url;
      // Stored under the AI SDK's name; "auto" is the default and not stored.
      const options =
        !isGiven(detail) || detail === "auto" ? {} : { providerOptions: { openai: { imageDetail: detail } } };
      return { type: "file", mediaType: typeOfDataUrl(url) ?? "image/*", data: url, ...options };
    }
    case "input_audio": {
      const { data, format } = part.input_audio;
      return { type: "file", mediaType: format === "mp3" ? "audio/mpeg" : `audio/${format}`, data };
    }
    case "file": {
      const { file_data: bytes, file_id: id, filename } = part.file;
      const data = typeof bytes === "string" ? bytes : heldFile("openai", String(id));
      const named = isGiven(filename) ? { filename } : {};
      return { type: "file", mediaType: typeOfDataUrl(data) ?? "application/octet-stream", data, ...named };
    }
  }
}

function typeOfDataUrl(url: string): string | undefined {
  return /^data:([^;,]+)/i.exec(url)?.[1];
}

/** A call's input: the object that the text contains as JSON, or the text itself if it contains none. */
function inputOf(text: string): Json {
  if (text.trim() === "") return {};
  try {
    const input: Json = JSON.parse(text);
    return typeof input === "object" && input !== null && !Array.isArray(input) ? input : text;
  } catch {
    return text;
  }
}

function joined(content: Of<"tool">["content"]): string {
  return typeof content === "string" ? content : content.map(({ text }) => text).join("\n");
}

function resultPart(toolCallId: string, toolName: string, value: string): Part {
  return { type: "tool-result", toolCallId, toolName, output: { type: "text", value } };
}
