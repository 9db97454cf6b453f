import { z } from "zod";
import { MAX_ID_LENGTH, MAX_TIME_MS, MAX_USER_ID_LENGTH, MIN_TIME_MS } from "./limits.ts";

const HOLDS_NUL = "must not contain NUL characters";
const HOLDS_SURROGATE = "must be well-formed Unicode: it contains a lone surrogate";

/** Text that every store keeps as it is: no NUL (PostgreSQL refuses it), no lone surrogate (UTF-8 has no form for it). */
export const safeText = z
  .string()
  .refine((text) => !text.includes("\u0000"), { error: HOLDS_NUL, abort: true })
  .refine((text) => text.isWellFormed(), { error: HOLDS_SURROGATE, abort: true });

const NUL = "\u0000";
/** What stands for a character that no store keeps. */
const REPLACEMENT = "\ufffd";

/** The text as every store keeps it: what cannot be kept is marked, and everything else is as it was. */
export function mendText(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed();
  return wellFormed.includes(NUL) ? wellFormed.replaceAll(NUL, REPLACEMENT) : wellFormed;
}

/** What somebody or something said: what no store keeps of it is marked, since a chat must not end for a single character. */
export const contentText = z.string().overwrite(mendText);

/** Ends a line, changes the direction of what follows, or hides a text in a name: controls, separators, overrides and tags. */
const NOT_IN_A_NAME = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/u;
const NOT_IN_A_NAME_RUNS = new RegExp(`${NOT_IN_A_NAME.source}+`, "gu");
const VISIBLE = /[^\s\p{C}\p{M}]/u;

/** A name from elsewhere as `nameText` takes it, but for its length; empty if nothing of it can be seen. */
export function mendName(name: string): string {
  const mended = name.replaceAll(NOT_IN_A_NAME_RUNS, " ").trim();
  return VISIBLE.test(mended) ? mended : "";
}

/** The name of who speaks, as prompts show it: one line, and something to be seen. Joiners stay, since scripts and emoji need them. */
export function nameText(maxLength: number) {
  return (
    safeText
      .min(1)
      // What is longer is looked at no further.
      .max(maxLength, { abort: true })
      .refine((name) => !NOT_IN_A_NAME.test(name), {
        error:
          "must be one line without control characters and marks of direction: it stands in the headings of prompts",
      })
      .refine((name) => VISIBLE.test(name), { error: "must have a character that can be seen" })
  );
}

/** The text on one line, without control characters and lone surrogates, which no store keeps. */
export function oneLine(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim();
}

/** An id from somebody else's system. It may be whatever text can be seen on one line, and that a header carries as it is. */
export const foreignIdText = nameText(MAX_USER_ID_LENGTH)
  .refine((id) => id === id.trim(), { error: "must not begin or end with white space: headers lose it" })
  .refine((id) => id !== "." && id !== "..", { error: 'must be neither "." nor "..": no URL can name it' });

/** A name that stands in URLs, object names and logs as it is. */
export const idText = z.string().regex(new RegExp(`^(?!\\.{1,2}$)[A-Za-z0-9._:-]{1,${MAX_ID_LENGTH}}$`), {
  error: `must be 1 to ${MAX_ID_LENGTH} characters of A-Z a-z 0-9 . _ : - and neither . nor ..`,
});

const MAX_JSON_DEPTH = 32;
/** What nests deeper than that, and no deeper than this, is kept as a text: trees of pages do. Writing it takes a frame of the stack a level. */
const MAX_JSON_TEXT_DEPTH = 1_000;
/** JSON may stand a few levels down in a request: in a block, in a message, in the body. */
const MAX_CONTENT_DEPTH = MAX_JSON_DEPTH + 16;

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** What of a value no store would take. */
interface JsonFault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

const TOO_DEEP: JsonFault = { path: [], message: `must not nest deeper than ${MAX_JSON_DEPTH} levels` };
const FAR_TOO_DEEP: JsonFault = { path: [], message: `must not nest deeper than ${MAX_JSON_TEXT_DEPTH} levels` };

/** What is wrong by the rule of `safeText`, without a parse: an object may have tens of thousands of names. */
export function textFault(text: string): string | null {
  if (text.includes("\u0000")) return HOLDS_NUL;
  return text.isWellFormed() ? null : HOLDS_SURROGATE;
}

/** The first fault, and where it stands; null if there is none. Of what is too deep the whole is told: its place helps nobody. */
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

/** Any JSON value, of bounded depth, whose strings and names are safe text. */
export const safeJson = z.custom<Json>().superRefine((value, context) => tellFault(jsonFault(value, 0), context));

function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels < 0 || Object.values(value).some((entry) => isDeeperThan(entry, levels - 1));
}

/** Whether a text in a value is one that no store keeps, as far down as a request has a place for content. */
function hasFaultyText(value: unknown, depth = 0): boolean {
  if (typeof value === "string") return textFault(value) !== null;
  if (typeof value !== "object" || value === null || depth > MAX_CONTENT_DEPTH) return false;
  for (const name in value) if (hasFaultyText(Reflect.get(value, name), depth + 1)) return true;
  return false;
}

