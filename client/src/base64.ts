/** Bytes in JSON: as base64, which an object with a number for each would not be. */

export function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCodePoint(byte);
  return btoa(text);
}

/** What JSON makes of a value, its bytes as base64; undefined where it makes nothing of it. */
export function toJsonText(value: unknown): string | undefined {
  return JSON.stringify(value, withBase64);
}

/** Some bytes have a form of their own in JSON: it looks at what stood there before that was asked. */
function withBase64(this: unknown, key: string, value: unknown): unknown {
  const given: unknown = typeof this === "object" && this !== null ? Reflect.get(this, key) : value;
  if (given instanceof Uint8Array) return toBase64(given);
  return given instanceof ArrayBuffer ? toBase64(new Uint8Array(given)) : value;
}
