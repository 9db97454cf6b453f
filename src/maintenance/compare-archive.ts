import { isDeepStrictEqual } from "node:util";
import type { Flaw, IntegrityReport, StoredItem, StoredVersion, SummaryIntegrity } from "../api/finding.ts";
import type { StoredMessage } from "../api/message.ts";
import type { HeldItem, HeldMessage, HeldRow, HeldSession, HeldSummary, HeldVersion } from "../archive/held.ts";

/** Compares the archive's rows of a session with what its object says they must be. Pure. */

/** How many names a detail lists; the others are only counted. */
const MAX_NAMED = 5;

/**
 * Whether archive and object can be compared. While a job to the archive is pending, part of its data may be there
 * already.
 */
export function isSettled({ state, rev, archivedRev, isArchivePending }: IntegrityReport): boolean {
  return (state === "active" || state === "expired") && !isArchivePending && rev === archivedRev;
}

/**
 * Whether a row of the archive belongs to an epoch that its session object does not know, and that no job is about to
 * erase.
 */
export function isOrphan(
  { epoch, isErased }: { readonly epoch: string; readonly isErased: boolean },
  report: IntegrityReport,
): boolean {
  if (isErased || report.erasedEpochs.includes(epoch)) return false;
  if (report.epoch !== epoch) return report.rev === 0;
  return report.state === "erased";
}

/**
 * Whether the archive has the session's current epoch, so that the pages of its summary and its log can be compared.
 */
export function isComparable({ state, epoch, archivedRev }: IntegrityReport, held: HeldSession | null): boolean {
  return state === "active" && archivedRev > 0 && held !== null && !held.row.isErased && held.row.epoch === epoch;
}

/** @param report of a session for which `isSettled` holds, or that no longer exists */
export function compareArchive(report: IntegrityReport, held: HeldSession | null): Flaw[] {
  if (held !== null && isOrphan(held.row, report)) {
    return [archived("orphan", `the archive holds epoch ${held.row.epoch}, which is over`)];
  }
  if (report.state === "erased" || report.state === "nothing" || report.archivedRev === 0) return [];
  if (held === null) return lost(report, "the archive has no row of it");
  const { row } = held;
  if (row.epoch !== report.epoch) return lost(report, `the archive holds another epoch, ${row.epoch}`);
  if (row.isErased) return lost(report, "the archive holds a tombstone of this epoch");
  const flaws = [
    ...(row.rev === report.archivedRev
      ? []
      : lost(report, `the archive holds revision ${row.rev}, and confirmed ${report.archivedRev}`)),
  ];
  // The content of an expired session exists only in the archive.
  if (report.state === "expired") {
    return held.hasSummary ? flaws : [...flaws, ...lost(report, "the archive has no summary of it")];
  }
  if (row.setAside !== null) flaws.push(setAside("the metadata", [row.setAside]));
  else if (!isDeepStrictEqual(row.metadata, report.metadata)) flaws.push(different("the archive holds other metadata"));
  if (row.throughSeq !== (report.newest?.throughSeq ?? 0) || row.headSeq > report.headSeq) {
    flaws.push(archived("wrong-range", `the archive says that ${row.throughSeq} of ${row.headSeq} are covered`));
  }
  if (held.messageSeq !== report.messageSeq) {
    flaws.push(different(`the archive holds the messages through ${held.messageSeq}, not ${report.messageSeq}`));
  }
  return flaws;
}

/** Compares a page of the summary's history. */
export function compareSummary(
  { versions, items }: Pick<SummaryIntegrity, "versions" | "items">,
  held: HeldSummary,
  owner: Pick<HeldRow, "tenant" | "owner">,
): Flaw[] {
  return [...compareVersions(versions, held.versions), ...compareItems(items, held.items, owner)];
}

function compareVersions(expected: readonly StoredVersion[], held: readonly HeldVersion[]): Flaw[] {
  const there = new Map(held.map((version) => [version.version, version]));
  const missing: number[] = [];
  const ranges: number[] = [];
  const other: number[] = [];
  const aside: HeldVersion[] = [];
  for (const version of expected) {
    const found = there.get(version.version);
    there.delete(version.version);
    if (found === undefined) missing.push(version.version);
    else if (found.setAside !== null) aside.push(found);
    else if (found.throughSeq !== version.throughSeq) ranges.push(version.version);
    else if (!isSameVersion(version, found)) other.push(version.version);
  }
  return [
    ...told(missing, (names) => archived("missing-summary", `the archive lacks version ${names}`)),
    ...told(ranges, (names) => archived("wrong-range", `version ${names} covers something else in the archive`)),
    ...told(other, (names) => different(`version ${names} is not the same in the archive`)),
    ...toldAside("version", aside, ({ version }) => version),
    ...told([...there.keys()], (names) => archived("orphan", `version ${names} is in the archive alone`)),
  ];
}

