import type { Content, Part } from "../api/message.ts";
import { byteLength, type Json } from "../api/text.ts";

/**
 * Files whose bytes are stored outside of their message's row. The message contains a placeholder instead of the base64
 * until somebody needs the bytes. The placeholder says how long the base64 is, how it begins, and how many tokens it
 * has as text. It begins and ends with a NUL character, which no other message text contains, because `mendText`
 * removes it.
 */

/** Shorter base64 stays in the row, because reading it separately would cost more. */
export const MIN_HELD_LENGTH = 8 * 1024;

const FILE_WORD = "\u0000file ";
const TEXT_WORD = "\u0000text ";
const END = "\u0000";
/** A placeholder, with the head of a `data:` URL before it, is always shorter than this. */
const MAX_WORD_LENGTH = 300;
/** How much of the base64 the placeholder repeats, to recognize the type of the file. */
const START_LENGTH = 16;
/** The beginning of a placeholder as it appears in JSON. */
const WORD_IN_JSON = "\\u0000file ";
const END_IN_JSON = "\\u0000";

const DATA_HEAD = /^data:[^,]{0,100};base64,/i;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

export interface HeldFile {
  readonly id: number;
  /** Length of its base64, in characters. */
  readonly length: number;
  /** Tokens of the file as text; null if it is no text file. */
  readonly textTokens: number | null;
  /** The beginning of its base64. */
  readonly start: string;
  /** The text before the base64: the head of a `data:` URL, or an empty string. */
  readonly head: string;
}

/**
 * Splits a text into the head of its `data:` URL and its base64, if it is worth storing separately; null if it is not.
 */
export function heldPartOf(text: string): { readonly head: string; readonly base64: string } | null {
  if (text.length < MIN_HELD_LENGTH) return null;
  const head = DATA_HEAD.exec(text)?.[0] ?? "";
  const base64 = head === "" ? text : text.slice(head.length);
  return base64.length >= MIN_HELD_LENGTH && BASE64.test(base64) ? { head, base64 } : null;
}

/** Makes the placeholder for base64 that is stored separately. */
export function heldWord(id: number, head: string, base64: string, textTokens: number | null): string {
  return `${head}${FILE_WORD}${id} ${base64.length} ${textTokens ?? "-"} ${base64.slice(0, START_LENGTH)}${END}`;
}

/** Parses a placeholder; null if the text is none. */
export function heldFile(text: string): HeldFile | null {
  if (text.length > MAX_WORD_LENGTH || !text.endsWith(END)) return null;
  const at = text.indexOf(FILE_WORD);
  if (at < 0) return null;
  const [id, length, textTokens, start = ""] = text.slice(at + FILE_WORD.length, -1).split(" ");
  return {
    id: Number(id),
    length: Number(length),
    textTokens: textTokens === "-" ? null : Number(textTokens),
    start,
    head: text.slice(0, at),
  };
}

/** Makes the placeholder for a whole message text that is too long for a row. */
export function heldTextWord(id: number): string {
  return `${TEXT_WORD}${id}${END}`;
}

/** The id in the placeholder for a whole text; null if the content is none. */
export function heldText(content: Content): number | null {
  if (typeof content !== "string" || !content.startsWith(TEXT_WORD)) return null;
  return Number(content.slice(TEXT_WORD.length, -1));
}

/** The length of a file's data, in characters, also if only a placeholder is here. */
export function dataLength(data: string): number {
  const held = heldFile(data);
  return held === null ? data.length : held.head.length + held.length;
}

/** The bytes of a value as JSON, including the files that its placeholders refer to. */
export function wholeBytes(value: unknown): number {
  const json = JSON.stringify(value);
  return byteLength(json) + heldBytes(json);
}

/** The bytes that placeholders in this JSON save. */
function heldBytes(json: string): number {
  let bytes = 0;
  for (let at = json.indexOf(WORD_IN_JSON); at >= 0; at = json.indexOf(WORD_IN_JSON, at + 1)) {
    const end = json.indexOf(END_IN_JSON, at + WORD_IN_JSON.length);
    if (end < 0) break;
    const length = Number(json.slice(at + WORD_IN_JSON.length, end).split(" ")[1]);
    if (Number.isFinite(length)) bytes += length - (end + END_IN_JSON.length - at);
  }
  return bytes;
}

/**
 * What kind of text stands at a place in a message. `file`: the bytes of a file, nothing else. `bytes`: a string value
 * in a tool's result; base64 in it is replaced by a description for a model. `words`: text that a model gets unchanged,
 * except for `data:` URLs.
 */
export type TextPlace = "file" | "bytes" | "words";

/** @param mediaType the media type declared beside the text */
export type ReplaceText = (text: string, place: TextPlace, mediaType: string | undefined) => string;

/** Replaces those texts of the content that may be files. Returns the same object if nothing changed. */
export function mapFiles(content: Content, replace: ReplaceText, isMeant: (part: Part) => boolean = () => true) {
  if (typeof content === "string") return content;
  const parts = content.map((part) => (isMeant(part) ? mapInPart(part, replace) : part));
  return parts.every((part, index) => part === content[index]) ? content : parts;
}

function mapInPart(part: Part, replace: ReplaceText): Part {
  if (part.type === "file") {
    const data = replace(part.data, "file", part.mediaType);
    return data === part.data ? part : { ...part, data };
  }
  if (part.type === "tool-result") {
    const output = mapInJson(part.output, replace, "words");
    return output === part.output ? part : { ...part, output };
  }
  if (!("data" in part)) return part;
  // Data parts (`data-*`) are for the user interface, and never sent to a model.
  const data = mapInJson(part.data, (text, _, mediaType) => replace(text, "file", mediaType), "file");
  return data === part.data ? part : { ...part, data };
}

/** Keys under which tools give the media type of their data. */
export const TYPE_KEYS = ["mimeType", "mediaType", "media_type", "mime_type", "contentType"] as const;

/** Keys under which the AI SDK puts a tool's text. */
const WORD_KEYS = new Set(["text", "value"]);

function mapInJson(value: Json, replace: ReplaceText, place: TextPlace, mediaType?: string): Json {
  if (typeof value === "string") return replace(value, place, mediaType);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) {
    const entries = value.map((entry) => mapInJson(entry, replace, place, mediaType));
    return entries.every((entry, index) => entry === value[index]) ? value : entries;
  }
  const told = TYPE_KEYS.map((key) => value[key]).find((type) => typeof type === "string");
  // The AI SDK nests a file's bytes one level below its media type.
  const type = told ?? (value["type"] === "data" ? mediaType : undefined);
  const entries = Object.entries(value).map(
    ([key, entry]) => [key, mapInJson(entry, replace, WORD_KEYS.has(key) ? "words" : "bytes", type)] as const,
  );
  return entries.every(([key, entry]) => entry === value[key]) ? value : Object.fromEntries(entries);
}
