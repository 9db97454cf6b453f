/** The export of a user: everything that is stored about them, page by page. */

import { z } from "zod";
import { ThreadkeepError } from "../api/errors.ts";
import type { Failure } from "../api/job.ts";
import { MAX_PAGE_SIZE } from "../api/limits.ts";
import { type ListedSession, type SessionRef, sessionIdSchema } from "../api/session.ts";
import type { Item } from "../api/summary.ts";
import { idText, isStorableTime } from "../api/text.ts";
import {
  unavailableLineSchema,
  USER_FORMAT,
  USER_FORMAT_VERSION,
  type UserRef,
  type UserTransferLine,
} from "../api/user.ts";
import { isArchiveAway } from "../archive/database.ts";
import { readSessionItems } from "../archive/memories.ts";
import { encodeCursor, readCursor, timedCursorSchema } from "./paging.ts";
import type { RequestContext } from "./request-context.ts";
import { chargeExport, type ExportPlace, readExportPage } from "./transfer.ts";
import { useCase } from "./use-case.ts";
import { mayActFor, parseUserId } from "./users.ts";

/**
 * Steps of one page. A step calls one object, or for an expired session an object and PostgreSQL. The platform allows
 * 10,000 calls in a request, and 1,000 on accounts where that was not raised.
 * @internal Tests go up to it.
 */
export const MAX_PAGE_STEPS = 400;
/**
 * Characters after which a page ends. One step may exceed it by 6 million. At that size a page takes about a second of
 * processor time, of 30 that the platform allows.
 */
const MAX_PAGE_LENGTH = 32 * 1024 * 1024;

export interface UserExportQuery {
  /** Sessions on a page, at most. */
  readonly limit?: number | undefined;
  /** Of the line `user-next` that ended the page before. */
  readonly cursor?: string | undefined;
}

/**
 * A page of everything stored about a user, read as it is consumed. Its last line is `user-end`, or `user-next` with
 * the cursor of the next page. For an unknown user, or one that the caller may not read, the export is empty.
 */
export const exportUser = useCase(
  { action: "exportUser", isSessionless: true },
  async (
    call: RequestContext,
    userId: string,
    { limit = MAX_PAGE_SIZE, cursor }: UserExportQuery = {},
  ): Promise<AsyncIterable<UserTransferLine>> => {
    const owner = parseUserId(userId);
    const place = readCursor(placeSchema, cursor);
    const mayRead = mayActFor(call, owner);
    if (mayRead) await chargeExport(call, place !== null);
    const user = mayRead ? { tenant: call.principal.tenant, owner } : null;
    return pageLines(call, { userId: owner, user, place, limit });
  },
);

const count = z.int().min(0);

/** Where the rest of a session begins of which a part is on earlier pages. Its object checks the epoch. */
const restSchema: z.ZodType<ExportPlace> = z.strictObject({
  moment: z.strictObject({ epoch: idText, headSeq: count, branchHeadSeq: count, changes: count }),
  afterSeq: count,
  from: z
    .strictObject({ version: count, afterVersion: count, afterRow: count, summaries: count, items: count })
    .nullable(),
});

/** Where a page begins. */
const placeSchema = z.strictObject({
  /** The session that was read last, by its place in the list of sessions. Null: none yet. */
  after: z.strictObject({ createdAt: z.int().refine(isStorableTime), session: sessionIdSchema }).nullable(),
  /** Where its rest begins. Null: it has been read to its end. */
  rest: restSchema.nullable(),
  /** Whether all sessions were read, so that the failed jobs come next. */
  arePastSessions: z.boolean(),
  /** The failed job that was read last: when it failed, and its id. */
  afterFailure: timedCursorSchema.nullable(),
  /** How many are complete, on this page and those before it. */
  sessions: count,
  unavailable: count,
  failures: count,
});
type Place = z.infer<typeof placeSchema>;

const BEGINNING: Place = {
  after: null,
  rest: null,
  arePastSessions: false,
  afterFailure: null,
  sessions: 0,
  unavailable: 0,
  failures: 0,
};

/** Lines that were read together, and the place after them. */
interface Step {
  readonly lines: readonly UserTransferLine[];
  readonly place: Place;
}

interface PageRequest {
  readonly userId: string;
  /** Null: the caller may not read the user. */
  readonly user: UserRef | null;
  /** Null: the first page. */
  readonly place: Place | null;
  readonly limit: number;
}

