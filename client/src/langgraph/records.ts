import { batchesOf, jsonBytes } from "../batches.ts";
import type { Message, NewMessage } from "../contract.ts";
import type { Dumped, StoredValue } from "./values.ts";

/** A checkpoint, without the channels that are unchanged since its parent. */
export interface CheckpointRecord {
  kind: "checkpoint";
  ns: string;
  id: string;
  parent: string | null;
  /** The checkpoint without its values. */
  checkpoint: {
    v: number;
    ts: string;
    versions: Record<string, number | string>;
    seen: Record<string, Record<string, number | string>>;
  };
  metadata: Dumped;
  channels: [channel: string, version: number | string, stored: StoredValue][];
}

/** What a task wrote after a checkpoint. */
export interface WritesRecord {
  kind: "writes";
  ns: string;
  checkpoint: string;
  task: string;
  path: string;
  writes: [index: number, channel: string, value: Dumped][];
}

export type ThreadRecord = CheckpointRecord | WritesRecord;

/** The type of the part that holds a record, or a piece of a record that is too large for one message. */
const RECORD_PART = "data-langgraph";
/** Characters of a piece. A message may have 4 MiB as JSON, where a text can take twice its length. */
const MAX_PIECE_LENGTH = 1024 * 1024;
const MAX_RECORD_BYTES = 3 * 1024 * 1024;

interface Piece {
  piece: string;
  of: number;
  text: string;
}

/**
 * The messages that store a record, in batches. A record is complete with its last piece, so an interrupted write
 * leaves no record.
 */
export function toBatches(record: ThreadRecord): NewMessage[][] {
  if (jsonBytes(record) <= MAX_RECORD_BYTES) return [[message(record)]];
  const text = JSON.stringify(record);
  const piece = crypto.randomUUID();
  const of = Math.ceil(text.length / MAX_PIECE_LENGTH);
  const pieces = Array.from({ length: of }, (_, at) =>
    message({ piece, of, text: text.slice(at * MAX_PIECE_LENGTH, (at + 1) * MAX_PIECE_LENGTH) }),
  );
  return batchesOf(pieces);
}

function message(data: ThreadRecord | Piece): NewMessage {
  const part = { type: RECORD_PART, data: JSON.parse(JSON.stringify({ record: JSON.stringify(data) })) } as const;
  return { id: crypto.randomUUID(), role: "assistant", content: [part] };
}

/** Reads records from the messages of a log, in order. */
export class RecordReader {
  readonly #pieces = new Map<string, string[]>();

  /** The record that is complete with this message; null if none is. */
  read({ content, erased }: Pick<Message, "content" | "erased">): ThreadRecord | null {
    if (erased === true || typeof content === "string") return null;
    const [part] = content;
    if (part?.type !== RECORD_PART || !("data" in part)) return null;
    const { data } = part;
    if (typeof data !== "object" || data === null || !("record" in data) || typeof data.record !== "string")
      return null;
    const read: ThreadRecord | Piece = JSON.parse(data.record);
    return "piece" in read ? this.#join(read) : read;
  }

  #join({ piece, of, text }: Piece): ThreadRecord | null {
    const pieces = [...(this.#pieces.get(piece) ?? []), text];
    if (pieces.length < of) {
      this.#pieces.set(piece, pieces);
      return null;
    }
    this.#pieces.delete(piece);
    const whole: ThreadRecord = JSON.parse(pieces.join(""));
    return whole;
  }
}
