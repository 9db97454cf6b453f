import type { Content, Part } from "../api/message.ts";
import { byteLength, type Json } from "../api/text.ts";

/**
 * Files whose bytes stand outside of their message's row. In the message a short word stands in the place of the base64, until somebody
 * needs the bytes: it says how long the base64 is, how it begins, and what it takes as a text. It begins and ends with a NUL, which no
 * message has otherwise: `mendText` sees to that.
 */

/** Base64 of fewer characters stays where it is: to read it elsewhere costs more than to read over it. */
export const MIN_HELD_LENGTH = 8 * 1024;

const FILE_WORD = "\u0000file ";
const TEXT_WORD = "\u0000text ";
const END = "\u0000";
/** A word, and the head of a `data:` URL before it, are shorter than this. */
const MAX_WORD_LENGTH = 300;
/** So much of the base64 tells what kind of file it is. */
const START_LENGTH = 16;
/** How JSON writes the beginning of a word. */
const WORD_IN_JSON = "\\u0000file ";
const END_IN_JSON = "\\u0000";

const DATA_HEAD = /^data:[^,]{0,100};base64,/i;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;

export interface HeldFile {
  readonly id: number;
  /** Of its base64. */
  readonly length: number;
  /** What it takes as a text, if it is one. */
  readonly textTokens: number | null;
  /** How its base64 begins. */
  readonly start: string;
  /** What stands before the base64: the head of a `data:` URL, or nothing. */
  readonly head: string;
}

/** Base64 that can be held, and what stands before it; null if a text is none, or not worth it. */
export function heldPartOf(text: string): { readonly head: string; readonly base64: string } | null {
  if (text.length < MIN_HELD_LENGTH) return null;
  const head = DATA_HEAD.exec(text)?.[0] ?? "";
  const base64 = head === "" ? text : text.slice(head.length);
  return base64.length >= MIN_HELD_LENGTH && BASE64.test(base64) ? { head, base64 } : null;
}

/** What stands for base64 that is held. */
export function heldWord(id: number, head: string, base64: string, textTokens: number | null): string {
  return `${head}${FILE_WORD}${id} ${base64.length} ${textTokens ?? "-"} ${base64.slice(0, START_LENGTH)}${END}`;
}

/** The file that a text stands for; null if it is only a text. */
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

/** What stands for all that a message says, where that is too long for a row. */
export function heldTextWord(id: number): string {
  return `${TEXT_WORD}${id}${END}`;
}

/** The text that content stands for; null if it is there itself. */
export function heldText(content: Content): number | null {
  if (typeof content !== "string" || !content.startsWith(TEXT_WORD)) return null;
  return Number(content.slice(TEXT_WORD.length, -1));
}

/** The length of a file's data, where it is held as well. */
export function dataLength(data: string): number {
  const held = heldFile(data);
  return held === null ? data.length : held.head.length + held.length;
}

/** The bytes of a value as JSON, with what is held of it. */
export function wholeBytes(value: unknown): number {
  const json = JSON.stringify(value);
  return byteLength(json) + heldBytes(json);
}

/** What JSON lacks in bytes, because files of it are held. */
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
 * What a text may be, by its place in a message. `file`: the bytes of a file and nothing else. `bytes`: a value of what a tool tells; bytes
 * among them are named to a model. `words`: a model gets them as they are, but for `data:` URLs.
 */
export type TextPlace = "file" | "bytes" | "words";

/** @param mediaType as it is told beside the text */
export type ReplaceText = (text: string, place: TextPlace, mediaType: string | undefined) => string;

/** Content in which texts are replaced that may be files. The same content if none is. */
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
  // What is for the user interface is never prompted.
  const data = mapInJson(part.data, (text, _, mediaType) => replace(text, "file", mediaType), "file");
  return data === part.data ? part : { ...part, data };
}

/** Names under which a tool tells what its bytes are. */
export const TYPE_KEYS = ["mimeType", "mediaType", "media_type", "mime_type", "contentType"] as const;

/** Names under which the AI SDK has words of a tool. */
const WORD_KEYS = new Set(["text", "value"]);

function mapInJson(value: Json, replace: ReplaceText, place: TextPlace, mediaType?: string): Json {
  if (typeof value === "string") return replace(value, place, mediaType);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) {
    const entries = value.map((entry) => mapInJson(entry, replace, place, mediaType));
    return entries.every((entry, index) => entry === value[index]) ? value : entries;
  }
  const told = TYPE_KEYS.map((key) => value[key]).find((type) => typeof type === "string");
  // The AI SDK has a file's bytes one level further down than their type.
  const type = told ?? (value["type"] === "data" ? mediaType : undefined);
  const entries = Object.entries(value).map(
    ([key, entry]) => [key, mapInJson(entry, replace, WORD_KEYS.has(key) ? "words" : "bytes", type)] as const,
  );
  return entries.every(([key, entry]) => entry === value[key]) ? value : Object.fromEntries(entries);
}
