// Reads a source of any format as a stream of entries.
import { type Detection, detectFormat } from "./detect-format.ts";
import type { Format } from "./detect-format.ts";
import { MAX_ELEMENT_BYTES, readElements } from "./elements.ts";
import { READER_DEFAULTS, within } from "./entry.ts";
import type { Entry, Place, ReaderOptions } from "./entry.ts";
import { parseJson, readLines } from "./lines.ts";
import { readAgentMemory } from "./readers/agent-memory.ts";
import { readChatgpt } from "./readers/chatgpt.ts";
import { readClaude } from "./readers/claude.ts";
import { LanggraphReader } from "./readers/langgraph.ts";
import { readLetta } from "./readers/letta.ts";
import { readLocomo } from "./readers/locomo.ts";
import { readOpenai } from "./readers/openai.ts";
import { readQmsum } from "./readers/qmsum.ts";
import { ThreadkeepReader } from "./readers/threadkeep.ts";
import { readUtf8, type Source, UnreadableSource } from "./source.ts";

export interface ReadOptions {
  readonly format?: Format | undefined;
  /** The format, if it was detected already. */
  readonly detected?: Detection;
  readonly reader?: ReaderOptions;
  readonly onBytes?: (count: number) => void;
  readonly maxElementBytes?: number;
}

export async function* readConversations(source: Source, options: ReadOptions = {}): AsyncGenerator<Entry> {
  const detected = options.detected ?? (await detectFormat(source, { forced: options.format }));
  if ("fault" in detected) {
    yield { kind: "bad", place: { file: source.name }, reason: detected.fault };
    return;
  }
  const reader = createReader(detected.format, options.reader ?? READER_DEFAULTS);
  try {
    yield* detected.whole ? readDocument(source, options, reader) : readLineByLine(source, options, reader);
  } catch (error) {
    if (!(error instanceof UnreadableSource)) throw error;
    yield { kind: "bad", place: { file: source.name }, reason: error.message };
  }
  yield* reader.end?.() ?? [];
}

/** Converts the values of one source, in order. */
interface Reader {
  read(value: unknown, place: Place): Iterable<Entry>;
  /** The entries that can be made only after everything was read. */
  end?(): Iterable<Entry>;
}

function createReader(format: Format, options: ReaderOptions): Reader {
  switch (format) {
    case "exported":
      throw new Error("a session that was exported is not read line by line");
    case "openai":
      return { read: readOpenai };
    case "chatgpt":
      return { read: (value, place) => readChatgpt(value, place, options) };
    case "claude":
      return { read: (value, place) => readClaude(value, place, options) };
    case "agent-memory-server":
      return { read: (value, place) => readAgentMemory(value, place, options) };
    case "langgraph":
      return new LanggraphReader();
    case "letta":
      return { read: (value, place) => readLetta(value, place, options) };
    case "qmsum":
      return { read: readQmsum };
    case "locomo":
      return { read: readLocomo };
    case "threadkeep":
      return new ThreadkeepReader();
  }
}

/** A value that is nested a hundred thousand levels deep overflows the stack; it is reported as one invalid line. */
function* readGuarded(reader: Reader, value: unknown, place: Place): Generator<Entry> {
  try {
    yield* reader.read(value, place);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    yield { kind: "bad", place, reason: "is nested too deeply" };
  }
}

async function* readLineByLine(source: Source, { onBytes }: ReadOptions, reader: Reader): AsyncGenerator<Entry> {
  for await (const line of readLines(source, onBytes)) {
    const place: Place = { file: source.name, line: line.number };
    if ("fault" in line) {
      yield { kind: "bad", place, reason: line.fault };
      continue;
    }
    const parsed = parseJson(line.text);
    if ("fault" in parsed) yield { kind: "bad", place, reason: parsed.fault };
    else yield* readGuarded(reader, parsed.value, place);
  }
}

async function* readDocument(source: Source, options: ReadOptions, reader: Reader): AsyncGenerator<Entry> {
  const { onBytes, maxElementBytes = MAX_ELEMENT_BYTES } = options;
  for await (const element of readElements(readUtf8(source, onBytes), maxElementBytes)) {
    const document: Place = { file: source.name };
    const place = element.index === null ? document : within(document, `entry ${element.index}`);
    if ("fault" in element) {
      yield { kind: "bad", place, reason: element.fault };
      continue;
    }
    const parsed = parseJson(element.text);
    if ("fault" in parsed) yield { kind: "bad", place, reason: parsed.fault };
    else yield* readGuarded(reader, parsed.value, place);
  }
}