/** The value with its texts mended. Names stay as they are. */
function mendTexts(value: Json, depth = 0): Json {
  if (typeof value === "string") return mendText(value);
  if (typeof value !== "object" || value === null || depth > MAX_JSON_DEPTH) return value;
  if (Array.isArray(value)) return value.map((entry) => mendTexts(entry, depth + 1));
  return mendEntries(value, depth);
}

function mendEntries(object: Record<string, Json>, depth = 0): Record<string, Json> {
  return Object.fromEntries(Object.entries(object).map(([name, entry]) => [name, mendTexts(entry, depth + 1)]));
}

/** What nests deeper than a store keeps, as its JSON in a text; a tool's output keeps its envelope. */
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

/** Whether a value is kept as a text, because it nests too deep. */
export function isKeptAsText(value: unknown): boolean {
  return isDeeperThan(value, MAX_JSON_DEPTH);
}

/** JSON that somebody or something said: its texts mended, and as a text where it nests too deep. Names are held to the rules of `safeText`. */
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

/** The same of an object by its names: of a value that is too deep, whose it is. */
function objectFault(value: Readonly<Record<string, unknown>>): JsonFault | null {
  for (const [name, entry] of Object.entries(value)) {
    const fault = memberFault(name, entry, -1);
    if (fault !== null) return fault === TOO_DEEP ? { ...fault, path: [name] } : faultIn(name, fault);
  }
  return null;
}

/** Any JSON object whose names are safe text, as its values are: jsonb keeps names by the same rules. The first fault is told. */
const jsonObject = z.record(z.string(), z.custom<Json>());
const contentJsonObject = jsonObject
  .overwrite((object) => (hasFaultyText(object) ? mendEntries(object) : object))
  .superRefine((value, context) => tellFault(objectFault(value), context));

/** A loose object that is kept whole: its names and values are held to the rules of any other JSON. */
export function keptWhole<T extends z.ZodObject>(schema: T): T {
  return schema.superRefine((object, context) => tellFault(objectFault(object), context));
}

/** The same with a bound on its size in bytes. */
export function boundedJsonObject(maxBytes: number) {
  const tooLarge = tooLargeFor(maxBytes);
  const bounded = jsonObject.superRefine((value, context) => {
    const fault = objectFault(value);
    // Only what is within the depth is measured: a value nested by the thousand would overflow the stack of JSON.stringify.
    const isTooLarge = fault === null && byteLength(JSON.stringify(value)) > maxBytes;
    tellFault(isTooLarge ? tooLarge : fault, context);
  });
  return guarded(maxBytes, bounded);
}

/** The same with a rough bound, for what is measured with the rest of its message. */
export function roughlyBoundedContentObject(maxBytes: number) {
  return guarded(maxBytes, contentJsonObject);
}

/** Refuses what is surely too large before anything is done with each name: tens of thousands of them would cost a second. */
function guarded<T extends z.ZodType>(maxBytes: number, schema: T) {
  return z.preprocess((value, context) => {
    if (bytesAtLeast(value, maxBytes) > maxBytes) tellFault(tooLargeFor(maxBytes), context);
    return value;
  }, schema);
}

function tooLargeFor(maxBytes: number): JsonFault {
  return { path: [], message: `must be at most ${maxBytes} bytes as JSON` };
}

/** Fewer bytes than the value has as JSON, or as many. Looks no further once they are more than `enough`, and no deeper than JSON may be. */
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

/** Whether every store keeps a moment, in ms since 1970. */
export function isStorableTime(ms: number): boolean {
  return ms >= MIN_TIME_MS && ms <= MAX_TIME_MS;
}

/** A moment, ISO 8601 with a zone, in a year that every store has: a zone may carry it past either end. */
export const isoTime = z.iso
  .datetime({
    offset: true,
    error: "must be an ISO 8601 date and time with a zone, like 2026-11-22T09:30:00Z",
  })
  // What is no moment at all was told already.
  .refine((text) => Number.isNaN(Date.parse(text)) || isStorableTime(Date.parse(text)), {
    error: "must be in the years 0001 to 9999 of UTC",
  });

const encoder = new TextEncoder();

/** UTF-8 length in bytes. */
export function byteLength(text: string): number {
  return encoder.encode(text).byteLength;
}

/** Bytes of a value as JSON. */
export function jsonBytes(value: unknown): number {
  return byteLength(JSON.stringify(value));
}

/** JSON with the keys of every object in one order: equal values give equal text. */
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

/** A place where content was mended, with what was wrong there: a path from the body of the request. */
export interface Mended {
  readonly path: readonly PropertyKey[];
  readonly detail: string;
}

/** What in a part nests as deep as it likes. */
const JSON_FIELDS: ReadonlySet<string> = new Set(["input", "output", "data"]);

/**
 * What was mended in a request that was taken, in its order, so many places at most. It looks at what was sent: of a request that was taken,
 * all that no store keeps stood where content is mended.
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
