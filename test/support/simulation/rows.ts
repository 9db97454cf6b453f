import type { SimulatedObject } from "./simulated-object.ts";

/** What the checks read of an object's tables, past its code. */

export interface JobState {
  readonly id: string;
  readonly incarnation: string;
  readonly kind: string;
  readonly state: string;
  readonly next_send_at: number;
  readonly lease: string | null;
}

export interface SessionState {
  readonly incarnation: string;
  readonly archive_rev: number;
  readonly archived_rev: number;
  readonly erased_at: number | null;
  readonly metadata: string;
}

function isWritten(object: SimulatedObject): boolean {
  return object.disk.hasTable("session");
}

export function sessionOf(object: SimulatedObject): SessionState | null {
  if (!isWritten(object)) return null;
  const row = object.disk.read("SELECT * FROM session WHERE one = 1")[0];
  if (row === undefined) return null;
  return {
    incarnation: String(row["incarnation"]),
    archive_rev: Number(row["archive_rev"]),
    archived_rev: Number(row["archived_rev"]),
    erased_at: row["erased_at"] === null ? null : Number(row["erased_at"]),
    metadata: String(row["metadata"]),
  };
}

export function jobsOf(object: SimulatedObject): JobState[] {
  if (!isWritten(object)) return [];
  return object.disk.read("SELECT id, incarnation, kind, state, next_send_at, lease FROM jobs").map((row) => ({
    id: String(row["id"]),
    incarnation: String(row["incarnation"]),
    kind: String(row["kind"]),
    state: String(row["state"]),
    next_send_at: Number(row["next_send_at"]),
    lease: row["lease"] === null ? null : String(row["lease"]),
  }));
}

export function hiddenSeqsOf(object: SimulatedObject): number[] {
  if (!isWritten(object)) return [];
  return object.disk.read("SELECT seq FROM hidden ORDER BY seq").map((row) => Number(row["seq"]));
}
