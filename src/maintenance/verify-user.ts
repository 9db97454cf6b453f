import type { Finding, Flaw } from "../api/finding.ts";
import type { UserRef } from "../api/user.ts";
import type { Database } from "../archive/database.ts";
import { listHeldSessions } from "../archive/held.ts";
import { countUserRows } from "../archive/users.ts";
import type { VerifyDeps } from "./verify-session.ts";

/** How many of a user's sessions are asked whether they still have data. */
const MAX_ASKED = 100;

/**
 * Checks whether anything remains of an erased user: in PostgreSQL, in the session objects that PostgreSQL names, among
 * the failed jobs, and in the directory. A user whose erasure is running is skipped. The directory forgets an erasure
 * four days after its end; what a restore brings back after that is found as orphans. Changes nothing.
 */
export async function verifyUser(user: UserRef, database: Database, parts: VerifyDeps): Promise<Finding[]> {
  const { erasure, entries, hasAuditKey } = await parts.users.standing(user);
  if (erasure !== "erased") return [];
  const left = [
    [await countUserRows(database, user, []), "rows in PostgreSQL"],
    [await countObjects(user, database, parts), "sessions in their objects"],
    [await parts.operations.countOfUser(user), "failed jobs"],
    [entries, "entries in the list of sessions"],
    [hasAuditKey ? 1 : 0, "key of the audit"],
  ] as const;
  const told = left.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  if (told.length === 0) return [];
  const flaw: Flaw = { kind: "half-erased-user", detail: `left of the user: ${told.join(", ")}`, mend: "erase-user" };
  return [{ ...flaw, ...user, session: null }];
}

async function countObjects({ tenant, owner }: UserRef, database: Database, parts: VerifyDeps): Promise<number> {
  const held = await listHeldSessions(database, { tenant, owner }, { after: null, limit: MAX_ASKED });
  const reports = await Promise.all(held.map((ref) => parts.sessions.get(ref).checkIntegrity()));
  return reports.filter(({ state }) => state !== "nothing").length;
}
