import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import {
  MAX_BRANCHES,
  MAX_BYTES_PER_SESSION,
  MAX_IMPORT_EVIDENCE_SHARE,
  MAX_IMPORT_ITEMS,
  MAX_IMPORT_SOURCE_SESSIONS,
  MAX_IMPORT_SUMMARIES,
  MAX_ITEMS_PER_SUMMARY,
  MAX_MESSAGES_PER_SESSION,
  MAX_SUMMARY_BYTES,
  MAX_SUMMARY_TOKENS,
  MIN_IMPORT_EVIDENCE_CHARACTERS,
} from "../../api/limits.ts";
import type { Seq, TokenCount } from "../../api/message.ts";
import type { Item } from "../../api/summary.ts";
import { byteLength, oneLine } from "../../api/text.ts";
import {
  IMPORTED_BY,
  type ItemLine,
  type MessageLine,
  type SummaryLine,
  type TransferLine,
} from "../../api/transfer.ts";
import { itemBytes, itemsTokens, itemTokens, ownSources } from "../../prompt/items.ts";
import { contentTokens } from "../../prompt/message-text.ts";
import { hasUnscheduledMessages } from "../archive/index.ts";
import { seqOfServerId, serverId, settleBranch } from "../log/index.ts";
import { scheduleArchive } from "../outbox/index.ts";
import {
  messageCostOf,
  type FinishedImport,
  type ImportProgress,
  readSaidAt,
  type SummaryRow,
} from "../sqlite/index.ts";
import type { SessionStore } from "../store.ts";
import {
  MAX_CALL_EVIDENCE_CHARACTERS,
  scheduleSummaryIfDue,
  rebuildFromStart,
  toPlainItem,
  weigh,
} from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import type { EpochRef } from "./lineage.ts";

/**
 * A session out of a file, line by line. What comes in keeps to what could have been appended and summarized here: a summary is no
 * larger than the service makes them, and an item is believed only if messages bear it out that can be looked at.
 */

/** A line with its place in the file. */
export interface NumberedLine {
  readonly number: number;
  readonly line: TransferLine;
  /** Of an item that names another session: the epoch of it whose messages bear the item out. Without one it is left out. */
  readonly vouchedBy?: EpochRef | undefined;
}

/** The standing of an import that has just begun: its first line told of the session. */
export function beginProgress(id: string, throughLine: number, patienceMs: number): ImportProgress {
  return { id, throughLine, patienceMs, summaries: 0, items: 0, dropped: 0, itemBytes: 0, evidence: 0, end: null };
}

/**
 * Saves lines of a file, in the caller's transaction; those that are in already are passed over.
 * @param throughLine the last line of the file that they stand for: empty ones may follow
 * @returns how far it is: where items call for much to be read, not to the last of them
 */
export function saveLines(
  unit: Unit,
  progress: ImportProgress,
  items: ImportedItems,
  lines: readonly NumberedLine[],
  throughLine: number,
): ImportProgress {
  const saving = new Saving(unit, progress, items);
  for (const { number, line, vouchedBy } of lines) {
    if (number <= progress.throughLine) continue;
    if (saving.isTired) return saving.progress;
    const fault = saving.save(line, vouchedBy);
    if (fault !== null) throw new ThreadkeepError(lineFault(number, fault));
    saving.pass(number);
  }
  saving.pass(throughLine);
  return saving.progress;
}

export function lineFault(number: number, detail: string): Fault {
  return {
    code: "validation_failed",
    detail: `Line ${number} ${detail}. Nothing was imported; mend the file, or export it anew, and send it again.`,
    errors: [{ path: `line ${number}`, detail }],
    facts: { line: number },
  };
}

/** Lines as they are saved, one after the other. What is wrong with one is told in words that follow "Line 7 ". */
class Saving {
  readonly #unit: Unit;
  readonly #items: ImportedItems;
  readonly #evidenceBefore: number;
  #progress: ImportProgress;
  /** The version that the last item began in. */
  #begun: SummaryRow | null = null;
  /** What the messages hold; null until it is asked for, or if it changed since. */
  #bytes: number | null = null;

