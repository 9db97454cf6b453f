import { jsonBytes } from "./batches.ts";
import type { Content, Json, Metadata, Part } from "./contract.ts";

/** The largest content of a message as JSON. It leaves room for the message's other fields. */
const MAX_CONTENT_BYTES = 4 * 1024 * 1024 - 1024;
/** The largest metadata; the service refuses more. */
const MAX_METADATA_BYTES = 4 * 1024;
/** Smaller files in a tool's output are kept. In bytes as JSON. */
const LARGE_FILE_BYTES = 64 * 1024;
const CUT = "\n[… cut: a message has no room for more …]\n";

/**
 * Reduces content until it fits into a message, so that a large message never stops the chat. The largest parts are
 * reduced first: files become descriptions, and texts lose their middle. The result is the same each time.
 */
export function fitContent(content: Content): Content {
  if (jsonBytes(content) <= MAX_CONTENT_BYTES) return content;
  if (typeof content === "string") return cutText(content, MAX_CONTENT_BYTES);
  const parts = [...content];
  const sizes = parts.map(jsonBytes);
  let total = sizes.reduce((sum, size) => sum + size + 1, 2);
  const largestFirst = sizes.map((_, at) => at).toSorted((a, b) => (sizes[b] ?? 0) - (sizes[a] ?? 0));
  for (const at of largestFirst) {
    const [part, size] = [parts[at], sizes[at] ?? 0];
    if (total <= MAX_CONTENT_BYTES || part === undefined) break;
    const fitted = fitPart(part, Math.max(0, size - (total - MAX_CONTENT_BYTES)));
    parts[at] = fitted;
    total += jsonBytes(fitted) - size;
  }
  return parts;
}

function fitPart(part: Part, maxBytes: number): Part {
  if (part.type === "file" && "mediaType" in part) {
    const name = part.filename === undefined ? "" : ` ${part.filename.slice(0, 100)}`;
    const size = `${((part.data.length * 3) / 4_000_000).toFixed(1)} MB`;
    return {
      type: "text",
      text: `[file${name}, ${part.mediaType.slice(0, 100)}, ${size}: too large for a message, left out]`,
    };
  }
  if (part.type === "text" && "text" in part) return { type: "text", text: cutText(part.text, maxBytes - 100) };
  if (part.type === "tool-result" && "output" in part) {
    const { output } = part;
    const said = typeof output === "object" && output !== null && !Array.isArray(output) ? output["value"] : output;
    const named = { ...part, output: { type: "content", value: Array.isArray(said) ? said.map(nameFile) : [] } };
    if (Array.isArray(said) && jsonBytes(named) <= maxBytes) return named;
    const text = typeof said === "string" ? said : JSON.stringify(said ?? output);
    return { ...part, output: { type: "text", value: cutText(text, maxBytes - 1_000) } };
  }
  if (part.type === "tool-call" && "input" in part) return { ...part, input: {} };
  return { type: "text", text: `[${part.type.slice(0, 100)}: too large for a message, left out]` };
}

/** An entry of a tool's output, with a large file replaced by a description. Text is kept. */
function nameFile(shown: Json): Json {
  const bytes = jsonBytes(shown);
  const isFile = typeof shown === "object" && shown !== null && "type" in shown && shown.type !== "text";
  if (!isFile || bytes < LARGE_FILE_BYTES) return shown;
  return {
    type: "text",
    text: `[file, ${((bytes * 3) / 4_000_000).toFixed(1)} MB: too large for a message, left out]`,
  };
}

/** Cuts out the middle of a text, so that it has at most `maxBytes` as JSON. */
function cutText(text: string, maxBytes: number): string {
  let length = text.length;
  for (let cut = text; ; cut = ends(text, length)) {
    const bytes = jsonBytes(cut);
    if (bytes <= Math.max(maxBytes, 2 * CUT.length)) return cut;
    length = Math.floor(length * Math.min(0.9, Math.max(0, maxBytes - 2 * CUT.length) / bytes));
  }
}

function ends(text: string, length: number): string {
  const half = Math.floor(length / 2);
  return (text.slice(0, half) + CUT + text.slice(text.length - half)).toWellFormed();
}

/** Bytes of the metadata that are reserved for the names of dropped fields. */
const LEFT_OUT_BYTES = 1024;

/**
 * Reduces metadata until it fits into a message. The names of dropped fields are listed in `leftOut`, if there is room.
 */
export function fitMetadata(metadata: Metadata): Metadata {
  if (jsonBytes(metadata) <= MAX_METADATA_BYTES) return metadata;
  let room = MAX_METADATA_BYTES - LEFT_OUT_BYTES;
  const kept: Metadata = {};
  const leftOut: string[] = [];
  for (const [name, value] of Object.entries(metadata)) {
    const bytes = jsonBytes({ [name]: value });
    if (bytes > room) leftOut.push(name);
    else {
      kept[name] = value;
      room -= bytes;
    }
  }
  const named = { ...kept, leftOut };
  return jsonBytes(named) <= MAX_METADATA_BYTES ? named : kept;
}
