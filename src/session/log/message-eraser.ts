import type { Seq } from "../../api/message.ts";
import type { Changes } from "../changes.ts";
import type { VectorStore } from "../search/index.ts";
import { type FileStore, number, type SeqSet, type TotalsChange, type TableGroup } from "../sqlite/index.ts";
import type { MessageReader } from "./message-reader.ts";
import { AMONG_SEQS, APPENDED_COST, overwriteColumns, SAID_BYTES } from "./message-sql.ts";
import type { MessageTotals } from "./message-totals.ts";
import type { MessageParts } from "./message-writer.ts";
import type { RunningErasure } from "./running-erasure.ts";

// The SQL statements that erase messages of the log. What else an erasure concerns is decided in the slice `erase`.

/** Most messages that are listed to be erased at once. More are erased as all messages up to the last of them. */
const MAX_LISTED = 1_000;
/** Limits of one step of an erasure: it takes some tenths of a second, far less than an invocation may take. */
const MAX_SLICE_ROWS = 10_000;
const MAX_SLICE_BYTES = 32 * 1024 * 1024;

export class MessageEraser {
  readonly #sql: TableGroup;
  readonly #messages: MessageReader;
  readonly #totals: MessageTotals;
  readonly #erasure: RunningErasure;
  readonly #files: FileStore;
  readonly #vectors: VectorStore;
  readonly #changes: Changes;

  constructor(sql: TableGroup, { messages, totals, erasure, files, vectors, changes }: MessageParts) {
    this.#sql = sql;
    this.#messages = messages;
    this.#totals = totals;
    this.#erasure = erasure;
    this.#files = files;
    this.#vectors = vectors;
    this.#changes = changes;
  }

  /**
   * Erases messages: their seqs and ids stay; their content is gone, and so are the hashes against which a guess could
   * be checked.
   * @returns by how much the sums change, to be added on the session's row
   */
  erase(seqs: readonly Seq[], erasedAt: number): TotalsChange {
    for (const seq of seqs) this.#changes.erased.add(seq);
    return this.#erase(seqs, erasedAt);
  }

  #erase(seqs: readonly Seq[], erasedAt: number): TotalsChange {
    const before = this.#totals.sizesOf(seqs);
    overwriteColumns(this.#sql, seqs, ["content", "metadata", "author"]);
    this.#sql.exec(
      `UPDATE messages SET content = NULL, author = NULL, metadata = NULL, occurred_at = NULL, hash = NULL, tokens = 0,
         edited_at = NULL, pinned = 0, held_bytes = 0, erased_at = ?, cost_change = -${APPENDED_COST} WHERE ${AMONG_SEQS}`,
      erasedAt,
      JSON.stringify(seqs),
    );
    this.#files.release(seqs);
    this.#vectors.forgetMessages(seqs);
    return this.#totals.noteChanges(before.map(({ block, cost, bytes }) => ({ block, cost: -cost, bytes: -bytes })));
  }

  // Erasures that are too large for one transaction

  /**
   * Erases all messages through one. They count as erased at once; the text that is more than one step can overwrite is
   * overwritten later, by the alarm.
   * @returns by how much the sums change, to be added on the session's row
   */
  eraseThrough(throughSeq: Seq, erasedAt: number): TotalsChange {
    const cost = this.#totals.costAt(throughSeq);
    const bytes = this.#totals.bytesThrough(throughSeq);
    this.#erasure.begin(throughSeq, erasedAt);
    this.#changes.isLogCleared = true;
    this.#changes.isRescheduled = true;
    // All vectors go at once, also those of messages that are overwritten later. Vectors of messages that stay are made
    // again.
    this.#vectors.clear();
    this.eraseSlice();
    return { cost: -cost, bytes: -bytes };
  }

  /** Overwrites the next part of the messages that are being erased. Call it again while the erasure is running. */
  eraseSlice(): void {
    const erasing = this.#erasure.read();
    if (erasing === null) return;
    const rows = this.#sql
      .exec(
        `SELECT seq, ${SAID_BYTES} AS bytes FROM messages
         WHERE seq > ? AND seq <= ? AND content IS NOT NULL ORDER BY seq LIMIT ?`,
        erasing.doneSeq,
        erasing.throughSeq,
        MAX_SLICE_ROWS,
      )
      .toArray();
    let bytes = 0;
    const slice = rows.filter((row) => {
      const isWithin = bytes < MAX_SLICE_BYTES;
      bytes += number(row["bytes"]);
      return isWithin;
    });
    this.#changes.isRescheduled = true;
    // The changes of the sums were counted when the messages were erased, and the search index was dropped then.
    this.#erase(
      slice.map((row) => number(row["seq"])),
      erasing.erasedAt,
    );
    if (slice.length < rows.length || rows.length === MAX_SLICE_ROWS) {
      this.#erasure.noteDone(number(slice.at(-1)?.["seq"]));
    } else this.#erasure.end();
  }

  /**
   * Those of the messages that were not erased; null if there are none. If they are too many to erase at once, and
   * `seqs` is a range, the range itself.
   */
  unerased(seqs: SeqSet): SeqSet | null {
    const [condition, value] =
      "throughSeq" in seqs ? ["seq > 0 AND seq <= ?", seqs.throughSeq] : [AMONG_SEQS, JSON.stringify(seqs)];
    const left = this.#sql
      .exec(
        `SELECT seq FROM messages WHERE ${condition} AND seq > ? AND content IS NOT NULL ORDER BY seq LIMIT ?`,
        value,
        this.#erasure.throughSeq(),
        MAX_LISTED + 1,
      )
      .toArray()
      .map((row) => number(row["seq"]));
    if (left.length === 0) return null;
    const isLarge = left.length > MAX_LISTED || this.#messages.bytesOf(left) > MAX_SLICE_BYTES;
    return isLarge && "throughSeq" in seqs ? seqs : left;
  }
}
