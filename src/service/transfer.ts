import { foreignWords, refuseForeignWords } from "../access/users-words.ts";
import { ThreadkeepError, unwrap } from "../contracts/errors.ts";
import { MAX_MESSAGE_BYTES } from "../contracts/limits.ts";
import type { SessionRef } from "../contracts/session.ts";
import { byteLength } from "../contracts/text.ts";
import {
  type EndLine,
  type ImportResult,
  type SessionLine,
  type TransferLine,
  transferLineSchema,
} from "../contracts/transfer.ts";
import type { UsersMay } from "../contracts/users-may.ts";
import { contentTokens, messageCost } from "../memory/message-text.ts";
import type { Life } from "../session/client.ts";
import { askOfUser, beginningSettings, type Call, refOf, renewIfKnown, tenantOf, usersMayOf } from "./call.ts";
import { operation } from "./operation.ts";

/** Lines that go to the object at once: one transaction, far under what an RPC may carry. */
const MAX_PAGE_LINES = 500;
const MAX_PAGE_LENGTH = 2 * 1024 * 1024;

/** A session as lines, read page by page as they are taken. The first line is there before anything is answered. */
export const exportSession = operation(
  { action: "exportSession", scopes: ["memory:read"], audit: "each" },
  async (call: Call, sessionId: string): Promise<AsyncIterable<TransferLine>> => {
    const lines = await exportLines(call, refOf(call, sessionId));
    await chargeExport(call);
    return lines;
  },
);

/** A user pays for an export before it is read; what a caller may not see costs nothing. */
export async function chargeExport(call: Call): Promise<void> {
  const ask = askOfUser(call, await tenantOf(call));
  const { tenant, owner } = call.principal;
  if (ask !== undefined) await call.parts.directory.chargeExport({ tenant, owner }, ask);
}

/** The same for a session that the caller may read. */
export async function exportLines(call: Call, ref: SessionRef): Promise<AsyncIterable<TransferLine>> {
  const head = unwrap(await call.parts.sessions.get(ref).beginExport());
  return (async function* lines() {
    yield head.line;
    for (let afterSeq = 0; afterSeq < head.headSeq;) {
      const page = unwrap(await call.parts.sessions.get(ref).exportPage(head, afterSeq));
      yield* page;
      afterSeq = page.at(-1)?.seq ?? head.headSeq;
    }
    const { lines: summary, end } = unwrap(await call.parts.sessions.get(ref).endExport(head));
    yield* summary;
    yield end;
  })();
}

/**
 * Makes a session of an export. Nobody sees it before the last line is in and checked; a fault leaves nothing.
 * @param lines each line of the file, as it was read
 * @param id of the new session; by default that which the file names
 */
export const importSession = operation(
  {
    action: "importSession",
    scopes: ["memory:write"],
    audit: "each",
    isSessionless: true,
    tell: ({ id, messages }) => ({ session: id, details: { messages } }),
  },
  async (call: Call, lines: AsyncIterable<string>, id: string | undefined): Promise<ImportResult> => {
    const reader = readParsed(lines);
    try {
      const first = await reader.next();
      const head = first.done === true ? null : first.value.line;
      if (head?.type !== "session") {
        throw lineFault(first.value?.number ?? 1, 'must be the session: a file begins with {"type":"session",…}');
      }
      const ref = refOf(call, id ?? head.id);
      const usersMay = await usersMayOf(call);
      const begun = await begin(call, ref, head, first.value?.number ?? 1);
      return await fill(new Importing(call, ref, begun, head, usersMay), reader);
    } finally {
      // Nothing more is read of a file that is refused.
      await reader.return();
    }
  },
);

async function fill(importing: Importing, reader: AsyncGenerator<ParsedLine, void, undefined>): Promise<ImportResult> {
  let last = 1;
  try {
    for (;;) {
      const { done, value } = await reader.next();
      if (done === true) {
        throw lineFault(last + 1, "is missing: the file ends before its end line. It was cut off on its way");
      }
      const { line, number } = value;
      last = number;
      if (line.type !== "end") {
        await importing.add(value);
        continue;
      }
      if (!line.complete) {
        throw lineFault(number, "says that the session was changed while it was exported: export it again");
      }
      const further = await reader.next();
      if (further.done !== true) throw lineFault(further.value.number, "comes after the end");
      return await importing.finish(line);
    }
  } catch (error) {
    await importing.abandon();
    throw error;
  }
}

/** A line with its place in the file, counted as an editor counts, and its length in characters. */
interface ParsedLine {
  readonly number: number;
  readonly line: TransferLine;
  readonly length: number;
}

/** The lines of a file; empty ones are left out, though they count. */
async function* readParsed(lines: AsyncIterable<string>): AsyncGenerator<ParsedLine, void, undefined> {
  let number = 0;
  for await (const text of lines) {
    number += 1;
    if (text.trim() !== "") yield { number, line: parseLine(text, number), length: text.length };
  }
}

/** A life that is being filled, and the word of the directory by which it was begun. */
type Begun = Life & { readonly grantedAt: number };

async function begin(call: Call, ref: SessionRef, head: SessionLine, number: number): Promise<Begun> {
  const createdAt = Date.parse(head.createdAt);
  const { metadata } = head;
  const tenant = await tenantOf(call);
  const settings = beginningSettings(call, head.settings, tenant, () => `line ${number}`) ?? {};
  // The erasure of a user finds it from here on, though no list shows it.
  const { grantedAt } = await call.parts.directory.announce(ref, createdAt, askOfUser(call, tenant));
  const birth = { ref, createdAt, grantedAt, metadata, settings };
  return { ...unwrap(await call.parts.sessions.get(ref).beginImport(birth, tenant, call.trace)), grantedAt };
}

