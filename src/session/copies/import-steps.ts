import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import { eraseSession } from "../erase/index.ts";
import { type SessionCreation, createSession } from "../log/index.ts";
import { scheduleListing } from "../outbox/index.ts";
import { copiedQuotaFault, countCopied, refuseCopied, takenSoFar } from "../quota/index.ts";
import type { CopyingImport, FinishedImport, ImportProgress, SessionRow } from "../sqlite/index.ts";
import { type Unit, UNKNOWN_SESSION } from "../unit.ts";
import { TAKEN_SESSION } from "./begin-fork.ts";
import {
  beginProgress,
  type Claim,
  finishImport,
  ImportedItems,
  importFault,
  type NumberedLine,
  saveLines,
  vouch,
} from "./import.ts";
import type { EpochRef } from "./lineage.ts";

/** An import, step by step: nobody sees the session until the whole file is in. */

/** What an import begins with, besides what the session does. `throughLine`: the line of the file that told of the session. */
export type BegunImport = Pick<ImportProgress, "id" | "throughLine" | "patienceMs">;

/** Where an import stands. */
export interface ImportStanding extends Pick<SessionRow, "epoch" | "metadata" | "createdAt" | "grantedAt"> {
  /** Messages that are in. */
  readonly messages: number;
  /** Null once it is whole. */
  readonly progress: ImportProgress | null;
  readonly until: number | null;
  /** Null until it is whole. */
  readonly finished: FinishedImport | null;
}

/** Begins to fill a new session from a file. Repeated it changes nothing. */
export function beginImport(
  unit: Unit,
  creation: SessionCreation,
  { id, throughLine, patienceMs }: BegunImport,
): ImportStanding {
  const unerased = unit.findUnerased();
  if (unerased !== null && importIdOf(unerased) !== id) throw new ThreadkeepError(TAKEN_SESSION);
  if (unerased !== null) return standingOf(unit, unerased);
  const progress = beginProgress(id, throughLine, patienceMs);
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

/** The items of the page before, of the import that sent it: what the next page is held against. In memory alone. */
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
 * Saves lines of a file; what is in already is passed over.
 * @param throughLine the last line of the file that they stand for
 * @returns how far it is, which may be less: then it is to be called again
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
  // What can never fit is not read to its end.
  const { limits } = session.tenantSettings;
  const fault = limits === undefined ? null : copiedQuotaFault(limits, takenSoFar(unit), unit.now);
  if (fault !== null) throw new ThreadkeepError(fault);
  unit.store.setCopying({ ...copying, until: unit.now + progress.patienceMs, progress });
  unit.whenCommitted(() => lastPage.keep(epoch, items));
  return progress;
}

/** Whether an import may end now: all of its file is in, and its tenant has room for it. No list need show it before. */
export function checkImport(unit: Unit, epoch: string): null {
  if (finishedImport(unit, epoch) !== null) return null;
  const { copying, progress } = requireEnding(unit, epoch);
  unit.store.setCopying({ ...copying, progress: { ...progress, isEnding: true } });
  return null;
}

/** Records the directory's grant, also where the import is refused then: whoever gives it up has it taken off the list by that. */
export function recordImportGrant(unit: Unit, epoch: string, grantedAt: number): void {
  const { session } = requireImporting(unit, epoch);
  unit.store.setGrantedAt(Math.max(session.grantedAt, grantedAt));
}

/** Makes the session of an import that is whole. */
export function finishImportedSession(unit: Unit, epoch: string, isKnown: boolean): FinishedImport {
  const { session, progress } = requireEnding(unit, epoch);
  const imported = takenSoFar(unit);
  const finished = finishImport(unit, progress);
  if (isKnown) scheduleListing(unit);
  // Not before it is whole: a file that is refused uses nothing up.
  countCopied(unit, session.tenantSettings.limits, imported);
  return finished;
}

/** What the import of an epoch brought; null if it is not whole. */
export function finishedImport(unit: Unit, epoch: string): FinishedImport | null {
  const session = unit.findUnerased();
  return session?.epoch === epoch && session.copying === null ? session.imported : null;
}

/**
 * Which of the claims of an import its messages bear out, for the first of them at least. The session that it is to become is told of
 * later erasures.
 */
export function vouchFor(
  unit: Unit,
  copy: string,
  claims: readonly Claim[],
): EpochRef & { readonly answers: boolean[] } {
  const { session, epoch } = unit.requireSession();
  const answers = vouch(unit, claims);
  if (answers.includes(true)) unit.store.lineage.putCopy(copy, null);
  return { session, epoch, answers };
}

/**
 * Leaves nothing of an import that failed.
 * @returns the newest grant that this epoch knew of, for the list of sessions; null if it is not this import's any more, or if the erasure that
 *   it leaves behind sees to the list
 */
export function abandonImport(unit: Unit, epoch: string): number | null {
  const session = unit.findUnerased();
  if (session?.epoch !== epoch || session.copying === null) return null;
  // Whoever broke off may have had it listed by a grant that is known to nobody: what erases it sees to the list until that is right.
  if (session.copying.kind === "import" && session.copying.progress.isEnding === true) {
    eraseSession(unit);
    return null;
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

/** What tells the imports of one session id apart, whether it is still being filled or came of it. */
function importIdOf({ copying, imported }: SessionRow): string | null {
  return copying?.kind === "import" ? copying.progress.id : (imported?.id ?? null);
}

const UNKNOWN_IMPORT: Fault = {
  code: "import_not_found",
  detail: "It was given up, or the session came of another. Begin it anew, under an id that no session has.",
};
const LOST_IMPORT: Fault = {
  code: "session_not_found",
  detail: "The import took too long, or the session was erased meanwhile. Send the file again.",
};
