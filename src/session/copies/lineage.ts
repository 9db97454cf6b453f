import type { Seq } from "../../api/message.ts";
import type { EpochRef, OriginRow, SeqSet, SessionRow } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import type { CopyRow } from "./lineage-store.ts";

export type { EpochRef } from "../sqlite/index.ts";

/**
 * Lineage of erasures: forks and continuations contain what was said in their source, so what is erased in the source
 * must be erased in them. The source tells each of its copies. A copy answers with the copies of its own, and the
 * source tells those too, until every one has confirmed for itself. If each copy waited for its own copies instead,
 * sessions that continue from each other in a circle would wait for each other forever.
 */

/** What was erased in an epoch of a session. */
export interface Erased {
  readonly source: EpochRef;
  /** The erased messages; null for everything, or, if `throughSeq` is set, for all messages up to that. */
  readonly seqs: readonly Seq[] | null;
  readonly throughSeq?: Seq | undefined;
  /**
   * The epoch from which the copy took it, if that is not `source`: an epoch that had carried items of `source` over
   * itself.
   */
  readonly through?: EpochRef | undefined;
  /**
   * `source` itself has erased nothing. The epoch `through` is over, so it would not tell anybody of what `source` erases
   * later, and what was taken from it has to go.
   */
  readonly isCutOff?: true | undefined;
}

/** What a copy answers. */
export interface CopyAnswer {
  /** The whole copy was erased. */
  readonly isGone: boolean;
  /** The newest creation grant that the copy recorded, by which its directory entry is removed if the copy is gone. */
  readonly grantedAt: number;
  /** Nothing of what was erased is left in the copy, nor in the archive in its name. */
  readonly isConfirmed: boolean;
  /** A page of the copies that must be told because of it. */
  readonly further: FurtherCopies;
  /** After which copy the next page begins; null if this is the last one. */
  readonly more: number | null;
}

/** Copies that a copy names when it is told of erasures. */
export interface FurtherCopies {
  /** Copies of the copy itself, which must be told of the same erasures; null if it took nothing of what was erased. */
  readonly own: OwnCopies | null;
  /** Copies of epochs of its id that are over: one of them may be the copy that somebody asks about. */
  readonly ofEnded: readonly EndedEpoch[];
}

/** Copies of a copy. */
export interface OwnCopies {
  /** The copy that names them. */
  readonly by: EpochRef;
  readonly took: Taken["what"];
  readonly copies: readonly { readonly session: string; readonly throughSeq: Seq | null }[];
}

/** An epoch that was erased as a whole, and its copies that have not confirmed that. */
interface EndedEpoch {
  readonly root: string;
  /** What was erased with it: all of the epoch itself, and what it had carried over of others. */
  readonly erased: readonly EpochRef[];
  readonly copies: readonly Pick<CopyRow, "session" | "source" | "via" | "throughSeq">[];
}

/** What a copy took of what was erased. */
export interface Taken {
  /**
   * Messages, which are its own in its copies; items, which still cite the source; or the items that a fork took along
   * with messages of the source, which in its copies are its own.
   */
  readonly what: "messages" | "items" | "items of a fork";
  /** Its copies that end before this message have nothing of it. */
  readonly fromSeq: Seq;
  /** The last message that it can have taken, or can have items of; null if there is no limit. */
  readonly throughSeq: Seq | null;
}

/** Whether the whole epoch was erased, so that it will tell nobody of anything more. */
export function isAll({ seqs, throughSeq }: Erased): boolean {
  return seqs === null && throughSeq === undefined;
}

/** The erased messages; null for everything. */
export function seqsOf({ seqs, throughSeq }: Erased): SeqSet | null {
  return seqs ?? (throughSeq === undefined ? null : { throughSeq });
}

/**
 * The sessions from which items of this session were carried over, in the form in which they are passed on together
 * with the items.
 */
export function furtherOrigins(unit: Unit): OriginRow[] {
  return unit.store.lineage
    .origins()
    .filter(({ kind, state }) => kind !== "fork" && (state === "done" || state === "stale"))
    .map((origin) => ({ ...origin, kind: "further", state: "done" }));
}

/** Most copies that a page names. */
const MAX_NAMED_COPIES = 5_000;

/**
 * A page of the copies that must be told of what was erased, together with those of epochs of this id that are over.
 * @param taken what this session took of it; null if nothing
 */
export function furtherCopies(unit: Unit, taken: Taken | null, afterRow: number): Pick<CopyAnswer, "further" | "more"> {
  const { lineage } = unit.store;
  const session = unit.findUnerased();
  const epoch = session?.epoch ?? null;
  const page = lineage.copiesToName(epoch, taken !== null, afterRow, MAX_NAMED_COPIES);
  const ofEnded = [...Map.groupBy(page, ({ root }) => root)].flatMap(([root, copies]) =>
    root === epoch ? [] : [{ root, erased: lineage.erasedEpochs(root), copies }],
  );
  return {
    further: { own: session === null || taken === null ? null : ownCopies(session, taken, page), ofEnded },
    more: page.length < MAX_NAMED_COPIES ? null : (page.at(-1)?.row ?? null),
  };
}

function ownCopies({ session, epoch }: SessionRow, { what, fromSeq, throughSeq }: Taken, page: CopyRow[]): OwnCopies {
  const own = page.filter(({ root }) => root === epoch);
  // Whoever has items of another session can have any of those that were here, whichever messages it took.
  const copies =
    what === "messages"
      ? own
          .filter((copy) => copy.throughSeq === null || copy.throughSeq >= fromSeq)
          .map((copy) => ({ session: copy.session, throughSeq: lowerOf(copy.throughSeq, throughSeq) }))
      : own.map((copy) => ({ session: copy.session, throughSeq }));
  return { by: { session, epoch }, took: what, copies };
}

/** The lower of two limits, of which null is none. */
export function lowerOf(one: Seq | null, other: Seq | null): Seq | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}

export function erasedOf(source: EpochRef, seqs: SeqSet | null, through?: EpochRef): Erased {
  const what = seqs === null ? { seqs } : "throughSeq" in seqs ? { seqs: null, ...seqs } : { seqs };
  return { source, ...what, ...(through === undefined ? {} : { through }) };
}
