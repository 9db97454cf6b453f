// Runs the import from its options to its exit code.
import { stat } from "node:fs/promises";
import path from "node:path";
import { metadataSchema, sessionSettingsSchema } from "../../src/api/session.ts";
import { ApiProblem, createApi, ServiceOutOfReach } from "../api.ts";
import type { Api } from "../api.ts";
import { UsageFault } from "../program/command-line.ts";
import { findService, type Service } from "../program/find-service.ts";
import { Progress, type ProgressTarget } from "../program/progress.ts";
import { EXIT } from "../program/run-program.ts";
import { type Archive, isArchive, openArchive } from "./archive.ts";
import { describeProgress } from "./describe-progress.ts";
import { type Detection, detectFormat } from "./detect-format.ts";
import { countElements } from "./elements.ts";
import type { Entry } from "./entry.ts";
import { checkExport, loadExport } from "./exported.ts";
import { finishSessions } from "./finish.ts";
import { Loader } from "./loader.ts";
import type { LoadedSession, Opened } from "./loader.ts";
import type { ImportOptions } from "./options.ts";
import { describeIssues, Preparer } from "./prepare.ts";
import type { Prepared } from "./prepare.ts";
import { readConversations } from "./read-file.ts";
import { makeReport, showReport } from "./report.ts";
import { fileSource, readUtf8, type Source, UnreadableSource } from "./source.ts";
import { Tally } from "./tally.ts";

/** @internal Tests expect the documented exit codes by name. */
export const IMPORT_EXIT = { ...EXIT, badLines: 2, outOfReach: 3 } as const;

/** A model's summary takes seconds; if nothing happens for this long, something is wrong. */
const FINISH_PATIENCE_MS = 120_000;

export interface Surroundings {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: ProgressTarget;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where npm start of this checkout writes dev.json. */
  readonly stateDirectory: string;
  /** Aborted when the person interrupts. */
  readonly interrupt: AbortSignal;
}

export async function runImport(options: ImportOptions, around: Surroundings): Promise<number> {
  const startedAt = performance.now();
  let finishing: number | null = null;
  let totalBytes = 0;
  const tally = new Tally((text) => progress.say(text));
  const progress = new Progress(around.stderr, () =>
    describeProgress({ tally, startedAt, totalBytes, finishing, dryRun: options.dryRun, now: performance.now() }),
  );
  let stopped: string | null = null;
  let url: string | null = null;
  let exitCode: number = EXIT.ok;
  const archives: Archive[] = [];
  try {
    await checkFiles(options.files);
    const stop = new AbortController();
    around.interrupt.addEventListener("abort", () => stop.abort());
    if (around.interrupt.aborted) stop.abort();
    const service = options.dryRun ? null : findService(options, around);
    url = service?.url ?? null;
    const inputs = await findInputs(options, archives, tally, around.interrupt);
    for (const { source } of inputs) totalBytes += source.bytes;
    const api = service === null ? null : connect(service, options, tally, stop.signal);
    const target = api === null ? new DryTarget(tally) : new Loader(api, tally, options.concurrency, stop);
    const takeExport =
      service === null
        ? async (source: Source): Promise<LoadedSession[]> => {
            await checkExport(source, tally);
            return [];
          }
        : (source: Source) => loadExport(source, { ...options, ...service, signal: stop.signal }, tally);
    const sessions = await load(inputs, options, tally, target, takeExport, around.interrupt);
    if (api !== null && options.finish) {
      finishing = sessions.length;
      await finishSessions(api, tally, sessions, {
        keepRecentTokens: options.keepRecentTokens,
        concurrency: options.concurrency,
        patienceMs: FINISH_PATIENCE_MS,
      });
    }
  } catch (error) {
    const end = around.interrupt.aborted ? INTERRUPTED : describeEnd(error);
    if (end === null) throw error;
    stopped = end.text;
    exitCode = end.exitCode;
  } finally {
    for (const archive of archives) archive.close();
    progress.stop();
  }
  const report = makeReport(tally, {
    files: options.files.length,
    seconds: (performance.now() - startedAt) / 1_000,
    dryRun: options.dryRun,
    finish: options.finish && !options.dryRun,
    stopped,
    url,
  });
  around.stdout.write(`${options.json ? JSON.stringify(report, null, 2) : showReport(report)}\n`);
  if (exitCode !== EXIT.ok) return exitCode;
  if (tally.failureCount > 0) return EXIT.failed;
  return tally.badCount > 0 && !options.allowBad ? IMPORT_EXIT.badLines : EXIT.ok;
}

