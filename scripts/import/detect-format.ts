// Detects the format of a source from its content. The file name says little: every format occurs as .json and as
// .jsonl.
import { TRANSFER_FORMAT } from "../../src/api/transfer.ts";
import { readElements } from "./elements.ts";
import { isRecord } from "./entry.ts";
import { isLangchainMessage } from "./readers/langchain-messages.ts";
import { readUtf8, type Source, UnreadableSource } from "./source.ts";

export const FORMATS = [
  "exported",
  "threadkeep",
  "openai",
  "chatgpt",
  "claude",
  "agent-memory-server",
  "langgraph",
  "letta",
  "qmsum",
  "locomo",
] as const;
export type Format = (typeof FORMATS)[number];

/** How a source is structured: one value per line, or one JSON document, usually a list. */
interface Layout {
  readonly format: Format;
  readonly whole: boolean;
}

/** Enough for the first line of every usual file; a longer first line is recognized by its beginning. */
const PEEK_BYTES = 4 * 1024 * 1024;
/** How many values are examined: a few invalid ones at the beginning must not decide. */
const PEEK_VALUES = 50;

export type Detection = Layout | { readonly fault: string };

export interface DetectOptions {
  readonly forced?: Format | undefined;
  /** Do not recognize a format by key names in unparsed text. For archives, where many files are not conversations. */
  readonly isStrict?: boolean;
}

export async function detectFormat(source: Source, { forced, isStrict }: DetectOptions = {}): Promise<Detection> {
  try {
    const head = (await readHead(source)).trimStart();
    if (head === "") return { fault: "is empty" };
    const lines = head.split("\n", PEEK_VALUES).map((line) => line.trim());
    const whole = isOneDocument(lines);
    if (forced !== undefined) return { format: forced, whole };
    const values = whole ? await firstValues(source) : lines.map(parseQuietly);
    for (const value of values) {
      const format = formatOf(value);
      if (format !== null) return { format, whole };
    }
    const format = isStrict !== true && /^[[{]/.test(head) ? formatByKeys(head) : null;
    return format === null ? { fault: UNKNOWN } : { format, whole };
  } catch (error) {
    if (error instanceof UnreadableSource) return { fault: error.message };
    throw error;
  }
}

const UNKNOWN = `is in no format that this program knows (${FORMATS.join(", ")}); if it is in one, name it with --format`;

/**
 * Whether the text begins with a list, or with a bracket alone on its line: one document rather than one value per
 * line.
 */
function isOneDocument(lines: readonly string[]): boolean {
  const [first = "", second = ""] = lines;
  if (first === "{") return true;
  // A list that is complete on the first of several lines is an invalid line of JSON Lines.
  return first.startsWith("[") && (second === "" || parseQuietly(first) === undefined);
}

async function firstValues(source: Source): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const element of readElements(readUtf8(source))) {
    const value = "text" in element ? parseQuietly(element.text) : undefined;
    values.push(value);
    if (values.length >= PEEK_VALUES || formatOf(value) !== null) break;
  }
  return values;
}

/**
 * The format of a parsed value, or null.
 * @internal Tests recognise formats without files.
 */
export function formatOf(value: unknown): Format | null {
  if (!isRecord(value)) return null;
  if (Array.isArray(value["meeting_transcripts"])) return "qmsum";
  if (isRecord(value["mapping"])) return "chatgpt";
  if (Array.isArray(value["chat_messages"])) return "claude";
  // Letta's files before and after they could contain several agents.
  if (Array.isArray(value["agents"]) && ("blocks" in value || "tools" in value)) return "letta";
  if (Array.isArray(value["messages"])) return formatOfMessages(value, value["messages"]);
  if (isRecord(value["conversation"])) return "locomo";
  if (isThreadState(value)) return "langgraph";
  if (value["type"] === "session" && value["format"] === TRANSFER_FORMAT) return "exported";
  if (value["type"] === "session" || value["type"] === "message") return "threadkeep";
  if ("role" in value && "content" in value) return "threadkeep";
  return null;
}

function formatOfMessages(value: Record<string, unknown>, messages: readonly unknown[]): Format {
  if ("core_memory" in value || "in_context_message_indices" in value) return "letta";
  if ("session_id" in value && ("memories" in value || "long_term_memory_strategy" in value))
    return "agent-memory-server";
  return messages.length > 0 && messages.every(isLangchainMessage) ? "langgraph" : "openai";
}

function isThreadState(value: Record<string, unknown>): boolean {
  const { checkpoint, values, channel_values: channels } = value;
  return (
    (isRecord(values) && ("thread_id" in value || "next" in value || isRecord(checkpoint))) ||
    isRecord(channels) ||
    (isRecord(checkpoint) && isRecord(checkpoint["channel_values"]))
  );
}

/** For documents whose first value is longer than what was read: the first characteristic key decides. */
function formatByKeys(head: string): Format | null {
  const found = /"(meeting_transcripts|messages|chat_messages|mapping|conversation|channel_values|role)"\s*:/.exec(
    head,
  )?.[1];
  switch (found) {
    case "meeting_transcripts":
      return "qmsum";
    case "messages":
      return "openai";
    case "mapping":
      return "chatgpt";
    case "chat_messages":
      return "claude";
    case "conversation":
      return "locomo";
    case "channel_values":
      return "langgraph";
    case "role":
      return "threadkeep";
    default:
      return null;
  }
}

function parseQuietly(text: string): unknown {
  try {
    return JSON.parse(text.trim());
  } catch {
    return undefined;
  }
}

async function readHead(source: Source): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of readUtf8(source)) {
    parts.push(piece);
    bytes += piece.length;
    if (bytes >= PEEK_BYTES) break;
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}
