import { ThreadkeepError } from "../api/errors.ts";
import type { Failure } from "../api/job.ts";
import { MAX_PAGE_SIZE } from "../api/limits.ts";
import { type ListedSession, type SessionRef, TENANT_OWNER, userIdSchema } from "../api/session.ts";
import type { Item } from "../api/summary.ts";
import {
  unavailableLineSchema,
  USER_FORMAT,
  USER_FORMAT_VERSION,
  type UserErasure,
  type UserRef,
  type UserTransferLine,
} from "../api/user.ts";
import { isArchiveAway } from "../archive/database.ts";
import { readSessionItems } from "../archive/memories.ts";
import type { DirectoryCursor } from "../directory/client.ts";
import type { RequestContext } from "./request-context.ts";
import { chargeExport, exportLines } from "./transfer.ts";
import { useCase } from "./use-case.ts";

/**
 * Everything stored about a user, read page by page as it is consumed. For an unknown user, or one that the caller may
 * not read, the export is empty.
 */
export const exportUser = useCase(
  { action: "exportUser", isSessionless: true },
  async (call: RequestContext, userId: string): Promise<AsyncIterable<UserTransferLine>> => {
    const owner = parseUserId(userId);
    const mayRead = mayActFor(call, owner);
    if (mayRead) await chargeExport(call);
    return userLines(call, owner, mayRead ? { tenant: call.principal.tenant, owner } : null);
  },
);

async function* userLines(
  call: RequestContext,
  userId: string,
  user: UserRef | null,
): AsyncGenerator<UserTransferLine> {
  const exportedAt = new Date().toISOString();
  yield { type: "user", format: USER_FORMAT, formatVersion: USER_FORMAT_VERSION, userId, exportedAt };
  let [sessions, unavailable, failures] = [0, 0, 0];
  if (user !== null) {
    for await (const session of sessionsOf(call, user)) {
      let isWhole = false;
      for await (const line of sessionLines(call, user, session)) {
        isWhole = line.type === "end";
        yield line;
      }
      if (isWhole) sessions += 1;
      else unavailable += 1;
    }
    for await (const failure of failuresOf(call, user)) {
      yield { type: "failure", ...failure };
      failures += 1;
    }
  }
  yield { type: "user-end", sessions, unavailable, failures };
}

/**
 * The user's failed jobs, newest first. A job that fails again between two pages moves to the front of the list and may
 * be left out.
 */
async function* failuresOf(call: RequestContext, { tenant, owner }: UserRef): AsyncGenerator<Failure> {
  let after: Parameters<RequestContext["parts"]["operations"]["list"]>[1] = null;
  for (;;) {
    const page: Failure[] = await call.parts.operations.list(MAX_PAGE_SIZE, after, { tenant, user: owner });
    yield* page;
    const last = page.at(-1);
    if (last === undefined || page.length < MAX_PAGE_SIZE) return;
    after = { at: Date.parse(last.lastFailedAt), jobId: last.jobId };
  }
}

async function* sessionsOf(call: RequestContext, { tenant, owner }: UserRef): AsyncGenerator<ListedSession> {
  let cursor: DirectoryCursor | null = null;
  do {
    const { data, next }: Awaited<ReturnType<typeof call.parts.directory.list>> = await call.parts.directory.list(
      tenant,
      owner,
      { limit: MAX_PAGE_SIZE, cursor, metadata: {} },
    );
    yield* data;
    cursor = next;
  } while (cursor !== null);
}

/**
 * The lines of one session. If it cannot be exported (completely), a line says so, and the export of the user
 * continues.
 */
async function* sessionLines(
  call: RequestContext,
  user: UserRef,
  { id, createdAt, metadata }: ListedSession,
): AsyncGenerator<UserTransferLine> {
  try {
    yield* await exportLines(call, { ...user, session: id });
  } catch (error) {
    const code = error instanceof ThreadkeepError ? error.fault.code : null;
    const told = unavailableLineSchema.shape.code.safeParse(code);
    if (!told.success) throw error;
    const items = told.data === "session_expired" ? await archivedItems(call, { ...user, session: id }) : null;
    yield { type: "unavailable", id, createdAt, metadata, code: told.data, ...(items === null ? {} : { items }) };
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

/** Erases a user everywhere, in the background. If it is repeated, it returns the progress. */
export const eraseUser = useCase(
  { action: "eraseUser", isSessionless: true },
  async (call: RequestContext, userId: string): Promise<UserErasure> => {
    const owner = parseUserId(userId);
    if (!mayActFor(call, owner)) {
      throw new ThreadkeepError({
        code: "user_not_found",
        detail:
          "With a user's token, or with the header Threadkeep-User, only that user can be erased. Name that user, or use a key of the tenant without Threadkeep-User.",
      });
    }
    return call.parts.users.erase({ tenant: call.principal.tenant, owner }, call.trace);
  },
);

export const readUserErasure = useCase(
  { action: "readUserErasure", isSessionless: true },
  async (call: RequestContext, userId: string): Promise<UserErasure> => {
    const owner = parseUserId(userId);
    const { tenant } = call.principal;
    const erasure = mayActFor(call, owner) ? await call.parts.users.readErasure({ tenant, owner }) : null;
    if (erasure !== null) return erasure;
    throw new ThreadkeepError({
      code: "erasure_not_found",
      detail:
        "No erasure of this user was requested, or it was completed more than four days ago. Request one with DELETE on the user.",
    });
  },
);

/**
 * A caller that acts for the tenant itself may act for any of its users; a caller that acts for a user, only for that
 * one.
 */
function mayActFor({ principal }: RequestContext, owner: string): boolean {
  return principal.owner === TENANT_OWNER || principal.owner === owner;
}

function parseUserId(userId: string): string {
  const parsed = userIdSchema.safeParse(userId);
  if (parsed.success) return parsed.data;
  const detail = parsed.error.issues[0]?.message ?? "is not valid";
  throw new ThreadkeepError({
    code: "validation_failed",
    detail: "The user id is not valid.",
    errors: [{ path: "userId", detail }],
  });
}
