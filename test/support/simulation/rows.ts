import type { Json } from "../../../src/contracts/text.ts";
import type { RevisionMessage } from "./revision.ts";
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
  readonly settings: string;
  readonly expired_at: number | null;
  readonly began_at: number;
  readonly tenant_rev: number;
  readonly tenant_settings: string;
  readonly copying: Copying | null;
  readonly message_archive: MessageArchive | null;
}

/** How far the messages are archived. */
export interface MessageArchive {
  readonly throughSeq: number;
  readonly owedSeq: number;
  readonly heldSeq: number;
}

/** A fork or an import that is not whole. */
export interface Copying {
  readonly kind: "fork" | "import";
  readonly until: number;
}

/** Where a session came from. */
export interface OriginState {
  readonly session: string;
  readonly incarnation: string;
  readonly kind: string;
  readonly throughSeq: number;
  readonly state: string;
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
    settings: String(row["settings"]),
    expired_at: row["expired_at"] === null ? null : Number(row["expired_at"]),
    began_at: Number(row["began_at"]),
    tenant_rev: Number(row["tenant_rev"]),
    tenant_settings: String(row["tenant_settings"]),
    copying: row["copying"] === null ? null : (JSON.parse(String(row["copying"])) as Copying),
    message_archive:
      row["message_archive"] === null ? null : (JSON.parse(String(row["message_archive"])) as MessageArchive),
  };
}

/** The messages that the archive is to hold at the newest revision. */
export function archivableOf(object: SimulatedObject): RevisionMessage[] {
  const throughSeq = sessionOf(object)?.message_archive?.throughSeq ?? 0;
  const textOrNull = (value: unknown): string | null => (value === null ? null : String(value));
  const numberOrNull = (value: unknown): number | null => (value === null ? null : Number(value));
  const standing = standingMessages(object).filter((row) => Number(row["seq"]) <= throughSeq);
  return standing.map((row) => ({
    seq: Number(row["seq"]),
    id: textOrNull(row["client_id"]) ?? `seq-${Number(row["seq"])}`,
    role: String(row["role"]),
    author: textOrNull(row["author"]),
    content: JSON.parse(textOrNull(row["content"]) ?? "null") as Json,
    metadata: JSON.parse(textOrNull(row["metadata"]) ?? "null") as Json,
    occurredAt: numberOrNull(row["occurred_at"]),
    editedAt: numberOrNull(row["edited_at"]),
    erasedAt: numberOrNull(row["erased_at"]),
  }));
}

/** Text of messages that are erased is still to be written over. */
export function isErasing(object: SimulatedObject): boolean {
  return isWritten(object) && object.disk.read("SELECT 1 FROM erasing").length > 0;
}

/** The log as it stands: of erased messages, whose text is still to be written over, nothing but what is left of them. */
export function standingMessages(object: SimulatedObject): Record<string, unknown>[] {
  if (!isWritten(object)) return [];
  const erasing = object.disk.read("SELECT * FROM erasing")[0];
  const gone = { content: null, author: null, metadata: null, occurred_at: null, edited_at: null, hash: null };
  return object.disk.read("SELECT * FROM messages WHERE seq > 0 ORDER BY seq").map((row) => {
    const isGone = erasing !== undefined && Number(row["seq"]) <= Number(erasing["through_seq"]);
    if (!isGone || row["content"] === null) return row;
    return { ...row, ...gone, erased_at: row["erased_at"] ?? erasing["erased_at"] };
  });
}

export function originsOf(object: SimulatedObject): OriginState[] {
  if (!isWritten(object)) return [];
  return object.disk.read("SELECT * FROM origin_lives").map((row) => ({
    session: String(row["session"]),
    incarnation: String(row["incarnation"]),
    kind: String(row["kind"]),
    throughSeq: Number(row["through_seq"]),
    state: String(row["state"]),
  }));
}

/** What a session holds that is neither erased nor expired; null if it is. */
export interface Held {
  readonly incarnation: string;
  readonly origins: readonly OriginState[];
  readonly copying: Copying | null;
  /** What its summary covers. */
  readonly throughSeq: number;
  /** A makeshift made its summary. */
  readonly isDegraded: boolean;
}

export function heldIn(object: SimulatedObject): Held | null {
  const row = sessionOf(object);
  if (row === null || row.erased_at !== null || row.expired_at !== null) return null;
  const newest = object.disk.read("SELECT through_seq, degraded FROM summaries ORDER BY version DESC LIMIT 1")[0];
  const { incarnation, copying } = row;
  return {
    incarnation,
    copying,
    origins: originsOf(object),
    throughSeq: Number(newest?.["through_seq"] ?? 0),
    isDegraded: newest?.["degraded"] === 1,
  };
}

/** Whether copies have yet to be told of erasures. */
export function owesErasures(object: SimulatedObject): boolean {
  return (
    isWritten(object) &&
    object.disk.read("SELECT 1 FROM owed_erasures_of_lives WHERE is_confirmed = 0 LIMIT 1").length > 0
  );
}

/** Messages that the object holds as erased. */
export function erasedSeqsOf(object: SimulatedObject): number[] {
  if (!isWritten(object)) return [];
  return object.disk
    .read(
      `SELECT seq FROM messages WHERE seq > 0 AND (erased_at IS NOT NULL OR seq <= (SELECT through_seq FROM erasing))`,
    )
    .map((row) => Number(row["seq"]));
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

/** How far the summary that is being made has come, and by which job; null if nothing of one is saved. */
export function draftOf(object: SimulatedObject): { jobId: string; throughSeq: number } | null {
  const [row] = isWritten(object)
    ? object.disk.read("SELECT id, draft ->> 'throughSeq' AS through_seq FROM jobs WHERE draft IS NOT NULL LIMIT 1")
    : [];
  return row === undefined ? null : { jobId: String(row["id"]), throughSeq: Number(row["through_seq"]) };
}

export function hiddenSeqsOf(object: SimulatedObject): number[] {
  if (!isWritten(object)) return [];
  return object.disk.read("SELECT seq FROM hidden ORDER BY seq").map((row) => Number(row["seq"]));
}