  constructor(unit: Unit, progress: ImportProgress, items: ImportedItems) {
    this.#unit = unit;
    this.#progress = progress;
    this.#items = items;
    this.#evidenceBefore = progress.evidence;
  }

  get progress(): ImportProgress {
    return this.#progress;
  }

  /** So much was read to check items that it is somebody else's turn. */
  get isTired(): boolean {
    return this.#progress.evidence - this.#evidenceBefore >= MAX_CALL_EVIDENCE_CHARACTERS;
  }

  pass(number: number): void {
    this.#note({ throughLine: Math.max(this.#progress.throughLine, number) });
  }

  save(line: TransferLine, vouchedBy: EpochRef | undefined): string | null {
    if (this.#progress.end !== null) return "comes after the end";
    switch (line.type) {
      case "message":
        return this.#saveMessage(line);
      case "summary":
        return this.#saveSummary(line);
      case "item":
        return this.#saveItem(line, vouchedBy);
      case "end":
        if (!line.complete) return "says that the session was changed while it was exported: export it again";
        this.#note({ end: line });
        return null;
      default:
        return `must not be of the type "${line.type}" here`;
    }
  }

  #note(change: Partial<ImportProgress>): void {
    this.#progress = { ...this.#progress, ...change };
  }

  #saveMessage(line: MessageLine): string | null {
    const { messages } = this.#unit.store;
    this.#bytes = null;
    const newest = messages.head();
    const seq = (newest?.seq ?? 0) + 1;
    if (line.seq !== seq) return `has the seq ${line.seq}, and ${seq} is next`;
    const { afterSeq = seq - 1 } = line;
    if (afterSeq >= seq) return `follows message ${afterSeq}, and must follow one before it`;
    if (afterSeq < seq - 1 && this.#unit.store.branches.count >= MAX_BRANCHES) {
      return `begins a branch, and a session holds at most ${MAX_BRANCHES}`;
    }
    const isServerId = seqOfServerId(line.id) !== null;
    if (isServerId && line.id !== serverId(seq)) return `has the server's id of another message`;
    if (!isServerId && messages.earlier([line.id]).length > 0) return "has the id of an earlier message";
    const content = line.content ?? null;
    const contentJson = content === null ? null : JSON.stringify(content);
    const tokens = content === null ? 0 : contentTokens(content);
    const totalBytes = (newest?.appendedBytes ?? 0) + (contentJson === null ? 0 : byteLength(contentJson));
    if (seq > MAX_MESSAGES_PER_SESSION || totalBytes > MAX_BYTES_PER_SESSION) return OVERFULL;
    messages.insert(
      {
        seq,
        afterSeq,
        clientId: isServerId ? null : line.id,
        role: line.role,
        author: line.author ?? null,
        content,
        metadata: line.metadata ?? null,
        ...readSaidAt(line.occurredAt),
        createdAt: Date.parse(line.createdAt),
        editedAt: toMs(line.editedAt),
        erasedAt: toMs(line.erasedAt),
        isPinned: line.pinned === true,
        // The key of the hashes stays where the session was: a repeated append is compared with what the message says now.
        hash: null,
        tokens,
        totalCost: (newest?.appendedCost ?? 0) + messageCostOf({ content, tokens, author: line.author ?? null }),
        totalBytes,
      },
      contentJson,
    );
    return null;
  }

  #saveSummary(line: SummaryLine): string | null {
    const { summaries, messages } = this.#unit.store;
    const newest = summaries.newest();
    if (line.version <= (newest?.version ?? 0)) return "has a version that is not above the one before";
    // Of two branches the version of one may cover less than that of the other.
    const isLess = line.throughSeq < (newest?.throughSeq ?? 0);
    if (isLess && this.#unit.store.branches.isSole) return "covers less than the version before";
    if (line.throughSeq > (messages.head()?.seq ?? 0)) return `covers ${line.throughSeq}, past the last message`;
    if (this.#progress.summaries >= MAX_IMPORT_SUMMARIES) {
      return `is more than a file may have: ${MAX_IMPORT_SUMMARIES} versions of the summary`;
    }
    const { version, throughSeq, tokens, summarizer, degraded, droppedItems, createdAt } = line;
    summaries.insert({
      version,
      throughSeq,
      tokens,
      // What made it is the file's word alone.
      summarizer: IMPORTED_BY + summarizer,
      degraded,
      droppedItems,
      usage: line.usage ?? null,
      createdAt: Date.parse(createdAt),
    });
    this.#note({ summaries: this.#progress.summaries + 1 });
    return null;
  }

  /** What an import brings in is checked as what a summarizer says: against the messages that it cites. */
  #saveItem(line: ItemLine, vouchedBy: EpochRef | undefined): string | null {
    const { items } = this.#progress;
    if (items >= MAX_IMPORT_ITEMS) return `is more than a file may have: ${MAX_IMPORT_ITEMS} items`;
    const begun = this.#versionOf(line.fromVersion);
    if (begun === null) return `begins in version ${line.fromVersion}, which is not there`;
    if (line.toVersion !== undefined && line.toVersion <= line.fromVersion) return "ends before it begins";
    const misplaced = this.#items.placeFault(line);
    if (misplaced !== null) return misplaced;
    this.#note({ items: items + 1 });
    const text = oneLine(line.text);
    const sourceSeqs = [...new Set(line.sourceSeqs)].toSorted((a, b) => a - b);
    const checked = { ...line, text, sourceSeqs };
    const isOwn = line.sourceSession === undefined;
    // No export has more than a summary holds, also where some of it is left out here.
    const refused = (isOwn ? this.#ownFault(checked, begun.throughSeq) : null) ?? this.#items.add(checked);
    if (refused !== null) return refused;
    const isBelieved = text !== "" && (isOwn ? this.#isBorneOut(checked) : this.#isVouched(checked, vouchedBy));
    if (!isBelieved) {
      this.#note({ dropped: this.#progress.dropped + 1 });
      // What it told of may be told by nothing else.
      if (isOwn && this.#holdsInNewest(line)) this.#unit.store.summaries.hide(sourceSeqs);
      return null;
    }
    const bytes = this.#progress.itemBytes + byteLength(text) + JSON.stringify(sourceSeqs).length;
    if (this.#messageBytes() + bytes > MAX_BYTES_PER_SESSION) return OVERFULL;
    const { id, kind, sourceSession, status, fromVersion, toVersion } = line;
    const from = sourceSession === undefined ? {} : { sourceSession, sourceEpoch: vouchedBy?.epoch };
    const item = { id, kind, text, sourceSeqs, ...from, status };
    this.#unit.store.summaries.insertItem(item, fromVersion);
    if (toVersion !== undefined) this.#unit.store.summaries.endItem(id, fromVersion, toVersion);
    this.#note({ itemBytes: bytes });
    return null;
  }

  #holdsInNewest({ toVersion }: ItemLine): boolean {
    return toVersion === undefined || toVersion > (this.#unit.store.summaries.newest()?.version ?? 0);
  }

  #versionOf(version: number): SummaryRow | null {
    if (this.#begun?.version !== version) this.#begun = this.#unit.store.summaries.byVersion(version);
    return this.#begun;
  }

  #messageBytes(): number {
    return (this.#bytes ??= this.#unit.store.messages.head()?.totalBytes ?? 0);
  }

  /** No export has an item that cites what its version does not cover, or what is not there. */
  #ownFault({ sourceSeqs }: ItemLine, throughSeq: Seq): string | null {
    const past = sourceSeqs.find((seq) => seq > throughSeq);
    if (past !== undefined) return `cites ${past}, and its version ends at ${throughSeq}`;
    const isWhole = this.#unit.store.messages.countUnerased(sourceSeqs) === sourceSeqs.length;
    return isWhole ? null : "cites a message that was erased";
  }

  #isBorneOut({ text, sourceSeqs }: ItemLine): boolean {
    const most = Math.max(MIN_IMPORT_EVIDENCE_CHARACTERS, MAX_IMPORT_EVIDENCE_SHARE * this.#messageBytes());
    if (this.#progress.evidence >= most) return false;
    const { isBorneOut, read } = weigh(this.#unit, text, sourceSeqs);
    this.#note({ evidence: this.#progress.evidence + read });
    return isBorneOut;
  }

  /** Nothing of it was erased there since it was asked, and this session is on the list of those that hear of later erasures. */
  #isVouched({ sourceSession = "", sourceSeqs }: ItemLine, vouchedBy: EpochRef | undefined): boolean {
    if (vouchedBy === undefined || vouchedBy.session !== sourceSession) return false;
    const { lineage } = this.#unit.store;
    const { epoch } = vouchedBy;
    if (lineage.isErasedAtSource(vouchedBy, sourceSeqs)) return false;
    const origins = lineage.origins();
    if (origins.some((known) => known.epoch === epoch)) return true;
    if (origins.length >= MAX_IMPORT_SOURCE_SESSIONS) return false;
    lineage.putOrigin({ ...vouchedBy, kind: "further", throughSeq: 0, state: "done" });
    return true;
  }
}

const OVERFULL = `is more than a session holds: ${MAX_MESSAGES_PER_SESSION} messages and ${MAX_BYTES_PER_SESSION} bytes`;

function toMs(time: string | undefined): number | null {
  return time === undefined ? null : Date.parse(time);
}

/** What an import claims that a session said. */
export interface Claim {
  readonly text: string;
  readonly sourceSeqs: readonly Seq[];
}

/**
 * Which of the claims the messages of this session bear out, in their order. Where much has to be read it answers for the first of them
 * alone: the rest is asked anew.
 */
export function vouch(unit: Unit, claims: readonly Claim[]): boolean[] {
  const answers: boolean[] = [];
  let total = 0;
  for (const { text, sourceSeqs } of claims) {
    if (total >= MAX_CALL_EVIDENCE_CHARACTERS) break;
    const isWhole = unit.store.messages.countUnerased(sourceSeqs) === new Set(sourceSeqs).size;
    const { isBorneOut, read } = isWhole ? weigh(unit, oneLine(text), sourceSeqs) : { isBorneOut: false, read: 0 };
    total += read;
    answers.push(isBorneOut);
  }
  return answers;
}

/** Items take more one by one than together, in which they are bounded: each text is charged something besides its words. */
const APART_SHARE = 1.25;

interface HoldingItem {
  readonly tokens: TokenCount;
  /** As it is stored. */
  readonly bytes: number;
  /** The first version in which it holds no more. */
  readonly endsIn: number;
}

/**
 * The items of a file that hold in the version in which the last of them began. They come in the order of their versions, so that more is
 * never needed to tell what a version holds.
 */
export class ImportedItems {
  readonly #holding = new Map<string, HoldingItem>();
  #version = 0;
  #tokens = 0;
  #bytes = 0;

  /** As they stand in a store: an object may forget them between two pages. */
  static of(store: SessionStore): ImportedItems {
    const items = new ImportedItems();
    items.#version = store.summaries.lastBegunVersion();
    for (const item of store.summaries.items(items.#version)) items.#hold(item, item.toVersion);
    return items;
  }

  /** Why an item cannot stand where it does. */
  placeFault({ id, fromVersion }: ItemLine): string | null {
    if (fromVersion < this.#version) {
      return `begins in version ${fromVersion}, and one before it in version ${this.#version}: items stand in the order of their versions`;
    }
    if (fromVersion > this.#version) this.#goOn(fromVersion);
    return this.#holding.has(id) ? "has the id of another item that still holds" : null;
  }

  /** Adds an item, whether it is believed or not; tells why its version cannot hold it. */
  add(item: Item & Pick<ItemLine, "toVersion">): string | null {
    this.#hold(item, item.toVersion ?? null);
    if (this.#holding.size > MAX_ITEMS_PER_SUMMARY) {
      return `is more than a summary holds: ${MAX_ITEMS_PER_SUMMARY} items in version ${this.#version}`;
    }
    if (this.#bytes > MAX_SUMMARY_BYTES) {
      return `is more than a summary holds: ${MAX_SUMMARY_BYTES} bytes in version ${this.#version}`;
    }
    if (this.#tokens <= APART_SHARE * MAX_SUMMARY_TOKENS) return null;
    return `is more than a summary holds: ${MAX_SUMMARY_TOKENS} tokens in version ${this.#version}`;
  }

  #goOn(version: number): void {
    this.#version = version;
    for (const [id, { endsIn, tokens, bytes }] of this.#holding) {
      if (endsIn > version) continue;
      this.#holding.delete(id);
      this.#tokens -= tokens;
      this.#bytes -= bytes;
    }
  }

  #hold(item: Item, toVersion: number | null): void {
    const tokens = itemTokens(item);
    const bytes = itemBytes(toPlainItem(item));
    this.#holding.set(item.id, { tokens, bytes, endsIn: toVersion ?? Infinity });
    this.#tokens += tokens;
    this.#bytes += bytes;
  }
}

/** Why a file that ended is not taken; null if it ended as it should. */
export function importFault(unit: Unit, { end, summaries, items, throughLine }: ImportProgress): Fault | null {
  if (end === null)
    return lineFault(throughLine + 1, "is missing: the file ends before its end line. It was cut off on its way");
  const headSeq = unit.store.messages.head()?.seq ?? 0;
  const { branchHeadSeq = headSeq } = end;
  if (branchHeadSeq > headSeq) {
    return lineFault(throughLine, `ends the active branch with message ${branchHeadSeq}, and the last is ${headSeq}`);
  }
  if (end.messages === headSeq && end.summaries === summaries && end.items === items) return null;
  return {
    code: "validation_failed",
    detail: `The file has ${headSeq} messages, ${summaries} summaries and ${items} items, and its end counts ${end.messages}, ${end.summaries} and ${end.items}. Nothing was imported; export it anew.`,
    errors: [{ path: "end", detail: "does not count what came before it" }],
  };
}

/** From here on the session is there. */
export function finishImport(unit: Unit, progress: ImportProgress): FinishedImport {
  const { store } = unit;
  const { branchHeadSeq = null } = progress.end ?? {};
  if (branchHeadSeq !== null && branchHeadSeq < (store.messages.head()?.seq ?? 0)) store.branches.follow(branchHeadSeq);
  const standing = withoutHollowSummary(unit, progress);
  const newest = store.summaries.newest();
  store.lineage.forgetSourceErasures();
  store.setCopying(null);
  const messages = store.messages.head()?.seq ?? 0;
  const finished = { id: progress.id, messages, ...standing };
  store.setImported(finished);
  if (newest !== null) {
    const items = store.summaries.items(newest.version);
    // The count in the file was of all items, and some may have been left out.
    store.summaries.setTokens(newest.version, itemsTokens(items));
    store.summaries.reveal(items.flatMap(ownSources));
    if (store.summaries.isAnyHidden()) rebuildFromStart(unit);
  }
  if (newest !== null || hasUnscheduledMessages(unit)) scheduleArchive(unit);
  if (!store.branches.isSole) settleBranch(unit);
  scheduleSummaryIfDue(unit);
  return finished;
}

/**
 * A summary that nothing is left of tells of nothing: its messages stand for themselves until they are summarized here.
 * @returns what stands
 */
function withoutHollowSummary(
  unit: Unit,
  { summaries, items, dropped }: ImportProgress,
): Omit<FinishedImport, "id" | "messages"> {
  const { store } = unit;
  const newest = store.summaries.newest();
  const isHollow = newest !== null && dropped > 0 && store.summaries.items(newest.version).length === 0;
  if (!isHollow) return { summaries, items: items - dropped, droppedItems: dropped };
  store.summaries.deleteVersionsAfter(0);
  store.summaries.clearHidden();
  return { summaries: 0, items: 0, droppedItems: items };
}
