import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import { eraseSession } from "../erase/index.ts";
import { type SessionCreation, createSession } from "../log/index.ts";
import { scheduleListing } from "../outbox/index.ts";
import { copiedQuotaFault, countCopied, refuseCopied, takenSoFar } from "../quota/index.ts";
import type { CopyingImport, FinishedImport, ImportProgress, SessionRow } from "../sqlite/index.ts";
import { type Unit, UNKNOWN_SESSION } from "../unit.ts";
import { TAKEN_SESSION } from "./begin-fork.ts";
import { finishImport, importFault } from "./finish-import.ts";
import { beginProgress, type NumberedLine, saveLines } from "./import.ts";
import { ImportedItems } from "./imported-items.ts";
import type { EpochRef } from "./lineage.ts";
import { type Claim, vouch } from "./vouch.ts";

// The steps of an import as clients call them. The session is invisible to clients until the whole file is saved and
// the import is finished.

/**
 * What an import begins with besides the session's metadata and settings. `throughLine` is the line of the file that
 * described the session.
 */
export type BegunImport = Pick<ImportProgress, "id" | "throughLine" | "patienceMs">;

/** How far an import is. */
export interface ImportStanding extends Pick<SessionRow, "epoch" | "metadata" | "createdAt" | "grantedAt"> {
  /** Messages that were saved so far. */
  readonly messages: number;
  /** Null once the import is finished. */
  readonly progress: ImportProgress | null;
  /** When it is given up unless more lines arrive, in ms since 1970; null once it is finished. */
  readonly until: number | null;
  /** What was imported; null until the import is finished. */
  readonly finished: FinishedImport | null;
}

/**
 * Begins an import. Repeating the call changes nothing.
 * @throws ThreadkeepError `session_exists` if there is a session of this id that is not this import
 */
export function beginImport(
  unit: Unit,
  creation: SessionCreation,
  { id, throughLine, patienceMs }: BegunImport,
): ImportStanding {
  const unerased = unit.findUnerased();
  if (unerased !== null && importIdOf(unerased) !== id) throw new ThreadkeepError(TAKEN_SESSION);
  if (unerased !== null) return standingOf(unit, unerased);
  const begun = beginProgress(id, throughLine, patienceMs);
  const progress = creation.isKnown === true ? { ...begun, isContested: true as const } : begun;
  return standingOf(unit, createSession(unit, creation, { kind: "import", until: unit.now + patienceMs, progress }));
}

export function readImport(unit: Unit, id: string): ImportStanding {
  const session = unit.findUnerased();
  if (session === null) throw new ThreadkeepError(UNKNOWN_SESSION);
  if (importIdOf(session) !== id) throw new ThreadkeepError(UNKNOWN_IMPORT);
  return standingOf(unit, session);
}

function standingOf({ store }: Unit, session: SessionRow): ImportStanding {
  const { epoch, metadata, createdAt, grantedAt, copying, imported } = session;
  const messages = store.messages.head()?.seq ?? 0;
  const begun = { epoch, metadata, createdAt, grantedAt, messages, finished: imported };
  if (copying?.kind !== "import") return { ...begun, progress: null, until: null };
  const { progress, until } = copying;
  return { ...begun, progress, until };
}

/**
 * The items that the last saved page ended with, which the next page is checked against. They are kept in memory only;
 * without them they are read from the store again.
 */
export class LastPage {
  #page: { readonly epoch: string; readonly items: ImportedItems } | null = null;

  take(epoch: string): ImportedItems | null {
    const items = this.#page?.epoch === epoch ? this.#page.items : null;
    this.#page = null;
    return items;
  }

  keep(epoch: string, items: ImportedItems): void {
    this.#page = { epoch, items };
  }

  forget(): void {
    this.#page = null;
  }
}

/**
 * Saves lines of the file. Lines that are saved already are skipped.
 * @param throughLine the line of the file up to which these lines go, with empty ones
 * @returns the new progress. It may end before `throughLine` if much had to be read to check items: then the call must
 * be repeated
 * @throws ThreadkeepError if a line is wrong, or the tenant's limits do not allow so many messages
 */
export function saveImportPage(
  unit: Unit,
  lastPage: LastPage,
  { epoch, lines, throughLine }: { epoch: string; lines: readonly NumberedLine[]; throughLine: number },
): ImportProgress {
  const known = lastPage.take(epoch);
  const { session, copying } = requireImporting(unit, epoch);
  const items = known ?? ImportedItems.of(unit.store);
  const progress = saveLines(unit, copying.progress, items, lines, throughLine);
  // If the messages exceed the tenant's limits already, there is no use in reading on.
  const { limits } = session.tenantSettings;
  const fault = limits === undefined ? null : copiedQuotaFault(limits, takenSoFar(unit), unit.now);
  if (fault !== null) throw new ThreadkeepError(fault);
  unit.store.setCopying({ ...copying, until: unit.now + progress.patienceMs, progress });
  unit.whenCommitted(() => lastPage.keep(epoch, items));
  return progress;
}

