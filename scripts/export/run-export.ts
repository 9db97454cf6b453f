// Runs the export from its options to its exit code.
import { once } from "node:events";
import { createWriteStream, truncateSync } from "node:fs";
import { finished } from "node:stream/promises";
import { setTimeout } from "node:timers/promises";
import { createClient, ThreadkeepError } from "../../client/src/index.ts";
import type { UserTransferLine } from "../../client/src/index.ts";
import { UsageFault } from "../program/command-line.ts";
import { findService, type Service, type ServiceEnvironment } from "../program/find-service.ts";
import { Progress, type ProgressTarget } from "../program/progress.ts";
import { EXIT } from "../program/run-program.ts";
import { BEGINNING, type Continuation, type Exported, readEarlierFile } from "./earlier-file.ts";
import type { ExportOptions } from "./options.ts";

/** @internal Tests expect the documented exit codes by name. */
export const EXPORT_EXIT = { ...EXIT, outOfReach: 3 } as const;

const REQUEST_TIMEOUT_MS = 60_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
/** Errors that mean no more than that the service, or the way to it, is temporarily unavailable. */
const PASSING = new Set(["network_error", "deadline_exceeded", "unexpected_answer", "unavailable", "internal"]);

export interface ExportSurroundings extends ServiceEnvironment {
  readonly stderr: ProgressTarget;
  /** Aborted when the person interrupts. */
  readonly interrupt: AbortSignal;
}

interface Counted {
  sessions: number;
  messages: number;
  /** Sessions that were edited while they were read, or could not be read. */
  incomplete: number;
}

/** What has been written, for the progress line and the report. */
interface Tally {
  /** On pages that are complete. */
  done: Counted;
  /** On the page that is being read. If it breaks off, it is read again from its beginning. */
  page: Counted;
  waiting: string | null;
  lastProgressAt: number;
}

const NOTHING: Readonly<Counted> = { sessions: 0, messages: 0, incomplete: 0 };

export async function runExport(options: ExportOptions, around: ExportSurroundings): Promise<number> {
  const service = findService(options, around);
  const begin = await beginningOf(options);
  const tally: Tally = { done: NOTHING, page: { ...NOTHING }, waiting: null, lastProgressAt: performance.now() };
  const progress = new Progress(around.stderr, () => describe(tally));
  if (begin.cursor !== undefined)
    progress.say(`Continues ${options.file} after ${begin.bytes.toLocaleString("en")} bytes.`);
  try {
    await writeAll(options, service, begin, tally, around.interrupt);
  } catch (error) {
    around.interrupt.throwIfAborted();
    if (!(error instanceof ThreadkeepError)) throw error;
    const isPassing = PASSING.has(error.code);
    const advice = isPassing ? " What has arrived is in the file. Run the same command again to go on." : "";
    progress.say(`Stopped: ${error.message}${advice}`);
    return isPassing ? EXPORT_EXIT.outOfReach : EXPORT_EXIT.failed;
  } finally {
    progress.stop();
  }
  around.stderr.write(`${options.file}: ${describe(tally)}${begin.cursor === undefined ? "" : " in this run"}\n`);
  if (options.session === undefined || sum(tally).incomplete === 0) return EXPORT_EXIT.ok;
  around.stderr.write("The session was edited while it was read. Export it again with --overwrite.\n");
  return EXPORT_EXIT.failed;
}

function exportedBy({ user, session }: ExportOptions): Exported {
  return session === undefined ? { type: "user", id: user ?? "" } : { type: "session", id: session };
}

/** @throws {UsageFault} if the file is not to be written */
async function beginningOf(options: ExportOptions): Promise<Continuation> {
  if (options.overwrite) return BEGINNING;
  const earlier = await readEarlierFile(options.file, exportedBy(options));
  if (earlier === "none") return BEGINNING;
  if (typeof earlier === "object") return earlier;
  const what =
    earlier === "complete" ? "has this export already" : "is something else than an unfinished export of this";
  throw new UsageFault(`${options.file} ${what}: name another file, or add --overwrite`);
}

/** Goes on from what has arrived when the service was away, until it is away for too long. */
async function writeAll(
  options: ExportOptions,
  service: Service,
  begin: Continuation,
  tally: Tally,
  signal: AbortSignal,
): Promise<void> {
  let from = begin;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, 2 * pauseMs)) {
    try {
      return await write(options, linesAfter(options, service, from.cursor, signal), from, tally, (next) => {
        if (next.bytes > from.bytes) pauseMs = FIRST_PAUSE_MS;
        from = next;
      });
    } catch (error) {
      signal.throwIfAborted();
      const isPassing = error instanceof ThreadkeepError && PASSING.has(error.code);
      if (!isPassing || performance.now() - tally.lastProgressAt + pauseMs > options.patienceMs) throw error;
      tally.waiting = error.code;
      await setTimeout(pauseMs, undefined, { signal });
    }
  }
}

function linesAfter(
  { user, session }: ExportOptions,
  { url, key }: Service,
  cursor: string | undefined,
  signal: AbortSignal,
): AsyncIterable<UserTransferLine> {
  const client = createClient({ url, key, ...(user === undefined || session === undefined ? {} : { user }) });
  const options = { signal, timeoutMs: REQUEST_TIMEOUT_MS };
  if (session !== undefined) return client.session(session).export(options);
  return client.user(user ?? "").export({ ...options, cursor });
}

async function write(
  { file }: ExportOptions,
  lines: AsyncIterable<UserTransferLine>,
  from: Continuation,
  tally: Tally,
  onPage: (next: Continuation) => void,
): Promise<void> {
  let { bytes } = from;
  tally.page = { ...NOTHING };
  if (bytes > 0) truncateSync(file, bytes);
  // Opened with the first line: a request that is refused leaves the file as it was.
  let out: ReturnType<typeof createWriteStream> | null = null;
  try {
    for await (const line of lines) {
      out ??= createWriteStream(file, { flags: bytes > 0 ? "a" : "w" });
      const text = Buffer.from(`${JSON.stringify(line)}\n`);
      if (!out.write(text)) await once(out, "drain");
      bytes += text.length;
      count(tally.page, line);
      tally.waiting = null;
      tally.lastProgressAt = performance.now();
      if (line.type !== "user-next") continue;
      tally.done = sum(tally);
      tally.page = { ...NOTHING };
      onPage({ bytes, cursor: line.cursor });
    }
  } finally {
    if (out !== null) await finished(out.end());
  }
}

function count(counted: Counted, line: UserTransferLine): void {
  if (line.type === "message") counted.messages += 1;
  if (line.type === "end") counted.sessions += 1;
  if (line.type === "unavailable" || (line.type === "end" && !line.complete)) counted.incomplete += 1;
}

function sum({ done, page }: Tally): Counted {
  return {
    sessions: done.sessions + page.sessions,
    messages: done.messages + page.messages,
    incomplete: done.incomplete + page.incomplete,
  };
}

function describe(tally: Tally): string {
  const { sessions, messages, incomplete } = sum(tally);
  const parts = [several(sessions, "session"), several(messages, "message")];
  if (incomplete > 0) parts.push(`${shown(incomplete)} that were edited while they were read, or unavailable`);
  if (tally.waiting !== null) parts.push(`waiting for the service: ${tally.waiting}`);
  return parts.join(" · ");
}

function shown(value: number): string {
  return value.toLocaleString("en");
}

function several(value: number, noun: string): string {
  return `${shown(value)} ${noun}${value === 1 ? "" : "s"}`;
}
