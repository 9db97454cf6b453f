import { MAX_ITEM_EVIDENCE_CHARACTERS } from "../../api/limits.ts";
import type { Seq } from "../../api/message.ts";
import { Evidence } from "../../prompt/support.ts";
import type { Unit } from "../unit.ts";
import { evidenceOf } from "./run.ts";

/** Statements held against the messages of this session, one message after the other: they are never held all at once. */

/** Read in one call to check items; what is left of a page comes with the next, so that others are served in between. */
export const MAX_CALL_EVIDENCE_CHARACTERS = 2 * 1024 * 1024;

interface Weighed {
  readonly isBorneOut: boolean;
  /** Characters of messages that were read to tell. */
  readonly read: number;
}

/** Whether all that a statement cites was read. */
export function isWeighedWhole({ read }: Weighed): boolean {
  return read < MAX_ITEM_EVIDENCE_CHARACTERS;
}

/** Whether messages bear a statement out, and how much of them was read to tell. More of them can only speak for it. */
export function weigh(unit: Unit, text: string, seqs: readonly Seq[]): Weighed {
  const evidence = new Evidence();
  let read = 0;
  for (const seq of seqs) {
    if (read >= MAX_ITEM_EVIDENCE_CHARACTERS) break;
    const row = unit.store.messages.bySeq(seq, "told");
    if (row === null || row.content === null) continue;
    const said = evidenceOf(row).slice(0, MAX_ITEM_EVIDENCE_CHARACTERS - read);
    read += said.length;
    evidence.add(said);
    if (evidence.supports(text)) return { isBorneOut: true, read };
  }
  return { isBorneOut: false, read };
}
