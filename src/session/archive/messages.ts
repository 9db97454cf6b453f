import type { Seq, StoredMessage } from "../../api/message.ts";
import { byteLength } from "../../api/text.ts";
import { messageId } from "../log/index.ts";
import { type MessageArchive, type MessageRow, type SeqSet, type SessionRow, settingsOf } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";

// Decides which messages the archive receives, for sessions whose settings send messages there (`archiveMessages`).
// They are sent in pages, one page with each revision. What belongs to a revision is fixed when the revision is made,
// so that late and repeated deliveries of it write the same rows.

/**
 * Limit on the bytes of new messages in one delivery; changed messages may add as much again. A consumer holds the
 * deliveries of up to 50 sessions at once.
 */
const MAX_PAGE_BYTES = 256 * 1024;
const MAX_PAGE_ROWS = 500;
/**
 * If more messages than this have changed, they are not sent one by one: everything from the first of them on is sent
 * again.
 */
const MAX_CHANGED = 100;

/** A message as it is sent to the archive. */
export type ArchivedMessage = StoredMessage;

/** The messages that the archive is missing. */
export interface MessageDelta {
  /** The archive first deletes the messages that it holds after this one. */
  readonly afterSeq: Seq;
  readonly rows: ArchivedMessage[];
}

/**
 * The messages that the archive is to hold at a new revision, by the session's current settings; null if it holds none
 * and is to hold none.
 * @param changed the messages that were edited or erased since the last revision
 */
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

/** Plans to send the messages from `seq` on again. */
function resendFrom(archive: MessageArchive, seq: Seq, rev: number): MessageArchive {
  const confirmedSeq = Math.min(archive.confirmedSeq, seq - 1);
  return { ...archive, confirmedSeq, sentSeq: confirmedSeq, sinceRev: rev, changed: [] };
}

function noteChanged(unit: Unit, archive: MessageArchive, rev: number, changed: SeqSet): MessageArchive {
  if ("throughSeq" in changed) return archive.sentSeq === 0 ? archive : resendFrom(archive, 1, rev);
  const sent = changed.filter((seq) => seq <= archive.sentSeq);
  if (sent.length === 0) return archive;
  const revs = new Map(archive.changed.map((change) => [change.seq, change.rev]));
  for (const seq of sent) revs.set(seq, rev);
  const seqs = [...revs.keys()];
  if (seqs.length > MAX_CHANGED || (seqs.length > 1 && unit.store.messages.bytesOf(seqs) > MAX_PAGE_BYTES)) {
    return resendFrom(
      archive,
      seqs.reduce((a, b) => Math.min(a, b)),
      rev,
    );
  }
  return { ...archive, changed: [...revs].map(([seq, since]) => ({ seq, rev: since })) };
}

/**
 * Adds the next page of messages. While a page is not confirmed, none is added: otherwise what is sent with one
 * revision could grow without limit.
 */
function withNextPage(unit: Unit, archive: MessageArchive): MessageArchive {
  if (archive.confirmedSeq < archive.sentSeq) return archive;
  let { sentSeq } = archive;
  let bytes = 0;
  for (const row of unit.store.messages.forward(archive.confirmedSeq + 1, archive.targetSeq)) {
    bytes += byteLength(JSON.stringify([row.content, row.metadata]));
    // A message that is larger than a page becomes a page of its own.
    if (bytes > MAX_PAGE_BYTES && sentSeq > archive.confirmedSeq) break;
    sentSeq = row.seq;
    if (sentSeq - archive.confirmedSeq >= MAX_PAGE_ROWS) break;
  }
  return { ...archive, sentSeq };
}

/** Whether the archive has not confirmed all messages of the newest revision. */
function isUnconfirmed(session: SessionRow): boolean {
  const archive = session.messageArchive;
  if (archive === null) return false;
  return archive.confirmedSeq < archive.sentSeq || isChangeUnconfirmed(session);
}

/** Whether the archive may still hold an edited or erased message as it was before. */
export function isChangeUnconfirmed({ messageArchive: archive, archivedRev }: SessionRow): boolean {
  return archive !== null && (archive.changed.length > 0 || archive.sinceRev > archivedRev);
}

/** The messages to send with the newest revision; null if there are none. */
export function readMessageDelta(unit: Unit): MessageDelta | null {
  const { store } = unit;
  const archive = unit.session.messageArchive;
  // Before the archive has confirmed anything, it may hold messages that this object does not know of (after a restore
  // from a backup), so even an empty delta is sent: it deletes them.
  if (!isUnconfirmed(unit.session) && unit.session.archivedRev > 0) return null;
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
 * The plan after the archive confirmed a revision; null if it then holds no messages and is to hold none.
 * @param sentSeq the last message that it holds
 */
export function withConfirmed(archive: MessageArchive | null, rev: number, sentSeq: Seq): MessageArchive | null {
  if (archive === null || rev < archive.sinceRev) return archive;
  if (archive.targetSeq === 0) return null;
  return {
    ...archive,
    confirmedSeq: Math.max(archive.confirmedSeq, sentSeq),
    changed: archive.changed.filter((change) => change.rev > rev),
  };
}

/** Whether messages remain to be sent after the archive confirmed revision `rev`. */
export function isMorePending(archive: MessageArchive, rev: number): boolean {
  return archive.confirmedSeq < archive.targetSeq || archive.sinceRev > rev;
}

/** The plan after the archive lost its messages, or may have: all of them are sent again. */
export function withNoneConfirmed(unit: Unit, archive: MessageArchive | null, rev: number): MessageArchive | null {
  return archive === null ? null : withNextPage(unit, resendFrom(archive, 1, rev));
}

/** Whether the settings send messages to the archive for which no archive job has been scheduled yet. */
export function hasUnscheduledMessages(unit: Unit): boolean {
  if (!settingsOf(unit.session).archiveMessages) return false;
  return (unit.store.messages.head()?.seq ?? 0) > (unit.session.messageArchive?.targetSeq ?? 0);
}

/** Whether the archive holds messages although the settings no longer send them there. */
export function hasUnwantedMessages(session: SessionRow): boolean {
  const { messageArchive: archive } = session;
  return archive !== null && archive.targetSeq > 0 && !settingsOf(session).archiveMessages;
}
