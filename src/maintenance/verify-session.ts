import { type Finding, findingOf, type Flaw, type IntegrityReport } from "../api/finding.ts";
import type { SessionRef } from "../api/session.ts";
import type { Database } from "../archive/database.ts";
import { type HeldSession, readHeldMessages, readHeldSession, readHeldSummary } from "../archive/held.ts";
import type { Deps } from "../usecases/request-context.ts";
import { compareArchive, compareMessages, compareSummary, isComparable, isSettled } from "./compare-archive.ts";

export type VerifyDeps = Pick<Deps, "directory" | "operations" | "sessions" | "users" | "withDatabase">;

/**
 * - `sound`, `flawed`: checked in its object and in the archive
 * - `unsettled`: checked in its object only, because the archive was being written meanwhile
 * - `absent`: the session does not exist, or not yet
 */
export interface Verified {
  readonly result: "sound" | "flawed" | "unsettled" | "absent";
  readonly findings: readonly Finding[];
}

/**
 * Verifies a session: its object checks itself, then the archive's rows are compared with it. Reads every version, item
 * and message, page by page. Changes nothing.
 */
export async function verifySession(ref: SessionRef, database: Database, parts: VerifyDeps): Promise<Verified> {
  const session = parts.sessions.get(ref);
  const report = await session.checkIntegrity();
  const held = await readHeldSession(database, ref);
  const flaws: Flaw[] = [...report.flaws];
  const lacking: Flaw[] = [];
  if (report.state === "active" && report.epoch !== null) {
    const checked: CheckedEpoch = { ref, epoch: report.epoch, isHeld: isComparable(report, held), database, parts };
    for (const verify of [verifySummary, verifySources, verifyLog]) {
      const found = await verify(checked);
      flaws.push(...found.flaws);
      lacking.push(...found.lacking);
    }
  }
  lacking.push(...((await lostSession(ref, report, held, parts)) ?? compareArchive(report, held)));
  if (report.state === "active") flaws.push(...(await unlistedSession(ref, parts)));
  // If the session changed during the check, differences from the archive are not findings.
  const isAsItWas = (isSettled(report) || isOver(report)) && isUnchanged(report, await session.checkIntegrity());
  if (isAsItWas) flaws.push(...lacking);
  const findings = flaws.map((flaw) => findingOf(ref, flaw));
  if (findings.length > 0) return { result: "flawed", findings };
  if (report.state === "nothing" || report.state === "copying") return { result: "absent", findings };
  return { result: isAsItWas ? "sound" : "unsettled", findings };
}

function isOver({ state }: IntegrityReport): boolean {
  return state === "nothing" || state === "erased";
}

function isUnchanged(before: IntegrityReport, after: IntegrityReport): boolean {
  const isSame = (of: (report: IntegrityReport) => unknown): boolean => of(before) === of(after);
  return (
    isSame(({ state }) => state) &&
    isSame(({ epoch }) => epoch) &&
    isSame(({ rev }) => rev) &&
    isSame(({ archivedRev }) => archivedRev) &&
    isSame(({ isArchivePending }) => isArchivePending) &&
    isSame(({ erasedEpochs }) => erasedEpochs.join())
  );
}

/** The epoch of a session that is checked page by page. */
interface CheckedEpoch {
  readonly ref: SessionRef;
  readonly epoch: string;
  /** Whether the archive has this epoch. */
  readonly isHeld: boolean;
  readonly database: Database;
  readonly parts: VerifyDeps;
}

/** Problems in the object (`flaws`) and in the archive (`lacking`). */
interface Found {
  readonly flaws: readonly Flaw[];
  readonly lacking: readonly Flaw[];
}

/**
 * How many problems are kept per session: each page reports a few, and a badly damaged session may have thousands of
 * pages.
 */
const MAX_FLAWS = 50;

class FlawList {
  readonly flaws: Flaw[] = [];
  readonly lacking: Flaw[] = [];

  add(flaws: readonly Flaw[], lacking: readonly Flaw[] = []): void {
    this.flaws.push(...flaws.slice(0, MAX_FLAWS - this.flaws.length));
    this.lacking.push(...lacking.slice(0, MAX_FLAWS - this.lacking.length));
  }
}

async function verifySummary({ ref, epoch, isHeld, database, parts }: CheckedEpoch): Promise<Found> {
  const found = new FlawList();
  for (let afterVersion = 0; ;) {
    const page = await parts.sessions.get(ref).checkSummaryIntegrity(epoch, afterVersion);
    if (page === null) return found;
    const checked = { tenant: ref.tenant, epoch };
    const there = isHeld ? await readHeldSummary(database, checked, afterVersion, page.throughVersion) : null;
    found.add(page.flaws, there === null ? [] : compareSummary(page, there, ref));
    if (page.isLast) return found;
    afterVersion = page.throughVersion;
  }
}

async function verifySources({ ref, epoch, parts }: CheckedEpoch): Promise<Found> {
  const found = new FlawList();
  for (let afterRow = 0; ;) {
    const page = await parts.sessions.get(ref).checkSourcesIntegrity(epoch, afterRow);
    if (page === null) return found;
    found.add(page.flaws);
    if (page.isLast) return found;
    afterRow = page.throughRow;
  }
}

async function verifyLog({ ref, epoch, isHeld, database, parts }: CheckedEpoch): Promise<Found> {
  const found = new FlawList();
  for (let afterSeq = 0; ;) {
    const page = await parts.sessions.get(ref).checkLogIntegrity(epoch, afterSeq);
    if (page === null) return found;
    found.add(page.flaws);
    const last = page.messages.at(-1);
    if (isHeld && last !== undefined) {
      const there = await readHeldMessages(database, { tenant: ref.tenant, epoch }, afterSeq, last.seq);
      found.add([], compareMessages(page.messages, there));
    }
    if (page.isLast) return found;
    afterSeq = page.throughSeq;
  }
}

/**
 * Finds a session that exists only in the archive; a person must decide what to do about it. Null if it is not lost.
 */
async function lostSession(
  ref: SessionRef,
  report: IntegrityReport,
  held: HeldSession | null,
  parts: VerifyDeps,
): Promise<Flaw[] | null> {
  if (report.state !== "nothing" || held === null || held.row.isErased) return null;
  const { isListed, erasure } = await parts.directory.standing(ref);
  if (!isListed || erasure !== null) return null;
  const detail =
    "the list and the archive have it, and its object holds nothing: restore the object to a time when it was there";
  return [{ kind: "lost-session", detail, mend: null }];
}

async function unlistedSession(ref: SessionRef, parts: VerifyDeps): Promise<Flaw[]> {
  const { isListed, erasure } = await parts.directory.standing(ref);
  // If the user was erased, another check reports that.
  if (isListed || erasure !== null) return [];
  const detail = "no list names it: create it again by its id, which lists it and leaves it as it is";
  return [{ kind: "unlisted-session", detail, mend: null }];
}
