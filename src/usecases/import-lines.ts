import { foreignWords, refuseForeignWords } from "../access/users-words.ts";
import { ThreadkeepError, unwrap } from "../api/errors.ts";
import { mendedFaults, parseValue } from "../api/faults.ts";
import { hasMoreValues } from "../api/json-values.ts";
import {
  MAX_IMPORT_EMPTY_LINES,
  MAX_IMPORT_SOURCE_SESSIONS,
  MAX_MENDED_PATHS,
  MAX_MESSAGE_BYTES,
  MAX_USER_JSON_VALUES,
} from "../api/limits.ts";
import type { SessionRef } from "../api/session.ts";
import { byteLength } from "../api/text.ts";
import { type ItemLine, type TransferLine, transferLineSchema } from "../api/transfer.ts";
import type { UsersMay } from "../api/users-may.ts";
import { contentTokens, messageCost } from "../prompt/message-text.ts";
import type { ImportProgress, EpochRef, NumberedLine } from "../session/client.ts";
import { askOfUser, type RequestContext, tenantOf, usersMayOf } from "./request-context.ts";

/**
 * Checks the lines of an imported file and saves them in the session's object, a few at a time, so that other requests
 * are served in between, and so that the work is proportional to the length of the file.
 */

/**
 * How many lines are checked and saved in one step: a few tens of milliseconds of work, except for a single long line.
 */
const MAX_PAGE_LINES = 100;
const MAX_PAGE_LENGTH = 256 * 1024;

/**
 * What to do with content that cannot be stored unchanged: either refuse the file, or replace it and add its place to
 * `mended`.
 */
export interface Mending {
  readonly isStrict: boolean;
  /** Whether a user sent the file. Its lines are then measured before they are parsed. */
  readonly isByUser: boolean;
  readonly mended: string[];
}

/** A line with its number in the file, counted from 1, and its length in characters. */
export interface ParsedLine {
  readonly number: number;
  readonly line: TransferLine;
  readonly length: number;
}

/**
 * Parses the lines of a file. Empty lines are counted but left out.
 * @param afterLine the number of the line before the first one
 * @param throughLine lines up to this one were saved before and are skipped
 */
export async function* readParsed(
  lines: AsyncIterable<string>,
  mending: Mending,
  afterLine = 0,
  throughLine = afterLine,
): AsyncGenerator<ParsedLine, void, undefined> {
  let [number, empty] = [afterLine, 0];
  const { isByUser } = mending;
  for await (const text of lines) {
    number += 1;
    if (text.trim() === "") {
      empty += 1;
      if (empty > MAX_IMPORT_EMPTY_LINES)
        throw lineFault(number, `is one more empty line than the ${MAX_IMPORT_EMPTY_LINES} that a file may have`);
    } else if (number > throughLine) {
      if (isByUser && hasMoreValues(text, MAX_USER_JSON_VALUES))
        throw lineFault(number, `holds more than the ${MAX_USER_JSON_VALUES} values that a line of a user may have`);
      yield { number, line: parseLine(text, number, mending), length: text.length };
    }
  }
}

function parseLine(text: string, number: number, { isStrict, mended }: Mending): TransferLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw lineFault(number, "is not JSON");
  }
  const parsed = parseValue(transferLineSchema, value);
  if ("fault" in parsed) {
    const { path, detail } = parsed.fault;
    throw lineFault(number, `is not valid${path === "" ? "" : ` at ${path}`}: ${detail}`);
  }
  const line = parsed.data;
  for (const { path, detail } of mendedFaults(value)) {
    if (isStrict) throw lineFault(number, `is not valid at ${path}: ${detail}`);
    if (mended.length < MAX_MENDED_PATHS) mended.push(`line ${number}${path}`);
  }
  if (line.type === "message" && line.content !== undefined) {
    const bytes = byteLength(JSON.stringify(line.content));
    if (bytes > MAX_MESSAGE_BYTES)
      throw lineFault(number, `holds a message of ${bytes} bytes, and at most ${MAX_MESSAGE_BYTES} are taken`);
  }
  return line;
}

export function lineFault(number: number, detail: string): ThreadkeepError {
  return new ThreadkeepError({
    code: "validation_failed",
    detail: `Line ${number} ${detail}. Nothing was imported; mend the file, or export it anew, and send it again.`,
    errors: [{ path: `line ${number}`, detail }],
    facts: { line: number },
  });
}

