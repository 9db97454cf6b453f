import type { AgentInputItem } from "@openai/agents-core";
import { toBase64, toJson, toJsonText } from "../base64.ts";
import type { FilePart, Json, Part } from "../contract.ts";
import { fingerprint } from "../stored-id.ts";

type UserPart = Exclude<Extract<AgentInputItem, { role: "user" }>["content"], string>[number];
type AssistantPart = Extract<AgentInputItem, { role: "assistant" }>["content"][number];
type Output = Extract<AgentInputItem, { type: "function_call_result" }>["output"];
type OutputPart = Exclude<Output, string>;
type ListedOutput = Extract<OutputPart, readonly unknown[]>[number];
type LegacyOutput = Exclude<OutputPart, readonly unknown[]>;
/** A file in OpenAI's SDKs: base64, a URL, or the id of a file at OpenAI. */
type FileSource =
  | string
  | { id?: string; fileId?: string; url?: string; data?: string | Uint8Array; mediaType?: string | undefined }
  | undefined;

const CALL_NAMES: Readonly<Record<string, string>> = {
  computer_call: "computer",
  shell_call: "shell",
  apply_patch_call: "apply_patch",
};

/** Converts an item to parts that every framework understands. Empty if no other framework could use it. */
export function toParts(item: AgentInputItem): Part[] {
  switch (item.type) {
    case "function_call":
      return [called(item.callId, item.name, inputOf(item.arguments))];
    case "function_call_result":
      return [answered(item.callId, item.name, toOutput(item.output))];
    case "computer_call": {
      const { action, actions } = item;
      return [called(item.callId, nameOf(item.type), toJson({ action, actions }))];
    }
    case "shell_call":
      return [called(item.callId, nameOf(item.type), toJson(item.action))];
    case "apply_patch_call":
      return [called(item.callId, nameOf(item.type), toJson(item.operation))];
    case "computer_call_result": {
      const output = { type: "content", value: [imageOutput(item.output.data)] };
      return [answered(item.callId, nameOf("computer_call"), output)];
    }
    case "shell_call_output":
      return [answered(item.callId, nameOf("shell_call"), { type: "json", value: toJson(item.output) })];
    case "apply_patch_call_output": {
      const type = item.status === "failed" ? "error-text" : "text";
      return [answered(item.callId, nameOf("apply_patch_call"), { type, value: item.output ?? item.status })];
    }
    case "hosted_tool_call":
      return hostedParts(item);
    case "reasoning":
      return reasoningParts(item);
    case "message":
    case undefined:
      return "role" in item ? messageParts(item) : [];
    default:
      return [];
  }
}

function nameOf(type: string): string {
  return CALL_NAMES[type] ?? type;
}

function messageParts(item: Extract<AgentInputItem, { role: string }>): Part[] {
  if (typeof item.content === "string") return textParts(item.content);
  return item.content.flatMap((part: UserPart | AssistantPart) => saidParts(part));
}

function saidParts(part: UserPart | AssistantPart): Part[] {
  switch (part.type) {
    case "input_text":
    case "output_text":
      return textParts(part.text);
    case "refusal":
      return textParts(part.refusal);
    case "input_image": {
      const detail = part.detail === undefined || part.detail === "auto" ? null : part.detail;
      const options = detail === null ? {} : { providerOptions: { openai: { imageDetail: detail } } };
      return fileParts(part.image, "image/*").map((file) => ({ ...file, ...options }));
    }
    case "input_file": {
      const name = part.filename === undefined ? {} : { filename: part.filename };
      return fileParts(part.file, "application/octet-stream").map((file) => ({ ...file, ...name }));
    }
    case "audio": {
      const { audio, format, transcript } = part;
      const subtype = format === "mp3" ? "mpeg" : (format ?? "wav");
      return [...fileParts(audio, `audio/${subtype}`), ...textParts(transcript ?? "")];
    }
    case "image":
      return fileParts(part.image, "image/*");
    default:
      return [];
  }
}

function textParts(text: string): Part[] {
  return text === "" ? [] : [{ type: "text", text }];
}

function fileParts(source: FileSource, mediaType: string): FilePart[] {
  const data = addressOf(source);
  return data === null ? [] : [{ type: "file", mediaType: typeOfDataUrl(data) ?? mediaType, data }];
}

/** A URL, base64, or the id of a file at OpenAI. */
function addressOf(source: FileSource): string | null {
  if (source === undefined || typeof source === "string") return source ?? null;
  const held = source.id ?? source.fileId;
  if (held !== undefined) return `openai:${held}`;
  if (source.url !== undefined) return source.url;
  return source.data instanceof Uint8Array ? toBase64(source.data) : (source.data ?? null);
}

