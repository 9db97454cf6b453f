import type { ToolOutput } from "../api/context-ai-sdk.ts";
import type { Content, Part, Seq } from "../api/message.ts";
import type { Json } from "../api/text.ts";
import { fileInWords, isAddress } from "./file-words.ts";
import { dataLength, wholeBytes } from "./held-files.ts";
import { MIN_NAMED_LENGTH, textWithoutBytes } from "./inline-bytes.ts";
import { entryPart, promptedOutput, toToolOutput } from "./tool-output.ts";

/** Replaces files whose bytes are in the message itself by descriptions. Such files make a short context large. */

/**
 * Replaces the files of a message, and those in its tool results, by descriptions (`[image, 1.2 MB, message 41]`), and
 * removes large data parts, which are for the user interface. Null if there is nothing worth replacing.
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
    return output === part.output ? [part] : [{ ...part, output }];
  }
  const isForInterface = "data" in part && wholeBytes(part.data) >= MIN_NAMED_LENGTH;
  return isForInterface ? [] : [part];
}

/** Returns the same object if the output contains no files. */
function nameInOutput(output: Json, seq: Seq): Json {
  const envelope = toToolOutput(output);
  if (envelope.type !== "content") return nameInWords(output, envelope);
  const value = envelope.value.map((entry): typeof entry => {
    if (entry.type === "text") {
      const text = textWithoutBytes(entry.text);
      return text === entry.text ? entry : { ...entry, text };
    }
    const part = entryPart(entry);
    const isHere = part.type === "file" && !isAddress(part.data) && dataLength(part.data) >= MIN_NAMED_LENGTH;
    return isHere ? { type: "text", text: fileInWords(part, seq) } : entry;
  });
  return value.every((entry, index) => entry === envelope.value[index]) ? output : { type: "content", value };
}

/**
 * Files inside a tool's text are described to every model anyway. Here they are replaced in the message already, so
 * that the bytes are saved too.
 */
function nameInWords(output: Json, envelope: ToolOutput): Json {
  if (!("value" in envelope)) return output;
  const prompted = promptedOutput(output);
  if (!("value" in prompted) || prompted.value === envelope.value) return output;
  return typeof output === "string" && typeof prompted.value === "string" ? prompted.value : prompted;
}
