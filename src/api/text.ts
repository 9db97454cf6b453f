import { z } from "zod";
import { MAX_ID_LENGTH, MAX_TIME_MS, MAX_USER_ID_LENGTH, MIN_TIME_MS } from "./limits.ts";

const HOLDS_NUL = "must not contain NUL characters";
const HOLDS_SURROGATE = "must be well-formed Unicode: it contains a lone surrogate";

/**
 * Text that every store can keep unchanged: without NUL, which PostgreSQL refuses, and without lone surrogates, which
 * UTF-8 cannot encode.
 */
export const safeText = z
  .string()
  .refine((text) => !text.includes("\u0000"), { error: HOLDS_NUL, abort: true })
  .refine((text) => text.isWellFormed(), { error: HOLDS_SURROGATE, abort: true });

const NUL = "\u0000";
/** Replaces a character that cannot be stored. */
const REPLACEMENT = "\ufffd";

/** The text with every character that cannot be stored replaced by U+FFFD. */
function mendText(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  return wellFormed.includes(NUL) ? wellFormed.replaceAll(NUL, REPLACEMENT) : wellFormed;
}

/**
 * Text of a chat. Characters that cannot be stored are replaced instead of refused, because a chat must not stop for a
 * single character.
 */
export const contentText = z.string().overwrite(mendText);

/**
 * Characters that end a line, change the direction of the text that follows, or hide text in a name: controls,
 * separators, direction overrides and tags.
 */
const NOT_IN_A_NAME = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/u;
const NOT_IN_A_NAME_RUNS = new RegExp(`${NOT_IN_A_NAME.source}+`, "gu");
const VISIBLE = /[^\s\p{C}\p{M}]/u;

/**
 * Converts a name from another system to one that `nameText` accepts, except for its length. Empty if nothing in it is
 * visible.
 */
export function mendName(name: string): string {
  const mended = name.replaceAll(NOT_IN_A_NAME_RUNS, " ").trim();
  return VISIBLE.test(mended) ? mended : "";
}

/**
 * The schema of a speaker's name, as prompts show it: one line with at least one visible character. Joiners are
 * allowed, because some scripts and emoji need them.
 */
export function nameText(maxLength: number) {
  return (
    safeText
      .min(1)
      // A name that is too long is not examined further.
      .max(maxLength, { abort: true })
      .refine((name) => !NOT_IN_A_NAME.test(name), {
        error:
          "must be one line without control characters and marks of direction: it stands in the headings of prompts",
      })
      .refine((name) => VISIBLE.test(name), { error: "must have a character that can be seen" })
  );
}

/** The text on one line, without control characters and lone surrogates. */
export function oneLine(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim();
}

/** The schema of an id from another system: any visible text on one line that a header can carry unchanged. */
export const foreignIdText = nameText(MAX_USER_ID_LENGTH)
  .refine((id) => id === id.trim(), { error: "must not begin or end with white space: headers lose it" })
  .refine((id) => id !== "." && id !== "..", { error: 'must be neither "." nor "..": no URL can name it' });

/** The schema of a name that appears unchanged in URLs, object names and logs. */
export const idText = z.string().regex(new RegExp(`^(?!\\.{1,2}$)[A-Za-z0-9._:-]{1,${MAX_ID_LENGTH}}$`), {
  error: `must be 1 to ${MAX_ID_LENGTH} characters of A-Z a-z 0-9 . _ : - and neither . nor ..`,
});

const MAX_JSON_DEPTH = 32;
/**
 * Content with more levels than `MAX_JSON_DEPTH`, such as a tree of a page's elements, is stored as text up to this
 * depth. Serializing it takes a stack frame for each level.
 */
const MAX_JSON_TEXT_DEPTH = 1_000;
/**
 * How many levels of a request are searched for content: the JSON itself, and the block, message and body around it.
 */
const MAX_CONTENT_DEPTH = MAX_JSON_DEPTH + 16;

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** What in a JSON value cannot be stored. */
interface JsonFault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

const TOO_DEEP: JsonFault = { path: [], message: `must not nest deeper than ${MAX_JSON_DEPTH} levels` };
const FAR_TOO_DEEP: JsonFault = { path: [], message: `must not nest deeper than ${MAX_JSON_TEXT_DEPTH} levels` };

/** The same check as `safeText`, without Zod's overhead, because an object may have tens of thousands of names. */
export function textFault(text: string): string | null {
  if (text.includes("\u0000")) return HOLDS_NUL;
  return text.isWellFormed() ? null : HOLDS_SURROGATE;
}

/**
 * The first fault in a value and its path; null if there is none. A value that nests too deep gets the path of the
 * whole value, because the path to the deep level is of no use.
 */
