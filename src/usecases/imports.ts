import { isUser } from "../access/users-words.ts";
import { ThreadkeepError, unwrap } from "../api/errors.ts";
import { tellMended } from "../api/faults.ts";
import { IMPORT_PATIENCE_MS, UNSENT_IMPORT_PATIENCE_MS } from "../api/limits.ts";
import type { SessionRef } from "../api/session.ts";
import type { ImportRequest, ImportResult, ImportState, SessionLine } from "../api/transfer.ts";
import type { BegunImport, FinishedImport, ImportStanding } from "../session/client.ts";
import { lineFault, notAfter, readParsed, saveLines } from "./import-lines.ts";
import { askOfUser, beginningSettings, type RequestContext, refOf, renewIfKnown, tenantOf } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/**
 * Creates a session from an export. The session is visible only after the last line was saved and checked; a fault
 * leaves nothing behind.
 * @param lines the lines of the file
 * @param id of the new session; by default the id in the file
 * @param isStrict refuse content that would be replaced
 */
export const importSession = useCase(
  {
    action: "importSession",
    isSessionless: true,
    tell: ({ id, messages }) => ({ session: id, details: { messages } }),
  },
  async (
    call: RequestContext,
    lines: AsyncIterable<string>,
    id: string | undefined,
    isStrict?: boolean,
  ): Promise<ImportResult> => {
    const mended: string[] = [];
    const reader = readParsed(lines, { isStrict: isStrict === true, isByUser: isUser(call.principal), mended });
    try {
      const first = await reader.next();
      const head = first.done === true ? null : first.value.line;
      const throughLine = first.value?.number ?? 1;
      if (head?.type !== "session") {
        throw lineFault(throughLine, 'must be the session: a file begins with {"type":"session",…}');
      }
      const ref = refOf(call, id ?? head.id);
      const importId = crypto.randomUUID();
      const patienceMs = UNSENT_IMPORT_PATIENCE_MS;
      const { epoch, grantedAt } = await begin(call, ref, head, { id: importId, throughLine, patienceMs });
      try {
        await saveLines(call, ref, epoch, reader);
        return { ...(await complete(call, ref, importId)), ...tellMended(mended) };
      } catch (error) {
        await abandon(call, ref, epoch, grantedAt);
        throw error;
      }
    } finally {
      // Stops reading a refused file.
      await reader.return();
    }
  },
);

/**
 * Begins an import whose lines are sent in parts. If it is repeated with the same id, it returns the progress of the
 * import, even if that is complete.
 * @param request the first line of the file, and optionally an id for repeating the request
 */
export const beginImport = useCase(
  { action: "beginImport" },
  async (call: RequestContext, sessionId: string, request: ImportRequest): Promise<ImportState> => {
    const ref = refOf(call, sessionId);
    const id = request.id ?? crypto.randomUUID();
    const begun = { id, throughLine: 1, patienceMs: IMPORT_PATIENCE_MS };
    return toState(ref, id, await begin(call, ref, request.session, begun));
  },
);

/**
 * Saves lines of the file. Lines that were saved before are skipped, so a part can be sent again, whole or from its
 * middle.
 * @param afterLine the number of the line before the first one
 */
export const addImportLines = useCase(
  { action: "addImportLines" },
  async (
    call: RequestContext,
    sessionId: string,
    importId: string,
    afterLine: number,
    lines: AsyncIterable<string>,
    isStrict?: boolean,
  ): Promise<ImportState> => {
    const ref = refOf(call, sessionId);
    const { epoch, progress } = requireOpen(await standing(call, ref, importId));
    if (afterLine > progress.throughLine) throw gap(afterLine, progress.throughLine);
    const mended: string[] = [];
    const reader = readParsed(
      lines,
      { isStrict: isStrict === true, isByUser: isUser(call.principal), mended },
      afterLine,
      progress.throughLine,
    );
    try {
      await saveLines(call, ref, epoch, reader);
    } finally {
      await reader.return();
    }
    return { ...toState(ref, importId, await standing(call, ref, importId)), ...tellMended(mended) };
  },
);

export const readImport = useCase(
  { action: "readImport" },
  async (call: RequestContext, sessionId: string, importId: string): Promise<ImportState> => {
    const ref = refOf(call, sessionId);
    return toState(ref, importId, await standing(call, ref, importId));
  },
);

/**
 * Completes an import after all its lines were sent: from then on the session is visible. If it is repeated, it returns
 * the same result.
 */
export const completeImport = useCase(
  {
    action: "completeImport",
    tell: ({ id, messages }) => ({ session: id, details: { messages } }),
  },
  (call: RequestContext, sessionId: string, importId: string): Promise<ImportResult> =>
    complete(call, refOf(call, sessionId), importId),
);

