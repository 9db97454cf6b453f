import type { SerializerProtocol } from "@langchain/langgraph-checkpoint";
import { toBase64 } from "../base64.ts";

/** A serialized value of a graph: JSON as text, or anything else as base64. */
export type Dumped = readonly [type: string, text: string];

/** What is stored of a channel: a value, the new entries of a list, or that it is empty. */
export type StoredValue =
  | { readonly value: Dumped }
  | { readonly list: { readonly base: number | null; readonly keep: number; readonly push: readonly Dumped[] } }
  | { readonly empty: true };

/** One version of a channel. */
export interface Blob {
  readonly version: number | string;
  readonly stored: StoredValue;
  /** The list that it extends. */
  readonly base: Blob | null;
  /** The seq of the record that contains it. */
  readonly seq: number;
}

/** The types that JSON can represent. A list with any other entry is serialized as a whole. */
const HAS_JSON: ReadonlySet<string> = new Set(["string", "number", "boolean", "object"]);

export async function dump(serde: SerializerProtocol, value: unknown): Promise<Dumped> {
  const [type, bytes] = await serde.dumpsTyped(value);
  return type === "json" ? [type, new TextDecoder().decode(bytes)] : [type, toBase64(bytes)];
}

export async function load(serde: SerializerProtocol, [type, text]: Dumped): Promise<unknown> {
  const loaded: unknown = await serde.loadsTyped(type, type === "json" ? text : fromBase64(text));
  return loaded;
}

/**
 * Serializes a value. If it is a list that extends the previous one, only the new entries are stored, so that a turn of
 * a long chat takes no more bytes than one of a short chat.
 */
export async function toStored(serde: SerializerProtocol, value: unknown, before: Blob | null): Promise<StoredValue> {
  if (!Array.isArray(value) || value.some((entry) => entry === null || !HAS_JSON.has(typeof entry))) {
    return { value: await dump(serde, value) };
  }
  const entries = await Promise.all(value.map((entry: unknown) => dump(serde, entry)));
  const known = before === null ? null : listOf(before);
  if (known === null || before === null) return { list: { base: null, keep: 0, push: entries } };
  let keep = 0;
  while (keep < entries.length && keep < known.length && isSame(entries[keep], known[keep])) keep += 1;
  return { list: { base: keep === 0 ? null : before.seq, keep, push: entries.slice(keep) } };
}

function isSame(one: Dumped | undefined, other: Dumped | undefined): boolean {
  return one?.[1] === other?.[1] && one?.[0] === other?.[0];
}

/** The value of a channel; `undefined` if it is empty. */
export async function toValue(serde: SerializerProtocol, blob: Blob): Promise<unknown> {
  if ("empty" in blob.stored) return undefined;
  if ("value" in blob.stored) return await load(serde, blob.stored.value);
  return await Promise.all((listOf(blob) ?? []).map((entry) => load(serde, entry)));
}

/** All entries of a list, including those of the lists that it extends; null if it is no list. */
function listOf(blob: Blob): Dumped[] | null {
  const parts: (readonly Dumped[])[] = [];
  let wanted = Number.POSITIVE_INFINITY;
  for (let at: Blob | null = blob; at !== null; at = at.base) {
    if (!("list" in at.stored)) return null;
    const { keep, push } = at.stored.list;
    parts.push(push.slice(0, Math.max(0, wanted - keep)));
    wanted = Math.min(wanted, keep);
    if (wanted === 0) break;
  }
  return parts.toReversed().flat();
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.codePointAt(0) ?? 0);
}
