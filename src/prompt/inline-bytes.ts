import type { Json } from "../api/text.ts";
import { fileInWords } from "./file-words.ts";
import { heldFile, TYPE_KEYS } from "./held-files.ts";

/**
 * Finds files that a tool returns inside text: a screenshot as base64 in a JSON answer, as MCP servers return it, or a
 * `data:` URL in a text. A model cannot read them, and they would cost more tokens than the rest of the prompt. They
 * are replaced by a description.
 */

/** Base64 of at least this many characters is replaced; a description takes about a hundred. */
export const MIN_NAMED_LENGTH = 1_024;

const MARK = ";base64,";
/** The head of a `data:` URL begins at most this many characters before `;base64,`. */
const MAX_HEAD_LENGTH = 120;
const HEAD = /^data:([^;,\s]*)/i;
const BASE64_RUN = /[A-Za-z0-9+/_-]*={0,2}/y;
const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/;
/** How the base64 of common file types begins. */
const STARTS: readonly (readonly [string, string])[] = [
  ["iVBORw0KGgo", "image/png"],
  ["/9j/", "image/jpeg"],
  ["R0lGOD", "image/gif"],
  ["UklGR", "image/webp"],
  ["JVBERi", "application/pdf"],
];

/** Replaces long `data:` URLs in a text by descriptions. */
export function textWithoutBytes(text: string): string {
  if (text.length < MIN_NAMED_LENGTH) return named(text, undefined);
  let told = "";
  let from = 0;
  for (let at = text.indexOf(MARK); at >= 0; at = text.indexOf(MARK, at + MARK.length)) {
    const head = text.slice(Math.max(from, at - MAX_HEAD_LENGTH), at);
    const start = head.toLowerCase().lastIndexOf("data:");
    const dataAt = at + MARK.length;
    BASE64_RUN.lastIndex = dataAt;
    const data = BASE64_RUN.exec(text)?.[0] ?? "";
    if (start < 0 || data.length < MIN_NAMED_LENGTH) continue;
    const mediaType = HEAD.exec(head.slice(start))?.[1] ?? "";
    told += text.slice(from, at - head.length + start) + fileInWords({ mediaType, data });
    from = dataAt + data.length;
  }
  return told + text.slice(from);
}

/** Replaces files in a JSON value by descriptions; returns the same object if there are none. */
export function jsonWithoutBytes(value: Json, mediaType?: string): Json {
  if (typeof value === "string") return named(value, mediaType);
  if (Array.isArray(value)) {
    const entries = value.map((entry) => jsonWithoutBytes(entry, mediaType));
    return entries.every((entry, index) => entry === value[index]) ? value : entries;
  }
  if (value === null || typeof value !== "object") return value;
  const type = TYPE_KEYS.map((key) => value[key]).find((told) => typeof told === "string");
  const entries = Object.entries(value).map(([key, entry]) => [key, jsonWithoutBytes(entry, type)] as const);
  return entries.every(([key, entry]) => entry === value[key]) ? value : Object.fromEntries(entries);
}

/** The media type of a file, guessed from the beginning of its base64; undefined if unknown. */
export function typeByStart(base64: string): string | undefined {
  return STARTS.find(([prefix]) => base64.startsWith(prefix))?.[1];
}

function named(text: string, declared: string | undefined): string {
  const held = heldFile(text);
  if (held !== null) {
    const mediaType = held.head === "" ? (typeByStart(held.start) ?? declared) : HEAD.exec(held.head)?.[1];
    return fileInWords({ mediaType: mediaType ?? "", data: text });
  }
  if (text.length < MIN_NAMED_LENGTH) return text;
  const told = textWithoutBytes(text);
  if (told !== text) return told;
  const mediaType = typeByStart(text) ?? declared;
  return mediaType !== undefined && BASE64.test(text) ? fileInWords({ mediaType, data: text }) : text;
}
