import { ThreadkeepError } from "./errors.ts";
import type { TransferLine } from "./transfer.ts";

/**
 * Parses the lines of an export, or of a page of one, as they arrive.
 * @param last the types that a complete one may end with
 * @param advice what to do about a truncated one
 * @throws {ThreadkeepError} `unexpected_answer` at the end if it is truncated
 */
export async function* readLines<Line extends { type: string } = TransferLine>(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal | undefined,
  last: readonly Line["type"][] = ["end"],
  advice = "Request it again.",
): AsyncGenerator<Line> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let isWhole = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const lines = (rest + decoder.decode(value, { stream: !done })).split("\n");
      rest = done ? "" : (lines.pop() ?? "");
      for (const text of lines) {
        if (text.trim() === "") continue;
        const line: Line = JSON.parse(text);
        isWhole = last.includes(line.type);
        yield line;
      }
      if (done) break;
    }
    if (!isWhole) throw new TypeError("its end line is missing");
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof ThreadkeepError) throw cause;
    throw new ThreadkeepError({
      code: "unexpected_answer",
      detail: `The export is incomplete. ${advice}`,
      cause,
    });
  } finally {
    // If the caller stops early, the stream is cancelled. A failure to cancel it does not matter.
    reader.cancel().catch(() => undefined);
  }
}

/** The lines of an import source as text, without line ends. Lines that are objects are serialized. */
export async function* textLines(
  source: string | ReadableStream<Uint8Array> | Iterable<TransferLine> | AsyncIterable<TransferLine>,
): AsyncGenerator<string, void, undefined> {
  if (typeof source === "string") yield* linesOfText(source);
  else if (source instanceof ReadableStream) yield* linesOfStream(source);
  else for await (const line of source) yield JSON.stringify(line);
}

function* linesOfText(text: string): Generator<string> {
  for (let from = 0; from < text.length;) {
    const end = text.indexOf("\n", from);
    yield text.slice(from, end < 0 ? text.length : end);
    from = end < 0 ? text.length : end + 1;
  }
}

async function* linesOfStream(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const reader = stream.getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let open = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const lines = decoder.decode(value, { stream: !done }).split("\n");
      const [first = "", ...others] = lines;
      open += first;
      for (const next of others) {
        yield open;
        open = next;
      }
      if (done) break;
    }
    if (open !== "") yield open;
  } finally {
    // If the caller stops early, the stream is cancelled. A failure to cancel it does not matter.
    reader.cancel().catch(() => undefined);
  }
}
