// How long summaries took under load. It is computed afterwards from clients' records and the archive, so no polling disturbs the load.
import { withClient } from "../../scripts/dev/database.ts";
import type { SessionState } from "../../src/api/session.ts";
import { type Distribution, distributionOf } from "../bench/statistics.ts";
import type { Chat, SentAppend } from "./chat.ts";

export interface Updates {
  /** Summaries that were made during the load. */
  readonly made: number;
  /** From sending the append that made it due until the summary was readable, and until it was in PostgreSQL. */
  readonly readable: Distribution | null;
  readonly archived: Distribution | null;
  /** From readable to PostgreSQL: how far the archive is behind. */
  readonly lag: Distribution | null;
  /** Sessions whose newest summary is missing or different in PostgreSQL. */
  readonly missing: readonly string[];
}

interface ArchivedRow {
  readonly tenant: string;
  readonly session: string;
  readonly version: number;
  readonly throughSeq: number;
  readonly archivedAt: Date;
}

/** The newest version of each session's summary, and when its transaction began. */
const NEWEST = `
  select s.tenant, s.session, v.version, v.through_seq as "throughSeq", s.archived_at as "archivedAt"
  from sessions s join summaries v using (epoch)
  where s.erased_at is null and v.version = (select max(version) from summaries n where n.epoch = s.epoch)`;

export async function readUpdates(
  databaseUrl: string,
  chats: readonly Chat[],
  states: ReadonlyMap<string, SessionState>,
  loadBeganAt: number,
): Promise<Updates> {
  const rows = await withClient(databaseUrl, async (client) => (await client.query<ArchivedRow>(NEWEST)).rows);
  const archive = new Map(rows.map((row) => [`${row.tenant}/${row.session}`, row]));
  const readable: number[] = [];
  const archived: number[] = [];
  const lag: number[] = [];
  const missing: string[] = [];
  for (const chat of chats) {
    const summary = states.get(chat.id)?.summary ?? null;
    if (summary === null) continue;
    const row = archive.get(`${chat.tenant}/${chat.id}`);
    if (row?.version !== summary.version || row.throughSeq !== summary.throughSeq) {
      missing.push(`${chat.id}: version ${summary.version} in the session, ${row?.version ?? "none"} in PostgreSQL`);
      continue;
    }
    const readableAt = Date.parse(summary.createdAt);
    const dueAt = whenCalledFor(chat.appends, readableAt);
    if (dueAt === null || readableAt < loadBeganAt) continue;
    readable.push(readableAt - dueAt);
    archived.push(row.archivedAt.getTime() - dueAt);
    lag.push(row.archivedAt.getTime() - readableAt);
  }
  return {
    made: readable.length,
    readable: distributionOf(readable),
    archived: distributionOf(archived),
    lag: distributionOf(lag),
    missing,
  };
}

/**
 * When the append was sent that made the summary of `readableAt` due. It is the first of the last appends whose contexts said that a summary
 * was pending, or else the last append. Null if none was sent before, as for a session whose past made a summary due.
 * @internal Runs are seldom late, so a test gives it times.
 */
export function whenCalledFor(appends: readonly SentAppend[], readableAt: number): number | null {
  const before = appends.filter(({ sentAt }) => sentAt <= readableAt);
  let calledFor = before.at(-1) ?? null;
  for (const append of before.toReversed()) {
    if (append.isPending === false) break;
    if (append.isPending === true) calledFor = append;
  }
  return calledFor?.sentAt ?? null;
}
