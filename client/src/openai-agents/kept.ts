import { toBase64 } from "../base64.ts";
import type { DataPart, Json, Part } from "../contract.ts";
import { fingerprint } from "../stored-id.ts";

/**
 * The type of a part after the parts of items. It stores the fields of the items that the other parts cannot represent.
 * It is never part of a prompt.
 */
export const KEPT_PART = "data-openai-agents";

/** The path of a value in a tree. */
type Place = (string | number)[];

/** An item as it is stored. Long texts that are in its parts already are not stored again, but referred to. */
interface KeptItem {
  /** How many of the parts belong to the item. */
  parts: number;
  item: Json;
  /** Paths of texts in the item, each with the path of the same text in the parts. */
  texts?: [Place, Place][];
  /** Paths of texts in the item that are the JSON of a value in the parts, each with the path of that value. */
  jsons?: [Place, Place][];
  /** Paths of bytes in the item; they are stored as base64. */
  bytes?: Place[];
}

/** Shorter texts are stored directly, because a reference would be as long. */
const MIN_SHARED_LENGTH = 64;

/** An item, and the parts that represent it for other frameworks. */
export interface ToldItem {
  readonly item: object;
  readonly parts: readonly Part[];
}

/** The part that stores the items unchanged. */
export function keptPart(told: readonly ToldItem[]): DataPart {
  const items = told.map(({ item, parts }) => toKept(item, parts));
  const mark = markOf(told.flatMap(({ parts }) => parts));
  return { type: KEPT_PART, data: JSON.parse(JSON.stringify({ mark, items })) };
}

/** The items that a part stores; null if the parts before it were changed by somebody else. */
export function readKept({ data }: DataPart, before: readonly Part[]): object[] | null {
  // JSON with too many levels is returned as text by the service.
  const kept: unknown = typeof data === "string" ? JSON.parse(data) : data;
  if (!isKept(kept) || kept.mark !== markOf(before)) return null;
  let at = 0;
  return kept.items.map((item) => {
    const parts = before.slice(at, at + item.parts);
    at += item.parts;
    return fromKept(item, parts);
  });
}

function isKept(data: unknown): data is { mark: string; items: KeptItem[] } {
  return typeof data === "object" && data !== null && "mark" in data && "items" in data && Array.isArray(data.items);
}

function toKept(item: object, parts: readonly Part[]): KeptItem {
  const said = new Map<string, Place>();
  const jsons = new Map<string, Place>();
  for (const [index, part] of parts.entries()) {
    walk(part, [index], (text, place) => said.set(text, place));
    if (part.type === "tool-call" && "input" in part) jsons.set(JSON.stringify(part.input), [index, "input"]);
  }
  const kept: Required<KeptItem> = { parts: parts.length, item: null, texts: [], jsons: [], bytes: [] };
  kept.item = copy(item, [], (value, place) => {
    if (typeof value !== "string") kept.bytes.push(place);
    const text = typeof value === "string" ? value : toBase64(value);
    if (text.length < MIN_SHARED_LENGTH) return text;
    const [textPlace, jsonPlace] = [said.get(text), jsons.get(text)];
    if (textPlace !== undefined) kept.texts.push([place, textPlace]);
    else if (jsonPlace !== undefined) kept.jsons.push([place, jsonPlace]);
    return textPlace === undefined && jsonPlace === undefined ? text : "";
  });
  const { texts, jsons: calls, bytes, ...rest } = kept;
  return {
    ...rest,
    ...(texts.length === 0 ? {} : { texts }),
    ...(calls.length === 0 ? {} : { jsons: calls }),
    ...(bytes.length === 0 ? {} : { bytes }),
  };
}

function fromKept({ item, texts = [], jsons = [], bytes = [] }: KeptItem, parts: readonly Part[]): object {
  const whole = { item: structuredClone(item) };
  for (const [place, said] of texts) put(whole, ["item", ...place], lookUp(parts, said));
  for (const [place, said] of jsons) put(whole, ["item", ...place], JSON.stringify(lookUp(parts, said)));
  for (const place of bytes) put(whole, ["item", ...place], toBytes(lookUp(whole, ["item", ...place])));
  return Object(whole.item);
}

/** A copy of a value as JSON. `leaf` converts its texts and bytes. Undefined fields are dropped. */
function copy(value: unknown, place: Place, leaf: (value: string | Uint8Array, place: Place) => Json): Json {
  if (typeof value === "string" || value instanceof Uint8Array) return leaf(value, place);
  if (Array.isArray(value)) return value.map((entry, index) => copy(entry, [...place, index], leaf));
  if (typeof value !== "object" || value === null) return JSON.parse(JSON.stringify(value ?? null));
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return Object.fromEntries(entries.map(([key, entry]) => [key, copy(entry, [...place, key], leaf)]));
}

function walk(value: unknown, place: Place, visit: (text: string, place: Place) => void): void {
  if (typeof value === "string") visit(value, place);
  else if (typeof value === "object" && value !== null) {
    const isList = Array.isArray(value);
    for (const [key, entry] of Object.entries(value)) walk(entry, [...place, isList ? Number(key) : key], visit);
  }
}

function lookUp(tree: object, place: Place): unknown {
  let at: unknown = tree;
  for (const step of place) at = typeof at === "object" && at !== null ? Reflect.get(at, step) : undefined;
  return at;
}

function put(tree: object, place: Place, value: unknown): void {
  const holder = lookUp(tree, place.slice(0, -1));
  const last = place.at(-1);
  if (typeof holder === "object" && holder !== null && last !== undefined) Reflect.set(holder, last, value);
}

function toBytes(base64: unknown): Uint8Array {
  return Uint8Array.from(atob(String(base64)), (character) => character.codePointAt(0) ?? 0);
}

function markOf(parts: readonly Part[]): string {
  return fingerprint(canonical(parts));
}

/** JSON with sorted keys. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, entry: unknown) => {
    if (entry instanceof Uint8Array) return { bytes: toBase64(entry) };
    if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return entry;
    return Object.fromEntries(Object.entries(entry).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}
