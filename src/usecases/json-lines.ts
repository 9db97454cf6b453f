/** JSON Lines in and out, a line at a time: neither a session nor a file is ever held as a whole. */

import { ThreadkeepError } from "../api/errors.ts";
import { MAX_IMPORT_BODY_BYTES, MAX_IMPORT_LINE_BYTES } from "../api/limits.ts";

/** Text that is handed on at once: single lines would be as many system calls. */
const CHUNK_LENGTH = 64 * 1024;
const NEWLINE = 0x0a;
/**
 * How much of a file that is refused is read and dropped. A client that is still sending when the connection closes sees a reset, and never
 * the answer that would have told it why.
 */
const MAX_DISCARDED_BYTES = 8 * 1024 * 1024;

/**
 * One JSON value a line. A failure half way breaks the stream off, so that nobody takes it for a whole one.
 * @param options `chunkLength`: 1, and each line is handed on as it comes; `onGone`: called as soon as the reader gives up
 */
export function encodeLines(
  lines: AsyncIterable<unknown>,
  { chunkLength = CHUNK_LENGTH, onGone = () => undefined }: { chunkLength?: number; onGone?: () => void } = {},
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const reader = lines[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let chunk = "";
      while (chunk.length < chunkLength) {
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
      // A line that is waited for may be long in coming.
      onGone();
      await reader.return?.();
    },
  });
}

/**
 * The lines of a file, or of a part of one, without their ends. Empty ones are among them: whoever names a line counts them. Each byte is
 * looked at once, however small the pieces are that the body comes in.
 */
export async function* decodeLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader();
  let line = new OpenLine(1);
  let total = 0;
  let isOver = false;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        isOver = true;
        throw brokenOff(line.number);
      });
      isOver = done;
      if (done) break;
      total += value.byteLength;
      if (total > MAX_IMPORT_BODY_BYTES) throw tooLarge(TOO_LARGE);
      let from = 0;
      for (let end = value.indexOf(NEWLINE); end >= 0; end = value.indexOf(NEWLINE, from)) {
        line.add(value.subarray(from, end));
        yield line.text();
        line = new OpenLine(line.number + 1);
        from = end + 1;
      }
      line.add(value.subarray(from));
    }
    yield line.text();
  } finally {
    if (!isOver) await discard(reader);
  }
}

async function discard(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
  try {
    for (let dropped = 0; dropped < MAX_DISCARDED_BYTES;) {
      const { done, value } = await reader.read();
      if (done) return;
      dropped += value.byteLength;
    }
    await reader.cancel();
  } catch {
    // The client is gone, and so is the rest.
  }
}

/** A line that has not ended yet. */
class OpenLine {
  readonly number: number;
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
  #text = "";
  #bytes = 0;

  constructor(number: number) {
    this.number = number;
  }

  add(bytes: Uint8Array): void {
    if (bytes.byteLength === 0) return;
    this.#bytes += bytes.byteLength;
    if (this.#bytes > MAX_IMPORT_LINE_BYTES) throw tooLong(this.number);
    this.#text += this.#decode(bytes);
  }

  text(): string {
    return this.#bytes === 0 ? "" : this.#text + this.#decode(null);
  }

  #decode(bytes: Uint8Array | null): string {
    try {
      return bytes === null ? this.#decoder.decode() : this.#decoder.decode(bytes, { stream: true });
    } catch {
      throw new ThreadkeepError({
        code: "malformed_json",
        detail: `The file holds bytes that are not UTF-8 in line ${this.number} of what was sent. Nothing was imported.`,
        facts: { line: this.number },
      });
    }
  }
}

const TOO_LARGE = `At once a file, or a part of one, may have ${MAX_IMPORT_BODY_BYTES} bytes. Send a larger file in parts: begin with POST /v1/sessions/{sessionId}/imports.`;

function brokenOff(number: number): ThreadkeepError {
  return new ThreadkeepError({
    code: "malformed_json",
    detail: `The file broke off on its way, in or after line ${number} of what was sent. Nothing was imported; send it again.`,
    facts: { line: number },
  });
}

function tooLong(number: number): ThreadkeepError {
  return tooLarge(`Line ${number} is longer than ${MAX_IMPORT_LINE_BYTES} bytes, and no line of an export is.`);
}

function tooLarge(what: string): ThreadkeepError {
  return new ThreadkeepError({ code: "body_too_large", detail: `${what} Nothing was imported.` });
}
