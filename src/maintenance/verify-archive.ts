import type { Finding } from "../api/finding.ts";
import { ownerName, type SessionRef, TENANT_OWNER } from "../api/session.ts";
import type { Database } from "../archive/database.ts";
import { type HeldFilter, type HeldRow, listHeldSessions } from "../archive/held.ts";
import { listLooseEpochs } from "../archive/orphans.ts";
import { isOrphan } from "./compare-archive.ts";
import { type VerifyDeps, verifySession } from "./verify-session.ts";
import { verifyUser } from "./verify-user.ts";

/** Session objects called concurrently. */
const AT_ONCE = 16;

export interface ArchivePage<Cursor> {
  readonly findings: readonly Finding[];
  /** How many rows were examined. */
  readonly looked: number;
  /** Null at the end. */
  readonly next: Cursor | null;
}

/**
 * Verifies a page of the sessions in the archive: finds those that no session object knows, and remains of erased
 * users. Sessions that are in the directories' lists are verified separately; this finds the others.
 */
export async function verifyHeldSessions(
  filter: HeldFilter,
  page: { readonly after: SessionRef | null; readonly limit: number },
  database: Database,
  parts: VerifyDeps,
): Promise<ArchivePage<SessionRef>> {
  const rows = await listHeldSessions(database, filter, page);
  const findings: Finding[] = [];
  const gone = new Set<string>();
  for (const { tenant, owner } of usersAmong(rows)) {
    const found = await verifyUser({ tenant, owner }, database, parts);
    findings.push(...found);
    if (found.length > 0) gone.add(ownerName({ tenant, owner }));
  }
  const others = rows.filter((row) => !gone.has(ownerName(row)));
  for (const row of await orphansAmong(others, parts)) {
    const { findings: found } = await verifySession(row, database, parts);
    findings.push(...found.filter(({ kind }) => kind === "orphan" || kind === "lost-session"));
  }
  const last = rows.at(-1);
  return { findings, looked: rows.length, next: rows.length < page.limit ? null : nameOf(last) };
}

/** Those rows whose epochs no session object knows. Calls each object. */
export async function orphansAmong(rows: readonly HeldRow[], parts: Pick<VerifyDeps, "sessions">): Promise<HeldRow[]> {
  const orphans: HeldRow[] = [];
  for (let from = 0; from < rows.length; from += AT_ONCE) {
    const some = rows.slice(from, from + AT_ONCE);
    const reports = await Promise.all(some.map((row) => parts.sessions.get(row).checkIntegrity()));
    orphans.push(
      ...some.filter((row, index) => {
        const report = reports[index];
        return report !== undefined && isOrphan(row, report);
      }),
    );
  }
  return orphans;
}

/** A page of the epochs that have summaries, items or messages in the archive, but no row in `sessions`. */
export async function verifyLooseEpochs(
  filter: HeldFilter,
  page: { readonly after: string; readonly limit: number },
  database: Database,
): Promise<ArchivePage<string>> {
  const { epochs, next } = await listLooseEpochs(database, page);
  const among = epochs.filter((epoch) => isOfOwner(epoch, filter));
  const findings = among.map(({ epoch, tenant, owner }): Finding => ({
    kind: "orphan",
    tenant,
    owner,
    session: null,
    detail: `the archive holds epoch ${epoch}, and no row of its session`,
    mend: "archive",
  }));
  return { findings, looked: epochs.length, next };
}

export function isOfOwner({ tenant, owner }: Pick<SessionRef, "tenant" | "owner">, filter: HeldFilter): boolean {
  return (
    (filter.tenant === undefined || filter.tenant === tenant) && (filter.owner === undefined || filter.owner === owner)
  );
}

function usersAmong(rows: readonly HeldRow[]): HeldRow[] {
  const users = new Map(rows.filter(({ owner }) => owner !== TENANT_OWNER).map((row) => [ownerName(row), row]));
  return [...users.values()];
}

function nameOf(row: HeldRow | undefined): SessionRef | null {
  return row === undefined ? null : { tenant: row.tenant, owner: row.owner, session: row.session };
}
