import type { JobKind, Outage } from "../api/job.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import type { OperationsClient } from "./client.ts";

/**
 * How often an isolate reports, in ms. An outage of PostgreSQL affects a hundred thousand sessions, and there is only
 * one list.
 */
const PAUSE_MS = 10_000;

/**
 * Reports an outage of something that many sessions depend on, as one entry of the list of failed jobs. Never rejects,
 * because the work itself must not fail if the list cannot be reached.
 */
export interface OutageClient {
  /** Counts deliveries that failed because of the outage. They are reported together after a while. */
  note(deliveries: number, reason: string): Promise<void>;
  /** Reports that the outage is over. */
  over(): Promise<void>;
}

/**
 * @param id the id of the entry on the list
 * @param now returns the time in ms since 1970
 */
export function createOutageClient(
  operations: Pick<OperationsClient, "noteOutage" | "clear">,
  { id, kind }: { readonly id: string; readonly kind: JobKind },
  log: Log,
  now: () => number = Date.now,
): OutageClient {
  let unreported = 0;
  let reportedAt = Number.NEGATIVE_INFINITY;
  let clearedAt = Number.NEGATIVE_INFINITY;
  const orLog = async (work: Promise<void>): Promise<void> => {
    try {
      await work;
    } catch (error) {
      log.error("operations_unreachable", errorFields(error));
    }
  };
  return {
    async note(deliveries, reason) {
      unreported += deliveries;
      const at = now();
      if (at - reportedAt < PAUSE_MS) return;
      const outage: Outage = { id, kind, reason, deliveries: unreported, at };
      [unreported, reportedAt, clearedAt] = [0, at, Number.NEGATIVE_INFINITY];
      await orLog(operations.noteOutage(outage));
    },
    async over() {
      const at = now();
      if (at - clearedAt < PAUSE_MS) return;
      [unreported, reportedAt, clearedAt] = [0, Number.NEGATIVE_INFINITY, at];
      await orLog(operations.clear(id));
    },
  };
}
