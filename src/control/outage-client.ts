import type { JobKind, Outage } from "../api/job.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import type { OperationsClient } from "./client.ts";

/** In so many ms an isolate tells once: an outage of PostgreSQL holds up a hundred thousand sessions, and there is one list. */
const PAUSE_MS = 10_000;

/** What many sessions wait for, as one entry of the list of failures. Nothing here rejects: a list out of reach must not fail the work itself. */
export interface OutageClient {
  /** So many deliveries found it away. Counted, and told in a while. */
  note(deliveries: number, reason: string): Promise<void>;
  /** It is there again. */
  over(): Promise<void>;
}

/**
 * @param id what the list calls it
 * @param now ms since 1970
 */
export function createOutageClient(
  operations: Pick<OperationsClient, "noteOutage" | "clear">,
  { id, kind }: { readonly id: string; readonly kind: JobKind },
  log: Log,
  now: () => number = Date.now,
): OutageClient {
  let untold = 0;
  let toldAt = Number.NEGATIVE_INFINITY;
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
      untold += deliveries;
      const at = now();
      if (at - toldAt < PAUSE_MS) return;
      const outage: Outage = { id, kind, reason, deliveries: untold, at };
      [untold, toldAt, clearedAt] = [0, at, Number.NEGATIVE_INFINITY];
      await orLog(operations.noteOutage(outage));
    },
    async over() {
      const at = now();
      if (at - clearedAt < PAUSE_MS) return;
      [untold, toldAt, clearedAt] = [0, Number.NEGATIVE_INFINITY, at];
      await orLog(operations.clear(id));
    },
  };
}
