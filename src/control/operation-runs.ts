import type {
  OperationProgress,
  OperationReport,
  OperationRequest,
  OperationRun,
  RunStatus,
  RunTally,
} from "../api/operation-run.ts";
import type { UserRef } from "../api/user.ts";

/** Runs that are remembered at most; the oldest go first. */
const MAX_RUNS = 1_000;
/** Runs that are looked at for a user's name at once: a run tells of up to hundreds of sessions. */
const FORGOTTEN_AT_ONCE = 40;

export const RUNS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS operation_runs (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    run TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS operation_runs_newest ON operation_runs (created_at, id);
  CREATE TABLE IF NOT EXISTS operation_tallies (
    op TEXT NOT NULL,
    status TEXT NOT NULL,
    count INTEGER NOT NULL,
    last_ended_at INTEGER,
    PRIMARY KEY (op, status)
  ) WITHOUT ROWID;
`;
/** Counts all runs; no operation is called so. */
const ALL_RUNS = "";

/** What a step tells of how far it is. */
export interface RunNews {
  readonly progress: OperationProgress;
  readonly report: OperationReport;
  /** That the run goes on in from here. */
  readonly instance?: string;
}

interface TallyRow extends Record<string, SqlStorageValue> {
  readonly op: RunTally["op"];
  readonly status: RunStatus;
  readonly count: number;
  readonly last_ended_at: number | null;
}

/** The runs of operations, for operators. The truth of each is in its instance of the Workflow. The clock is passed in. */
export class OperationRuns {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Of all runs that are remembered, but for those that only told what they would do. */
  tallies(): readonly RunTally[] {
    return this.#sql
      .exec<TallyRow>("SELECT * FROM operation_tallies WHERE op <> ? AND count > 0 ORDER BY op, status", ALL_RUNS)
      .toArray()
      .map(({ op, status, count, last_ended_at: lastEndedAt }) => ({ op, status, count, lastEndedAt }));
  }

  byId(id: string): OperationRun | null {
    const row = this.#sql.exec<{ run: string }>("SELECT run FROM operation_runs WHERE id = ?", id).toArray()[0];
    return row === undefined ? null : JSON.parse(row.run);
  }

  /** Idempotent: a run that is there is given back as it is. */
  begin(
    id: string,
    request: OperationRequest,
    status: "queued" | "running",
    now: number,
  ): { run: OperationRun; created: boolean } {
    const known = this.byId(id);
    if (known !== null) {
      const begins = known.status === "queued" && status === "running";
      return { run: begins ? this.#put({ ...known, status }, now, known) : known, created: false };
    }
    const { op, tenant, user, session, kind, dryRun } = request;
    const at = new Date(now).toISOString();
    const run = this.#put(
      {
        id,
        op,
        ...(tenant === undefined ? {} : { tenant }),
        ...(user === undefined ? {} : { user }),
        ...(session === undefined ? {} : { session }),
        ...(kind === undefined ? {} : { kind }),
        dryRun,
        status,
        progress: { done: 0, failed: 0, total: null },
        report: { counts: {}, failures: [], findings: [], notes: [] },
        error: null,
        createdAt: at,
        updatedAt: at,
        finishedAt: null,
      },
      now,
      null,
    );
    while (this.#count() > MAX_RUNS) this.#deleteOldest();
    return { run, created: true };
  }

  /** Idempotent: what is told is all there is so far. @returns the status: whoever works for a run that is over stops */
  progress(id: string, news: RunNews, now: number): RunStatus | null {
    const known = this.byId(id);
    if (known === null || known.finishedAt !== null) return known?.status ?? null;
    return this.#put({ ...known, status: "running", ...news }, now, known).status;
  }

  /** Ends a run that has not ended: the first word is the last. */
  finish(
    id: string,
    status: "complete" | "failed" | "cancelled",
    error: string | null,
    now: number,
  ): OperationRun | null {
    const known = this.byId(id);
    if (known === null || known.finishedAt !== null) return known;
    return this.#put({ ...known, status, error, finishedAt: new Date(now).toISOString() }, now, known);
  }

  /** Newest first. */
  list(limit: number, after: { at: number; id: string } | null): OperationRun[] {
    const from = after ?? { at: Number.MAX_SAFE_INTEGER, id: "" };
    return this.#sql
      .exec<{ run: string }>(
        `SELECT run FROM operation_runs
         WHERE created_at < ?1 OR (created_at = ?1 AND id < ?2)
         ORDER BY created_at DESC, id DESC LIMIT ?3`,
        from.at,
        from.id,
        limit,
      )
      .toArray()
      .map((row): OperationRun => JSON.parse(row.run));
  }

  /**
   * Takes a user out of what some runs tell. Idempotent. What stood there is overwritten first: a changed row leaves its old words in its page.
   * @returns the run after which to go on; null if that was the last
   */
  forgetUser({ tenant, owner }: UserRef, afterId: string, now: number): string | null {
    const ids = this.#sql
      .exec<{ id: string }>(
        "SELECT id FROM operation_runs WHERE id > ? ORDER BY id LIMIT ?",
        afterId,
        FORGOTTEN_AT_ONCE,
      )
      .toArray();
    for (const { id } of ids) {
      const run = this.byId(id);
      if (run === null) continue;
      const isAbout = run.tenant === tenant && run.user === owner;
      const others = (named: OperationReport["failures"]): OperationReport["failures"] =>
        named.filter((one) => one.tenant !== tenant || one.user !== owner);
      const report = {
        ...run.report,
        failures: others(run.report.failures),
        findings: others(run.report.findings),
        notes: isAbout ? [] : run.report.notes,
      };
      const names = run.report.failures.length + run.report.findings.length;
      if (!isAbout && report.failures.length + report.findings.length === names) continue;
      this.#sql.exec(
        "UPDATE operation_runs SET run = printf('%*s', length(CAST(run AS BLOB)), '') WHERE id = ?",
        run.id,
      );
      const { user, session, ...rest } = run;
      const named = isAbout
        ? {}
        : { ...(user === undefined ? {} : { user }), ...(session === undefined ? {} : { session }) };
      this.#put({ ...rest, ...named, report }, now, run);
    }
    return ids.length < FORGOTTEN_AT_ONCE ? null : (ids.at(-1)?.id ?? null);
  }

  /** @param before what is there of it; null if nothing is */
  #put(run: OperationRun, now: number, before: OperationRun | null): OperationRun {
    const stored: OperationRun = { ...run, updatedAt: new Date(now).toISOString() };
    if (before !== null) this.#tally(before, -1);
    this.#tally(stored, 1);
    this.#sql.exec(
      "INSERT OR REPLACE INTO operation_runs (id, created_at, run) VALUES (?, ?, ?)",
      stored.id,
      Date.parse(stored.createdAt),
      JSON.stringify(stored),
    );
    return stored;
  }

  #count(): number {
    const [row] = this.#sql
      .exec<{ count: number }>("SELECT count FROM operation_tallies WHERE op = ? AND status = ''", ALL_RUNS)
      .toArray();
    return row?.count ?? 0;
  }

  #deleteOldest(): void {
    const [row] = this.#sql
      .exec<{ id: string }>("SELECT id FROM operation_runs ORDER BY created_at, id LIMIT 1")
      .toArray();
    const oldest = row === undefined ? null : this.byId(row.id);
    if (oldest === null) throw new Error("more runs are counted than there are");
    this.#sql.exec("DELETE FROM operation_runs WHERE id = ?", oldest.id);
    this.#tally(oldest, -1);
  }

  /** Runs that only told what they would do count for how many are kept, and for nothing else. */
  #tally({ op, status, dryRun, finishedAt }: OperationRun, by: 1 | -1): void {
    const endedAt = finishedAt === null ? null : Date.parse(finishedAt);
    const add = (...[name, state, ended]: readonly [string, string, number | null]): unknown =>
      this.#sql.exec(
        `INSERT INTO operation_tallies (op, status, count, last_ended_at) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET count = count + excluded.count,
           last_ended_at = nullif(max(coalesce(last_ended_at, 0), coalesce(excluded.last_ended_at, 0)), 0)`,
        name,
        state,
        by,
        ended,
      );
    add(ALL_RUNS, "", null);
    if (!dryRun) add(op, status, endedAt);
  }
}
