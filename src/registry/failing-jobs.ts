import { OVER_BUDGET_REASON, type OperationsHealth } from "../contracts/health.ts";

/** In an outage the list is long, and every isolate asks for its length: it is counted once in this time. In ms. */
const KEPT_MS = 1_000;

type Counts = Pick<OperationsHealth, "failedJobs" | "tenantsOverBudget">;

interface CountRow extends Record<string, SqlStorageValue> {
  readonly failing: number;
  readonly tenants: number;
}

/** Counts what the list of failures holds. A summary that waits for tomorrow's budget is no failure to look into. */
export class FailingJobs {
  readonly #sql: SqlStorage;
  #kept: { readonly counts: Counts; readonly at: number } | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** @param now ms since 1970 */
  count(now: number): Counts {
    if (this.#kept === undefined || Math.abs(now - this.#kept.at) >= KEPT_MS) {
      this.#kept = { counts: this.#countNow(), at: now };
    }
    return this.#kept.counts;
  }

  #countNow(): Counts {
    const { failing, tenants } = this.#sql
      .exec<CountRow>(
        `SELECT count(*) FILTER (WHERE failure ->> '$.reason' <> ?1) AS failing,
           count(DISTINCT CASE WHEN failure ->> '$.reason' = ?1 THEN failure ->> '$.tenant' END) AS tenants
         FROM failures`,
        OVER_BUDGET_REASON,
      )
      .one();
    return { failedJobs: failing, tenantsOverBudget: tenants };
  }
}
