import type { Item, Summary } from "../../../src/contracts/summary.ts";
import type { ArchiveCopy } from "./simulated-archive.ts";

/** All versions of a summary as one text, the same whether read from the session or from the archive. */

type Version = Pick<Summary, "version" | "throughSeq" | "tokens" | "summarizer" | "droppedItems"> & {
  readonly items: readonly Item[];
};

export function revisionText(versions: readonly Version[]): string {
  return JSON.stringify(
    versions
      .toSorted((a, b) => a.version - b.version)
      .map(({ version, throughSeq, tokens, summarizer, droppedItems, items }) => ({
        version,
        throughSeq,
        tokens,
        summarizer,
        droppedItems,
        items: items
          .toSorted((a, b) => (a.id < b.id ? -1 : 1))
          .map(({ id, kind, text, sourceSeqs, status }) => [id, kind, text, sourceSeqs, status]),
      })),
  );
}

/** What the archive holds of one life of a session. */
export function archivedRevision(copy: ArchiveCopy, incarnation: string): string {
  const items = copy.items.filter((item) => item.incarnation === incarnation);
  return revisionText(
    copy.summaries
      .filter((summary) => summary.incarnation === incarnation)
      .map(({ version, through_seq: throughSeq, tokens, summarizer, dropped_items: droppedItems }) => ({
        version,
        throughSeq,
        tokens,
        summarizer,
        droppedItems,
        items: items
          .filter(({ from_version: from, to_version: to }) => from <= version && (to === null || to > version))
          .map(({ item_id: id, kind, text, source_seqs: sourceSeqs, status }) => ({
            id,
            kind: kind as Item["kind"],
            text,
            sourceSeqs,
            status: status as Item["status"],
          })),
      })),
  );
}
