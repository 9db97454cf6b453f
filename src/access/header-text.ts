/**
 * Marks a header value as percent-encoded UTF-8, because a header can only hold ASCII: the extended value of RFC 8187,
 * without a language.
 */
export const HEADER_TEXT = "UTF-8''";

/**
 * Decodes a header value: percent-encoded if it is marked, else as UTF-8 if its bytes are valid UTF-8, else unchanged.
 */
export function decodeHeaderText(value: string): string {
  if (value.slice(0, HEADER_TEXT.length).toUpperCase() !== HEADER_TEXT) return fromBytes(value);
  try {
    return decodeURIComponent(value.slice(HEADER_TEXT.length));
  } catch {
    return value; // Not percent-encoded correctly: it is used as it was sent.
  }
}

/** Curl and other clients send UTF-8 without the mark. It arrives as one character for each byte. */
function fromBytes(value: string): string {
  const units = Array.from({ length: value.length }, (_, at) => value.charCodeAt(at));
  if (Math.max(...units) <= 0x7f || Math.max(...units) > 0xff) return value;
  const bytes = Uint8Array.from(units);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return value;
  }
}