async function* pageLines(
  call: RequestContext,
  { userId, user, place: from, limit }: PageRequest,
): AsyncGenerator<UserTransferLine> {
  if (from === null) {
    const exportedAt = new Date().toISOString();
    yield { type: "user", format: USER_FORMAT, formatVersion: USER_FORMAT_VERSION, userId, exportedAt };
  }
  const begin = from ?? BEGINNING;
  let place = begin;
  let [steps, length] = [0, 0];
  if (user !== null) {
    for await (const step of stepsAfter(call, user, begin, limit)) {
      yield* step.lines;
      place = step.place;
      steps += 1;
      for (const line of step.lines) length += JSON.stringify(line).length;
      const sessions = place.sessions + place.unavailable - begin.sessions - begin.unavailable;
      if (steps >= MAX_PAGE_STEPS || length >= MAX_PAGE_LENGTH || (sessions >= limit && !place.arePastSessions)) {
        yield { type: "user-next", cursor: encodeCursor(place) };
        return;
      }
    }
  }
  const { sessions, unavailable, failures } = place;
  yield { type: "user-end", sessions, unavailable, failures };
}

/** The sessions, newest first, and then the failed jobs, from a place on. */
async function* stepsAfter(call: RequestContext, user: UserRef, from: Place, limit: number): AsyncGenerator<Step> {
  let place = from;
  if (!place.arePastSessions) {
    const { directory } = call.parts;
    if (place.after !== null && place.rest !== null) {
      const { createdAt, session } = place.after;
      const begun = { id: session, createdAt: new Date(createdAt).toISOString(), metadata: {} };
      place = yield* sessionSteps(call, user, begun, place);
    }
    for (let isLast = false; !isLast;) {
      const query = { limit, cursor: place.after, metadata: {} };
      const { data, next }: Awaited<ReturnType<typeof directory.list>> = await directory.list(
        user.tenant,
        user.owner,
        query,
      );
      for (const session of data) place = yield* sessionSteps(call, user, session, place);
      isLast = next === null;
    }
    place = { ...place, after: null, arePastSessions: true };
    yield { lines: [], place };
  }
  yield* failureSteps(call, user, place);
}

/**
 * The lines of one session. If it cannot be exported (completely), a line says so, and the export of the user
 * continues.
 * @returns the place after the session
 */
async function* sessionSteps(
  call: RequestContext,
  user: UserRef,
  { id, createdAt, metadata }: ListedSession,
  before: Place,
): AsyncGenerator<Step, Place> {
  const ref = { ...user, session: id };
  const after = { createdAt: Date.parse(createdAt), session: id };
  let { rest } = before;
  try {
    for (;;) {
      const { lines, next } = await readExportPage(call, ref, rest);
      if (next === null) {
        const place = { ...before, after, rest: null, sessions: before.sessions + 1 };
        yield { lines, place };
        return place;
      }
      yield { lines, place: { ...before, after, rest: next } };
      rest = next;
    }
  } catch (error) {
    const code = error instanceof ThreadkeepError ? error.fault.code : null;
    const told = unavailableLineSchema.shape.code.safeParse(code);
    if (!told.success) throw error;
    const items = told.data === "session_expired" ? await archivedItems(call, ref) : null;
    const line = { id, createdAt, metadata, code: told.data, ...(items === null ? {} : { items }) };
    const place = { ...before, after, rest: null, unavailable: before.unavailable + 1 };
    yield { lines: [{ type: "unavailable", ...line }], place };
    return place;
  }
}

/** The items that the archive holds of an expired session; null if it cannot be reached. */
async function archivedItems(call: RequestContext, ref: SessionRef): Promise<Item[] | null> {
  try {
    return await call.parts.withDatabase((database) => readSessionItems(database, ref));
  } catch (error) {
    if (isArchiveAway(error)) return null;
    throw error;
  }
}

/**
 * The user's failed jobs, newest first. A job that fails again between two pages moves to the front of the list and may
 * be left out.
 */
async function* failureSteps(call: RequestContext, { tenant, owner }: UserRef, from: Place): AsyncGenerator<Step> {
  const filter = { tenant, user: owner };
  for (let place = from; ;) {
    const [at, jobId] = place.afterFailure ?? [];
    const after = at === undefined || jobId === undefined ? null : { at, jobId };
    const jobs: Failure[] = await call.parts.operations.list(MAX_PAGE_SIZE, after, filter);
    const last = jobs.at(-1);
    if (last === undefined) return;
    const failures = place.failures + jobs.length;
    place = { ...place, afterFailure: [Date.parse(last.lastFailedAt), last.jobId], failures };
    yield { lines: jobs.map((job) => ({ type: "failure", ...job })), place };
    if (jobs.length < MAX_PAGE_SIZE) return;
  }
}