/** Saves lines as they arrive. If a line is refused, the lines before it stay saved. */
export async function saveLines(
  call: RequestContext,
  ref: SessionRef,
  epoch: string,
  lines: AsyncIterable<ParsedLine>,
): Promise<void> {
  const usersMay = await usersMayOf(call);
  const sources = new SourceSessions(call, ref);
  let page: NumberedLine[] = [];
  let length = 0;
  const save = async (): Promise<void> => {
    const last = page.at(-1)?.number ?? 0;
    await charge(call, ref, page);
    const vouched = await sources.vouchFor(page);
    page = [];
    length = 0;
    for (let progress: ImportProgress | null = null; (progress?.throughLine ?? 0) < last;) {
      progress = unwrap(await call.parts.sessions.get(ref).saveImportPage(epoch, vouched, last));
    }
  };
  for await (const { number, line, length: added } of lines) {
    if (usersMay !== undefined) refuseForeignLine(line, number, usersMay);
    page.push({ number, line: usersMay === undefined ? line : notAhead(line, Date.now()) });
    length += added;
    if (page.length >= MAX_PAGE_LINES || length >= MAX_PAGE_LENGTH) await save();
  }
  if (page.length > 0) await save();
}

/**
 * Counts lines against the user's daily limits before they are stored, whether or not the rest of the file is accepted.
 */
async function charge(call: RequestContext, ref: SessionRef, page: readonly NumberedLine[]): Promise<void> {
  const ask = askOfUser(call, await tenantOf(call));
  if (ask === undefined) return;
  let [messages, tokens, bytes] = [0, 0, 0];
  for (const { line } of page) {
    if (line.type !== "message") continue;
    messages += 1;
    if (line.content === undefined) continue;
    tokens += messageCost({ tokens: contentTokens(line.content), author: line.author });
    bytes += byteLength(JSON.stringify(line.content));
  }
  await call.parts.directory.chargeUser(ref, { ...ask, copied: { messages, tokens, bytes, summarizerTokens: 0 } });
}

/**
 * A user's file may contain only what users may write. Summaries and items are refused: the service makes its own from
 * the messages.
 */
function refuseForeignLine(line: TransferLine, number: number, { write }: UsersMay): void {
  const place = `line ${number}`;
  if (line.type === "message") {
    const {
      type: _type,
      seq: _seq,
      createdAt: _createdAt,
      editedAt: _editedAt,
      erasedAt: _erasedAt,
      ...message
    } = line;
    refuseForeignWords([{ path: place, message }], write);
  } else if (write !== "all" && (line.type === "summary" || line.type === "item")) {
    const detail = `is of the type "${line.type}", and a user may import messages: leave it out, and count none in the end`;
    throw foreignWords([{ path: place, detail }]);
  }
}

/**
 * Moves times in the future to now. Otherwise a user could delay the start of the session's idle time, and the session
 * would not expire.
 */
function notAhead(line: TransferLine, now: number): TransferLine {
  if (line.type !== "message") return line;
  const { editedAt, erasedAt } = line;
  return {
    ...line,
    createdAt: notAfter(line.createdAt, now),
    ...(editedAt === undefined ? {} : { editedAt: notAfter(editedAt, now) }),
    ...(erasedAt === undefined ? {} : { erasedAt: notAfter(erasedAt, now) }),
  };
}

/** The earlier of a time and now. */
export function notAfter(time: string, now: number): string {
  return Date.parse(time) <= now ? time : new Date(now).toISOString();
}

interface CarriedLine extends NumberedLine {
  readonly line: ItemLine & { readonly sourceSession: string };
}

function isCarried(numbered: NumberedLine): numbered is CarriedLine {
  return numbered.line.type === "item" && numbered.line.sourceSession !== undefined;
}

/**
 * The other sessions that items of a file cite. Each session checks itself whether its messages support the items; for
 * a session that does not exist, no item is supported.
 */
class SourceSessions {
  readonly #call: RequestContext;
  readonly #ref: SessionRef;
  readonly #asked = new Set<string>();

  constructor(call: RequestContext, ref: SessionRef) {
    this.#call = call;
    this.#ref = ref;
  }

  /**
   * The same lines, each with the epoch of the session that supports it, if it is an item that cites another session.
   */
  async vouchFor(page: readonly NumberedLine[]): Promise<NumberedLine[]> {
    const carried = page.filter(isCarried);
    const vouched = new Map<number, EpochRef>();
    for (const [session, lines] of Map.groupBy(carried, ({ line }) => line.sourceSession)) {
      if (!this.#asked.has(session) && this.#asked.size >= MAX_IMPORT_SOURCE_SESSIONS) continue;
      this.#asked.add(session);
      for (let rest: readonly CarriedLine[] = lines; rest.length > 0;) {
        const claims = rest.map(({ line: { text, sourceSeqs } }) => ({ text, sourceSeqs }));
        const told = await this.#call.parts.sessions.get({ ...this.#ref, session }).vouch(this.#ref.session, claims);
        if (!told.ok || told.value.answers.length === 0) break;
        const { answers, ...epoch } = told.value;
        for (const [index, isBorneOut] of answers.entries()) {
          const line = rest[index];
          if (isBorneOut && line !== undefined) vouched.set(line.number, epoch);
        }
        rest = rest.slice(answers.length);
      }
    }
    return page.map((line) => ({ ...line, vouchedBy: vouched.get(line.number) }));
  }
}
