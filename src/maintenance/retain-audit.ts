import { retainAuditEvents } from "../archive/audit.ts";
import type { Database } from "../archive/database.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";

export interface RetentionDeps {
  /** Runs a body on a connection of its own. */
  readonly withDatabase: <T>(body: (database: Database) => Promise<T>) => Promise<T>;
  readonly log: Log;
}

/**
 * Prepares the audit for the months to come, and drops what is too old. Once a day will do: two months are prepared ahead, and an
 * event without a place goes to the default one. A day on which PostgreSQL is away is made up for by the next.
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
