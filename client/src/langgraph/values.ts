import type { SerializerProtocol } from "@langchain/langgraph-checkpoint";
import { toBase64 } from "../base64.ts";

/** A value as the serializer of the graph writes it: JSON as a text, anything else as base64. */
export type Dumped = readonly [type: string, text: string];

/** What is stored of a channel: a value, a list as what is new in it, or that it is empty. */
export type StoredValue =
  | { readonly value: Dumped }
  | { readonly list: { readonly base: number | null; readonly keep: number; readonly push: readonly Dumped[] } }
  | { readonly empty: true };

/** A channel in one version, and how to get at it. */
export interface Blob {
  readonly version: number | string;
  readonly stored: StoredValue;
  /** The list that it adds to. */
  readonly base: Blob | null;
  /** The record in which it stands. */
  readonly seq: number;
}

/** What JSON has no word for is written as the serializer does it, with the list around it. */
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
 * A value as it is stored beside what stood there before: of a list that has grown, what is new alone. A chat's messages are such a list,
 * so that a turn takes as many bytes in a long chat as in a short one.
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

/** The value of a channel; `undefined` for one that is empty. */
export async function toValue(serde: SerializerProtocol, blob: Blob): Promise<unknown> {
  if ("empty" in blob.stored) return undefined;
  if ("value" in blob.stored) return await load(serde, blob.stored.value);
  return await Promise.all((listOf(blob) ?? []).map((entry) => load(serde, entry)));
}

/** The entries of a list, over all that it was added to; null of what is none. */
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
