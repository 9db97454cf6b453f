import { ThreadkeepError } from "../api/errors.ts";
import { TRANSFER_MEDIA_TYPE } from "../api/transfer.ts";
import { decodeLines, encodeLines } from "../usecases/json-lines.ts";

const LINES_TYPE = /^application\/(?:x-ndjson|jsonl|x-jsonlines)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

/** An answer as JSON Lines. */
export function linesAnswer(lines: AsyncIterable<unknown>, status: number): Response {
  return new Response(encodeLines(lines), {
    status,
    headers: { "Content-Type": `${TRANSFER_MEDIA_TYPE}; charset=utf-8` },
  });
}

/**
 * An answer as JSON Lines in which each line is sent as soon as it exists.
 * @param onGone called when the client has disconnected
 */
export function liveLinesAnswer(lines: AsyncIterable<unknown>, onGone: () => void): Response {
  return new Response(encodeLines(lines, { chunkLength: 1, onGone }), {
    headers: { "Content-Type": `${TRANSFER_MEDIA_TYPE}; charset=utf-8` },
  });
}

/**
 * The lines of a request's body.
 * @throws {ThreadkeepError} `unsupported_media_type` if it is not JSON Lines
 */
export async function* readLines(request: Request): AsyncGenerator<string> {
  const type = request.headers.get("content-type");
  if (type === null || !LINES_TYPE.test(type)) {
    throw new ThreadkeepError({
      code: "unsupported_media_type",
      detail: `Send the file as JSON Lines in UTF-8, with the header Content-Type: ${TRANSFER_MEDIA_TYPE}.`,
    });
  }
  if (request.body !== null) yield* decodeLines(request.body);
}