function jsonFault(value: unknown, depth: number): JsonFault | null {
  if (depth > MAX_JSON_DEPTH) return TOO_DEEP;
  if (typeof value === "string") return faultHere(textFault(value));
  if (value === null || typeof value === "boolean") return null;
  if (typeof value === "number") return Number.isFinite(value) ? null : faultHere("must be a finite number");
  if (Array.isArray(value)) {
    for (const [index, entry] of value.entries()) {
      const fault = faultIn(index, jsonFault(entry, depth + 1));
      if (fault !== null) return fault;
    }
    return null;
  }
  if (typeof value === "object") {
    for (const [name, entry] of Object.entries(value)) {
      const fault = memberFault(name, entry, depth);
      if (fault !== null) return faultIn(name, fault);
    }
    return null;
  }
  return faultHere("must be JSON");
}

function memberFault(name: string, entry: unknown, depth: number): JsonFault | null {
  const nameFault = textFault(name);
  return nameFault === null ? jsonFault(entry, depth + 1) : faultHere(`is a name that ${nameFault}`);
}

function faultHere(message: string | null): JsonFault | null {
  return message === null ? null : { path: [], message };
}

function faultIn(key: PropertyKey, fault: JsonFault | null): JsonFault | null {
  return fault === null || fault === TOO_DEEP ? fault : { ...fault, path: [key, ...fault.path] };
}

/** Any JSON value of limited depth whose strings and names are safe text. */
export const safeJson = z.custom<Json>().superRefine((value, context) => tellFault(jsonFault(value, 0), context));

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels < 0 || Object.values(value).some((entry) => isDeeperThan(entry, levels - 1));
}

/**
 * Whether any text in the value cannot be stored. Searches as many levels as a request can have above and in its
 * content.
 */
function hasFaultyText(value: unknown, depth = 0): boolean {
  if (typeof value === "string") return textFault(value) !== null;
  if (typeof value !== "object" || value === null || depth > MAX_CONTENT_DEPTH) return false;
  for (const name in value) if (hasFaultyText(Reflect.get(value, name), depth + 1)) return true;
  return false;
}

/** The value with all its texts fixed by `mendText`. Property names stay as they are. */
function mendTexts(value: Json, depth = 0): Json {
  if (typeof value === "string") return mendText(value);
  if (typeof value !== "object" || value === null || depth > MAX_JSON_DEPTH) return value;
  if (Array.isArray(value)) return value.map((entry) => mendTexts(entry, depth + 1));
  return mendEntries(value, depth);
}

function mendEntries(object: Record<string, Json>, depth = 0): Record<string, Json> {
  return Object.fromEntries(Object.entries(object).map(([name, entry]) => [name, mendTexts(entry, depth + 1)]));
}

/**
 * Converts a value with too many levels to its JSON as text. A tool output of the type `json` keeps its envelope and
 * becomes `text`.
 */
function deepAsText(value: Json): Json {
  if (isDeeperThan(value, MAX_JSON_TEXT_DEPTH)) return value;
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const { type, value: held } = value;
    if ((type === "json" || type === "error-json") && held !== undefined) {
      return { ...value, type: type === "json" ? "text" : "error-text", value: JSON.stringify(held) };
    }
  }
  return JSON.stringify(value);
}

/** Whether a value has too many levels, so that it is stored as text. */
function isKeptAsText(value: unknown): boolean {
  return isDeeperThan(value, MAX_JSON_DEPTH);
}

/**
 * JSON of a chat. Its texts are fixed by `mendText`, and it is converted to text if it has too many levels. Property
 * names must be safe text.
 */
export const contentJson = z
  .custom<Json>()
  .overwrite((value) => {
    const kept = isKeptAsText(value) ? deepAsText(value) : value;
    return hasFaultyText(kept) ? mendTexts(kept) : kept;
  })
  .superRefine((value, context) => {
    const fault = jsonFault(value, 0);
    tellFault(fault === TOO_DEEP ? FAR_TOO_DEEP : fault, context);
  });

/** The first fault of an object. A member that nests too deep is reported by its name. */
function objectFault(value: Readonly<Record<string, unknown>>): JsonFault | null {
  for (const [name, entry] of Object.entries(value)) {
    const fault = memberFault(name, entry, -1);
    if (fault !== null) return fault === TOO_DEEP ? { ...fault, path: [name] } : faultIn(name, fault);
  }
  return null;
}

/**
 * A JSON object whose names and values are safe text, as PostgreSQL's jsonb requires. Only the first fault is reported.
 */
const jsonObject = z.record(z.string(), z.custom<Json>());
const contentJsonObject = jsonObject
  .overwrite((object) => (hasFaultyText(object) ? mendEntries(object) : object))
  .superRefine((value, context) => tellFault(objectFault(value), context));

/** A loose object of which unknown fields are stored too: their names and values are checked like any other JSON. */
export function keptWhole<T extends z.ZodObject>(schema: T): T {
  return schema.superRefine((object, context) => tellFault(objectFault(object), context));
}

