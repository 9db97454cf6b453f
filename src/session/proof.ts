import type { Flaw, LogProof, SessionProof } from "../contracts/finding.ts";
import type { StoredMessage } from "../contracts/message.ts";
import type { Seq } from "../contracts/message.ts";
import { byteLength } from "../contracts/text.ts";
import { ownSources } from "../memory/items.ts";
import { messageCost } from "../memory/message-text.ts";
import { isSupported } from "../memory/support.ts";
import { toArchived } from "./message-archive.ts";
import type { JobRow, LedgerRow, SessionRow, SummaryRow, VersionedItem } from "./rows.ts";
import type { SessionStore } from "./store.ts";
import { evidenceOf } from "./summarizing.ts";

/** What the object can tell of its own promises, without a write. Nothing of what was said is in a flaw. */

/** Rows of a page of the log at most; where the messages are told as well, far fewer bytes than an RPC may carry. */
const MAX_PAGE_ROWS = 5_000;
const MAX_TOLD_ROWS = 500;
const MAX_TOLD_BYTES = 1024 * 1024;
/** An alarm that threw is tried again after a while, and what is owed waits for that. */
const MAX_LATENESS_MS = 10 * 60_000;
/** Seqs and names that a detail tells before it only counts. */
const MAX_NAMED = 5;

const NOTHING: SessionProof = {
  state: "nothing",
  incarnation: null,
  rev: 0,
  archivedRev: 0,
  isArchiveOwed: false,
  erasedLives: [],
  headSeq: 0,
  metadata: {},
  versions: [],
  items: [],
  messageSeq: 0,
  flaws: [],
};

/**
 * Reads every version and item, the messages that the items cite, and of the other messages the seqs alone.
 * @param alarmAt when the alarm rings; null if none is set
 */
export function proveSession(store: SessionStore, session: SessionRow | null, alarmAt: number | null): SessionProof {
  if (session === null) return NOTHING;
  const jobs = store.jobs.all();
  const versions = store.summaries.after(0);
  const items = store.summaries.itemsThrough(Number.MAX_SAFE_INTEGER);
  const headSeq = store.messages.head()?.seq ?? 0;
  const state = stateOf(session);
  const flaws =
    state === "active"
      ? [
          ...seqFlaws(store, headSeq),
          ...versionFlaws(versions, headSeq),
          ...rangeFlaws(items, versions),
          ...sourceFlaws(store, items),
          ...owedFlaws(store, session, jobs),
        ]
      : [];
  return {
    state,
    incarnation: session.incarnation,
    rev: session.archiveRev,
    archivedRev: session.archivedRev,
    isArchiveOwed: jobs.some(({ kind }) => kind === "archive"),
    erasedLives: jobs.flatMap(({ kind, incarnation }) => (kind === "erase" ? [incarnation] : [])),
    headSeq,
    metadata: session.metadata,
    versions,
    items,
    messageSeq: session.messageArchive?.throughSeq ?? 0,
    flaws: [...flaws, ...alarmFlaws(jobs, alarmAt)],
  };
}

function stateOf({ erasedAt, expiredAt, copying }: SessionRow): SessionProof["state"] {
  if (erasedAt !== null) return "erased";
  if (expiredAt !== null) return "expired";
  return copying === null ? "active" : "copying";
}

/** Promise 1. */
function seqFlaws(store: SessionStore, headSeq: Seq): Flaw[] {
  const missing = headSeq - store.messages.count();
  if (missing === 0) return [];
  return [
    {
      kind: "broken-log",
      detail: `${missing} of the messages 1 to ${headSeq} are missing; restore the object to a time when they were there`,
      mend: null,
    },
  ];
}

