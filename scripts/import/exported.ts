// Imports a session that Threadkeep exported: one file, with its summaries and their items. It is sent in parts, so
// that an interrupted run can continue, and the session appears only once it is complete.
import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { createClient, type ImportResult, ThreadkeepError } from "../../client/src/index.ts";
import { MAX_BYTES_PER_SESSION, MAX_IMPORT_LINE_BYTES, MAX_MESSAGES_PER_SESSION } from "../../src/api/limits.ts";
import { type EndLine, transferLineSchema } from "../../src/api/transfer.ts";
import { ServiceOutOfReach } from "../api.ts";
import { isRecord, type Place } from "./entry.ts";
import { parseJson, readLines } from "./lines.ts";
import type { LoadedSession } from "./loader.ts";
import { describeIssues } from "./prepare.ts";
import { readUtf8, type Source } from "./source.ts";
import type { Tally } from "./tally.ts";

/** A request of the import may have to wait for the session's object: the last one reads everything that was sent. */
const REQUEST_TIMEOUT_MS = 60_000;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 5_000;
/** Digits of the file's hash in the import's id. */
const HASH_LENGTH = 40;

/** Errors that mean no more than that the service is temporarily unavailable. */
const PASSING = new Set(["network_error", "deadline_exceeded", "unavailable", "internal"]);
const PASSING_STATUSES = new Set([500, 502, 503, 504]);

export interface ExportTarget {
  readonly url: string;
  readonly key: string;
  readonly user: string | undefined;
  readonly prefix: string;
  /** How long the service may be unavailable. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

/**
 * Imports the file. A second run continues, or says that everything is there: the import's id is a hash of the file.
 */
export async function loadExport(source: Source, target: ExportTarget, tally: Tally): Promise<LoadedSession[]> {
  const file = source.name;
  tally.conversations += 1;
  const { url, key, user, prefix, signal } = target;
  const client = createClient({ url, key, ...(user === undefined ? {} : { user }) });
  const importId = `file-${await hashOf(source, signal)}`;
  const id = await sessionIdOf(source);
  const sessionId = id === null || prefix === "" ? undefined : `${prefix}${id}`;
  let bytes = 0;
  let isNew = false;
  let lastProgressAt = performance.now();
  const onProgress = (progress: { bytes: number }): void => {
    isNew = true;
    lastProgressAt = performance.now();
    tally.waiting = null;
    tally.bytesRead += Math.max(0, progress.bytes - bytes);
    bytes = Math.max(bytes, progress.bytes);
  };
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, 2 * pauseMs)) {
    try {
      const options = { importId, sessionId, onProgress, signal, timeoutMs: REQUEST_TIMEOUT_MS };
      const result = await client.import(streamOf(source), options);
      return [noteLoaded(result, isNew, file, tally)];
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ThreadkeepError)) throw error;
      const elapsedMs = performance.now() - lastProgressAt;
      if (!isPassing(error)) {
        tally.noteFailure(file, error.message);
        return [];
      }
      if (elapsedMs + pauseMs > target.patienceMs) {
        throw new ServiceOutOfReach(`${url} did not take ${file}: ${error.message}`);
      }
      tally.retries += 1;
      tally.waiting = { reason: error.code, elapsedMs };
      await setTimeout(pauseMs, undefined, { signal });
    }
  }
}

function noteLoaded(
  { id, messages, droppedItems }: ImportResult,
  isNew: boolean,
  file: string,
  tally: Tally,
): LoadedSession {
  tally.messagesRead += messages;
  tally.messagesSent += messages;
  if (isNew) tally.messagesNew += messages;
  else tally.messagesKnown += messages;
  if (droppedItems > 0) {
    tally.noteWarning(
      { file },
      `${droppedItems} items of summaries are left out: no message that is there bears them out`,
    );
  }
  return { session: id, headSeq: messages, refused: false };
}

function isPassing({ code, status }: ThreadkeepError): boolean {
  return PASSING.has(code) || (status !== undefined && PASSING_STATUSES.has(status));
}

/** Checks whether the file can be imported. Sends nothing. */
export async function checkExport(source: Source, tally: Tally): Promise<void> {
  const file = source.name;
  tally.conversations += 1;
  const counts = { messages: 0, summaries: 0, items: 0 };
  let end: EndLine | null = null;
  let bytes = 0;
  let lines = 0;
  const onBytes = (count: number): void => void (tally.bytesRead += count);
  for await (const line of readLines(source, onBytes, MAX_IMPORT_LINE_BYTES)) {
    const place: Place = { file, line: line.number };
    lines += 1;
    const read = "fault" in line ? line : readLine(line.text);
    if ("fault" in read) {
      tally.noteBad(place, read.fault);
      continue;
    }
    const { value } = read;
    if (end !== null) tally.noteBad(place, "comes after the end");
    if ((value.type === "session") !== (lines === 1))
      tally.noteBad(place, "must be the session if it is the first, and else not");
    if (value.type === "end") end = value;
    if (value.type === "summary") counts.summaries += 1;
    if (value.type === "item") counts.items += 1;
    if (value.type !== "message") continue;
    counts.messages += 1;
    tally.messagesRead += 1;
    bytes += value.content === undefined ? 0 : Buffer.byteLength(JSON.stringify(value.content));
    if (value.seq !== counts.messages) tally.noteBad(place, `has the seq ${value.seq}, and ${counts.messages} is next`);
    const isPast = counts.messages === MAX_MESSAGES_PER_SESSION + 1 || bytes > MAX_BYTES_PER_SESSION;
    if (!isPast) continue;
    tally.noteBad(
      place,
      `is more than a session holds: ${MAX_MESSAGES_PER_SESSION} messages and ${MAX_BYTES_PER_SESSION} bytes`,
    );
    return;
  }
  const place: Place = { file };
  if (end === null) return tally.noteBad(place, "its end line is missing: it was cut off on its way");
  if (!end.complete) tally.noteBad(place, "its session was changed while it was exported: export it again");
  const isCounted =
    end.messages === counts.messages && end.summaries === counts.summaries && end.items === counts.items;
  if (!isCounted) tally.noteBad(place, "its end does not count what came before it");
}

function readLine(text: string) {
  const parsed = parseJson(text);
  if ("fault" in parsed) return parsed;
  const line = transferLineSchema.safeParse(parsed.value);
  return line.success ? { value: line.data } : { fault: describeIssues(line.error.issues) };
}

/**
 * A hash of the file's content, whatever its name: the same file continues its import, another file is another import.
 */
async function hashOf(source: Source, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of readUtf8(source)) {
    signal.throwIfAborted();
    hash.update(piece);
  }
  return hash.digest("hex").slice(0, HASH_LENGTH);
}

async function sessionIdOf(source: Source): Promise<string | null> {
  for await (const line of readLines(source)) {
    const parsed = "fault" in line ? line : parseJson(line.text);
    if ("fault" in parsed || !isRecord(parsed.value)) return null;
    return typeof parsed.value["id"] === "string" ? parsed.value["id"] : null;
  }
  return null;
}

/** The file as a stream for the client. */
function streamOf(source: Source): ReadableStream<Uint8Array> {
  const pieces = readUtf8(source);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await pieces.return(undefined);
    },
  });
}
