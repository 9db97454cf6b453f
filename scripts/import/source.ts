// Reads a file, or an entry of an archive, as UTF-8, whatever its encoding.
import { createReadStream } from "node:fs";
import { TextDecoder } from "node:util";

/** Something that can be read from its beginning repeatedly. */
export interface Source {
  /** Its name in all messages to the person. */
  readonly name: string;
  /** Its total size, for the progress. */
  readonly bytes: number;
  open(): AsyncIterable<Uint8Array>;
}

/** The source cannot be read to its end. The message is printed after its name: "is damaged". */
export class UnreadableSource extends Error {
  override readonly name = "UnreadableSource";
}

const READ_BYTES = 256 * 1024;

export function fileSource(file: string, name: string, bytes: number): Source {
  return { name, bytes, open: () => createReadStream(file, { highWaterMark: READ_BYTES }) };
}

type Encoding = "utf-8" | "utf-16le" | "utf-16be";

/** Enough for a byte order mark, or for two characters of UTF-16. */
const MARK_BYTES = 4;

/**
 * The source as UTF-8. Windows writes UTF-16 with or without a byte order mark. Every supported format begins with an
 * ASCII character, so the position of the zero bytes shows the encoding.
 * @param onBytes is called with how much was read, for the progress
 */
export async function* readUtf8(
  source: Source,
  onBytes: (count: number) => void = () => {},
): AsyncGenerator<Uint8Array> {
  let decoder: TextDecoder | null | undefined;
  let encoding: Encoding = "utf-8";
  let begun: Uint8Array = new Uint8Array();
  const decode = (bytes: Uint8Array, stream: boolean): Uint8Array => {
    if (decoder === null || decoder === undefined) return bytes;
    try {
      return Buffer.from(decoder.decode(bytes, { stream }), "utf8");
    } catch {
      throw new UnreadableSource(`is not valid ${encoding.toUpperCase()}`);
    }
  };
  for await (const piece of source.open()) {
    onBytes(piece.length);
    let bytes = piece;
    if (decoder === undefined) {
      begun = begun.length === 0 ? piece : Buffer.concat([begun, piece]);
      if (begun.length < MARK_BYTES) continue;
      encoding = encodingOf(begun);
      decoder = encoding === "utf-8" ? null : new TextDecoder(encoding, { fatal: true });
      bytes = begun;
    }
    yield decode(bytes, true);
  }
  if (decoder === undefined) yield begun;
  else if (decoder !== null) yield decode(new Uint8Array(), false);
}

function encodingOf(bytes: Uint8Array): Encoding {
  const [first = 0, second = 0, third = 0, fourth = 0] = bytes;
  if (first === 0xff && second === 0xfe) return "utf-16le";
  if (first === 0xfe && second === 0xff) return "utf-16be";
  if (first !== 0 && second === 0 && third !== 0 && fourth === 0) return "utf-16le";
  if (first === 0 && second !== 0 && third === 0 && fourth !== 0) return "utf-16be";
  return "utf-8";
}