function typeOfDataUrl(url: string): string | undefined {
  return /^data:([^;,]+)/i.exec(url.slice(0, 200))?.[1];
}

/** OpenAI identifies its reasoning by id and encrypted content. The option names are those of the AI SDK. */
function reasoningParts({
  id,
  content,
  rawContent,
  providerData,
}: Extract<AgentInputItem, { type: "reasoning" }>): Part[] {
  const encrypted: unknown = providerData?.["encryptedContent"] ?? providerData?.["encrypted_content"];
  const openai = {
    ...(id === undefined ? {} : { itemId: id }),
    ...(typeof encrypted === "string" ? { reasoningEncryptedContent: encrypted } : {}),
  };
  const options = Object.keys(openai).length === 0 ? {} : { providerOptions: { openai } };
  const texts = (content.length > 0 ? content : (rawContent ?? [])).map(({ text }) => text);
  if (texts.length === 0 && typeof encrypted === "string") texts.push("");
  return texts.map((text): Part => ({ type: "reasoning", text, ...options }));
}

/** A call that the provider ran itself, with its result. It is not sent to another provider as a tool call. */
function hostedParts(item: Extract<AgentInputItem, { type: "hosted_tool_call" }>): Part[] {
  const { id, name, arguments: asked, output, status } = item;
  const toolCallId = id ?? `hosted-${fingerprint(toJsonText(item) ?? name)}`;
  const value = output ?? status ?? "completed";
  return [
    { ...called(toolCallId, name, asked === undefined ? {} : inputOf(asked)), providerExecuted: true },
    { ...answered(toolCallId, name, { type: "text", value }), providerExecuted: true },
  ];
}

function called(toolCallId: string, toolName: string, input: Json) {
  return { type: "tool-call" as const, toolCallId, toolName, input };
}

function answered(toolCallId: string, toolName: string, output: Json) {
  return { type: "tool-result" as const, toolCallId, toolName, output };
}

/** The input of a call: the object that its text represents, or the text itself if it is not an object. */
function inputOf(text: string): Json {
  try {
    const input: Json = JSON.parse(text);
    return typeof input === "object" && input !== null && !Array.isArray(input) ? input : text;
  } catch {
    return text.trim() === "" ? {} : text;
  }
}

function toOutput(output: Output): Json {
  if (typeof output === "string") return { type: "text", value: output };
  if (!Array.isArray(output))
    return output.type === "text" ? { type: "text", value: output.text } : contentOf([output]);
  return contentOf(output);
}

function contentOf(list: readonly (ListedOutput | LegacyOutput)[]): Json {
  return { type: "content", value: list.flatMap((part) => outputPart(part)) };
}

function outputPart(part: ListedOutput | LegacyOutput): Json[] {
  switch (part.type) {
    case "text":
    case "input_text":
      return [{ type: "text", text: part.text }];
    case "image":
    case "input_image":
      return imageOf(part.image);
    default: {
      const { file } = part;
      const data = addressOf(file);
      if (data === null) return [];
      const given = typeof file === "object" && "mediaType" in file ? file.mediaType : undefined;
      const filename = typeof file === "object" && "filename" in file ? file.filename : undefined;
      return [fileOutput(data, given ?? "application/octet-stream", filename)];
    }
  }
}

function imageOf(source: FileSource): Json[] {
  const data = addressOf(source);
  const mediaType = typeof source === "object" ? source.mediaType : undefined;
  return data === null ? [] : [imageOutput(data, mediaType)];
}

function imageOutput(data: string, mediaType = "image/png"): Json {
  if (data.startsWith("openai:")) return { type: "image-file-id", fileId: { openai: data.slice("openai:".length) } };
  if (isWebAddress(data)) return { type: "image-url", url: data };
  return { type: "image-data", ...bytesOf(data, mediaType) };
}

function fileOutput(data: string, mediaType: string, filename: string | undefined): Json {
  if (data.startsWith("openai:")) return { type: "file-id", fileId: { openai: data.slice("openai:".length) } };
  if (isWebAddress(data)) return { type: "file-url", url: data };
  return { type: "file-data", ...bytesOf(data, mediaType), ...(filename === undefined ? {} : { filename }) };
}

export function isWebAddress(data: string): boolean {
  return /^https?:/i.test(data);
}

/** Base64 and its media type, also from a data URL. */
function bytesOf(data: string, mediaType: string): { data: string; mediaType: string } {
  const comma = data.startsWith("data:") ? data.indexOf(",") : -1;
  return { data: data.slice(comma + 1), mediaType: typeOfDataUrl(data) ?? mediaType };
}
