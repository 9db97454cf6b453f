import { describe, expect, it } from "vitest";
import { MAX_IMPORT_EMPTY_LINES } from "../../../src/api/limits.ts";
import { readParsed } from "../../../src/usecases/import-lines.ts";

const END = '{"type":"end","messages":0,"summaries":0,"items":0,"complete":true}';

async function* linesOf(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

/** The numbers of the lines that are not empty. */
async function read(lines: readonly string[]): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { number } of readParsed(linesOf(lines), { isStrict: false, isByUser: false, mended: [] }))
    numbers.push(number);
  return numbers;
}

describe("the empty lines of a file", () => {
  const empty = (count: number): string[] =>
    Array.from({ length: count }, (_, at) => ["", " ", "\r", "\t \r"][at % 4] ?? "");

  it("are skipped, and count as lines", async () => {
    expect(await read([...empty(MAX_IMPORT_EMPTY_LINES), END])).toEqual([MAX_IMPORT_EMPTY_LINES + 1]);
  });

  it("are limited, because megabytes of them would occupy the thread for minutes", async () => {
    await expect(read([END, ...empty(MAX_IMPORT_EMPTY_LINES + 1), END])).rejects.toMatchObject({
      fault: {
        code: "validation_failed",
        errors: [{ path: `line ${MAX_IMPORT_EMPTY_LINES + 2}`, detail: expect.stringContaining("empty line") }],
      },
    });
  });
});
