import type { Seq } from "../../api/message.ts";

/** A set of messages: the listed ones, or all from 1 to `throughSeq`. */
export type SeqSet = readonly Seq[] | { readonly throughSeq: Seq };

/** The lowest seq of a set; the highest integer for an empty list. */
export function lowestOf(seqs: SeqSet): Seq {
  return "throughSeq" in seqs ? 1 : seqs.reduce((lowest, seq) => Math.min(lowest, seq), Number.MAX_SAFE_INTEGER);
}

/** A function that tells whether a seq is in the set. */
export function containsSeq(seqs: SeqSet): (seq: Seq) => boolean {
  if ("throughSeq" in seqs) return (seq) => seq <= seqs.throughSeq;
  const among = new Set(seqs);
  return (seq) => among.has(seq);
}

/**
 * Those of the messages that are not after `throughSeq`; null if there are none.
 * @param seqs null for all messages
 */
export function upTo(seqs: SeqSet | null, throughSeq: Seq): SeqSet | null {
  if (seqs === null) return throughSeq === 0 ? null : { throughSeq };
  if ("throughSeq" in seqs) return upTo(null, Math.min(seqs.throughSeq, throughSeq));
  const left = seqs.filter((seq) => seq <= throughSeq);
  return left.length === 0 ? null : left;
}

/** The lowest of the messages after `afterSeq` up to `throughSeq`; null if there is none. */
export function lowestBetween(seqs: SeqSet, afterSeq: Seq, throughSeq: Seq): Seq | null {
  if ("throughSeq" in seqs) return Math.min(seqs.throughSeq, throughSeq) > afterSeq ? afterSeq + 1 : null;
  const between = seqs.filter((seq) => seq > afterSeq && seq <= throughSeq);
  return between.length === 0 ? null : lowestOf(between);
}
