import { z } from "zod";
import { MAX_ID_LENGTH, MAX_TIME_MS, MAX_USER_ID_LENGTH, MIN_TIME_MS } from "./limits.ts";

const HOLDS_NUL = "must not contain NUL characters";
const HOLDS_SURROGATE = "must be well-formed Unicode: it contains a lone surrogate";

/** Text that every store keeps as it is: no NUL (PostgreSQL refuses it), no lone surrogate (UTF-8 has no form for it). */
export const safeText = z
  .string()
  .refine((text) => !text.includes("\u0000"), { error: HOLDS_NUL, abort: true })
  .refine((text) => text.isWellFormed(), { error: HOLDS_SURROGATE, abort: true });

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

/** An id from somebody else's system: any text that can be seen on one line, and that a header carries as it is. */
export const foreignIdText = nameText(MAX_USER_ID_LENGTH)
  .refine((id) => id === id.trim(), { error: "must not begin or end with white space: headers lose it" })
  .refine((id) => id !== "." && id !== "..", { error: 'must be neither "." nor "..": no URL can name it' });

/** A name that stands in URLs, object names and logs as it is. */
export const idText = z.string().regex(new RegExp(`^(?!\\.{1,2}$)[A-Za-z0-9._:-]{1,${MAX_ID_LENGTH}}$`), {
  error: `must be 1 to ${MAX_ID_LENGTH} characters of A-Z a-z 0-9 . _ : - and neither . nor ..`,
});

const MAX_JSON_DEPTH = 32;

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** What of a value no store would take. */
interface JsonFault {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

const TOO_DEEP: JsonFault = { path: [], message: `must not nest deeper than ${MAX_JSON_DEPTH} levels` };

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
const safeJsonObject = jsonObject.superRefine((value, context) => tellFault(objectFault(value), context));

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
export function roughlyBoundedJsonObject(maxBytes: number) {
  return guarded(maxBytes, safeJsonObject);
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
