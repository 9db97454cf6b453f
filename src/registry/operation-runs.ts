import type {
  OperationProgress,
  OperationReport,
  OperationRequest,
  OperationRun,
  RunStatus,
  RunTally,
} from "../contracts/operation-run.ts";
import type { UserRef } from "../contracts/user.ts";

/** Runs that are remembered at most; the oldest go first. */
const MAX_RUNS = 1_000;

export const RUNS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS operation_runs (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    run TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS operation_runs_newest ON operation_runs (created_at, id);
`;

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
  readonly ended: string | null;
}

/** The runs of operations, for operators. The truth of each is in its instance of the Workflow. The clock is passed in. */
export class OperationRuns {
  readonly #sql: SqlStorage;
  /** Reports are long, and whoever watches asks often: counted anew once one has changed. */
  #tallies: readonly RunTally[] | null = null;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Of all runs that are remembered, but for those that only told what they would do. */
  tallies(): readonly RunTally[] {
    this.#tallies ??= this.#sql
      .exec<TallyRow>(
        `SELECT run ->> '$.op' AS op, run ->> '$.status' AS status, count(*) AS count, max(run ->> '$.finishedAt') AS ended
         FROM operation_runs WHERE NOT run ->> '$.dryRun' GROUP BY 1, 2 ORDER BY 1, 2`,
      )
      .toArray()
      .map(({ op, status, count, ended }) => ({
        op,
        status,
        count,
        lastEndedAt: ended === null ? null : Date.parse(ended),
      }));
    return this.#tallies;
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
      return { run: begins ? this.#put({ ...known, status }, now) : known, created: false };
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
    );
    this.#tallies = null;
    this.#sql.exec(
      `DELETE FROM operation_runs WHERE id IN
         (SELECT id FROM operation_runs ORDER BY created_at DESC, id DESC LIMIT -1 OFFSET ?)`,
      MAX_RUNS,
    );
    return { run, created: true };
  }

  /** Idempotent: what is told is all there is so far. @returns the status: whoever works for a run that is over stops */
  progress(id: string, news: RunNews, now: number): RunStatus | null {
    const known = this.byId(id);
    if (known === null || known.finishedAt !== null) return known?.status ?? null;
    return this.#put({ ...known, status: "running", ...news }, now).status;
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
    return this.#put({ ...known, status, error, finishedAt: new Date(now).toISOString() }, now);
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

  /** Takes a user out of all that is told. Idempotent. What stood there is overwritten first: a changed row leaves its old words in its page. */
  forgetUser({ tenant, owner }: UserRef, now: number): void {
    // One after the other: a run tells of up to hundreds of sessions, and there are up to a thousand runs.
    const ids = this.#sql.exec<{ id: string }>("SELECT id FROM operation_runs").toArray();
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
      this.#put({ ...rest, ...named, report }, now);
    }
  }

  #put(run: OperationRun, now: number): OperationRun {
    const stored: OperationRun = { ...run, updatedAt: new Date(now).toISOString() };
    this.#tallies = null;
    this.#sql.exec(
      "INSERT OR REPLACE INTO operation_runs (id, created_at, run) VALUES (?, ?, ?)",
      stored.id,
      Date.parse(stored.createdAt),
      JSON.stringify(stored),
    );
    return stored;
  }
}
