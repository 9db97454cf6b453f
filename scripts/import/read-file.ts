// One file as a stream of entries, whatever its format.
import { readFile, stat } from "node:fs/promises";
import { detectFormat } from "./detect-format.ts";
import type { Format } from "./detect-format.ts";
import { isRecord, within } from "./entry.ts";
import type { Entry, Place } from "./entry.ts";
import { parseJson, readLines } from "./lines.ts";
import { readChatgpt } from "./readers/chatgpt.ts";
import { readClaude } from "./readers/claude.ts";
import { readLocomo } from "./readers/locomo.ts";
import { readOpenai } from "./readers/openai.ts";
import { readQmsum } from "./readers/qmsum.ts";
import { ThreadkeepReader } from "./readers/threadkeep.ts";

/** A JSON document is parsed in one piece, and V8 holds no text above 512 MiB. Lines are streamed and know no such limit. */
export const MAX_WHOLE_FILE_BYTES = 400 * 1024 * 1024;

export interface ReadOptions {
  readonly format?: Format | undefined;
  /** The file's name as the person typed it: it stands in every message about the file. */
  readonly name: string;
  readonly onBytes?: (count: number) => void;
  readonly maxWholeFileBytes?: number;
}

export async function* readConversations(file: string, options: ReadOptions): AsyncGenerator<Entry> {
  const { name, onBytes } = options;
  const detected = await detectFormat(file, options.format);
  if ("fault" in detected) {
    yield { kind: "bad", place: { file: name }, reason: detected.fault };
    return;
  }
  const read = createReader(detected.format);
  if (detected.whole) yield* readDocument(file, options, read);
  else {
    for await (const line of readLines(file, onBytes)) {
      const place: Place = { file: name, line: line.number };
      if ("fault" in line) {
        yield { kind: "bad", place, reason: line.fault };
        continue;
      }
      const parsed = parseJson(line.text);
      if ("fault" in parsed) yield { kind: "bad", place, reason: parsed.fault };
      else yield* readGuarded(read, parsed.value, place);
    }
  }
}

type ReadValue = (value: unknown, place: Place) => Iterable<Entry>;

function createReader(format: Format): ReadValue {
  switch (format) {
    case "exported":
      throw new Error("a session that was exported is not read line by line");
    case "openai":
      return readOpenai;
    case "chatgpt":
      return readChatgpt;
    case "claude":
      return readClaude;
    case "qmsum":
      return readQmsum;
    case "locomo":
      return readLocomo;
    case "threadkeep": {
      const reader = new ThreadkeepReader();
      return (value, place) => reader.read(value, place);
    }
  }
}

/** A value nested a hundred thousand levels deep overflows the stack of whatever walks it: one bad line, not the end. */
function* readGuarded(read: ReadValue, value: unknown, place: Place): Generator<Entry> {
  try {
    yield* read(value, place);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    yield { kind: "bad", place, reason: "is nested too deeply" };
  }
}

async function* readDocument(file: string, options: ReadOptions, read: ReadValue): AsyncGenerator<Entry> {
  const place: Place = { file: options.name };
  const limit = options.maxWholeFileBytes ?? MAX_WHOLE_FILE_BYTES;
  const { size } = await stat(file);
  if (size > limit) {
    const reason =
      `is one JSON document of ${toMegabytes(size)} MB; this program reads such a document whole, up to ${toMegabytes(limit)} MB. ` +
      "Turn it into JSON Lines, one conversation a line: jq -c '.[]' FILE > FILE.jsonl";
    yield { kind: "bad", place, reason };
    return;
  }
  const bytes = await readFile(file);
  options.onBytes?.(bytes.length);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    yield { kind: "bad", place, reason: "is not valid UTF-8" };
    return;
  }
  const parsed = parseJson(text);
  if ("fault" in parsed) {
    yield { kind: "bad", place, reason: parsed.fault };
  } else if (Array.isArray(parsed.value)) {
    for (const [index, value] of parsed.value.entries()) {
      yield* readGuarded(read, value, within(place, `entry ${index + 1}`));
    }
  } else if (isRecord(parsed.value)) yield* readGuarded(read, parsed.value, place);
  else yield { kind: "bad", place, reason: "is neither a list nor an object" };
}

function toMegabytes(bytes: number): number {
  return Math.round(bytes / 1_000_000);
}