/**
 * Checks that an import can be finished: the file is complete, and the tenant's limits allow it. The caller lists the
 * session in the directory only after this, so the import is marked as about to end.
 */
export function checkImport(unit: Unit, epoch: string): null {
  if (finishedImport(unit, epoch) !== null) return null;
  const { copying, progress } = requireEnding(unit, epoch);
  unit.store.setCopying({ ...copying, progress: { ...progress, isEnding: true } });
  return null;
}

/**
 * Records the creation grant, even if the import is refused afterwards: whoever gives the import up needs it to remove
 * the directory's entry.
 */
export function recordImportGrant(unit: Unit, epoch: string, grantedAt: number): void {
  const { session } = requireImporting(unit, epoch);
  unit.store.setGrantedAt(Math.max(session.grantedAt, grantedAt));
}

/**
 * Finishes an import: from now on, clients can use the session.
 * @param isKnown whether the directory has an entry of an earlier epoch, which must be updated
 * @throws ThreadkeepError if the file is not complete, or the tenant's limits do not allow so many messages
 */
export function finishImportedSession(unit: Unit, epoch: string, isKnown: boolean): FinishedImport {
  const { session, progress } = requireEnding(unit, epoch);
  const imported = takenSoFar(unit);
  const finished = finishImport(unit, progress);
  if (isKnown) scheduleListing(unit);
  // Counted only now: a file that is refused uses up nothing of the limits.
  countCopied(unit, session.tenantSettings.limits, imported);
  return finished;
}

/** The result of a finished import; null if it is not finished. */
export function finishedImport(unit: Unit, epoch: string): FinishedImport | null {
  const session = unit.findUnerased();
  return session?.epoch === epoch && session.copying === null ? session.imported : null;
}

/**
 * Called on a session that an import cites: tells which of these claims its messages support. It may answer only for
 * the first claims, if much has to be read; the rest is asked again. If one is supported, `copy` is recorded as a copy,
 * so that it is told of later erasures.
 */
export function vouchFor(
  unit: Unit,
  copy: string,
  claims: readonly Claim[],
): EpochRef & { readonly answers: boolean[] } {
  const { session, epoch } = unit.requireSession();
  const answers = vouch(unit, claims);
  if (answers.includes(true)) unit.store.lineage.putCopy({ session, epoch }, copy, null);
  return { session, epoch, answers };
}

/**
 * Deletes everything of an import that failed.
 * @returns the newest creation grant that this epoch recorded, by which the caller removes the directory's entry; null
 * if there is nothing for the caller to remove: the epoch is over, or an erase job does it
 */
export function abandonImport(unit: Unit, epoch: string): number | null {
  const session = unit.findUnerased();
  if (session?.epoch !== epoch || session.copying === null) return null;
  // The caller may have listed the session with a creation grant that was not recorded here before it broke off, or
  // another request may still create a session with an earlier one. The erase job corrects the directory for as long as
  // such a grant can arrive.
  if (session.copying.kind === "import") {
    const { isEnding = false, isContested = false } = session.copying.progress;
    if (isEnding || isContested) {
      eraseSession(unit);
      return null;
    }
  }
  unit.store.wipe(unit.now);
  return session.grantedAt;
}

function requireImporting(
  unit: Unit,
  epoch: string,
): { readonly session: SessionRow; readonly copying: CopyingImport } {
  const session = unit.findUnerased();
  const copying = session?.copying;
  if (session?.epoch !== epoch || copying?.kind !== "import") throw new ThreadkeepError(LOST_IMPORT);
  return { session, copying };
}

function requireEnding(unit: Unit, epoch: string) {
  const { session, copying } = requireImporting(unit, epoch);
  const { progress } = copying;
  const fault = importFault(unit, progress);
  if (fault !== null) throw new ThreadkeepError(fault);
  refuseCopied(unit, session.tenantSettings.limits, takenSoFar(unit));
  return { session, copying, progress };
}

/** The id of the import that is under way, or that created the session; null if there is none. */
function importIdOf({ copying, imported }: SessionRow): string | null {
  return copying?.kind === "import" ? copying.progress.id : (imported?.id ?? null);
}

const UNKNOWN_IMPORT: Fault = {
  code: "import_not_found",
  detail:
    "The import was given up, or the session came from another one. Start the import again, with a session id that is not in use.",
};
const LOST_IMPORT: Fault = {
  code: "session_not_found",
  detail: "The import took too long, or the session was erased meanwhile. Send the file again.",
};