/** The lines on their way into the object, in pages. */
class Importing {
  readonly #call: Call;
  readonly #ref: SessionRef;
  readonly #life: Life;
  #grantedAt: number;
  readonly #head: SessionLine;
  /** What users may do, if it is one who imports. */
  readonly #usersMay: UsersMay | undefined;
  #page: { number: number; line: TransferLine }[] = [];
  #pageLength = 0;
  #dropped = 0;
  readonly #sources = new Set<string>();
  readonly #count = { message: 0, summary: 0, item: 0 };

  constructor(
    call: Call,
    ref: SessionRef,
    { grantedAt, ...life }: Begun,
    head: SessionLine,
    usersMay: UsersMay | undefined,
  ) {
    this.#call = call;
    this.#ref = ref;
    this.#life = life;
    this.#grantedAt = grantedAt;
    this.#head = head;
    this.#usersMay = usersMay;
  }

  async add({ number, line, length }: ParsedLine): Promise<void> {
    if (this.#usersMay !== undefined) refuseForeignLine(line, number, this.#usersMay);
    if (line.type === "message" || line.type === "summary" || line.type === "item") this.#count[line.type] += 1;
    if (line.type === "item" && line.sourceSession !== undefined) this.#sources.add(line.sourceSession);
    this.#page.push({ number, line });
    this.#pageLength += length;
    if (this.#page.length >= MAX_PAGE_LINES || this.#pageLength >= MAX_PAGE_LENGTH) await this.#flush();
  }

  async #flush(): Promise<void> {
    if (this.#page.length === 0) return;
    const page = this.#page;
    this.#page = [];
    this.#pageLength = 0;
    await this.#charge(page);
    const { dropped } = unwrap(await this.#object().saveImportPage(this.#life.incarnation, page));
    this.#dropped += dropped;
  }

  /** A user pays for a page before it is stored, whatever becomes of the rest of the file. */
  async #charge(page: readonly { readonly line: TransferLine }[]): Promise<void> {
    const ask = askOfUser(this.#call, await tenantOf(this.#call));
    if (ask === undefined) return;
    let [messages, tokens, bytes] = [0, 0, 0];
    for (const { line } of page) {
      if (line.type !== "message") continue;
      messages += 1;
      if (line.content === undefined) continue;
      tokens += messageCost({ tokens: contentTokens(line.content), author: line.author });
      bytes += byteLength(JSON.stringify(line.content));
    }
    const copied = { messages, tokens, bytes, summarizerTokens: 0 };
    await this.#call.parts.directory.chargeUser(this.#ref, { ...ask, copied });
  }

  async finish(end: EndLine): Promise<ImportResult> {
    await this.#flush();
    const { createdAt, metadata } = this.#head;
    const { message, summary, item } = this.#count;
    const isWhole = end.messages === message && end.summaries === summary && end.items === item;
    // The directory knows the session before anybody is told that it exists, and nothing of one whose file is refused.
    const { directory } = this.#call.parts;
    const grant = isWhole
      ? await directory.register(this.#ref, Date.parse(createdAt), metadata, this.#grantedAt)
      : null;
    this.#grantedAt = grant?.grantedAt ?? this.#grantedAt;
    const sources = isWhole ? await this.#tellSources() : [];
    unwrap(await this.#object().finishImport(this.#life.incarnation, end, this.#dropped, sources, this.#grantedAt));
    // Only now the entry is this session's: another may have begun under its id, and ended the import.
    if (grant !== null) await renewIfKnown(this.#call, this.#ref, grant, metadata);
    return {
      id: this.#ref.session,
      messages: message,
      summaries: summary,
      items: item - this.#dropped,
      droppedItems: this.#dropped,
    };
  }

  /** The sessions that items were carried over from, as far as they are here: each tells this one what is erased in it. */
  async #tellSources(): Promise<Life[]> {
    const lives: Life[] = [];
    for (const session of this.#sources) {
      const source = this.#call.parts.sessions.get({ ...this.#ref, session });
      const begun = await source.beginContinuation(this.#ref.session);
      if (begun.ok) lives.push(begun.value);
    }
    return lives;
  }

  /** Leaves nothing. What cannot be reached now gives the import up by itself. */
  async abandon(): Promise<void> {
    try {
      const grantedAt = await this.#object().abandonImport(this.#life.incarnation, this.#grantedAt);
      if (grantedAt !== null) await this.#call.parts.directory.remove(this.#ref, grantedAt);
    } catch {
      // Its object gives it up after a while; an entry whose session was never there is harmless.
    }
  }

  #object() {
    return this.#call.parts.sessions.get(this.#ref);
  }
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

function parseLine(text: string, number: number): TransferLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw lineFault(number, "is not JSON");
  }
  const parsed = transferLineSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = issue === undefined || issue.path.length === 0 ? "" : ` at /${issue.path.join("/")}`;
    throw lineFault(number, `is not valid${path}: ${issue?.message ?? "unknown"}`);
  }
  const line = parsed.data;
  if (line.type === "message" && line.content !== undefined) {
    const bytes = byteLength(JSON.stringify(line.content));
    if (bytes > MAX_MESSAGE_BYTES)
      throw lineFault(number, `holds a message of ${bytes} bytes, and at most ${MAX_MESSAGE_BYTES} are taken`);
  }
  return line;
}

function lineFault(number: number, detail: string): ThreadkeepError {
  return new ThreadkeepError({
    code: "validation_failed",
    detail: `Line ${number} ${detail}. Nothing was imported; mend the file, or export it anew, and send it again.`,
    errors: [{ path: `line ${number}`, detail }],
    facts: { line: number },
  });
}
