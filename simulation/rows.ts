import type { Json } from "../src/api/text.ts";
import type { Disk } from "./object-storage.ts";
import type { RevisionMessage } from "./revision.ts";

/** What the checks read from an object's tables, without its code. */

/** The object of a session, as far as it is read here. */
interface OnDisk {
  readonly disk: Disk;
}

export interface JobState {
  readonly id: string;
  readonly epoch: string;
  readonly kind: string;
  readonly state: string;
  readonly next_send_at: number;
  readonly lease: string | null;
}

export interface SessionState {
  readonly epoch: string;
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
interface MessageArchive {
  readonly sentSeq: number;
  readonly targetSeq: number;
  readonly confirmedSeq: number;
}

/** An incomplete fork or import. */
interface Copying {
  readonly kind: "fork" | "import";
  readonly until: number;
  /** Of an import: how much of its file is stored. */
  readonly progress?: { readonly throughLine: number };
}

function isWritten({ disk }: OnDisk): boolean {
  return disk.remember("isWritten", () => disk.hasTable("session"));
}

export function sessionOf(object: OnDisk): SessionState | null {
  return object.disk.remember("session", () => readSession(object));
}

function readSession(object: OnDisk): SessionState | null {
  if (!isWritten(object)) return null;
  const row = object.disk.read("SELECT * FROM session WHERE one = 1")[0];
  if (row === undefined) return null;
  return {
    epoch: String(row["epoch"]),
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

/** The versions of the summary with the message that each goes up to; oldest first. */
export function versionsIn(object: OnDisk): { readonly version: number; readonly throughSeq: number }[] {
  if (!isWritten(object)) return [];
  return object.disk
    .read("SELECT version, through_seq FROM summaries ORDER BY version")
    .map((row) => ({ version: Number(row["version"]), throughSeq: Number(row["through_seq"]) }));
}

export function newestVersionIn(object: OnDisk): { readonly version: number; readonly throughSeq: number } | undefined {
  return versionsIn(object).at(-1);
}

/** The messages that the archive should have at the newest revision. */
export function archivableOf(object: OnDisk): RevisionMessage[] {
  return object.disk.remember("archivable", () => readArchivable(object));
}

function readArchivable(object: OnDisk): RevisionMessage[] {
  const throughSeq = sessionOf(object)?.message_archive?.sentSeq ?? 0;
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

/** The text of erased messages still has to be overwritten. */
export function isErasing(object: OnDisk): boolean {
  return erasingOf(object) !== null;
}

/** Up to which message text still has to be overwritten; null if none. */
function erasingOf(object: OnDisk): { throughSeq: number; erasedAt: number } | null {
  const { disk } = object;
  if (!isWritten(object)) return null;
  return disk.remember("erasing", () => {
    const row = disk.read("SELECT * FROM erasing")[0];
    return row === undefined ? null : { throughSeq: Number(row["through_seq"]), erasedAt: Number(row["erased_at"]) };
  });
}

/** The current log: of erased messages whose text is not overwritten yet, only their tombstones. */
export function standingMessages(object: OnDisk): Record<string, unknown>[] {
  const { disk } = object;
  if (!isWritten(object)) return [];
  const erasing = erasingOf(object);
  const gone = { content: null, author: null, metadata: null, occurred_at: null, edited_at: null, hash: null };
  return disk.remember("standing", () =>
    disk.read("SELECT * FROM messages WHERE seq > 0 ORDER BY seq").map((row) => {
      const isGone = erasing !== null && Number(row["seq"]) <= erasing.throughSeq;
      if (!isGone || row["content"] === null) return withFiles(disk, row);
      return { ...row, ...gone, erased_at: row["erased_at"] ?? erasing.erasedAt };
    }),
  );
}

/** A message's row with its files in place: in the stored row a reference stands for each. */
function withFiles(disk: OnDisk["disk"], row: Record<string, unknown>): Record<string, unknown> {
  if (row["held_bytes"] === 0) return row;
  const files = heldFiles(disk);
  const told = String(row["content"]);
  const [, text] = /^"\\u0000text (\d+)\\u0000"$/.exec(told) ?? [];
  return { ...row, content: withFilesIn(text === undefined ? told : (files.get(Number(text)) ?? ""), files) };
}

/** JSON with the files in place of their references. */
export function withFilesIn(json: string, files: ReadonlyMap<number, string>): string {
  return json.replaceAll(/\\u0000file (\d+) [^\\]*\\u0000/g, (_, id) => files.get(Number(id)) ?? "");
}

/** The files that are stored outside of messages, by their ids. */
export function heldFiles(disk: OnDisk["disk"]): ReadonlyMap<number, string> {
  return disk.remember("files", () => {
    const files = new Map<number, string>();
    if (!disk.hasTable("file_pages")) return files;
    for (const { file, data } of disk.read("SELECT row / 64 AS file, data FROM file_pages ORDER BY row")) {
      const page = data instanceof Uint8Array ? Buffer.from(data).toString("utf8") : "";
      files.set(Number(file), (files.get(Number(file)) ?? "") + page);
    }
    return files;
  });
}

/** The data of a session that is neither erased nor expired; null otherwise. */
export interface Held {
  readonly epoch: string;
  readonly copying: Copying | null;
  /** The newest version of its summary; 0 if it has none. */
  readonly version: number;
  /** What that version covers. */
  readonly throughSeq: number;
  /** The pending summary, and what it is to cover. */
  readonly pending: { readonly jobId: string; readonly throughSeq: number } | null;
  /** Its summary is a fallback summary. */
  readonly isDegraded: boolean;
}

export function heldIn(object: OnDisk): Held | null {
  return object.disk.remember("held", () => readHeld(object));
}

function readHeld(object: OnDisk): Held | null {
  const row = sessionOf(object);
  if (row === null || row.erased_at !== null || row.expired_at !== null) return null;
  const [newest] = object.disk.read(
    "SELECT version, through_seq, degraded FROM summaries ORDER BY version DESC LIMIT 1",
  );
  const [job] = object.disk.read("SELECT id, through_seq FROM jobs WHERE kind = 'summarize'");
  const { epoch, copying } = row;
  return {
    epoch,
    copying,
    version: Number(newest?.["version"] ?? 0),
    throughSeq: Number(newest?.["through_seq"] ?? 0),
    pending: job === undefined ? null : { jobId: String(job["id"]), throughSeq: Number(job["through_seq"]) },
    isDegraded: newest?.["degraded"] === 1,
  };
}

/** Whether copies still have to be notified of erasures. */
export function hasPendingErasures(object: OnDisk): boolean {
  const { disk } = object;
  if (!isWritten(object)) return false;
  const pending = "SELECT 1 FROM erasures LIMIT 1";
  return disk.remember("hasPendingErasures", () => disk.read(pending).length > 0);
}

/** The messages of an epoch of which copies still have to be notified that they were erased. */
export function seqsToTell(object: OnDisk, epoch: string): number[] {
  if (!isWritten(object)) return [];
  return object.disk.read("SELECT seq FROM erasures WHERE root = ? AND seq > 0", epoch).map(({ seq }) => Number(seq));
}

interface ItemOnDisk {
  readonly place: number;
  readonly text: string;
  readonly sourceSeqs: readonly number[];
  readonly sourceSession: string | undefined;
  readonly sourceEpoch: string | undefined;
}

/** An item in its block. */
type ListedItem = [
  isLive: number,
  id: string,
  kind: string,
  text: string,
  sourceSeqs: number[],
  status: string,
  sourceSession?: string,
  sourceEpoch?: string,
];

/** The items of all versions that were not removed. */
export function itemsIn(disk: Disk): readonly ItemOnDisk[] {
  return disk.remember("items", () =>
    disk.read("SELECT block, items FROM item_blocks ORDER BY block").flatMap(({ block, items }) =>
      (JSON.parse(String(items)) as ListedItem[]).flatMap((item, index): ItemOnDisk[] => {
        const [isLive, , , text, sourceSeqs, , sourceSession, sourceEpoch] = item;
        return isLive === 0
          ? []
          : [{ place: Number(block) * 256 + index, text, sourceSeqs, sourceSession, sourceEpoch }];
      }),
    ),
  );
}

/** Whether the summary has anything from another session. */
export function hasCarriedItems(object: OnDisk): boolean {
  const { disk } = object;
  if (!isWritten(object)) return false;
  return disk.remember("hasCarriedItems", () => {
    const [newest] = disk.read("SELECT item_places FROM summaries ORDER BY version DESC LIMIT 1");
    const places = newest?.["item_places"] ?? null;
    const held = places === null ? null : new Set(JSON.parse(String(places)) as number[]);
    return itemsIn(disk).some(
      ({ place, sourceSession }) => sourceSession !== undefined && (held === null || held.has(place)),
    );
  });
}

/** The text of all items that cite a session's own messages. */
export function ownItemTexts(object: OnDisk): string[] {
  if (!isWritten(object)) return [];
  return itemsIn(object.disk)
    .filter(({ sourceSession }) => sourceSession === undefined)
    .map(({ text }) => text);
}

/** What a session's items from others are based on: the epoch, and messages of it. */
export function carriedSources(object: OnDisk): { readonly epoch: string; readonly seqs: readonly number[] }[] {
  if (!isWritten(object)) return [];
  return itemsIn(object.disk).flatMap(({ sourceEpoch, sourceSeqs }) =>
    sourceEpoch === undefined ? [] : [{ epoch: sourceEpoch, seqs: sourceSeqs }],
  );
}

/** Whether something still has to be sent to the audit. */
export function hasPendingAudits(object: OnDisk): boolean {
  const { disk } = object;
  if (!isWritten(object)) return false;
  return disk.remember("hasPendingAudits", () => disk.read("SELECT 1 FROM pending_audits LIMIT 1").length > 0);
}

/** Whether an erased session has nothing pending any more, so that its object may be emptied at any time. */
export function isLeftOver(object: OnDisk): boolean {
  const row = sessionOf(object);
  return row !== null && row.erased_at !== null && jobsOf(object).length === 0 && !hasPendingAudits(object);
}

/** Whether an attempt at the pending summary failed, or it is to replace a fallback summary: operators may have it on their list. */
export function hasFailedSummary(object: OnDisk): boolean {
  const { disk } = object;
  if (!isWritten(object)) return false;
  const failed = "SELECT 1 FROM jobs WHERE kind = 'summarize' AND first_failed_at IS NOT NULL LIMIT 1";
  return disk.remember("hasFailedSummary", () => disk.read(failed).length > 0);
}

/** What models used for a session on a day. */
export function spentOn(object: OnDisk, day: number): number {
  const [row] = object.disk.read("SELECT summarizer_tokens FROM spent WHERE day = ?", day);
  return Number(row?.["summarizer_tokens"] ?? 0);
}

/** Whether items still have to be carried over. */
export function awaitsCarryOver(object: OnDisk): boolean {
  const { disk } = object;
  if (!isWritten(object)) return false;
  const awaited = "SELECT 1 FROM origins WHERE kind = 'continuation' AND state IN ('pending', 'stale')";
  return disk.remember("awaitsCarryOver", () => disk.read(awaited).length > 0);
}

/** Messages that are erased in the object. */
export function erasedSeqsOf(object: OnDisk): number[] {
  if (!isWritten(object)) return [];
  const through = erasingOf(object)?.throughSeq ?? 0;
  const erased = `SELECT seq FROM messages WHERE seq > 0 AND (erased_at IS NOT NULL OR seq <= ${through})`;
  return seqsOf(object, "erased", erased);
}

export function jobsOf(object: OnDisk): JobState[] {
  if (!isWritten(object)) return [];
  return object.disk.remember("jobs", () => readJobs(object));
}

function readJobs(object: OnDisk): JobState[] {
  return object.disk.read("SELECT id, epoch, kind, state, next_send_at, lease FROM jobs").map((row) => ({
    id: String(row["id"]),
    epoch: String(row["epoch"]),
    kind: String(row["kind"]),
    state: String(row["state"]),
    next_send_at: Number(row["next_send_at"]),
    lease: row["lease"] === null ? null : String(row["lease"]),
  }));
}

/** The last message that a model was given; null if no model is at work. */
export function lastGivenSeq(object: OnDisk): number | null {
  if (!isWritten(object)) return null;
  const [row] = object.disk.read(
    "SELECT chunk_through_seq FROM summaries_in_progress JOIN jobs ON id = job_id WHERE lease IS NOT NULL",
  );
  return row === undefined || row["chunk_through_seq"] === null ? null : Number(row["chunk_through_seq"]);
}

/** The progress of the pending summary, and its job; null if nothing of one is saved. */
export function draftOf(object: OnDisk): { jobId: string; throughSeq: number } | null {
  const [row] = isWritten(object)
    ? object.disk.read(
        "SELECT job_id, draft ->> 'throughSeq' AS through_seq FROM summaries_in_progress WHERE draft IS NOT NULL",
      )
    : [];
  return row === undefined ? null : { jobId: String(row["job_id"]), throughSeq: Number(row["through_seq"]) };
}

export function hiddenSeqsOf(object: OnDisk): number[] {
  if (!isWritten(object)) return [];
  return seqsOf(object, "hidden", "SELECT seq FROM hidden ORDER BY seq");
}

function seqsOf({ disk }: OnDisk, name: string, sql: string): number[] {
  return disk.remember(name, () => disk.read(sql).map((row) => Number(row["seq"])));
}