/** Abandons an incomplete import and deletes everything that was sent. */
export const abandonImport = useCase(
  {
    action: "abandonImport",
    tell: ({ messages }, sessionId) => ({ session: sessionId, details: { messages } }),
  },
  async (call: RequestContext, sessionId: string, importId: string): Promise<ImportState> => {
    const ref = refOf(call, sessionId);
    const found = requireOpen(await standing(call, ref, importId));
    await abandon(call, ref, found.epoch, found.grantedAt);
    return { ...toState(ref, importId, found), state: "abandoned", expiresAt: null };
  },
);

async function standing(call: RequestContext, ref: SessionRef, importId: string): Promise<ImportStanding> {
  return unwrap(await call.parts.sessions.get(ref).readImport(importId));
}

async function begin(
  call: RequestContext,
  ref: SessionRef,
  { createdAt: told, metadata, settings }: SessionLine,
  begun: BegunImport,
): Promise<ImportStanding> {
  const tenant = await tenantOf(call);
  const own = beginningSettings(call, settings, tenant, () => `line ${begun.throughLine}`) ?? {};
  const createdAt = Date.parse(isUser(call.principal) ? notAfter(told, Date.now()) : told);
  // From here on the directory knows of the session without listing it, so an erasure of the user finds it.
  const { grantedAt, isKnown } = await call.parts.directory.announce(ref, createdAt, askOfUser(call, tenant));
  const creation = { ref, createdAt, grantedAt, isKnown, metadata, settings: own };
  return unwrap(await call.parts.sessions.get(ref).beginImport(creation, begun, tenant, call.trace));
}

async function complete(call: RequestContext, ref: SessionRef, importId: string): Promise<ImportResult> {
  const found = await standing(call, ref, importId);
  const { createdAt, metadata, epoch, finished } = found;
  // If the request that completed it did not tell the directory, the session's job `list` does. A repetition must not:
  // the session may have expired since, and then only the directory has its metadata.
  if (finished !== null) return toResult(ref, finished);
  unwrap(await call.parts.sessions.get(ref).checkImport(epoch));
  // The directory lists the session before anybody learns that it exists, and never lists one whose file is refused.
  const grant = await call.parts.directory.register(ref, createdAt, metadata, found.grantedAt);
  const ended = await call.parts.sessions.get(ref).finishImport(epoch, grant);
  if (!ended.ok) await hideIfUnfinished(call, ref, grant.grantedAt);
  const result = unwrap(ended);
  // Only now is it certain that the directory's entry belongs to this session: meanwhile another session with this id
  // may have been created, which ends the import. If another request has completed it, the entry is that request's, and
  // a client may have changed the metadata since.
  if (!result.isRepeated) await renewIfKnown(call, ref, grant, metadata);
  return toResult(ref, result);
}

/**
 * A limit such as the tenant's daily quota may be free again before the import is abandoned. Until then no list shows
 * the session.
 */
async function hideIfUnfinished(call: RequestContext, ref: SessionRef, grantedAt: number): Promise<void> {
  const living = await call.parts.sessions.get(ref).listing();
  if (living !== null && !living.isListed) await call.parts.directory.hide(ref, grantedAt);
}

/**
 * Deletes everything that was saved. If an object cannot be reached now, its import is abandoned by itself after a
 * while.
 */
async function abandon(call: RequestContext, ref: SessionRef, epoch: string, grantedAt: number): Promise<void> {
  try {
    const newestGrant = await call.parts.sessions.get(ref).abandonImport(epoch, grantedAt);
    if (newestGrant !== null) await call.parts.directory.remove(ref, newestGrant);
  } catch {
    // The session's object abandons the import after a while. A directory entry without a session is harmless.
  }
}

function toResult({ session }: SessionRef, { messages, summaries, items, droppedItems }: FinishedImport): ImportResult {
  return { id: session, messages, summaries, items, droppedItems };
}

function toState({ session }: SessionRef, id: string, found: ImportStanding): ImportState {
  const { progress, until, finished } = found;
  const counts = progress ?? finished;
  return {
    id,
    sessionId: session,
    state: finished === null ? "open" : "complete",
    throughLine: progress?.throughLine ?? null,
    messages: finished?.messages ?? found.messages,
    summaries: counts?.summaries ?? 0,
    items: progress === null ? (finished?.items ?? 0) : progress.items - progress.dropped,
    droppedItems: progress?.dropped ?? finished?.droppedItems ?? 0,
    expiresAt: until === null ? null : new Date(until).toISOString(),
  };
}

function requireOpen(found: ImportStanding) {
  const { progress, ...rest } = found;
  if (progress !== null) return { ...rest, until: found.until, progress };
  throw new ThreadkeepError({
    code: "session_exists",
    detail: "The import is complete and the session exists, so no lines can be added. To remove it, erase the session.",
  });
}

function gap(afterLine: number, throughLine: number): ThreadkeepError {
  return new ThreadkeepError({
    code: "import_gap",
    detail: `These lines follow line ${afterLine}, but only the lines up to ${throughLine} were received. Send the lines in between first.`,
    facts: { throughLine },
  });
}
