// What an earlier run left in the file of an export.
import { createReadStream, existsSync } from "node:fs";
import { z } from "zod";

/** Where an export goes on in its file. */
export interface Continuation {
  /** Bytes of the file that are kept. */
  readonly bytes: number;
  /** Of the line `user-next` at their end. Undefined: from the beginning. */
  readonly cursor: string | undefined;
}

export const BEGINNING: Continuation = { bytes: 0, cursor: undefined };

/** - `other`: not an unfinished export of this user or session */
export type EarlierFile = "none" | "complete" | "other" | Continuation;

export interface Exported {
  readonly type: "user" | "session";
  readonly id: string;
}

const lineSchema = z.object({
  type: z.string(),
  id: z.string().optional(),
  userId: z.string().optional(),
  cursor: z.string().optional(),
});

const LINE_END = 0x0a;
/** Only lines that begin like this are parsed: others may be megabytes long. */
const USER_NEXT = Buffer.from('{"type":"user-next"');
/** Longer than a first line that this program wrote. */
const MAX_FIRST_LINE_BYTES = 1024 * 1024;

/** Reads the whole file, a line at a time. */
export async function readEarlierFile(file: string, exported: Exported): Promise<EarlierFile> {
  if (!existsSync(file)) return "none";
  let [offset, count] = [0, 0];
  let last: Buffer = Buffer.alloc(0);
  let found = BEGINNING;
  for await (const { line, isEnded } of linesOf(file)) {
    if (count === 0 && !(isEnded ? isOf(line, exported) : isBeginningOf(line))) return "other";
    count += 1;
    if (!isEnded) return found;
    offset += line.length + 1;
    last = line;
    if (line.subarray(0, USER_NEXT.length).equals(USER_NEXT)) {
      const cursor = parse(line)?.cursor;
      if (cursor === undefined) return "other";
      found = { bytes: offset, cursor };
    }
  }
  const end = exported.type === "user" ? "user-end" : "end";
  return parse(last)?.type === end ? "complete" : found;
}

/** A run that ended within the first line left nothing that anybody misses; so did one that ended before it. */
function isBeginningOf(line: Buffer): boolean {
  const start = '{"type":"';
  return line.subarray(0, start.length).toString("latin1") === start.slice(0, line.length);
}

function isOf(line: Buffer, { type, id }: Exported): boolean {
  if (line.length > MAX_FIRST_LINE_BYTES) return false;
  const first = parse(line);
  return first?.type === type && (type === "user" ? first.userId : first.id) === id;
}

function parse(line: Buffer): z.infer<typeof lineSchema> | null {
  if (line.length > MAX_FIRST_LINE_BYTES) return null;
  try {
    return lineSchema.parse(JSON.parse(line.toString("utf8")));
  } catch {
    return null;
  }
}

/** Without their ends. Only the last line may have none. */
async function* linesOf(file: string): AsyncGenerator<{ line: Buffer; isEnded: boolean }> {
  let open: Buffer[] = [];
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_END); end >= 0; end = chunk.indexOf(LINE_END, from)) {
      yield { line: Buffer.concat([...open, chunk.subarray(from, end)]), isEnded: true };
      open = [];
      from = end + 1;
    }
    if (from < chunk.length) open.push(chunk.subarray(from));
  }
  if (open.length > 0) yield { line: Buffer.concat(open), isEnded: false };
}
