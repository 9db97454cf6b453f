import type { Outcome } from "../contracts/errors.ts";
import type { MessagePatch, Seq } from "../contracts/message.ts";
import { contentTokens } from "../memory/message-text.ts";
import { newJob, oweArchive } from "./owed-work.ts";
import { findMessage } from "./reading.ts";
import { REDO_DELAY_MS, uncovered } from "./redo.ts";
import type { JobRow, MessageRow, SessionRow, SessionStore } from "./store.ts";
import { summarizeJob } from "./summarizing.ts";

/**
 * Changes what a message says. Its place, its id and the hash of what was first appended stay, so that a retry of the first
 * append is no conflict. What the summary made of the old text goes as if it had been erased.
 */
export function editMessage(
  store: SessionStore,
  session: SessionRow,
  id: string,
  patch: MessagePatch,
  newId: () => string,
  now: number,
): Outcome<MessageRow> {
  const row = findMessage(store, id);
  if (row === null) return UNKNOWN_MESSAGE;
  if (row.content === null) {
    return {
      ok: false,
      fault: { code: "message_erased", detail: "The message was erased. Append a new one instead." },
    };
  }
  const content = patch.content ?? row.content;
  const metadata = patch.metadata ?? row.metadata;
  const contentJson = JSON.stringify(content);
  const isSaidAnew = contentJson !== JSON.stringify(row.content);
  const metadataJson = metadata === null ? null : JSON.stringify(metadata);
  store.editMessage(row.seq, contentJson, metadataJson, contentTokens(content), now);
  if (isSaidAnew) invalidate(store, session, row.seq, newId, now);
  return { ok: true, value: store.messageBySeq(row.seq) ?? row };
}

/** Erases what a message said, everywhere in the object, at once. Its seq and its id stay taken. Idempotent. */
export function eraseMessage(
  store: SessionStore,
  session: SessionRow,
  id: string,
  newId: () => string,
  now: number,
): Outcome<MessageRow> {
  const row = findMessage(store, id);
  if (row === null) return UNKNOWN_MESSAGE;
  if (row.erasedAt !== null) return { ok: true, value: row };
  store.eraseMessage(row.seq, now);
  invalidate(store, session, row.seq, newId, now);
  return { ok: true, value: store.messageBySeq(row.seq) ?? row };
}

const UNKNOWN_MESSAGE: Outcome<never> = {
  ok: false,
  fault: { code: "message_not_found", detail: "The session has no message with this id." },
};

/**
 * Takes out of the summary, and out of what is being made of it, all that rests on a message, and owes a new summary from before
 * that message: a model may have folded its content into items that cite others.
 */
function invalidate(store: SessionStore, session: SessionRow, seq: Seq, newId: () => string, now: number): void {
  const newest = store.newestSummary();
  const job = summarizeJob(store);
  const isCovered = newest !== null && seq <= newest.throughSeq;
  if (isCovered) {
    const gone = store.deleteItemsCiting(seq);
    store.hide(uncovered(gone, store.items(newest.version)));
  }
  if (job !== undefined) taint(store, job, seq, now);
  else if (isCovered) {
    store.putJob({
      ...newJob("summarize", session.incarnation, newId(), newest.throughSeq, now + REDO_DELAY_MS, now),
      redoBase: store.versionBefore(seq),
    });
  }
  if (isCovered) oweArchive(store, session, newId, now, true);
}

/** Makes an open job fit the change: one that has begun is followed by another, one that has not begins further back. */
function taint(store: SessionStore, job: JobRow, seq: Seq, now: number): void {
  const newest = store.newestSummary();
  const through = Math.max(job.throughSeq, newest?.throughSeq ?? 0);
  const begunThrough = Math.max(job.chunkThroughSeq ?? 0, job.draft?.throughSeq ?? 0);
  const taintedFromSeq = Math.min(job.taintedFromSeq ?? seq, seq);
  if (job.draft !== null && seq <= begunThrough) {
    const items = job.draft.items.filter((item) => !item.sourceSeqs.includes(seq));
    const gone = job.draft.items.filter((item) => item.sourceSeqs.includes(seq));
    store.hide(uncovered(gone, items));
    store.putJob({ ...job, ...revived(job, now), draft: { ...job.draft, items }, taintedFromSeq });
  } else if (seq <= begunThrough) {
    store.putJob({ ...job, taintedFromSeq });
  } else if (newest !== null && seq <= newest.throughSeq) {
    const redoBase = Math.min(job.redoBase ?? Number.MAX_SAFE_INTEGER, store.versionBefore(seq));
    store.putJob({ ...job, ...revived(job, now), throughSeq: through, redoBase });
  }
}

/** A job that was given up is owed again: what was erased may live on in the versions that it is to take the place of. */
function revived(job: JobRow, now: number): Partial<JobRow> {
  return job.state === "failed" ? { state: "owed", nextSendAt: now + REDO_DELAY_MS } : {};
}

/** Erases the session: nothing that was said is left, and the archive's erasure is owed. */
export function eraseSession(store: SessionStore, session: SessionRow, newId: () => string, now: number): JobRow {
  store.wipe(now);
  const job = newJob("erase", session.incarnation, newId(), 0, now, now);
  store.putJob(job);
  return job;
}
