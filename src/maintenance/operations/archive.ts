import { z } from "zod";
import type { Finding } from "../../api/finding.ts";
import { type HeldRow, listHeldSessions, readHeldRow } from "../../archive/held.ts";
import { deleteLooseEpoch, eraseOrphan, liftTombstone, listLooseEpochs } from "../../archive/orphans.ts";
import { inPasses } from "../in-passes.ts";
import type { Operation } from "../operation.ts";
import { isOfOwner, orphansAmong } from "../verify-archive.ts";
import { eachVerified, type Judge } from "../verify-listed.ts";
import { verifySession } from "../verify-session.ts";

/**
 * Rows of the archive per step: each takes a call to a session object, and Cloudflare allows 1,000 subrequests per
 * invocation.
 */
const MAX_HELD = 250;

const refSchema = z.strictObject({ tenant: z.string(), owner: z.string(), session: z.string() });

/**
 * Makes the archive agree with the session objects: a session whose data in the archive is missing or different is sent
 * again as a whole, and what no session object knows is erased. Sessions whose job is pending are left to that job.
 */
export const archive: Operation = inPasses(({ session, user }) => {
  if (session !== undefined) return [listed];
  return user === undefined ? [listed, held, loose] : [listed, held];
});

const listed = eachVerified((isDryRun) => (isDryRun ? tell : resyncArchive));

const isOurs = ({ mend }: Finding): boolean => mend === "archive";

/** Keeps only the findings that this operation does not repair. `verify` reports all of them. */
const tell: Judge = async ({ result, findings }) => {
  const others = findings.filter((finding) => !isOurs(finding));
  return { result: findings.some(isOurs) ? "would-archive" : result, findings: others };
};

const resyncArchive: Judge = async (verified, { ref, database, parts }) => {
  const { findings } = await tell(verified, { ref, database, parts });
  if (!verified.findings.some(isOurs)) return { result: verified.result, findings };
  const row = await readHeldRow(database, ref);
  const report = await parts.sessions.get(ref).checkIntegrity();
  if (verified.findings.some(({ kind, session }) => kind === "orphan" && session !== null) && row !== null) {
    const [orphan] = await orphansAmong([row], parts);
    if (orphan !== undefined) await eraseOrphan(database, orphan);
  }
  const isSameEpoch = row !== null && row.epoch === report.epoch;
  if (isSameEpoch && row.isErased && report.state === "active") await liftTombstone(database, row);
  const sent = await parts.sessions.get(ref).resyncArchive(isSameEpoch ? row.rev : 0);
  return { result: sent === "scheduled" ? "scheduled" : "mended", findings };
};

/** Erases epochs in the archive that no session object knows. */
const held: Operation = {
  async slice({ tenant, user, sliceSize, dryRun }, cursor, parts) {
    const after = cursor === null ? null : refSchema.parse(JSON.parse(cursor));
    const limit = Math.min(sliceSize, MAX_HELD);
    return parts.withDatabase(async (database) => {
      const rows = await listHeldSessions(database, { tenant, owner: user }, { after, limit });
      let orphans = 0;
      for (const row of await orphansAmong(rows, parts)) {
        // If the directory and the archive have a session but its object is empty, the archive may have the only copy;
        // so it is not erased.
        const { findings } = await verifySession(row, database, parts);
        if (!findings.some(({ kind }) => kind === "orphan")) continue;
        orphans += 1;
        if (!dryRun) await eraseOrphan(database, row);
      }
      return { cursor: nextAfter(rows, limit), counts: counted(orphans, dryRun) };
    });
  },
};

/**
 * Erases epochs that have no row in `sessions`. They cannot be found by user, so a run for one user skips this pass.
 */
const loose: Operation = {
  async slice({ tenant, user, sliceSize, dryRun }, cursor, parts) {
    return parts.withDatabase(async (database) => {
      const { epochs, next } = await listLooseEpochs(database, { after: cursor ?? "", limit: sliceSize });
      const meant = epochs.filter((epoch) => isOfOwner(epoch, { tenant, owner: user }));
      if (!dryRun) for (const { epoch } of meant) await deleteLooseEpoch(database, epoch);
      return { cursor: next, counts: counted(meant.length, dryRun) };
    });
  },
};

function nextAfter(rows: readonly HeldRow[], limit: number): string | null {
  const last = rows.at(-1);
  if (last === undefined || rows.length < limit) return null;
  return JSON.stringify({ tenant: last.tenant, owner: last.owner, session: last.session });
}

function counted(orphans: number, isDryRun: boolean): Record<string, number> {
  return orphans === 0 ? {} : { [isDryRun ? "would-erase-orphan" : "orphan-erased"]: orphans };
}
