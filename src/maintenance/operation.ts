/** The interface of an operation. To add one, add a file in operations/ and a line in operations.ts. */

import type { NamedSession, OperationRequest } from "../api/operation-run.ts";
import type { SessionRef } from "../api/session.ts";
import type { Log } from "../telemetry/log.ts";
import type { Deps } from "../usecases/request-context.ts";

interface OwnerEntry {
  readonly row: number;
  readonly owner: string;
}

/** The dependencies of operations, built in `assembly.ts`. */
export interface MaintenanceDeps extends Omit<Deps, "alerts" | "owners"> {
  readonly log: Log;
  /** Lists who has sessions in a tenant. */
  readonly owners: { list(tenant: string, afterRow: number, limit: number): Promise<readonly OwnerEntry[]> };
}

/** The result of one step of a run. */
export interface Slice {
  /** Where the next step begins, in a form that only this operation reads; null if it was the last. */
  readonly cursor: string | null;
  /** How many were processed, by result. All of them count as done. */
  readonly counts: Readonly<Record<string, number>>;
  /** How many findings there are, by kind. They are reported beside `counts`, but do not count as done. */
  readonly found?: Readonly<Record<string, number>>;
  readonly failures?: readonly NamedSession[];
  readonly findings?: readonly NamedSession[];
  /** How many of those in `counts` had a problem. May be more than are named in `failures`. */
  readonly failed?: number;
  readonly total?: number;
  /** Advice on what to do next. It names no user, because the report of a run remains after the user was erased. */
  readonly notes?: readonly string[];
  /**
   * Seconds to wait before the next step, for work that goes on in the background. By default the usual pause between
   * steps.
   */
  readonly waitSeconds?: number;
}

export interface Operation {
  /**
   * Does one step of a run, beginning at the cursor. It must be idempotent, because after a crash it is repeated with
   * the same cursor. If it throws, the step is retried; problems of a single session are returned as failures instead.
   * @param runId the run's id in the audit
   */
  slice(request: OperationRequest, cursor: string | null, parts: MaintenanceDeps, runId: string): Promise<Slice>;
}

/** The result of one session. */
export interface Visit {
  /** One word; results with the same word are counted together. */
  readonly result: string;
  /** What an operator should know about this session. Some of these are named in the report. */
  readonly finding?: string;
  /** If set, the session counts as failed, for this reason. */
  readonly failure?: string;
}

/** A session that an operation is called with. */
export interface Visited {
  readonly ref: SessionRef;
  readonly request: OperationRequest;
  readonly parts: MaintenanceDeps;
}
