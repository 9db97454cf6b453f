import type { Content, Part, Seq } from "../contracts/message.ts";
import type { Json } from "../contracts/text.ts";
import { toToolOutput } from "./tool-output.ts";

/** Files whose bytes stand in a message itself: what makes a context large without making it long. */

/** Characters of data that are worth naming instead: a note takes about a hundred. */
const MIN_NAMED_LENGTH = 1_024;
/** A longer name is cut. */
const MAX_NAME_LENGTH = 60;

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
    const isNamed = !isAddress(part.data) && part.data.length >= MIN_NAMED_LENGTH;
    return isNamed ? [{ type: "text", text: note(part.mediaType, part.filename, part.data, seq) }] : [part];
  }
  if (part.type === "tool-result") {
    const output = nameInOutput(part.output, seq);
    return output === null ? [part] : [{ ...part, output }];
  }
  const isForInterface = "data" in part && JSON.stringify(part.data).length >= MIN_NAMED_LENGTH;
  return isForInterface ? [] : [part];
}

function nameInOutput(output: Json, seq: Seq): Json | null {
  const parsed = toToolOutput(output);
  if (parsed.type !== "content") return null;
  const value = parsed.value.map((entry): typeof entry =>
    "data" in entry && entry.data.length >= MIN_NAMED_LENGTH
      ? {
          type: "text",
          text: note(entry.mediaType, "filename" in entry ? entry.filename : undefined, entry.data, seq),
        }
      : entry,
  );
  return value.every((entry, index) => entry === parsed.value[index]) ? null : { type: "content", value };
}

function isAddress(data: string): boolean {
  return /^https?:/i.test(data);
}

/** @param data base64, or a URL that holds it */
function note(mediaType: string, filename: string | undefined, data: string, seq: Seq): string {
  const kind = /^(image|audio|video)(?:\/|$)/i.exec(mediaType)?.[1]?.toLowerCase() ?? "file";
  const name = filename === undefined ? "" : ` ${filename.slice(0, MAX_NAME_LENGTH).toWellFormed()}`;
  const base64Length = data.length - (data.startsWith("data:") ? data.indexOf(",") + 1 : 0);
  return `[${kind}${name}, ${sizeText(Math.floor((base64Length * 3) / 4))}, message ${seq}]`;
}

function sizeText(bytes: number): string {
  return bytes < 1_000_000 ? `${Math.max(1, Math.round(bytes / 1_000))} KB` : `${(bytes / 1_000_000).toFixed(1)} MB`;
}
