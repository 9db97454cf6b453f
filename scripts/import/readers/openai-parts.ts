// Converts the content of an OpenAI message, a text or a list of typed parts, into our parts.
import type { Part } from "../../../src/api/message.ts";
import { asText, isRecord } from "../entry.ts";

interface ConvertedParts {
  readonly parts: Part[];
  /** Content without a counterpart, which was replaced by notes. */
  readonly lost: string[];
  readonly fault?: string;
}

export function convertParts(content: unknown): ConvertedParts {
  const parts: Part[] = [];
  const lost: string[] = [];
  if (content === null || content === undefined) return { parts, lost };
  if (typeof content === "string") return { parts: [{ type: "text", text: content }], lost };
  if (!Array.isArray(content)) return { parts, lost, fault: "content must be a text or a list of parts" };
  for (const [index, part] of content.entries()) {
    if (typeof part === "string") {
      parts.push({ type: "text", text: part });
      continue;
    }
    if (!isRecord(part)) return { parts, lost, fault: `content[${index}] is not an object` };
    const converted = convertPart(part);
    if (converted === null) {
      const type = asText(part["type"])?.slice(0, 40) ?? "untyped";
      parts.push({ type: "text", text: `[${type}]` });
      lost.push(`content[${index}] (${type}) cannot be kept; a note stands in its place`);
    } else parts.push(converted);
  }
  return { parts, lost };
}

function convertPart(part: Record<string, unknown>): Part | null {
  switch (part["type"]) {
    case "text":
    case "input_text":
    case "output_text":
      return typeof part["text"] === "string" ? { type: "text", text: part["text"] } : null;
    case "refusal":
      return typeof part["refusal"] === "string" ? { type: "text", text: part["refusal"] } : null;
    case "image_url":
    case "input_image":
      return imagePart(part["image_url"]);
    case "input_audio":
      return audioPart(part["input_audio"]);
    case "file":
    case "input_file":
      return filePart(isRecord(part["file"]) ? part["file"] : part);
    default:
      return null;
  }
}

function imagePart(image: unknown): Part | null {
  const url = isRecord(image) ? asText(image["url"]) : asText(image);
  if (url === undefined) return null;
  return fromDataUrl(url) ?? { type: "file", mediaType: "image/*", data: url };
}

function audioPart(audio: unknown): Part | null {
  if (!isRecord(audio)) return null;
  const data = asText(audio["data"]);
  return data === undefined ? null : { type: "file", mediaType: `audio/${asText(audio["format"]) ?? "*"}`, data };
}

function filePart(file: Record<string, unknown>): Part | null {
  const data = asText(file["file_data"]) ?? asText(file["file_url"]);
  if (data === undefined) return null;
  const filename = asText(file["filename"]);
  const part = fromDataUrl(data) ?? { type: "file" as const, mediaType: "application/octet-stream", data };
  return filename === undefined ? part : { ...part, filename };
}

function fromDataUrl(url: string): Extract<Part, { type: "file" }> | null {
  // Only the beginning is matched, because the data may have hundreds of kilobytes.
  const head = /^data:([^;,]{1,100})(?:;[^;,]{1,100})*;base64,/.exec(url.slice(0, 400));
  if (head === null) return null;
  return { type: "file", mediaType: head[1] ?? "application/octet-stream", data: url.slice(head[0].length) };
}
