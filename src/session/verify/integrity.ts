import type { Flaw, LogIntegrity, IntegrityReport, SourcesIntegrity, SummaryIntegrity } from "../../api/finding.ts";
import type { StoredMessage } from "../../api/message.ts";
import type { Seq } from "../../api/message.ts";
import { byteLength } from "../../api/text.ts";
import { isOn } from "../../prompt/branch.ts";
import { ownSources } from "../../prompt/items.ts";
import { messageCost } from "../../prompt/message-text.ts";
import { pageEnd, toArchived } from "../archive/index.ts";
import type { JobRow, LedgerRow, SessionRow, SummaryRow, VersionedItem } from "../sqlite/index.ts";
import { isWeighedWhole, MAX_CALL_EVIDENCE_CHARACTERS, weigh } from "../summary/index.ts";
import type { Unit } from "../unit.ts";

/** What the object can tell of its own promises, without a write. Nothing of what was said is in a flaw. */

/** Rows of a page of the log at most; where the messages are told as well, far fewer bytes than an RPC may carry. */
const MAX_PAGE_ROWS = 5_000;
const MAX_TOLD_ROWS = 500;
const MAX_TOLD_BYTES = 1024 * 1024;
/** An alarm that threw is tried again after a while, and what is pending waits for that. */
const MAX_LATENESS_MS = 10 * 60_000;
/** Items of a page that are held against what they cite. */
const MAX_WEIGHED_ROWS = 500;
/** Epochs whose erasure is still pending that are named. */
const MAX_ERASED_EPOCHS = 100;
/** Seqs and names that a detail tells before it only counts. */
const MAX_NAMED = 5;

const NOTHING: IntegrityReport = {
  state: "nothing",
  epoch: null,
  rev: 0,
  archivedRev: 0,
  isArchivePending: false,
  erasedEpochs: [],
  headSeq: 0,
  metadata: {},
  newest: null,
  messageSeq: 0,
  flaws: [],
};

/**
 * What a session is, and what of it can be told without reading what it holds.
 * @param alarmAt when the alarm rings; null if none is set
 */
export function checkIntegrity(unit: Unit, alarmAt: number | null): IntegrityReport {
  const { store, row: session } = unit;
  if (session === null) return NOTHING;
  const newest = store.summaries.newest();
  const headSeq = store.messages.head()?.seq ?? 0;
  const state = stateOf(session);
  const flaws = state === "active" ? [...seqFlaws(unit, headSeq), ...outboxFlaws(unit)] : [];
  return {
    state,
    epoch: session.epoch,
    rev: session.archiveRev,
    archivedRev: session.archivedRev,
    isArchivePending: store.jobs.first("archive") !== null,
    erasedEpochs: store.jobs.epochsOf("erase", MAX_ERASED_EPOCHS),
    headSeq,
    metadata: session.metadata,
    newest: newest === null ? null : { version: newest.version, throughSeq: newest.throughSeq },
    messageSeq: session.messageArchive?.sentSeq ?? 0,
    flaws: [...flaws, ...alarmFlaws(unit, alarmAt)],
  };
}

/** A page of the summary's versions, and of the items that began with them. */
export function checkSummaryIntegrity(unit: Unit, afterVersion: number): SummaryIntegrity {
  const { store } = unit;
  const { throughVersion, isLast } = pageEnd(unit, afterVersion);
  const versions = store.summaries.between(afterVersion, throughVersion, MAX_PAGE_ROWS);
  const items = store.summaries.itemsBegunBetween(afterVersion, throughVersion);
  const [before] = store.summaries.backward(afterVersion + 1, 1);
  const headSeq = store.messages.head()?.seq ?? 0;
  // Of two branches the version of one may cover less than that of the other.
  const wrong = versionFlaws(versions, before, headSeq, store.branches.isSole);
  return {
    versions,
    items,
    flaws: [...wrong, ...rangeFlaws(unit, items, versions)],
    throughVersion: isLast ? Number.MAX_SAFE_INTEGER : throughVersion,
    isLast,
  };
}

/**
 * A page of the items, held against the messages that they cite. One that cites more than is read for one is not judged: it was, when it
 * was made. What was carried over can't be checked from here.
 */
