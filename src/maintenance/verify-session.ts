import { type Finding, findingOf, type Flaw, type SessionProof } from "../api/finding.ts";
import type { SessionRef } from "../api/session.ts";
import type { Database } from "../archive/database.ts";
import { type HeldSession, readHeldMessages, readHeldSession, readHeldSummary } from "../archive/held.ts";
import type { Parts } from "../usecases/request-context.ts";
import { compareArchive, compareMessages, compareSummary, isComparable, isSettled } from "./compare-archive.ts";

export type VerifyParts = Pick<Parts, "directory" | "operations" | "sessions" | "users" | "withDatabase">;

/**
 * - `sound`, `flawed`: it was looked at, in its object and in the archive; - `unsettled`: in its object alone, since the archive was
 * just being written to; - `absent`: there is no such session, or not yet
 */
export interface Verified {
  readonly result: "sound" | "flawed" | "unsettled" | "absent";
  readonly findings: readonly Finding[];
}

/**
 * Checks the promises of a session: in its object by itself, and the archive's rows against that. Reads every version, item and message,
 * page by page. Changes nothing.
 */
export async function verifySession(ref: SessionRef, database: Database, parts: VerifyParts): Promise<Verified> {
  const session = parts.sessions.get(ref);
  const proof = await session.proof();
  const held = await readHeldSession(database, ref);
  const flaws: Flaw[] = [...proof.flaws];
  const lacking: Flaw[] = [];
  if (proof.state === "active" && proof.incarnation !== null) {
    const life: Life = { ref, incarnation: proof.incarnation, isHeld: isComparable(proof, held), database, parts };
    for (const verify of [verifySummary, verifySources, verifyLog]) {
      const found = await verify(life);
      flaws.push(...found.flaws);
      lacking.push(...found.lacking);
    }
  }
  lacking.push(...((await lostSession(ref, proof, held, parts)) ?? compareArchive(proof, held)));
  if (proof.state === "active") flaws.push(...(await unlistedSession(ref, parts)));
  // Whatever moved while it was looked at is no finding.
  const isAsItWas = (isSettled(proof) || isOver(proof)) && isUnchanged(proof, await session.proof());
  if (isAsItWas) flaws.push(...lacking);
  const findings = flaws.map((flaw) => findingOf(ref, flaw));
  if (findings.length > 0) return { result: "flawed", findings };
  if (proof.state === "nothing" || proof.state === "copying") return { result: "absent", findings };
  return { result: isAsItWas ? "sound" : "unsettled", findings };
}

function isOver({ state }: SessionProof): boolean {
  return state === "nothing" || state === "erased";
}

function isUnchanged(before: SessionProof, after: SessionProof): boolean {
  const isSame = (of: (proof: SessionProof) => unknown): boolean => of(before) === of(after);
  return (
    isSame(({ state }) => state) &&
    isSame(({ incarnation }) => incarnation) &&
    isSame(({ rev }) => rev) &&
    isSame(({ archivedRev }) => archivedRev) &&
    isSame(({ isArchiveOwed }) => isArchiveOwed) &&
    isSame(({ erasedLives }) => erasedLives.join())
  );
}

/** One life of a session, which is looked through page by page. */
interface Life {
  readonly ref: SessionRef;
  readonly incarnation: string;
  /** The archive holds it, too. */
  readonly isHeld: boolean;
  readonly database: Database;
  readonly parts: VerifyParts;
}

/** What is wrong in the object, and with what the archive has of it. */
interface Found {
  readonly flaws: readonly Flaw[];
  readonly lacking: readonly Flaw[];
}

/** Flaws of one look at a session: each page names a few, and a session that is broken throughout has thousands of pages. */
const MAX_FLAWS = 50;

class FlawList {
  readonly flaws: Flaw[] = [];
  readonly lacking: Flaw[] = [];

  add(flaws: readonly Flaw[], lacking: readonly Flaw[] = []): void {
    this.flaws.push(...flaws.slice(0, MAX_FLAWS - this.flaws.length));
    this.lacking.push(...lacking.slice(0, MAX_FLAWS - this.lacking.length));
  }
}

async function verifySummary({ ref, incarnation, isHeld, database, parts }: Life): Promise<Found> {
  const found = new FlawList();
  for (let afterVersion = 0; ;) {
    const page = await parts.sessions.get(ref).proofOfSummary(incarnation, afterVersion);
    if (page === null) return found;
    const life = { tenant: ref.tenant, incarnation };
    const there = isHeld ? await readHeldSummary(database, life, afterVersion, page.throughVersion) : null;
    found.add(page.flaws, there === null ? [] : compareSummary(page, there, ref));
    if (page.isLast) return found;
    afterVersion = page.throughVersion;
  }
}

async function verifySources({ ref, incarnation, parts }: Life): Promise<Found> {
  const found = new FlawList();
  for (let afterRow = 0; ;) {
    const page = await parts.sessions.get(ref).proofOfSources(incarnation, afterRow);
    if (page === null) return found;
    found.add(page.flaws);
    if (page.isLast) return found;
    afterRow = page.throughRow;
  }
}

async function verifyLog({ ref, incarnation, isHeld, database, parts }: Life): Promise<Found> {
  const found = new FlawList();
  for (let afterSeq = 0; ;) {
    const page = await parts.sessions.get(ref).proofOfLog(incarnation, afterSeq);
    if (page === null) return found;
    found.add(page.flaws);
    const last = page.messages.at(-1);
    if (isHeld && last !== undefined) {
      const there = await readHeldMessages(database, { tenant: ref.tenant, incarnation }, afterSeq, last.seq);
      found.add([], compareMessages(page.messages, there));
    }
    if (page.isLast) return found;
    afterSeq = page.throughSeq;
  }
}

/** The archive may be the only place that still has it: that is for people to decide. Null: it is not lost. */
async function lostSession(
  ref: SessionRef,
  proof: SessionProof,
  held: HeldSession | null,
  parts: VerifyParts,
): Promise<Flaw[] | null> {
  if (proof.state !== "nothing" || held === null || held.row.isErased) return null;
  const { isListed, erasure } = await parts.directory.standing(ref);
  if (!isListed || erasure !== null) return null;
  const detail =
    "the list and the archive have it, and its object holds nothing: restore the object to a time when it was there";
  return [{ kind: "lost-session", detail, mend: null }];
}

async function unlistedSession(ref: SessionRef, parts: VerifyParts): Promise<Flaw[]> {
  const { isListed, erasure } = await parts.directory.standing(ref);
  // Where the user was erased, that is what is found.
  if (isListed || erasure !== null) return [];
  const detail = "no list names it: create it again by its id, which lists it and leaves it as it is";
  return [{ kind: "unlisted-session", detail, mend: null }];
}
