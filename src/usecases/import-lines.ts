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
 * The lines of a file on their way into the session's object. They are read, checked and saved a little at a time: whoever waits for the
 * same thread is served in between, and what a file costs is in proportion to its length.
 */

/** Lines that are checked and saved in one go: some tens of milliseconds of work at most, but for a single long line. */
const MAX_PAGE_LINES = 100;
const MAX_PAGE_LENGTH = 256 * 1024;

/** What is done with content that no store keeps as it is: a list gets the places where it was mended, or it is refused. */
export interface Mending {
  readonly isStrict: boolean;
  /** Their lines are measured before they are parsed. */
  readonly isByUser: boolean;
  readonly mended: string[];
}

/** A line with its place in the file, counted as an editor counts, and its length in characters. */
export interface ParsedLine {
  readonly number: number;
  readonly line: TransferLine;
  readonly length: number;
}

/**
 * The lines of a file; empty ones are left out, though they count.
 * @param afterLine the line before the first of them
 * @param throughLine lines up to this one are in already, and are not looked at again
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

/** Saves lines as they come. What was saved before one of them is refused stays saved. */
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

/** A user pays for lines before they are stored, whatever becomes of the rest of the file. */
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

/** A user's file holds what users may write. A summary, and what is in it, is for the service to make anew of that. */
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

/** A user's messages are of the past: silence would else be counted from a time of their choice, and no session would expire by it. */
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

/** The time, or now if that comes before it. */
export function notAfter(time: string, now: number): string {
  return Date.parse(time) <= now ? time : new Date(now).toISOString();
}

interface CarriedLine extends NumberedLine {
  readonly line: ItemLine & { readonly sourceSession: string };
}

function isCarried(numbered: NumberedLine): numbered is CarriedLine {
  return numbered.line.type === "item" && numbered.line.sourceSession !== undefined;
}

/** The sessions that items of a file name as their source. Each says itself what its messages bear out; one that is not here, nothing. */
class SourceSessions {
  readonly #call: RequestContext;
  readonly #ref: SessionRef;
  readonly #asked = new Set<string>();

  constructor(call: RequestContext, ref: SessionRef) {
    this.#call = call;
    this.#ref = ref;
  }

  /** The same lines, with the epoch of the session that vouches for each item that names another. */
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