export function checkSourcesIntegrity(unit: Unit, afterRow: number): SourcesIntegrity {
  const gone: string[] = [];
  const unsaid: string[] = [];
  const page = unit.store.summaries.itemPage(Number.MAX_SAFE_INTEGER, afterRow, MAX_WEIGHED_ROWS);
  let throughRow = afterRow;
  let read = 0;
  for (const { row, item } of page) {
    if (read >= MAX_CALL_EVIDENCE_CHARACTERS) break;
    throughRow = row;
    if (item.sourceSession !== undefined) continue;
    if (!isWhole(unit, item)) {
      gone.push(item.id);
      continue;
    }
    const weighed = weigh(unit, item.text, item.sourceSeqs);
    read += weighed.read;
    if (!weighed.isBorneOut && isWeighedWhole(weighed)) unsaid.push(item.id);
  }
  return {
    flaws: [
      ...told(gone, (names) =>
        rebuilt("stale-source", `item ${names} cites a message that was erased or is not there`),
      ),
      ...told(unsaid, (names) => rebuilt("stale-source", `item ${names} says what the messages that it cites do not`)),
    ],
    throughRow,
    isLast: page.length < MAX_WEIGHED_ROWS && throughRow === (page.at(-1)?.row ?? afterRow),
  };
}

function isWhole(unit: Unit, { sourceSeqs }: VersionedItem): boolean {
  return sourceSeqs.length > 0 && unit.store.messages.countUnerased(sourceSeqs) === new Set(sourceSeqs).size;
}

function stateOf({ erasedAt, expiredAt, copying }: SessionRow): IntegrityReport["state"] {
  if (erasedAt !== null) return "erased";
  if (expiredAt !== null) return "expired";
  return copying === null ? "active" : "copying";
}

/** Promise 1. */
function seqFlaws(unit: Unit, headSeq: Seq): Flaw[] {
  const missing = headSeq - unit.store.messages.count();
  if (missing === 0) return [];
  return [
    {
      kind: "broken-log",
      detail: `${missing} of the messages 1 to ${headSeq} are missing; restore the object to a time when they were there`,
      mend: null,
    },
  ];
}

/** Promise 7: later versions cover no less where there is one branch, and nothing past the log. */
function versionFlaws(
  versions: readonly SummaryRow[],
  last: SummaryRow | undefined,
  headSeq: Seq,
  isSole: boolean,
): Flaw[] {
  const flaws: Flaw[] = [];
  let before = last;
  for (const row of versions) {
    const { version, throughSeq } = row;
    if (throughSeq > headSeq || throughSeq < 0) {
      flaws.push(rebuilt("wrong-range", `version ${version} covers ${throughSeq} of ${headSeq} messages`));
    } else if (isSole && before !== undefined && before.throughSeq > throughSeq) {
      const less = `version ${version} covers ${throughSeq} messages, ${before.version} before it ${before.throughSeq}`;
      flaws.push(rebuilt("wrong-range", less));
    }
    before = row;
  }
  return flaws.slice(0, MAX_NAMED);
}

/** Promises 7 and 8: an item begins and ends with versions that are there, and cites nothing past the one it began with. */
function rangeFlaws(unit: Unit, items: readonly VersionedItem[], versions: readonly SummaryRow[]): Flaw[] {
  const known = new Map(versions.map(({ version, throughSeq }) => [version, throughSeq]));
  const isKnown = (version: number): boolean => known.has(version) || unit.store.summaries.byVersion(version) !== null;
  const unknown = new Set<number>();
  const past = new Set<string>();
  for (const item of items) {
    for (const version of [item.fromVersion, item.toVersion ?? item.fromVersion]) {
      if (!isKnown(version)) unknown.add(version);
    }
    const throughSeq = known.get(item.fromVersion) ?? Number.MAX_SAFE_INTEGER;
    const isPast = ownSources(item).some((seq) => seq < 1 || seq > throughSeq);
    const isBackward = item.toVersion !== null && item.toVersion <= item.fromVersion;
    if (isPast || isBackward) past.add(item.id);
  }
  return [
    ...told([...unknown], (names) => rebuilt("missing-summary", `items are of version ${names}, which is not there`)),
    ...told([...past], (names) =>
      rebuilt("wrong-range", `item ${names} holds or cites what its version does not cover`),
    ),
  ];
}

