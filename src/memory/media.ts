import type { ToolContentEntry } from "../contracts/context.ts";
import type { Content, Part, Seq } from "../contracts/message.ts";
import type { Json } from "../contracts/text.ts";
import { fileInWords, isAddress } from "./file-words.ts";
import { dataLength, wholeBytes } from "./held-files.ts";
import { MIN_NAMED_LENGTH } from "./inline-bytes.ts";
import { toToolOutput } from "./tool-output.ts";

/** Files whose bytes stand in a message itself: what makes a context large without making it long. */

/**
 * A message's content with its files, and those of its tools' outputs, named in words (`[image, 1.2 MB, message 41]`); what belongs to
 * the user interface goes. Null if it holds nothing of that kind that is worth it.
 */
export function nameMedia(content: Content, seq: Seq): Content | null {
  if (typeof content === "string") return null;
  const parts = content.flatMap((part) => nameInPart(part, seq));
  if (parts.length === content.length && parts.every((part, index) => part === content[index])) return null;
  return parts.length === 0 ? "" : parts;
}

function nameInPart(part: Part, seq: Seq): Part[] {
  if (part.type === "file") {
    const isNamed = !isAddress(part.data) && dataLength(part.data) >= MIN_NAMED_LENGTH;
    return isNamed ? [{ type: "text", text: fileInWords(part, seq) }] : [part];
  }
  if (part.type === "tool-result") {
    const output = nameInOutput(part.output, seq);
    return output === null ? [part] : [{ ...part, output }];
  }
  const isForInterface = "data" in part && wholeBytes(part.data) >= MIN_NAMED_LENGTH;
  return isForInterface ? [] : [part];
}

function nameInOutput(output: Json, seq: Seq): Json | null {
  const parsed = toToolOutput(output);
  if (parsed.type !== "content") return null;
  const value = parsed.value.map((entry): typeof entry => {
    const data = inlineData(entry);
    if (data === null || dataLength(data) < MIN_NAMED_LENGTH) return entry;
    const { mediaType, filename } = { filename: undefined, mediaType: "", ...entry };
    return { type: "text", text: fileInWords({ mediaType, filename, data }, seq) };
  });
  return value.every((entry, index) => entry === parsed.value[index]) ? null : { type: "content", value };
}

/** What a tool shows whose bytes stand in its output; null for a text, and for what lies elsewhere. */
function inlineData(entry: ToolContentEntry): string | null {
  if (entry.type === "file-data" || entry.type === "image-data") return entry.data;
  return entry.type === "file" && entry.data.type === "data" ? entry.data.data : null;
}
