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

// The integrity check: what the object can find out about its own promises without writing anything. A flaw never
// contains what was said.

/**
 * Messages of one page of the log. If the page also contains the messages' content (to compare with the archive), the
 * two limits below apply; they stay far under the 32 MiB that an RPC may carry.
 */
const MAX_PAGE_ROWS = 5_000;
const MAX_MESSAGE_ROWS = 500;
const MAX_MESSAGE_BYTES = 1024 * 1024;
/**
 * How much later than the earliest pending job the alarm may be set: after an exception in it, the runtime calls it
 * again only after a while.
 */
const MAX_LATENESS_MS = 10 * 60_000;
/** Items of one page that are compared with the messages that they cite. */
const MAX_WEIGHED_ROWS = 500;
/** How many epochs with a pending erasure are listed. */
const MAX_ERASED_EPOCHS = 100;
/** How many seqs or ids a detail lists; the rest it only counts. */
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
 * The session's state, and those flaws that can be found without reading the log and the history of summaries.
 * @param alarmAt when the alarm is set to ring, in ms since 1970; null if it is not set
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

/**
 * Checks a page of the versions of the summary, and the items that began with them.
 * @param afterVersion the version after which the page begins
 */
export function checkSummaryIntegrity(unit: Unit, afterVersion: number): SummaryIntegrity {
  const { store } = unit;
  const { throughVersion, isLast } = pageEnd(unit, afterVersion);
  const versions = store.summaries.between(afterVersion, throughVersion, MAX_PAGE_ROWS);
  const items = store.summaries.itemsBegunBetween(afterVersion, throughVersion);
  const [before] = store.summaries.backward(afterVersion + 1, 1);
  const headSeq = store.messages.head()?.seq ?? 0;
  // With several branches, a later version may cover less: it may be of a shorter branch.
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
 * Checks a page of items against the messages that they cite. An item is passed over if its messages are too long to
 * read for one item, since it was checked when it was made; or if it was carried over, since its messages are in
 * another session.
 * @param afterRow the row after which the page begins
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
    if (!areSourcesThere(unit, item)) {
      gone.push(item.id);
      continue;
    }
    const weighed = weigh(unit, item.text, item.sourceSeqs);
    read += weighed.read;
    if (!weighed.isBorneOut && isWeighedWhole(weighed)) unsaid.push(item.id);
  }
  return {
    flaws: [
      ...flawFor(gone, (names) =>
        mendedByRebuild("stale-source", `item ${names} cites a message that was erased or does not exist`),
      ),
      ...flawFor(unsaid, (names) =>
        mendedByRebuild("stale-source", `item ${names} says something that the messages which it cites do not support`),
      ),
    ],
    throughRow,
    isLast: page.length < MAX_WEIGHED_ROWS && throughRow === (page.at(-1)?.row ?? afterRow),
  };
}

function areSourcesThere(unit: Unit, { sourceSeqs }: VersionedItem): boolean {
  return sourceSeqs.length > 0 && unit.store.messages.countUnerased(sourceSeqs) === new Set(sourceSeqs).size;
}

function stateOf({ erasedAt, expiredAt, copying }: SessionRow): IntegrityReport["state"] {
  if (erasedAt !== null) return "erased";
  if (expiredAt !== null) return "expired";
  return copying === null ? "active" : "copying";
}

/** Promise 1: the log has no gaps. */
function seqFlaws(unit: Unit, headSeq: Seq): Flaw[] {
  const missing = headSeq - unit.store.messages.count();
  if (missing === 0) return [];
  return [
    {
      kind: "broken-log",
      detail: `${missing} of the messages 1 to ${headSeq} are missing; restore the object to a point in time at which they existed`,
      mend: null,
    },
  ];
}

/**
 * Promise 7: no version covers more than the log; and if there is one branch, no version covers less than the one
 * before it.
 */
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
      flaws.push(
        mendedByRebuild(
          "wrong-range",
          `version ${version} covers messages through ${throughSeq}, but the last one is ${headSeq}`,
        ),
      );
    } else if (isSole && before !== undefined && before.throughSeq > throughSeq) {
      const less = `version ${version} covers messages through ${throughSeq}, less than version ${before.version} before it: through ${before.throughSeq}`;
      flaws.push(mendedByRebuild("wrong-range", less));
    }
    before = row;
  }
  return flaws.slice(0, MAX_NAMED);
}

/**
 * Promises 7 and 8: the versions in which an item begins and ends exist, and it cites no message past those that its
 * first version covers.
 */
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
    ...flawFor([...unknown], (names) =>
      mendedByRebuild("missing-summary", `items belong to version ${names}, which does not exist`),
    ),
    ...flawFor([...past], (names) =>
      mendedByRebuild(
        "wrong-range",
        `item ${names} ends before it begins, or cites messages that its version does not cover`,
      ),
    ),
  ];
}

