// Reads the lines of a source of any size one at a time, with a limit for each.
import { readUtf8, type Source } from "./source.ts";

/**
 * A conversation on one line seldom exceeds a few MB. A longer line is reported, so that one broken file cannot fill
 * the memory.
 */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

export type Line =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly fault: string };

const NEWLINE = 0x0a;

/** `onBytes` is called with how much was read, for the progress. Empty lines are counted, but not returned. */
export async function* readLines(
  source: Source,
  onBytes: (count: number) => void = () => {},
  maxLineBytes: number = MAX_LINE_BYTES,
): AsyncGenerator<Line> {
  let parts: Uint8Array[] = [];
  let size = 0;
  let number = 1;

  const take = (piece: Uint8Array): void => {
    size += piece.length;
    // Beyond the limit only the size is counted, so that it takes no memory.
    if (size <= maxLineBytes) parts.push(piece);
    else parts = [];
  };
  const finish = (): Line | null => {
    const line = size > maxLineBytes ? tooLong(number, size, maxLineBytes) : decode(number, Buffer.concat(parts));
    parts = [];
    size = 0;
    number += 1;
    return line;
  };

  for await (const piece of readUtf8(source, onBytes)) {
    let start = 0;
    for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
      take(piece.subarray(start, end));
      start = end + 1;
      const line = finish();
      if (line !== null) yield line;
    }
    take(piece.subarray(start));
  }
  const last = finish();
  if (last !== null) yield last;
}

function tooLong(number: number, size: number, maxLineBytes: number): Line {
  return { number, fault: `is ${size} bytes long; a line may have ${maxLineBytes}` };
}

function decode(number: number, bytes: Buffer): Line | null {
  if (bytes.length === 0) return null;
  try {
    // `ignoreBOM: false` removes a byte order mark, which some programs write.
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes).trim();
    return text === "" ? null : { number, text };
  } catch {
    return { number, fault: "is not valid UTF-8" };
  }
}

/** The value, or why the text is not JSON. The reason contains none of the text, which may be private. */
export function parseJson(text: string): { readonly value: unknown } | { readonly fault: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    const position = error instanceof Error ? /at position (\d+)/.exec(error.message)?.[1] : undefined;
    if (position !== undefined) {
      return { fault: `is not valid JSON (at character ${Number(position) + 1})` };
    }
    const isCutOff = error instanceof Error && error.message.includes("end of JSON input");
    return { fault: isCutOff ? "is not valid JSON (it breaks off)" : "is not valid JSON" };
  }
}
