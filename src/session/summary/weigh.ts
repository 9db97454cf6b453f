import { MAX_ITEM_EVIDENCE_CHARACTERS } from "../../api/limits.ts";
import type { Seq } from "../../api/message.ts";
import { Evidence } from "../../prompt/support.ts";
import type { Unit } from "../unit.ts";
import { evidenceOf } from "./run.ts";

/**
 * Checks whether messages of this session support a statement. Messages are read one after the other, so that only one
 * is in memory at a time.
 */

/**
 * How many characters of messages one call reads to check items. The caller continues with another call, so that the
 * object serves other requests in between.
 */
export const MAX_CALL_EVIDENCE_CHARACTERS = 2 * 1024 * 1024;

interface SupportCheck {
  readonly isBorneOut: boolean;
  /** How many characters of messages were read. */
  readonly read: number;
}

/** Whether all messages that the statement cites were read, or enough of them to find support. */
export function isWeighedWhole({ read }: SupportCheck): boolean {
  return read < MAX_ITEM_EVIDENCE_CHARACTERS;
}

/**
 * Checks whether messages support a statement, and counts the characters that it reads. It stops as soon as they do:
 * more messages can only add support.
 */
export function weigh(unit: Unit, text: string, seqs: readonly Seq[]): SupportCheck {
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