/** Promise 10: whatever has to be done has a pending job. */
function outboxFlaws(unit: Unit): Flaw[] {
  const { store } = unit;
  const isPending = (kind: JobRow["kind"]): boolean => store.jobs.first(kind) !== null;
  const flaws: Flaw[] = [];
  const missingJob = (detail: string, mend: Flaw["mend"]): void =>
    void flaws.push({ kind: "missing-job", detail, mend });
  if (unit.session.archiveRev > unit.session.archivedRev && !isPending("archive")) {
    missingJob(
      `the archive confirmed revision ${unit.session.archivedRev} of ${unit.session.archiveRev}, and no job sends it the rest`,
      "archive",
    );
  }
  const throughSeq = store.summaries.newest()?.throughSeq ?? 0;
  if (!isOn(store.messages.tip()?.branch ?? store.branches.active(0), throughSeq)) {
    const detail = `the newest version covers messages through ${throughSeq}, which is not on the active branch`;
    flaws.push(mendedByRebuild("wrong-range", detail));
  }
  const hidden = store.summaries.hiddenRanges(throughSeq, MAX_NAMED + 1).map(({ fromSeq }) => fromSeq);
  if (hidden.length > 0 && !isPending("summarize")) {
    missingJob(`seq ${listSome(hidden)} is not covered by the summary, and no new summary is pending`, "rebuild");
  }
  if (store.lineage.hasPendingErasures() && !isPending("erase-copies")) {
    missingJob("copies have yet to be told of erasures, and no job tells them: erase the copies by hand", null);
  }
  return flaws;
}

/**
 * A pending job that the alarm will not send in time. It is mended by resyncing the archive, which sets the alarm anew
 * whatever the job is.
 */
function alarmFlaws(unit: Unit, alarmAt: number | null): Flaw[] {
  const dueAt = unit.store.jobs.nextSendAt();
  if (dueAt === null || (alarmAt !== null && alarmAt <= dueAt + MAX_LATENESS_MS)) return [];
  return [{ kind: "missing-job", detail: "a job is pending, and no alarm is set to send it in time", mend: "archive" }];
}

/**
 * Checks a page of the log: seqs have no gaps, and the running sums agree with the messages as they were edited and
 * erased. The last page also checks the sums of the session and the files.
 * @param afterSeq the message after which the page begins
 */
export function checkLogIntegrity(unit: Unit, afterSeq: Seq): LogIntegrity {
  const { store } = unit;
  const archivedSeq = unit.session.messageArchive?.sentSeq ?? 0;
  const messages = afterSeq < archivedSeq ? readMessagesForArchive(unit, afterSeq, archivedSeq) : [];
  const limit = afterSeq < archivedSeq ? messages.length : MAX_PAGE_ROWS;
  const rows = store.totals.ledger(afterSeq, limit);
  const before = afterSeq === 0 ? null : (store.totals.ledger(afterSeq - 1, 1)[0] ?? null);
  const throughSeq = rows.at(-1)?.seq ?? afterSeq;
  const isLast = throughSeq >= (store.messages.head()?.seq ?? 0) || rows.length === 0;
  const flaws = [...totalFlaws(before, rows), ...idFlaws(unit, afterSeq, throughSeq, isLast)];
  if (isLast && flaws.length === 0 && !store.totals.areTrue(store.messages.head()))
    flaws.push(brokenTotals("of the session"));
  if (isLast && !store.files.isWhole()) flaws.push(BROKEN_FILES);
  return { flaws, messages, throughSeq, isLast };
}

function readMessagesForArchive(unit: Unit, afterSeq: Seq, throughSeq: Seq): StoredMessage[] {
  const messages: StoredMessage[] = [];
  let bytes = 0;
  for (const row of unit.store.messages.forward(afterSeq + 1, throughSeq)) {
    messages.push(toArchived(row));
    bytes += byteLength(JSON.stringify([row.content, row.metadata]));
    if (messages.length >= MAX_MESSAGE_ROWS || bytes >= MAX_MESSAGE_BYTES) break;
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
  return wrong.length === 0 ? [] : [brokenTotals(`through seq ${listSome(wrong)}`)];
}

/** Promise 2: a message is found by its client's id, and no other one has it. */
function idFlaws({ store }: Unit, afterSeq: Seq, throughSeq: Seq, isLast: boolean): Flaw[] {
  const flaws = flawFor(store.clientIds.missing(afterSeq, throughSeq), (names) =>
    brokenIds(`seq ${names} cannot be found by its client's id, so a retry of its append would store it again`),
  );
  const repeated = isLast ? store.clientIds.repeated() : null;
  return repeated === null ? flaws : [...flaws, brokenIds(`seq ${repeated} has the client's id of an earlier message`)];
}

function brokenIds(fault: string): Flaw {
  const detail = `${fault}; restore the object to a point in time at which the ids agreed`;
  return { kind: "broken-log", detail, mend: null };
}

const BROKEN_FILES: Flaw = {
  kind: "broken-log",
  detail:
    "a file that a message refers to is missing, or a stored file belongs to no message; restore the object to a point in time at which they agreed, or edit the message that cannot be read",
  mend: null,
};

function brokenTotals(which: string): Flaw {
  const detail = `the totals ${which} do not add up; export the session and import it again`;
  return { kind: "broken-log", detail, mend: null };
}

function mendedByRebuild(kind: Flaw["kind"], detail: string): Flaw {
  return { kind, detail, mend: "rebuild" };
}

function flawFor(names: readonly (string | number)[], flaw: (names: string) => Flaw): Flaw[] {
  return names.length === 0 ? [] : [flaw(listSome(names))];
}

function listSome(names: readonly (string | number)[]): string {
  const some = names.slice(0, MAX_NAMED).join(", ");
  return names.length <= MAX_NAMED ? some : `${some} and ${names.length - MAX_NAMED} more`;
}
