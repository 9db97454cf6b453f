// Where conversations are read from: a file, or an entry of an archive, as the bytes of UTF-8 whatever it is written in.
import { createReadStream } from "node:fs";
import { TextDecoder } from "node:util";

/** Something that can be read from its beginning as often as it is asked for. */
export interface Source {
  /** As the person knows it: it stands in every message about it. */
  readonly name: string;
  /** What a read of all of it comes to, for the progress. */
  readonly bytes: number;
  open(): AsyncIterable<Uint8Array>;
}

/** What is in the source cannot be read to its end. The message follows its name: "is damaged". */
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
 * The source as UTF-8. Windows writes UTF-16, with a byte order mark or without; every format here begins with a character of ASCII, so that
 * where the zero bytes stand tells which one it is.
 * @param onBytes learns how much was read, for the progress
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
