/**
 * Reads and writes JSON Lines one line at a time, so that neither a session nor a file is ever held in memory as a
 * whole.
 */

import { ThreadkeepError } from "../api/errors.ts";
import { MAX_IMPORT_BODY_BYTES, MAX_IMPORT_LINE_BYTES } from "../api/limits.ts";

/** Characters that are passed on at once. Passing on each line singly would cost a system call each. */
const CHUNK_LENGTH = 64 * 1024;
const NEWLINE = 0x0a;
/**
 * How many bytes of a refused file are read and discarded. If the connection were closed while a client is still
 * sending, the client would see a connection reset instead of the answer.
 */
const MAX_DISCARDED_BYTES = 8 * 1024 * 1024;

/**
 * A stream with one JSON value per line. If the iteration fails, the stream fails, so that nobody takes it for
 * complete.
 * @param options `chunkLength`: 1 passes on each line as it arrives; `onGone`: called when the reader cancels
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
      // The next line may take long, so the producer is told immediately.
      onGone();
      await reader.return?.();
    },
  });
}

/**
 * The lines of a file, or of a part of one, without line ends. Empty lines are included, so that line numbers are
 * right. Each byte is examined once, however small the chunks of the body are.
 * @throws {ThreadkeepError} `body_too_large`, or `malformed_json` if the body is not UTF-8 or breaks off
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
    // The client has disconnected.
  }
}

/** A line whose end has not arrived yet. */
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

const TOO_LARGE = `A file, or a part of one, may have at most ${MAX_IMPORT_BODY_BYTES} bytes. Send a larger file in parts, starting with POST /v1/sessions/{sessionId}/imports.`;

function brokenOff(number: number): ThreadkeepError {
  return new ThreadkeepError({
    code: "malformed_json",
    detail: `The connection broke in or after line ${number} of this request. Nothing was imported; send the file again.`,
    facts: { line: number },
  });
}

function tooLong(number: number): ThreadkeepError {
  return tooLarge(
    `Line ${number} is longer than ${MAX_IMPORT_LINE_BYTES} bytes, the longest line that an export can have.`,
  );
}

function tooLarge(what: string): ThreadkeepError {
  return new ThreadkeepError({ code: "body_too_large", detail: `${what} Nothing was imported.` });
}