/** Promise 7: later versions cover no less, and nothing past the log. */
function versionFlaws(versions: readonly SummaryRow[], headSeq: Seq): Flaw[] {
  const flaws: Flaw[] = [];
  for (const [index, { version, throughSeq }] of versions.entries()) {
    const before = versions[index - 1];
    if (throughSeq > headSeq || throughSeq < 0) {
      flaws.push(rebuilt("wrong-range", `version ${version} covers ${throughSeq} of ${headSeq} messages`));
    } else if (before !== undefined && before.throughSeq > throughSeq) {
      const less = `version ${version} covers ${throughSeq} messages, ${before.version} before it ${before.throughSeq}`;
      flaws.push(rebuilt("wrong-range", less));
    }
  }
  return flaws;
}

/** Promises 7 and 8: an item begins and ends with versions that are there, and cites nothing past the one it began with. */
function rangeFlaws(items: readonly VersionedItem[], versions: readonly SummaryRow[]): Flaw[] {
  const known = new Map(versions.map(({ version, throughSeq }) => [version, throughSeq]));
  const unknown = new Set<number>();
  const past = new Set<string>();
  for (const item of items) {
    for (const version of [item.fromVersion, item.toVersion ?? item.fromVersion]) {
      if (!known.has(version)) unknown.add(version);
    }
    const throughSeq = known.get(item.fromVersion) ?? Number.MAX_SAFE_INTEGER;
    const isPast = ownSources(item).some((seq) => seq < 1 || seq > throughSeq);
    const isBackward = item.toVersion !== null && item.toVersion <= item.fromVersion;
    if (isPast || isBackward) past.add(item.id);
  }
  return [
    ...told(unknown, (names) => rebuilt("missing-summary", `items are of version ${names}, which is not there`)),
    ...told(past, (names) => rebuilt("wrong-range", `item ${names} holds or cites what its version does not cover`)),
  ];
}

/** Promises 8 and 9: whatever an item cites says so still. What was carried over can't be checked from here. */
function sourceFlaws(store: SessionStore, items: readonly VersionedItem[]): Flaw[] {
  const evidence = new Map<Seq, string | null>();
  const textOf = (seq: Seq): string | null => {
    const known = evidence.get(seq);
    if (known !== undefined) return known;
    const row = seq > 0 ? store.messages.bySeq(seq) : null;
    const text = row === null || row.content === null ? null : evidenceOf(row);
    evidence.set(seq, text);
    return text;
  };
  const gone = new Set<string>();
  const unsaid = new Set<string>();
  for (const item of items) {
    if (item.sourceSession !== undefined) continue;
    const texts = item.sourceSeqs.map(textOf);
    const there = texts.filter((text) => text !== null);
    if (texts.length === 0 || there.length < texts.length) gone.add(item.id);
    else if (!isSupported(item.text, there)) unsaid.add(item.id);
  }
  return [
    ...told(gone, (names) => rebuilt("stale-source", `item ${names} cites a message that was erased or is not there`)),
    ...told(unsaid, (names) => rebuilt("stale-source", `item ${names} says what the messages that it cites do not`)),
  ];
}

/** Promise 10: whatever has to be done is owed. */
function owedFlaws(store: SessionStore, session: SessionRow, jobs: readonly JobRow[]): Flaw[] {
  const isOwed = (kind: JobRow["kind"]): boolean => jobs.some((job) => job.kind === kind);
  const flaws: Flaw[] = [];
  const unowed = (detail: string, mend: Flaw["mend"]): void => void flaws.push({ kind: "unowed-work", detail, mend });
  if (session.archiveRev > session.archivedRev && !isOwed("archive")) {
    unowed(
      `the archive confirmed revision ${session.archivedRev} of ${session.archiveRev}, and is owed none`,
      "archive",
    );
  }
  const throughSeq = store.summaries.newest()?.throughSeq ?? 0;
  const hidden = store.summaries.hiddenSeqs().filter((seq) => seq <= throughSeq);
  if (hidden.length > 0 && !isOwed("summarize")) {
    unowed(`seq ${named(hidden)} is covered by nothing, and no new summary is owed`, "rebuild");
  }
  if (store.lineage.owesErasures() && !isOwed("erase-copies")) {
    unowed("copies have yet to be told of erasures, and no job tells them: erase the copies by hand", null);
  }
  return flaws;
}

