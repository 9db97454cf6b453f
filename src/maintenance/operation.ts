/** What an operation is: adding one is a file in operations/ and a line in operations.ts. */

import type { NamedSession, OperationRequest } from "../api/operation-run.ts";
import type { SessionRef } from "../api/session.ts";
import type { Log } from "../telemetry/log.ts";
import type { Deps } from "../usecases/request-context.ts";

interface OwnerEntry {
  readonly row: number;
  readonly owner: string;
}

/** What operations are made of; the entry hands it over. */
export interface MaintenanceDeps extends Omit<Deps, "alerts" | "owners"> {
  readonly log: Log;
  /** Who has sessions in a tenant. */
  readonly owners: { list(tenant: string, afterRow: number, limit: number): Promise<readonly OwnerEntry[]> };
}

/** One step's share of a run. */
export interface Slice {
  /** Where the next one begins, in a form of the operation's own; null: there is nothing more. */
  readonly cursor: string | null;
  /** What became of how many, by a word for it: each counts as done. */
  readonly counts: Readonly<Record<string, number>>;
  /** How many findings there are of each kind: told beside the counts, and no part of what is done. */
  readonly found?: Readonly<Record<string, number>>;
  readonly failures?: readonly NamedSession[];
  readonly findings?: readonly NamedSession[];
  /** More in `counts` and fewer here: those that something went wrong with, named or not. */
  readonly failed?: number;
  readonly total?: number;
  /** What to do next. Names no user: a run outlives the user whom it erased. */
  readonly notes?: readonly string[];
  /** How long the next step waits for what goes on behind it; by default no longer than between any two. */
  readonly waitSeconds?: number;
}

export interface Operation {
  /**
   * Does the share of a run that begins at the cursor. Repeated with the same cursor, after a crash in the middle, it does no harm. A
   * throw has the step made again; what concerns one session alone is told as a failure and goes on.
   * @param runId names the run in the audit
   */
  slice(request: OperationRequest, cursor: string | null, parts: MaintenanceDeps, runId: string): Promise<Slice>;
}

/** What became of one session. */
export interface Visit {
  /** One word: visits with the same one are counted together. */
  readonly result: string;
  /** What an operator has to know of this session: a few of them are named in the report. */
  readonly finding?: string;
  /** Something is wrong: it counts as failed, with this as its reason. */
  readonly failure?: string;
}

/** A session that an operation comes to. */
export interface Visited {
  readonly ref: SessionRef;
  readonly request: OperationRequest;
  readonly parts: MaintenanceDeps;
}