/** Promise 10: whatever has to be done is pending. */
function outboxFlaws(unit: Unit): Flaw[] {
  const { store } = unit;
  const isPending = (kind: JobRow["kind"]): boolean => store.jobs.first(kind) !== null;
  const flaws: Flaw[] = [];
  const missingJob = (detail: string, mend: Flaw["mend"]): void =>
    void flaws.push({ kind: "missing-job", detail, mend });
  if (unit.session.archiveRev > unit.session.archivedRev && !isPending("archive")) {
    missingJob(
      `the archive confirmed revision ${unit.session.archivedRev} of ${unit.session.archiveRev}, and is owed none`,
      "archive",
    );
  }
  const throughSeq = store.summaries.newest()?.throughSeq ?? 0;
  if (!isOn(store.messages.tip()?.branch ?? store.branches.active(0), throughSeq)) {
    const detail = `the newest version covers messages through ${throughSeq}, which is not on the active branch`;
    flaws.push(rebuilt("wrong-range", detail));
  }
  const hidden = store.summaries.hiddenRanges(throughSeq, MAX_NAMED + 1).map(({ fromSeq }) => fromSeq);
  if (hidden.length > 0 && !isPending("summarize")) {
    missingJob(`seq ${named(hidden)} is covered by nothing, and no new summary is pending`, "rebuild");
  }
  if (store.lineage.hasPendingErasures() && !isPending("erase-copies")) {
    missingJob("copies have yet to be told of erasures, and no job tells them: erase the copies by hand", null);
  }
  return flaws;
}

/** A job that nothing brings on its way. The archive's own operation arms the alarm, whatever it was for. */
function alarmFlaws(unit: Unit, alarmAt: number | null): Flaw[] {
  const dueAt = unit.store.jobs.nextSendAt();
  if (dueAt === null || (alarmAt !== null && alarmAt <= dueAt + MAX_LATENESS_MS)) return [];
  return [
    { kind: "missing-job", detail: "a job is scheduled, and no alarm is set to send it in time", mend: "archive" },
  ];
}

/** A page of the log: seqs without gaps, and totals that add up, through edits and erasures. The last one tells of the totals as a whole. */
export function checkLogIntegrity(unit: Unit, afterSeq: Seq): LogIntegrity {
  const { store } = unit;
  const toldSeq = unit.session.messageArchive?.sentSeq ?? 0;
  const messages = afterSeq < toldSeq ? tellMessages(unit, afterSeq, toldSeq) : [];
  const limit = afterSeq < toldSeq ? messages.length : MAX_PAGE_ROWS;
  const rows = store.messages.ledger(afterSeq, limit);
  const before = afterSeq === 0 ? null : (store.messages.ledger(afterSeq - 1, 1)[0] ?? null);
  const throughSeq = rows.at(-1)?.seq ?? afterSeq;
  const isLast = throughSeq >= (store.messages.head()?.seq ?? 0) || rows.length === 0;
  const flaws = totalFlaws(before, rows);
  if (isLast && flaws.length === 0 && !store.messages.areTotalsTrue()) flaws.push(brokenTotals("of the session"));
  if (isLast && !store.files.isWhole()) flaws.push(BROKEN_FILES);
  return { flaws, messages, throughSeq, isLast };
}

function tellMessages(unit: Unit, afterSeq: Seq, throughSeq: Seq): StoredMessage[] {
  const messages: StoredMessage[] = [];
  let bytes = 0;
  for (const row of unit.store.messages.forward(afterSeq + 1, throughSeq)) {
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

const BROKEN_FILES: Flaw = {
  kind: "broken-log",
  detail:
    "a file that a message has is not there, or one is there that none has; restore the object to a time when they agreed, or edit the message that cannot be read",
  mend: null,
};

function brokenTotals(which: string): Flaw {
  const detail = `the totals ${which} do not add up; export the session and import it anew`;
  return { kind: "broken-log", detail, mend: null };
}

function rebuilt(kind: Flaw["kind"], detail: string): Flaw {
  return { kind, detail, mend: "rebuild" };
}

function told(names: readonly (string | number)[], flaw: (names: string) => Flaw): Flaw[] {
  return names.length === 0 ? [] : [flaw(named(names))];
}

function named(names: readonly (string | number)[]): string {
  const some = names.slice(0, MAX_NAMED).join(", ");
  return names.length <= MAX_NAMED ? some : `${some} and ${names.length - MAX_NAMED} more`;
}
