import { retainAuditEvents } from "../archive/audit.ts";
import type { Database } from "../archive/database.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";

export interface RetentionDeps {
  /** Runs `body` with a database connection of its own. */
  readonly withDatabase: <T>(body: (database: Database) => Promise<T>) => Promise<T>;
  readonly log: Log;
}

/**
 * Creates the audit's partitions for the coming months and drops old ones. Once a day is enough, because two months are
 * created ahead, and an event without a partition goes to the default one. If PostgreSQL is out of reach, the next day
 * makes up for it.
 * @param keepDays at least 30
 */
export async function retainAudit({ withDatabase, log }: RetentionDeps, keepDays: number): Promise<void> {
  try {
    const { created, dropped } = await withDatabase((database) => retainAuditEvents(database, keepDays));
    log.info("audit_retained", { created, dropped, keepDays });
  } catch (error) {
    log.error("audit_not_retained", { keepDays, ...errorFields(error) });
  }
}