interface End {
  readonly text: string;
  readonly exitCode: number;
}

const RESUME = "What was acknowledged is stored. Run the same command again to go on: nothing is doubled.";
const INTERRUPTED: End = { text: `Interrupted. ${RESUME}`, exitCode: EXIT.interrupted };

/** How to report an error; null for a fault of this program. */
function describeEnd(error: unknown): End | null {
  if (error instanceof ServiceOutOfReach) {
    return { text: `Stopped: ${error.message}.\n${RESUME}`, exitCode: IMPORT_EXIT.outOfReach };
  }
  if (error instanceof ApiProblem) return { text: `Stopped: ${error.message}`, exitCode: EXIT.failed };
  if (error instanceof UsageFault) return { text: error.message, exitCode: EXIT.usage };
  return null;
}

async function checkFiles(files: readonly string[]): Promise<void> {
  for (const file of files) {
    try {
      if (!(await stat(file)).isFile()) throw new UsageFault(`${file} is not a file`);
    } catch (error) {
      if (error instanceof UsageFault) throw error;
      throw new UsageFault(
        `${file === "" ? "A file without a name" : file} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}

/** A source and its detected format. */
interface Input {
  readonly source: Source;
  readonly detected: Detection;
}

/** Examines all files before anything is sent, to find out what is damaged and how much there is. */
async function findInputs(
  options: ImportOptions,
  archives: Archive[],
  tally: Tally,
  interrupt: AbortSignal,
): Promise<Input[]> {
  const inputs: Input[] = [];
  for (const file of options.files) {
    interrupt.throwIfAborted();
    const { size } = await stat(file);
    const found = (await isArchive(file))
      ? await findInArchive(file, options, archives, tally)
      : await findInFile(fileSource(file, file, size), options);
    inputs.push(...found);
  }
  const counts = await Promise.all(inputs.map((input) => countConversations(input)));
  tally.conversationsInAll = counts.reduce((sum, count) => (sum === null || count === null ? null : sum + count), 0);
  return inputs;
}

async function findInFile(source: Source, { format }: ImportOptions): Promise<Input[]> {
  return [{ source, detected: await detectFormat(source, { forced: format }) }];
}

async function findInArchive(
  file: string,
  { format }: ImportOptions,
  archives: Archive[],
  tally: Tally,
): Promise<Input[]> {
  const place = { file };
  const inputs: Input[] = [];
  try {
    const archive = await openArchive(file, file);
    archives.push(archive);
    for (const { name, form } of archive.others) tally.noteForm({ file: name }, `${form}, left out`);
    for (const source of archive.sources) {
      // If a format was given, it is meant for the conversations and not for other files beside them.
      const isNamed = format !== undefined && /^conversations/i.test(path.posix.basename(source.name));
      const detected = await detectFormat(source, { isStrict: true, forced: isNamed ? format : undefined });
      const fault = "fault" in detected ? detected.fault : null;
      if (fault === null || !fault.startsWith("is in no format")) inputs.push({ source, detected });
      else
        tally.noteForm(
          { file: source.name },
          `${path.posix.basename(source.name)} of the archive, without conversations, left out`,
        );
    }
    if (inputs.length === 0) tally.noteBad(place, "has no file with conversations in it");
  } catch (error) {
    if (!(error instanceof UnreadableSource)) throw error;
    tally.noteBad(place, error.message);
  }
  return inputs;
}

/** Null if counting would require reading and parsing everything twice. */
async function countConversations({ source, detected }: Input): Promise<number | null> {
  if ("fault" in detected) return 0;
  if (detected.format === "exported") return 1;
  if (!detected.whole || detected.format === "langgraph" || detected.format === "letta") return null;
  try {
    return await countElements(readUtf8(source));
  } catch (error) {
    // It is reported when it is read.
    if (error instanceof UnreadableSource) return null;
    throw error;
  }
}

function connect({ url, key }: Service, options: ImportOptions, tally: Tally, signal: AbortSignal): Api {
  return createApi({
    url,
    key,
    user: options.user,
    patienceMs: options.patienceMs,
    signal,
    onRetry: (notice) => {
      tally.retries += 1;
      tally.waiting = notice;
    },
  });
}

/** What takes the messages: the loader, or in a dry run nothing. */
interface Target {
  open(session: Opened): Promise<void>;
  add(session: string, prepared: Prepared): Promise<void>;
  follow(session: string, messageId: string): void;
  end(session: string): void;
  finish(): Promise<LoadedSession[]>;
}

async function load(
  inputs: readonly Input[],
  options: ImportOptions,
  tally: Tally,
  target: Target,
  takeExport: (source: Source) => Promise<LoadedSession[]>,
  interrupt: AbortSignal,
): Promise<LoadedSession[]> {
  const exported: LoadedSession[] = [];
  const preparer = new Preparer({ prefix: options.prefix, repair: options.repair });
  for (const { source, detected } of inputs) {
    if ("format" in detected && detected.format === "exported") {
      exported.push(...(await naming(source, tally, () => takeExport(source))));
      continue;
    }
    const entries = readConversations(source, {
      detected,
      reader: options,
      onBytes: (bytes) => {
        tally.bytesRead += bytes;
      },
    });
    const read = entries[Symbol.asyncIterator]();
    for (let next = await nextOf(read, source); next.done !== true; next = await nextOf(read, source)) {
      interrupt.throwIfAborted();
      await take(next.value, preparer, tally, target);
    }
    preparer.endFile();
  }
  return [...exported, ...(await target.finish())];
}

async function naming(source: Source, tally: Tally, act: () => Promise<LoadedSession[]>): Promise<LoadedSession[]> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof UnreadableSource)) throw error;
    tally.noteBad({ file: source.name }, error.message);
    return [];
  }
}

/** A disk error may occur after the file was opened. */
async function nextOf(entries: AsyncIterator<Entry>, { name }: Source): Promise<IteratorResult<Entry>> {
  try {
    return await entries.next();
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new UsageFault(`${name} cannot be read to its end: ${error.message}`);
  }
}

async function take(entry: Entry, preparer: Preparer, tally: Tally, target: Target): Promise<void> {
  if (entry.kind === "bad") return tally.noteBad(entry.place, entry.reason);
  if (entry.kind === "warning") return tally.noteWarning(entry.place, entry.reason);
  if (entry.kind === "noted") return tally.noteForm(entry.place, entry.form);
  if (entry.kind === "skipped") return tally.noteSkipped(entry.reason);
  const session = preparer.sessionId(entry.session);
  if (entry.kind === "end") {
    if (session === null) return;
    preparer.endConversation(session);
    return target.end(session);
  }
  if (entry.kind === "head") {
    const head = session === null ? null : preparer.messageId(session, entry.id);
    if (session !== null && head !== null) target.follow(session, head);
    return;
  }
  if (session === null) return tally.noteBad(entry.place, "its session has no name");
  if (entry.kind === "session") return await target.open(newSession(session, entry, tally));
  tally.messagesRead += 1;
  const result = preparer.message(session, entry.turn, entry.place);
  if ("fault" in result) return tally.noteBad(entry.place, result.fault);
  if (result.repaired) tally.messagesRepaired += 1;
  for (const warning of result.warnings) tally.noteWarning(entry.place, warning);
  for (const prepared of result.prepared) await target.add(session, prepared);
}

/**
 * Metadata and settings that the service would refuse are left out with a warning, because the messages are more
 * important.
 */
function newSession(id: string, entry: Extract<Entry, { kind: "session" }>, tally: Tally): Opened {
  const metadata = metadataSchema.safeParse(entry.metadata ?? {});
  const settings = sessionSettingsSchema.safeParse(entry.settings ?? {});
  if (!metadata.success) {
    tally.noteWarning(entry.place, `the session's metadata is left out: ${describeIssues(metadata.error.issues)}`);
  }
  if (!settings.success) {
    tally.noteWarning(entry.place, `the session's settings are left out: ${describeIssues(settings.error.issues)}`);
  }
  return {
    id,
    ...(metadata.success && entry.metadata !== undefined ? { metadata: metadata.data } : {}),
    ...(settings.success && entry.settings !== undefined ? { settings: settings.data } : {}),
    createdAt: entry.createdAt,
    isBranched: entry.isBranched === true,
  };
}

class DryTarget implements Target {
  readonly #tally: Tally;
  readonly #sessions = new Set<string>();

  constructor(tally: Tally) {
    this.#tally = tally;
  }

  async open(session: { readonly id: string }): Promise<void> {
    this.#note(session.id);
  }

  async add(session: string): Promise<void> {
    this.#note(session);
  }

  follow(): void {}

  end(): void {}

  async finish(): Promise<LoadedSession[]> {
    return [];
  }

  #note(session: string): void {
    this.#sessions.add(session);
    this.#tally.conversations = this.#sessions.size;
  }
}
