import type {
  OperationProgress,
  OperationReport,
  OperationRequest,
  OperationRun,
  RunStatus,
  RunTally,
} from "../api/operation-run.ts";
import type { UserRef } from "../api/user.ts";

/** How many runs are kept. The oldest are deleted first. */
const MAX_RUNS = 1_000;
/** How many runs are searched for a user's name in one call. A run's report may name hundreds of sessions. */
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
/** The scope of the total of all runs; no operation has this name. */
const ALL_RUNS = "";

/** What a step of a run reports. */
export interface RunUpdate {
  readonly progress: OperationProgress;
  readonly report: OperationReport;
  /** The id of the Workflow instance in which the run continues. */
  readonly instance?: string;
}

interface TallyRow extends Record<string, SqlStorageValue> {
  readonly op: RunTally["op"];
  readonly status: RunStatus;
  readonly count: number;
  readonly last_ended_at: number | null;
}

/**
 * The runs of operations, for operators to read. What really happens is decided by each run's Workflow instance. The
 * time is passed in.
 */
export class OperationRuns {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Totals of all runs that are kept, without dry runs. */
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

  /** Adds a run. If it exists already it is returned as it is, except that a queued one becomes running. Idempotent. */
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

  /**
   * Saves the progress and report of a run, each as a whole. Idempotent.
   * @returns the run's status; if it has ended, its worker stops. Null if there is no such run
   */
  progress(id: string, update: RunUpdate, now: number): RunStatus | null {
    const known = this.byId(id);
    if (known === null || known.finishedAt !== null) return known?.status ?? null;
    return this.#put({ ...known, status: "running", ...update }, now, known).status;
  }

  /** Ends a run. A run that has ended stays as it is. Null if there is no such run. */
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

  /** A page of the runs, newest first. */
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
   * Removes a user from the reports of one page of runs. The old text is overwritten first, because the content of a
   * changed row stays in its page. Idempotent.
   * @param afterId the last run of the page before; "" at the beginning
   * @returns the run after which to continue; null if there are no more
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
      const withoutUser = (named: OperationReport["failures"]): OperationReport["failures"] =>
        named.filter((one) => one.tenant !== tenant || one.user !== owner);
      const report = {
        ...run.report,
        failures: withoutUser(run.report.failures),
        findings: withoutUser(run.report.findings),
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

  /**
   * Writes a run and updates the totals.
   * @param before the stored run; null if it is new
   */
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

  /** Adds a run to the totals. A dry run is counted only in the total of all runs. */
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
