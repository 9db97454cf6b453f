import type { ToolOutput } from "../api/context.ts";
import type { Content, Part, Seq } from "../api/message.ts";
import type { Json } from "../api/text.ts";
import { fileInWords, isAddress } from "./file-words.ts";
import { dataLength, wholeBytes } from "./held-files.ts";
import { MIN_NAMED_LENGTH, textWithoutBytes } from "./inline-bytes.ts";
import { entryPart, promptedOutput, toToolOutput } from "./tool-output.ts";

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
    return output === part.output ? [part] : [{ ...part, output }];
  }
  const isForInterface = "data" in part && wholeBytes(part.data) >= MIN_NAMED_LENGTH;
  return isForInterface ? [] : [part];
}

/** The same output if it holds no bytes. */
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

/** Bytes among what a tool says are named to every model; here they give way before that. */
function nameInWords(output: Json, envelope: ToolOutput): Json {
  if (!("value" in envelope)) return output;
  const prompted = promptedOutput(output);
  if (!("value" in prompted) || prompted.value === envelope.value) return output;
  return typeof output === "string" && typeof prompted.value === "string" ? prompted.value : prompted;
}
