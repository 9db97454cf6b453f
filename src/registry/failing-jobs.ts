import { OVER_BUDGET_REASON, type OperationsHealth } from "../contracts/health.ts";

interface Counts extends Record<string, SqlStorageValue> {
  readonly failing: number;
  readonly tenants: number;
}

/** Counts what the list of failures holds. A summary that waits for tomorrow's budget is no failure to look into. */
export function countFailing(sql: SqlStorage): Pick<OperationsHealth, "failedJobs" | "tenantsOverBudget"> {
  const { failing, tenants } = sql
    .exec<Counts>(
      `SELECT count(*) FILTER (WHERE failure ->> '$.reason' <> ?1) AS failing,
         count(DISTINCT CASE WHEN failure ->> '$.reason' = ?1 THEN failure ->> '$.tenant' END) AS tenants
       FROM failures`,
      OVER_BUDGET_REASON,
    )
    .one();
  return { failedJobs: failing, tenantsOverBudget: tenants };
}