function isSameVersion(expected: StoredVersion, held: HeldVersion): boolean {
  return (
    expected.tokens === held.tokens &&
    expected.summarizer === held.summarizer &&
    expected.degraded === held.degraded &&
    expected.droppedItems === held.droppedItems &&
    expected.createdAt === held.createdAt
  );
}

function compareItems(
  items: readonly StoredItem[],
  held: readonly HeldItem[],
  row: Pick<HeldRow, "tenant" | "owner">,
): Flaw[] {
  const there = new Map(held.map((item) => [nameOf(item), item]));
  const missing: string[] = [];
  const sources: string[] = [];
  const other: string[] = [];
  const aside: HeldItem[] = [];
  for (const item of items) {
    // The archive keeps only what the newest version holds.
    if (item.toVersion !== null) continue;
    const name = nameOf(item);
    const found = there.get(name);
    there.delete(name);
    if (found === undefined) missing.push(item.id);
    else if (found.setAside !== null) aside.push(found);
    else if (!isDeepStrictEqual(found.sourceSeqs, item.sourceSeqs)) sources.push(item.id);
    else if (!isSameItem(item, found) || found.tenant !== row.tenant || found.owner !== row.owner) other.push(item.id);
  }
  const extra = [...there.values()].map(({ id }) => id);
  return [
    ...told(missing, (names) => different(`the archive lacks item ${names}`)),
    ...told(sources, (names) => archived("stale-source", `item ${names} cites other messages in the archive`)),
    ...told(other, (names) => different(`item ${names} is not the same in the archive`)),
    ...toldAside("item", aside, ({ id }) => id),
    ...told(extra, (names) => archived("orphan", `item ${names} is in the archive alone`)),
  ];
}

function nameOf({ id, fromVersion }: { readonly id: string; readonly fromVersion: number }): string {
  return `${id}@${fromVersion}`;
}

function isSameItem(expected: StoredItem, held: HeldItem): boolean {
  return (
    expected.kind === held.kind &&
    expected.text === held.text &&
    expected.status === held.status &&
    (expected.sourceSession ?? null) === held.sourceSession &&
    (expected.sourceEpoch ?? null) === held.sourceEpoch
  );
}

/** Compares a page of the log, message by message. */
export function compareMessages(expected: readonly StoredMessage[], held: readonly HeldMessage[]): Flaw[] {
  const aside = held.filter((message) => message.setAside !== null);
  const there = new Map(held.map(({ setAside: _mark, ...message }) => [message.seq, message]));
  for (const { seq } of aside) there.delete(seq);
  const isAside = new Set(aside.map(({ seq }) => seq));
  const wrong = expected
    .filter(({ seq, ...message }) => !isAside.has(seq) && !isDeepStrictEqual({ seq, ...message }, there.get(seq)))
    .map(({ seq }) => seq);
  return [
    ...told(wrong, (names) => different(`message ${names} is missing in the archive, or not the same there`)),
    ...toldAside("message", aside, ({ seq }) => seq),
  ];
}

/**
 * Sending it again would not help: content that PostgreSQL refuses exists only in the session object until it is edited
 * or erased there.
 */
function setAside(names: string, codes: readonly (string | null)[]): Flaw {
  const reasons = [...new Set(codes)].join(", ");
  return {
    kind: "different-archive",
    detail: `the archive set ${names} aside, which PostgreSQL refuses (${reasons}): edit or erase it`,
    mend: null,
  };
}

function toldAside<T extends { readonly setAside: string | null }>(
  noun: string,
  aside: readonly T[],
  nameOfOne: (row: T) => string | number,
): Flaw[] {
  return told(aside.map(nameOfOne), (names) =>
    setAside(
      `${noun} ${names}`,
      aside.map((row) => row.setAside),
    ),
  );
}

function told<T extends string | number>(names: readonly T[], flaw: (names: string) => Flaw): Flaw[] {
  if (names.length === 0) return [];
  const some = names.slice(0, MAX_NAMED).join(", ");
  return [flaw(names.length <= MAX_NAMED ? some : `${some} and ${names.length - MAX_NAMED} more`)];
}

function archived(kind: Flaw["kind"], detail: string): Flaw {
  return { kind, detail, mend: "archive" };
}

function different(detail: string): Flaw {
  return archived("different-archive", detail);
}

/** The content of an expired session exists only in the archive, so it cannot be sent again. */
function lost({ state, newest }: IntegrityReport, detail: string): Flaw[] {
  const kind = newest !== null || state === "expired" ? "missing-summary" : "different-archive";
  if (state !== "expired") return [archived(kind, detail)];
  return [{ kind, detail: `${detail}, and it expired: restore PostgreSQL to a time when it was there`, mend: null }];
}
