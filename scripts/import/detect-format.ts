// Tells the format of a file from what is in it: endings say little, and both .json and .jsonl carry all of them.
import { open } from "node:fs/promises";
import { TRANSFER_FORMAT } from "../../src/contracts/transfer.ts";
import { isRecord } from "./entry.ts";

export const FORMATS = ["exported", "threadkeep", "openai", "chatgpt", "claude", "qmsum", "locomo"] as const;
export type Format = (typeof FORMATS)[number];

/** How a file is laid out: a value a line, or one JSON document that has to be read whole. */
export interface Layout {
  readonly format: Format;
  readonly whole: boolean;
}

/** Enough for the first line of every sane file; a longer first line is told by the text at its start. */
const PEEK_BYTES = 4 * 1024 * 1024;
/** A few broken lines at the start must not hide what the rest is. */
const PEEK_LINES = 50;

export type Detection = Layout | { readonly fault: string };

export async function detectFormat(file: string, forced?: Format): Promise<Detection> {
  const head = (await readHead(file)).trimStart();
  if (head === "") return { fault: "is empty" };
  const lines = head.split("\n", PEEK_LINES).map((line) => line.trim());
  const whole = isOneDocument(lines);
  if (forced !== undefined) return { format: forced, whole };
  if (!whole) {
    for (const line of lines) {
      const format = formatOf(parseQuietly(line));
      if (format !== null) return { format, whole };
    }
  }
  const format = /^[[{]/.test(head) ? formatByKeys(head) : null;
  return format === null
    ? {
        fault: `is in no format that this program knows (${FORMATS.join(", ")}); if it is in one, name it with --format`,
      }
    : { format, whole };
}

/** A list, or an opening bracket alone on its line: a document for a parser or for people, not values line by line. */
function isOneDocument(lines: readonly string[]): boolean {
  const [first = "", second = ""] = lines;
  if (first === "{") return true;
  // A list that is complete on the first line of several is a bad line of JSON Lines.
  return first.startsWith("[") && (second === "" || parseQuietly(first) === undefined);
}

/** The format that a parsed value belongs to, or null. */
export function formatOf(value: unknown): Format | null {
  if (!isRecord(value)) return null;
  if (Array.isArray(value["meeting_transcripts"])) return "qmsum";
  if (Array.isArray(value["messages"])) return "openai";
  if (isRecord(value["mapping"])) return "chatgpt";
  if (Array.isArray(value["chat_messages"])) return "claude";
  if (isRecord(value["conversation"])) return "locomo";
  if (value["type"] === "session" && value["format"] === TRANSFER_FORMAT) return "exported";
  if (value["type"] === "session" || value["type"] === "message") return "threadkeep";
  if ("role" in value && "content" in value) return "threadkeep";
  return null;
}

/** For documents whose first value is longer than what was read: the first telling key decides. */
function formatByKeys(head: string): Format | null {
  const found = /"(meeting_transcripts|messages|chat_messages|mapping|conversation|role)"\s*:/.exec(head)?.[1];
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

async function readHead(file: string): Promise<string> {
  const handle = await open(file, "r");
  try {
    const buffer = Buffer.alloc(PEEK_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, PEEK_BYTES, 0);
    return new TextDecoder().decode(buffer.subarray(0, bytesRead));
  } finally {
    await handle.close();
  }
}
