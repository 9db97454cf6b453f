import type { Item, Summary } from "../src/api/summary.ts";
import { canonicalJson, type Json } from "../src/api/text.ts";
import { type ArchiveCopy, versionsOf } from "./simulated-archive.ts";

/**
 * All versions of a summary, the items of the newest, and the archived messages as one text, the same whether read from the session or from
 * the archive.
 */

type Version = Pick<Summary, "version" | "throughSeq" | "tokens" | "summarizer" | "degraded" | "droppedItems"> & {
  readonly items: readonly Item[];
};

/** A message that the archive has, or should have. Times are in ms since 1970. */
export interface RevisionMessage {
  readonly seq: number;
  readonly id: string;
  readonly role: string;
  readonly author: string | null;
  readonly content: Json;
  readonly metadata: Json;
  readonly occurredAt: number | null;
  readonly editedAt: number | null;
  readonly erasedAt: number | null;
}

export function revisionKey(row: { readonly epoch: string; readonly archive_rev: number }): string {
  return `${row.epoch}/${row.archive_rev}`;
}

export function revisionText(versions: readonly Version[], messages: readonly RevisionMessage[]): string {
  return `${versionsText(versions)} ${messages.map((message) => canonicalJson({ ...message })).join(" ")}`;
}

function versionsText(versions: readonly Version[]): string {
  const newest = Math.max(0, ...versions.map(({ version }) => version));
  return JSON.stringify(
    versions
      .toSorted((a, b) => a.version - b.version)
      .map(({ version, throughSeq, tokens, summarizer, degraded, droppedItems, items }) => ({
        version,
        throughSeq,
        tokens,
        summarizer,
        degraded,
        droppedItems,
        items: (version === newest ? items : [])
          .toSorted((a, b) => (a.id < b.id ? -1 : 1))
          .map(({ id, kind, text, sourceSeqs, sourceSession, status }) => [
            id,
            kind,
            text,
            sourceSeqs,
            sourceSession ?? null,
            status,
          ]),
      })),
  );
}

/** What the archive has of one epoch of a session. */
export function archivedRevision(copy: ArchiveCopy, epoch: string): string {
  const { summaries, items, messages } = versionsOf(copy, epoch);
  const ms = (time: string | null): number | null => (time === null ? null : Date.parse(time));
  return revisionText(
    summaries.map(
      ({ version, through_seq: throughSeq, tokens, summarizer, degraded, dropped_items: droppedItems }) => ({
        version,
        throughSeq,
        tokens,
        summarizer,
        degraded,
        droppedItems,
        items: items.map(
          ({ item_id: id, kind, text, source_seqs: sourceSeqs, source_session: sourceSession, status }) => ({
            id,
            kind: kind as Item["kind"],
            text,
            sourceSeqs,
            ...(sourceSession === null ? {} : { sourceSession }),
            status: status as Item["status"],
          }),
        ),
      }),
    ),
    messages.map((row) => ({
      seq: row.seq,
      id: row.id,
      role: row.role,
      author: row.author,
      content: row.content,
      metadata: row.metadata,
      occurredAt: ms(row.occurred_at),
      editedAt: ms(row.edited_at),
      erasedAt: ms(row.erased_at),
    })),
  );
}
