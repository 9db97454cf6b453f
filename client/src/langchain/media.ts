import { toBase64 } from "../base64.ts";
import type { FilePart, JsonObject } from "../contract.ts";

type Block = Readonly<Record<string, unknown>>;

/** The media type to assume for a block that does not give one. */
const TYPES: Readonly<Record<string, string>> = {
  image: "image/*",
  image_url: "image/*",
  audio: "audio/*",
  input_audio: "audio/wav",
  video: "video/*",
  file: "application/octet-stream",
  document: "application/pdf",
  "text-plain": "text/plain",
};

/** The file of a content block, in any of the forms of LangChain and the providers; null if the block has none. */
export function filePart(block: Block): FilePart | null {
  const { type } = block;
  const assumed = typeof type === "string" ? TYPES[type] : undefined;
  if (assumed === undefined) return null;
  // Providers put the file into a field of its own; LangChain puts it beside `type`.
  const source =
    sourceOf(block["image_url"]) ??
    sourceOf(block["input_audio"]) ??
    sourceOf(block["file"]) ??
    sourceOf(block["source"]) ??
    block;
  const data = dataOf(source) ?? dataOf(block);
  if (data === null) return null;
  const format = textOf(source["format"]);
  const mediaType =
    textOf(block["mimeType"]) ??
    textOf(block["mime_type"]) ??
    textOf(source["media_type"]) ??
    /^data:([^;,]+)/i.exec(data.slice(0, 200))?.[1] ??
    (format === null ? assumed : `audio/${format === "mp3" ? "mpeg" : format}`);
  const filename = textOf(source["filename"]) ?? nameIn(block["metadata"]) ?? textOf(block["title"]);
  return { type: "file", mediaType, data, ...(filename === null ? {} : { filename }) };
}

/** A file in a tool's output, in the form of the AI SDK. */
export function toolFile({ mediaType, data, filename }: FilePart): JsonObject {
  const isImage = mediaType.startsWith("image/");
  if (data.startsWith("openai:")) {
    return { type: isImage ? "image-file-id" : "file-id", fileId: { openai: data.slice("openai:".length) } };
  }
  if (/^https?:/i.test(data)) return { type: isImage ? "image-url" : "file-url", url: data };
  const base64 = data.startsWith("data:") ? data.slice(data.indexOf(",") + 1) : data;
  const type = mediaType === "image/*" ? "image/png" : mediaType;
  if (isImage) return { type: "image-data", data: base64, mediaType: type };
  return { type: "file-data", data: base64, mediaType: type, ...(filename === undefined ? {} : { filename }) };
}

function sourceOf(value: unknown): Block | null {
  if (typeof value === "string") return { url: value };
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : null;
}

/**
 * A URL, base64, or the id of a file that is stored at OpenAI. An id without a provider is assumed to be OpenAI's and
 * is sent to no other provider.
 */
function dataOf(source: Block): string | null {
  const { data } = source;
  const held = textOf(source["file_id"]);
  if (held !== null) return `openai:${held}`;
  if (data instanceof Uint8Array) return toBase64(data);
  return textOf(data) ?? textOf(source["url"]) ?? textOf(source["file_data"]);
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function nameIn(metadata: unknown): string | null {
  if (typeof metadata !== "object" || metadata === null) return null;
  return textOf(Reflect.get(metadata, "filename")) ?? textOf(Reflect.get(metadata, "name"));
}
