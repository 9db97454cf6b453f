import type { Seq } from "../contracts/message.ts";
import { EVERY_SEQ } from "./lineage-store.ts";
import { newJob } from "./owed-work.ts";
import type { OriginRow, OwedErasure, SessionRow } from "./rows.ts";
import type { SessionStore } from "./store.ts";

/** Forks and continuations of a session hold what was said in it: what is erased here has to be erased there. */

/** One life of a session. */
export interface Life {
  readonly session: string;
  readonly incarnation: string;
}

/** What was erased of a life of a session; `seqs` is null for all of it. */
export interface Erased {
  readonly source: Life;
  readonly seqs: readonly Seq[] | null;
  /** The session that tells it, where it is not the source itself: it had carried items over from there. */
  readonly through?: string | undefined;
}

/** The sessions that items here were carried over from, as they are passed on with these. */
export function furtherOrigins(store: SessionStore): OriginRow[] {
  return store.lineage
    .origins()
    .filter(({ kind, state }) => kind !== "fork" && (state === "done" || state === "stale"))
    .map((origin) => ({ ...origin, kind: "further", state: "done" }));
}

/** What one copy is told at a time at most: a body of an RPC stays small, and the rest follows. */
const MAX_ERASURES_PER_ROUND = 10_000;

/** Owes it to every copy to be told, until each confirms. */
export function tellCopies(
  store: SessionStore,
  session: SessionRow,
  { source, seqs }: Erased,
  newId: () => string,
  now: number,
): void {
  const isOwn = source.session === session.session && source.incarnation === session.incarnation;
  let isOwed = false;
  for (const copy of store.lineage.copies()) {
    const taken = (seq: Seq): boolean => !isOwn || copy.throughSeq === null || seq <= copy.throughSeq;
    for (const seq of seqs === null ? [EVERY_SEQ] : seqs.filter(taken)) {
      store.lineage.oweErasure({ copy: copy.session, source, seq });
      isOwed = true;
    }
  }
  if (!isOwed) return;
  const open = store.jobs.all().find((job) => job.kind === "erase-copies");
  if (open === undefined) store.jobs.put(newJob("erase-copies", session.incarnation, newId(), 0, now, now));
  else store.jobs.put({ ...open, nextSendAt: open.failures > 0 ? open.nextSendAt : now });
}

/** What a copy has to be told, as it is told, and as it is confirmed. */
export interface CopyErasures {
  readonly copy: string;
  readonly erased: readonly Erased[];
}

export function readOwedErasures(store: SessionStore, session: SessionRow): CopyErasures[] {
  const byCopy = Map.groupBy(store.lineage.owedErasures(MAX_ERASURES_PER_ROUND), ({ copy }) => copy);
  return [...byCopy].map(([copy, owed]) => ({ copy, erased: [...erasedOf(owed, session)] }));
}

function* erasedOf(owed: readonly OwedErasure[], teller: SessionRow): Generator<Erased> {
  const bySource = Map.groupBy(owed, ({ source }) => `${source.session} ${source.incarnation}`);
  for (const ofSource of bySource.values()) {
    const source = ofSource[0]?.source;
    if (source === undefined) continue;
    const isAll = ofSource.some(({ seq }) => seq === EVERY_SEQ);
    // What is confirmed has to be what was told: the rows of single messages go in a round of their own.
    const through = source.session === teller.session ? {} : { through: teller.session };
    yield { source, seqs: isAll ? null : ofSource.map(({ seq }) => seq), ...through };
  }
}

/** Notes that a copy erased what it was told. The job goes with the last of them. */
export function confirmCopyErasures(store: SessionStore, jobId: string, told: CopyErasures, now: number): void {
  for (const { source, seqs } of told.erased) {
    for (const seq of seqs ?? [EVERY_SEQ]) store.lineage.deleteOwedErasure({ copy: told.copy, source, seq });
  }
  const job = store.jobs.byId(jobId);
  if (job === null) return;
  if (store.lineage.owesErasures()) store.jobs.put({ ...job, failures: 0, nextSendAt: now });
  else store.jobs.delete(jobId);
}
