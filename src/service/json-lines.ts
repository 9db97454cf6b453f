/** JSON Lines in and out, a line at a time: neither a session nor a file is ever held as a whole. */

import { ThreadkeepError } from "../contracts/errors.ts";
import { MAX_IMPORT_BYTES, MAX_IMPORT_LINE_BYTES } from "../contracts/limits.ts";

/** Text that is handed on at once: single lines would be as many system calls. */
const CHUNK_LENGTH = 64 * 1024;

/** One JSON value a line. A failure half way breaks the stream off, so that nobody takes it for a whole one. */
export function encodeLines(lines: AsyncIterable<unknown>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const reader = lines[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let chunk = "";
      while (chunk.length < CHUNK_LENGTH) {
        const { done, value } = await reader.next();
        if (done === true) {
          if (chunk !== "") controller.enqueue(encoder.encode(chunk));
          controller.close();
          return;
        }
        chunk += `${JSON.stringify(value)}\n`;
      }
      controller.enqueue(encoder.encode(chunk));
    },
    async cancel() {
      await reader.return?.();
    },
  });
}

/** The lines of a file, without their ends. Empty ones are among them: whoever names a line counts them. */
export async function* decodeLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
  let rest = "";
  let total = 0;
  let number = 1;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        throw brokenOff(number);
      });
      total += value?.byteLength ?? 0;
      if (total > MAX_IMPORT_BYTES) throw tooLarge(`A file may have ${MAX_IMPORT_BYTES} bytes.`);
      const lines = (rest + decode(decoder, value, done, number)).split("\n");
      rest = done ? "" : (lines.pop() ?? "");
      for (const line of lines) {
        if (line.length > MAX_IMPORT_LINE_BYTES) throw tooLong(number);
        yield line;
        number += 1;
      }
      if (rest.length > MAX_IMPORT_LINE_BYTES) throw tooLong(number);
      if (done) return;
    }
  } finally {
    // Whether the client hears that the rest is not wanted makes no difference to the answer.
    reader.cancel().catch(() => undefined);
  }
}

function decode(decoder: TextDecoder, bytes: Uint8Array | undefined, isLast: boolean, number: number): string {
  try {
    return decoder.decode(bytes, { stream: !isLast });
  } catch {
    throw new ThreadkeepError({
      code: "malformed_json",
      detail: `The file holds bytes that are not UTF-8, in or after line ${number}. Nothing was imported.`,
      facts: { line: number },
    });
  }
}

function brokenOff(number: number): ThreadkeepError {
  return new ThreadkeepError({
    code: "malformed_json",
    detail: `The file broke off on its way, in or after line ${number}. Nothing was imported; send it again.`,
    facts: { line: number },
  });
}

function tooLong(number: number): ThreadkeepError {
  return tooLarge(`Line ${number} is longer than ${MAX_IMPORT_LINE_BYTES} characters, and no line of an export is.`);
}

function tooLarge(what: string): ThreadkeepError {
  return new ThreadkeepError({ code: "body_too_large", detail: `${what} Nothing was imported.` });
}
