/** A header holds ASCII alone. Other text is percent-encoded behind this mark: the extended value of RFC 8187, without a language. */
export const HEADER_TEXT = "UTF-8''";

/** The text of a header: what is marked is decoded; all else is taken as it came, as UTF-8 where that is what its bytes are. */
export function decodeHeaderText(value: string): string {
  if (value.slice(0, HEADER_TEXT.length).toUpperCase() !== HEADER_TEXT) return fromBytes(value);
  try {
    return decodeURIComponent(value.slice(HEADER_TEXT.length));
  } catch {
    return value; // A stray percent sign: the id is what was sent.
  }
}

/** Curl and others send UTF-8 unmarked, which arrives as one character for each byte. */
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
