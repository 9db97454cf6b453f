import type { Database } from "../archive/database.ts";
import { type HeldSession, readHeldMessages, readHeldSession } from "../archive/held.ts";
import { type Finding, findingOf, type Flaw, type SessionProof } from "../contracts/finding.ts";
import type { SessionRef } from "../contracts/session.ts";
import type { Parts } from "../service/call.ts";
import { compareArchive, compareMessages, isSettled } from "./compare-archive.ts";

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
 * Checks the promises of a session: in its object by itself, and the archive's rows against that. Reads every version and item, and
 * the log page by page. Changes nothing.
 */
export async function verifySession(ref: SessionRef, database: Database, parts: VerifyParts): Promise<Verified> {
  const session = parts.sessions.get(ref);
  const proof = await session.proof();
  const held = await readHeldSession(database, ref);
  const flaws: Flaw[] = [...proof.flaws];
  const lacking: Flaw[] = [];
  if (proof.state === "active") {
    const log = await verifyLog(ref, proof, held, database, parts);
    flaws.push(...log.flaws);
    lacking.push(...log.lacking);
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

/** What is wrong with the log in the object, and with what the archive has of it. */
async function verifyLog(
  ref: SessionRef,
  { incarnation }: SessionProof,
  held: HeldSession | null,
  database: Database,
  parts: VerifyParts,
): Promise<{ readonly flaws: Flaw[]; readonly lacking: Flaw[] }> {
  const found = { flaws: [] as Flaw[], lacking: [] as Flaw[] };
  if (incarnation === null) return found;
  const isHeld = held !== null && !held.row.isErased && held.row.incarnation === incarnation;
  for (let afterSeq = 0; ;) {
    const page = await parts.sessions.get(ref).proofOfLog(incarnation, afterSeq);
    if (page === null) return found;
    found.flaws.push(...page.flaws);
    const last = page.messages.at(-1);
    if (isHeld && last !== undefined) {
      const there = await readHeldMessages(database, { tenant: ref.tenant, incarnation }, afterSeq, last.seq);
      found.lacking.push(...compareMessages(page.messages, there));
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
