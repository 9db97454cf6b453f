import type { Seq, StoredMessage } from "../../api/message.ts";
import { byteLength } from "../../api/text.ts";
import { messageId } from "../log/index.ts";
import { type MessageArchive, type MessageRow, type SeqSet, type SessionRow, settingsOf } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";

/**
 * Which messages the archive holds, where the session's settings send them there. They follow page by page, a revision each: what
 * is there at a revision is settled when the revision is made, so that late and repeated deliveries of it write the same.
 */

/** Bounds what one delivery carries, a page and as much of changed messages: a consumer holds those of a batch of 50 sessions at once. */
const MAX_PAGE_BYTES = 256 * 1024;
const MAX_PAGE_ROWS = 500;
/** More changed messages than this are not sent one by one: the log is sent anew from the first of them on. */
const MAX_CHANGED = 100;

/** A message on its way to the archive. */
export type ArchivedMessage = StoredMessage;

/** What the archive lacks of the messages. */
export interface MessageDelta {
  /** Whatever it holds after this one goes first. */
  readonly afterSeq: Seq;
  readonly rows: ArchivedMessage[];
}

/** What the archive is to hold at the next revision. Reads the session's settings as of now. */
export function planMessages(unit: Unit, rev: number, changed: SeqSet): MessageArchive | null {
  const before = unit.session.messageArchive;
  if (!settingsOf(unit.session).archiveMessages) {
    if (before === null || before.targetSeq === 0) return before;
    return { sentSeq: 0, targetSeq: 0, confirmedSeq: 0, sinceRev: rev, changed: [] };
  }
  const targetSeq = unit.store.messages.head()?.seq ?? 0;
  if (before === null && targetSeq === 0) return null;
  const begun = before ?? { sentSeq: 0, confirmedSeq: 0, sinceRev: rev, changed: [] };
  return withNextPage(unit, noteChanged(unit, { ...begun, targetSeq }, rev, changed));
}

/** Everything is sent anew from a message on. */
function sentAnewFrom(archive: MessageArchive, seq: Seq, rev: number): MessageArchive {
  const confirmedSeq = Math.min(archive.confirmedSeq, seq - 1);
  return { ...archive, confirmedSeq, sentSeq: confirmedSeq, sinceRev: rev, changed: [] };
}

function noteChanged(unit: Unit, archive: MessageArchive, rev: number, changed: SeqSet): MessageArchive {
  if ("throughSeq" in changed) return archive.sentSeq === 0 ? archive : sentAnewFrom(archive, 1, rev);
  const sent = changed.filter((seq) => seq <= archive.sentSeq);
  if (sent.length === 0) return archive;
  const revs = new Map(archive.changed.map((change) => [change.seq, change.rev]));
  for (const seq of sent) revs.set(seq, rev);
  const seqs = [...revs.keys()];
  if (seqs.length > MAX_CHANGED || (seqs.length > 1 && unit.store.messages.bytesOf(seqs) > MAX_PAGE_BYTES)) {
    return sentAnewFrom(
      archive,
      seqs.reduce((a, b) => Math.min(a, b)),
      rev,
    );
  }
  return { ...archive, changed: [...revs].map(([seq, since]) => ({ seq, rev: since })) };
}

/** A page that is on its way is waited for: what is pending for longer must not grow without bound. */
function withNextPage(unit: Unit, archive: MessageArchive): MessageArchive {
  if (archive.confirmedSeq < archive.sentSeq) return archive;
  let { sentSeq } = archive;
  let bytes = 0;
  for (const row of unit.store.messages.forward(archive.confirmedSeq + 1, archive.targetSeq)) {
    bytes += byteLength(JSON.stringify([row.content, row.metadata]));
    // A message that is larger than a page makes one of its own.
    if (bytes > MAX_PAGE_BYTES && sentSeq > archive.confirmedSeq) break;
    sentSeq = row.seq;
    if (sentSeq - archive.confirmedSeq >= MAX_PAGE_ROWS) break;
  }
  return { ...archive, sentSeq };
}

/** Whether the archive lacks anything of what it is to hold at the newest revision. */
function isUnheld(session: SessionRow): boolean {
  const archive = session.messageArchive;
  if (archive === null) return false;
  return archive.confirmedSeq < archive.sentSeq || isChangeUnheld(session);
}

/** Whether the archive may still hold a message as it was before it was edited or erased. */
export function isChangeUnheld({ messageArchive: archive, archivedRev }: SessionRow): boolean {
  return archive !== null && (archive.changed.length > 0 || archive.sinceRev > archivedRev);
}

/** Null if the archive has what it is to have. */
export function readMessageDelta(unit: Unit): MessageDelta | null {
  const { store } = unit;
  const archive = unit.session.messageArchive;
  // An archive that was set back may hold messages that nobody here knows of.
  if (!isUnheld(unit.session) && unit.session.archivedRev > 0) return null;
  if (archive === null) return { afterSeq: 0, rows: [] };
  const { confirmedSeq, sentSeq } = archive;
  const changed = archive.changed.flatMap(({ seq }) => (seq <= confirmedSeq ? [seq] : []));
  const rows = [
    ...store.messages.bySeqs(changed.toSorted((a, b) => a - b)),
    ...store.messages.forward(confirmedSeq + 1, sentSeq),
  ];
  return { afterSeq: confirmedSeq, rows: rows.map(toArchived) };
}

export function toArchived(row: MessageRow): ArchivedMessage {
  const { seq, afterSeq, role, author, content, metadata, occurredAt, createdAt, editedAt, erasedAt } = row;
  return {
    seq,
    id: messageId(row),
    afterSeq,
    role,
    author,
    content,
    metadata,
    occurredAt,
    createdAt,
    editedAt,
    erasedAt,
  };
}

/**
 * The archive holds the messages as they are at `rev`, the last of them `sentSeq`; undefined: whoever wrote there left them out.
 * Null once it holds none and is to hold none.
 */
export function withHeld(archive: MessageArchive | null, rev: number, sentSeq: Seq | undefined): MessageArchive | null {
  if (archive === null || rev < archive.sinceRev) return archive;
  if (sentSeq === undefined) return { ...archive, sinceRev: rev + 1 };
  if (archive.targetSeq === 0) return null;
  return {
    ...archive,
    confirmedSeq: Math.max(archive.confirmedSeq, sentSeq),
    changed: archive.changed.filter((change) => change.rev > rev),
  };
}

/** Whether anything of the messages is left to send after a revision that the archive confirmed. */
export function isMorePending(archive: MessageArchive, rev: number): boolean {
  return archive.confirmedSeq < archive.targetSeq || archive.sinceRev > rev;
}

/** Everything is to be sent anew, from the first message on. */
export function withNoneHeld(unit: Unit, archive: MessageArchive | null, rev: number): MessageArchive | null {
  return archive === null ? null : withNextPage(unit, sentAnewFrom(archive, 1, rev));
}

/** Whether messages are there that the settings send to the archive, and nobody has owed it yet. */
export function hasUnscheduledMessages(unit: Unit): boolean {
  if (!settingsOf(unit.session).archiveMessages) return false;
  return (unit.store.messages.head()?.seq ?? 0) > (unit.session.messageArchive?.targetSeq ?? 0);
}

/** Whether the archive holds messages that the settings keep out of it. */
export function isArchivedInVain(session: SessionRow): boolean {
  const { messageArchive: archive } = session;
  return archive !== null && archive.targetSeq > 0 && !settingsOf(session).archiveMessages;
}