/** A job that nothing brings on its way. The archive's own operation arms the alarm, whatever it was for. */
function alarmFlaws(jobs: readonly JobRow[], alarmAt: number | null): Flaw[] {
  const dueAt = jobs.reduce((at, job) => (job.state === "owed" ? Math.min(at, job.nextSendAt) : at), Infinity);
  if (dueAt === Infinity || (alarmAt !== null && alarmAt <= dueAt + MAX_LATENESS_MS)) return [];
  return [{ kind: "unowed-work", detail: "a job is owed, and no alarm is set to send it in time", mend: "archive" }];
}

/** A page of the log: seqs without gaps, and totals that add up, through edits and erasures. The last one tells of the totals as a whole. */
export function proveLog(store: SessionStore, session: SessionRow, afterSeq: Seq): LogProof {
  const toldSeq = session.messageArchive?.throughSeq ?? 0;
  const messages = afterSeq < toldSeq ? tellMessages(store, afterSeq, toldSeq) : [];
  const limit = afterSeq < toldSeq ? messages.length : MAX_PAGE_ROWS;
  const rows = store.messages.ledger(afterSeq, limit);
  const before = afterSeq === 0 ? null : (store.messages.ledger(afterSeq - 1, 1)[0] ?? null);
  const throughSeq = rows.at(-1)?.seq ?? afterSeq;
  const isLast = throughSeq >= (store.messages.head()?.seq ?? 0) || rows.length === 0;
  const flaws = totalFlaws(before, rows);
  if (isLast && flaws.length === 0 && !store.messages.areTotalsTrue()) flaws.push(brokenTotals("of the session"));
  return { flaws, messages, throughSeq, isLast };
}

function tellMessages(store: SessionStore, afterSeq: Seq, throughSeq: Seq): StoredMessage[] {
  const messages: StoredMessage[] = [];
  let bytes = 0;
  for (const row of store.messages.forward(afterSeq + 1, throughSeq)) {
    messages.push(toArchived(row));
    bytes += byteLength(JSON.stringify([row.content, row.metadata]));
    if (messages.length >= MAX_TOLD_ROWS || bytes >= MAX_TOLD_BYTES) break;
  }
  return messages;
}

function totalFlaws(first: LedgerRow | null, rows: readonly LedgerRow[]): Flaw[] {
  const wrong: Seq[] = [];
  let before: Pick<LedgerRow, "seq" | "totalCost" | "totalBytes"> = first ?? { seq: 0, totalCost: 0, totalBytes: 0 };
  for (const row of rows) {
    const cost = row.totalCost - before.totalCost;
    const bytes = row.totalBytes - before.totalBytes;
    const isNext = row.seq === before.seq + 1;
    const expected = row.isErased ? 0 : messageCost({ tokens: row.tokens, author: row.author ?? undefined });
    if (cost < 0 || bytes < 0 || (isNext && cost + row.costChange !== expected)) wrong.push(row.seq);
    before = row;
  }
  return wrong.length === 0 ? [] : [brokenTotals(`through seq ${named(wrong)}`)];
}

function brokenTotals(which: string): Flaw {
  const detail = `the totals ${which} do not add up; export the session and import it anew`;
  return { kind: "broken-log", detail, mend: null };
}

function rebuilt(kind: Flaw["kind"], detail: string): Flaw {
  return { kind, detail, mend: "rebuild" };
}

function told(names: ReadonlySet<string | number>, flaw: (names: string) => Flaw): Flaw[] {
  return names.size === 0 ? [] : [flaw(named([...names]))];
}

function named(names: readonly (string | number)[]): string {
  const some = names.slice(0, MAX_NAMED).join(", ");
  return names.length <= MAX_NAMED ? some : `${some} and ${names.length - MAX_NAMED} more`;
}