/** The schema of a JSON object of at most `maxBytes`. */
export function boundedJsonObject(maxBytes: number) {
  const tooLarge = tooLargeFor(maxBytes);
  const bounded = jsonObject.superRefine((value, context) => {
    const fault = objectFault(value);
    // Only an object without other faults is measured: `JSON.stringify` of thousands of levels would overflow the
    // stack.
    const isTooLarge = fault === null && byteLength(JSON.stringify(value)) > maxBytes;
    tellFault(isTooLarge ? tooLarge : fault, context);
  });
  return guarded(maxBytes, bounded);
}

/**
 * The schema of a JSON object of a chat, with only the rough bound of `guarded`: it is measured exactly with the rest
 * of its message.
 */
export function roughlyBoundedContentObject(maxBytes: number) {
  return guarded(maxBytes, contentJsonObject);
}

/**
 * Adds a cheap check that refuses values which are clearly too large before their names are checked: checking tens of
 * thousands of names takes a second.
 */
function guarded<T extends z.ZodType>(maxBytes: number, schema: T) {
  return z.preprocess((value, context) => {
    if (bytesAtLeast(value, maxBytes) > maxBytes) tellFault(tooLargeFor(maxBytes), context);
    return value;
  }, schema);
}

function tooLargeFor(maxBytes: number): JsonFault {
  return { path: [], message: `must be at most ${maxBytes} bytes as JSON` };
}

/** A lower bound of the value's bytes as JSON. Stops once it exceeds `enough`, and below `MAX_JSON_DEPTH`. */
function bytesAtLeast(value: unknown, enough: number, depth = 0): number {
  if (typeof value === "string") return value.length + 2;
  if (typeof value !== "object" || value === null || depth > MAX_JSON_DEPTH) return 1;
  let bytes = 2;
  if (Array.isArray(value)) {
    for (const entry of value) {
      bytes += 1 + bytesAtLeast(entry, enough - bytes, depth + 1);
      if (bytes > enough) break;
    }
    return bytes - 1;
  }
  for (const name in value) {
    bytes += name.length + 4 + bytesAtLeast(Reflect.get(value, name), enough - bytes, depth + 1);
    if (bytes > enough) break;
  }
  return bytes - 1;
}

function tellFault(fault: JsonFault | null, context: z.core.$RefinementCtx): void {
  if (fault !== null) context.addIssue({ code: "custom", path: [...fault.path], message: fault.message });
}

/** Whether every store can keep a time, in ms since 1970. */
export function isStorableTime(ms: number): boolean {
  return ms >= MIN_TIME_MS && ms <= MAX_TIME_MS;
}

/**
 * An ISO 8601 time with a zone, in a year that every store supports. The zone can move it past either end, so the UTC
 * time is checked.
 */
export const isoTime = z.iso
  .datetime({
    offset: true,
    error: "must be an ISO 8601 date and time with a zone, like 2026-11-22T09:30:00Z",
  })
  // A text that is not a time has been reported already.
  .refine((text) => Number.isNaN(Date.parse(text)) || isStorableTime(Date.parse(text)), {
    error: "must be in the years 0001 to 9999 of UTC",
  });

const encoder = new TextEncoder();

/** Length in bytes as UTF-8. */
export function byteLength(text: string): number {
  return encoder.encode(text).byteLength;
}

/** Bytes of a value as JSON. */
export function jsonBytes(value: unknown): number {
  return byteLength(JSON.stringify(value));
}

/** JSON with sorted keys, so that equal values give equal text. */
export function canonicalJson(value: Json | undefined): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const entries = Object.keys(value)
      .toSorted()
      .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`);
    return `{${entries.join(",")}}`;
  }
  return JSON.stringify(value ?? null);
}

/** A place in a request whose content was changed before it was stored, and why. */
export interface Mended {
  readonly path: readonly PropertyKey[];
  readonly detail: string;
}

/** The fields of parts that may nest to any depth. */
const JSON_FIELDS: ReadonlySet<string> = new Set(["input", "output", "data"]);

/**
 * The first `most` places of an accepted request whose content was changed. It examines what was sent: in an accepted
 * request, text that cannot be stored occurs only where it is replaced.
 */
export function findMended(sent: unknown, most: number): Mended[] {
  const found: Mended[] = [];
  const look = (value: unknown, path: readonly PropertyKey[]): void => {
    if (found.length >= most || path.length > MAX_CONTENT_DEPTH) return;
    if (typeof value === "string") {
      const detail = textFault(value);
      if (detail !== null) found.push({ path, detail });
    } else if (Array.isArray(value)) {
      for (const [index, entry] of value.entries()) look(entry, [...path, index]);
    } else if (typeof value === "object" && value !== null) {
      for (const [name, entry] of Object.entries(value)) {
        const isDeep = JSON_FIELDS.has(name) && isKeptAsText(entry);
        if (isDeep) found.push({ path: [...path, name], detail: TOO_DEEP.message });
        else look(entry, [...path, name]);
      }
    }
  };
  look(sent, []);
  return found;
}
