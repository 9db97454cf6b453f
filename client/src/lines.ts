import { ThreadkeepError } from "./errors.ts";
import type { TransferLine } from "./transfer.ts";

/** The lines of an export as they come. One that was cut off throws before it ends: whatever it gave is then not whole. */
export async function* readLines<Line extends { type: string } = TransferLine>(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal | undefined,
  last: Line["type"] = "end",
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
        isWhole = line.type === last;
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
      detail: "The export was cut off on its way. Ask for it again.",
      cause,
    });
  } finally {
    // Whoever stops in the middle leaves nothing open; what the other side says to that makes no difference.
    reader.cancel().catch(() => undefined);
  }
}

/** Lines as the service takes them: a file's text goes as it is, parsed lines are written anew. */
export function toBody(
  lines: string | ReadableStream<Uint8Array> | Iterable<TransferLine> | AsyncIterable<TransferLine>,
): string | ReadableStream<Uint8Array> {
  if (typeof lines === "string" || lines instanceof ReadableStream) return lines;
  const encoder = new TextEncoder();
  const iterator = iterate(lines);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
    },
    async cancel() {
      await iterator.return(undefined);
    },
  });
}

async function* iterate(lines: Iterable<TransferLine> | AsyncIterable<TransferLine>): AsyncGenerator<TransferLine> {
  yield* lines;
}
