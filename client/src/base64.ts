/** Bytes as base64, the form in which they are sent in JSON. */

import type { Json } from "./contract.ts";

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCodePoint(byte);
  return btoa(text);
}

/** The JSON of a value, with bytes as base64; undefined if it has no JSON. */
export function toJsonText(value: unknown): string | undefined {
  return JSON.stringify(value, withBase64);
}

/** The value as JSON: dates become strings, bytes become base64, and undefined fields are dropped. */
export function toJson(value: unknown): Json {
  return JSON.parse(toJsonText(value) ?? "null");
}

/** Node's Buffer has a `toJSON` of its own, so the original value is read from its holder before that is applied. */
function withBase64(this: unknown, key: string, value: unknown): unknown {
  const given: unknown = typeof this === "object" && this !== null ? Reflect.get(this, key) : value;
  if (given instanceof Uint8Array) return toBase64(given);
  return given instanceof ArrayBuffer ? toBase64(new Uint8Array(given)) : value;
}
