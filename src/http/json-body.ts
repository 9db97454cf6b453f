/** Reads a JSON body within its limit. */

import { ThreadkeepError } from "../api/errors.ts";
import { MAX_BODY_BYTES } from "../api/limits.ts";

/**
 * How many bytes of a body that is too large are read and discarded. If the connection were closed while a client is
 * still sending, the client would see a connection reset instead of the answer.
 */
const MAX_DISCARDED_BYTES = 2 * MAX_BODY_BYTES;

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

/**
 * The parsed body, or undefined if there is none. At most `maxBytes` of it are held in memory.
 * @param check examines the text before it is parsed; throws to refuse it
 * @throws {ThreadkeepError} `unsupported_media_type`, `body_too_large` or `malformed_json`
 */
export async function readJsonBody(
  request: Request,
  maxBytes = MAX_BODY_BYTES,
  check?: (text: string) => void,
): Promise<unknown> {
  requireJson(request);
  const bytes = await readWithin(request, maxBytes);
  if (bytes.byteLength === 0) return undefined;
  if (request.headers.get("content-type") === null) throw notJson();
  return parseJson(bytes, check);
}

function requireJson(request: Request): void {
  const type = request.headers.get("content-type");
  if (type !== null && !JSON_TYPE.test(type)) throw notJson();
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity") {
    throw new ThreadkeepError({
      code: "unsupported_media_type",
      detail: "Compressed bodies are not supported. Send the JSON uncompressed, without Content-Encoding.",
    });
  }
}

function notJson(): ThreadkeepError {
  return new ThreadkeepError({
    code: "unsupported_media_type",
    detail: "Send the body as JSON in UTF-8, with the header Content-Type: application/json.",
  });
}

async function readWithin(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array();
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    // The runtime marks the error of a broken connection as retryable, as if a component of the service were
    // unavailable. It is replaced by a fault of the request.
    const { done, value } = await reader.read().catch(() => {
      throw malformed("broke off before its end", {});
    });
    if (done) break;
    length += value.byteLength;
    if (length <= maxBytes) chunks.push(value);
    else chunks.length = 0;
    if (length > MAX_DISCARDED_BYTES) break;
  }
  if (length > maxBytes) {
    // The rest is not needed, and a failure to cancel it does not matter.
    reader.cancel().catch(() => undefined);
    throw new ThreadkeepError({
      code: "body_too_large",
      detail: `A body may have at most ${maxBytes} bytes. Send the messages in several smaller requests.`,
      errors: [{ path: "", detail: `must have at most ${maxBytes} bytes` }],
      facts: { maxBytes },
    });
  }
  return concatenate(chunks, length);
}

function concatenate(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });

function parseJson(bytes: Uint8Array, check: ((text: string) => void) | undefined): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw malformed("holds bytes that are not UTF-8", {});
  }
  check?.(text);
  try {
    return JSON.parse(text);
  } catch (error) {
    const position = error instanceof SyntaxError ? faultPosition(error.message) : undefined;
    if (position === undefined) throw malformed("is not JSON", {});
    throw malformed(`is not JSON: see line ${position.line}, column ${position.column}`, position);
  }
}

function malformed(what: string, facts: Readonly<Record<string, number>>): ThreadkeepError {
  return new ThreadkeepError({
    code: "malformed_json",
    detail: `The body ${what}. Nothing was changed; correct the JSON and send it again.`,
    errors: [{ path: "", detail: what }],
    facts,
  });
}

/** Only the position: the rest of V8's message quotes the body. */
function faultPosition(message: string): { position: number; line: number; column: number } | undefined {
  const found = /at position (\d+) \(line (\d+) column (\d+)\)$/.exec(message);
  if (found === null) return undefined;
  return { position: Number(found[1]), line: Number(found[2]), column: Number(found[3]) };
}
