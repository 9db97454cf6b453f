import { type CallOptions, checkId, type Connection } from "./connection.ts";
import type { ImportResult, ImportState } from "./contract.ts";
import { invalidArgument, ThreadkeepError } from "./errors.ts";
import { textLines } from "./lines.ts";
import type { TransferLine } from "./transfer.ts";

/** The source of an import: the text or stream of a file, or the lines of an export. */
export type ImportSource = string | ReadableStream<Uint8Array> | Iterable<TransferLine> | AsyncIterable<TransferLine>;

export interface ImportOptions extends CallOptions {
  /** Id of the new session, instead of the id in the file. */
  sessionId?: string | undefined;
  /**
   * Identifies the import. If the call is repeated within a day with the same id and the same file, it continues the
   * import, or returns its result. Without an id, a failed import leaves nothing behind.
   */
  importId?: string | undefined;
  /** Called after each part of a file that is sent in parts. */
  onProgress?: ((progress: ImportProgress) => void) | undefined;
}

export interface ImportProgress {
  /** The last line of the file that was received, counted from 1. */
  throughLine: number;
  /** Bytes of the file up to that line. */
  bytes: number;
}

/** Characters of a part: few enough to be sent again, and far below every platform's limit. */
const PART_LENGTH = 4 * 1024 * 1024;

/** Lines of the file that are sent in one request. */
interface Part {
  readonly afterLine: number;
  readonly throughLine: number;
  readonly text: string;
  /** Bytes of the file up to its last line. */
  readonly bytes: number;
}

/**
 * Sends a small file in one request and a larger one in parts. Each part is repeated after a lost answer; the service
 * skips lines that it has already.
 */
export async function importFile(
  connection: Connection,
  source: ImportSource,
  { sessionId, importId, onProgress, ...options }: ImportOptions,
): Promise<ImportResult> {
  if (sessionId !== undefined) checkId(sessionId, "session id");
  if (importId !== undefined) checkId(importId, "import id");
  const parts = partsOf(textLines(source));
  try {
    const first = await parts.next();
    if (first.done === true) throw invalidArgument("The file is empty.");
    const second = await parts.next();
    if (second.done === true && importId === undefined) {
      const request = { method: "POST", path: "/import", query: { sessionId }, lines: first.value.text } as const;
      return await connection.json(request, options);
    }
    const { head, rest } = withoutHead(first.value);
    const upload = new Upload(connection, head, sessionId, importId, options);
    return await upload.send(after([rest, ...(second.done === true ? [] : [second.value])], parts), onProgress);
  } finally {
    await parts.return(undefined);
  }
}

class Upload {
  readonly #connection: Connection;
  readonly #head: { readonly id: string };
  readonly #importId: string;
  /** Whether the id was made here. Then nobody else can continue the import, so it is abandoned after an error. */
  readonly #isOurs: boolean;
  readonly #options: CallOptions;
  readonly #base: string;

  constructor(
    connection: Connection,
    head: { readonly id: string },
    sessionId: string | undefined,
    importId: string | undefined,
    options: CallOptions,
  ) {
    this.#connection = connection;
    this.#head = head;
    this.#isOurs = importId === undefined;
    this.#importId = importId ?? crypto.randomUUID();
    this.#options = options;
    this.#base = `/sessions/${checkId(sessionId ?? head.id, "session id")}/imports`;
  }

  get #path(): string {
    return `${this.#base}/${encodeURIComponent(this.#importId)}`;
  }

  async send(parts: AsyncIterable<Part>, onProgress: ImportOptions["onProgress"]): Promise<ImportResult> {
    const body = { id: this.#importId, session: this.#head };
    const begun = await this.#json<ImportState>({ method: "POST", path: this.#base, body });
    try {
      let { throughLine } = begun;
      for await (const part of parts) {
        if (throughLine === null) break;
        if (part.throughLine > throughLine) {
          const { afterLine, text: lines } = part;
          const path = `${this.#path}/lines`;
          const request = { method: "POST", path, query: { afterLine }, lines, isRepeatable: true } as const;
          ({ throughLine } = await this.#json<ImportState>(request));
        }
        onProgress?.({ throughLine: part.throughLine, bytes: part.bytes });
      }
      return await this.#json<ImportResult>({ method: "POST", path: `${this.#path}/complete` });
    } catch (error) {
      const isFaulty = error instanceof ThreadkeepError && error.code === "validation_failed";
      if (this.#isOurs || isFaulty) this.#giveUp();
      throw error;
    }
  }

  #json<T>(request: Parameters<Connection["json"]>[0]): Promise<T> {
    return this.#connection.json<T>(request, this.#options);
  }

  /**
   * Abandons the import without waiting. If the service cannot be reached, it abandons the import itself after a while.
   */
  #giveUp(): void {
    this.#connection.json({ method: "DELETE", path: this.#path }).catch(() => undefined);
  }
}

async function* after(first: readonly Part[], rest: AsyncIterable<Part>): AsyncGenerator<Part> {
  yield* first;
  yield* rest;
}

/** Splits the file into parts of whole lines, from its first non-empty line on. */
async function* partsOf(lines: AsyncIterable<string>): AsyncGenerator<Part, void, undefined> {
  const encoder = new TextEncoder();
  let [line, afterLine, text, bytes] = [0, 0, "", 0];
  for await (const next of lines) {
    if (line === 0 && next.trim() === "") continue;
    line += 1;
    text += `${next}\n`;
    if (text.length < PART_LENGTH) continue;
    bytes += encoder.encode(text).byteLength;
    yield { afterLine, throughLine: line, text, bytes };
    [afterLine, text] = [line, ""];
  }
  if (text !== "") yield { afterLine, throughLine: line, text, bytes: bytes + encoder.encode(text).byteLength };
}

/** Separates the file's first line, which starts the import, from the rest of its first part. */
function withoutHead({ text, throughLine, bytes }: Part): {
  readonly head: { readonly id: string };
  readonly rest: Part;
} {
  const end = text.indexOf("\n");
  let head: unknown;
  try {
    head = JSON.parse(text.slice(0, end).replace(/^\ufeff/, ""));
  } catch {
    head = null;
  }
  if (typeof head !== "object" || head === null || !("id" in head) || typeof head.id !== "string") {
    throw invalidArgument('The file must start with the line of its session: {"type":"session",…}.');
  }
  return { head: { ...head, id: head.id }, rest: { afterLine: 1, throughLine, text: text.slice(end + 1), bytes } };
}
