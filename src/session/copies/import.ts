import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import {
  MAX_BRANCHES,
  MAX_BYTES_PER_SESSION,
  MAX_IMPORT_EVIDENCE_SHARE,
  MAX_IMPORT_ITEMS,
  MAX_IMPORT_SOURCE_SESSIONS,
  MAX_IMPORT_SUMMARIES,
  MAX_MESSAGES_PER_SESSION,
  MIN_IMPORT_EVIDENCE_CHARACTERS,
} from "../../api/limits.ts";
import type { Seq } from "../../api/message.ts";
import { byteLength, oneLine } from "../../api/text.ts";
import {
  type EndLine,
  IMPORTED_BY,
  type ItemLine,
  type MessageLine,
  type SummaryLine,
  type TransferLine,
} from "../../api/transfer.ts";
import { contentTokens } from "../../prompt/message-text.ts";
import { seqOfServerId, serverId } from "../log/index.ts";
import { messageCostOf, type ImportProgress, readSaidAt, type SummaryRow } from "../sqlite/index.ts";
import { MAX_CALL_EVIDENCE_CHARACTERS, weigh } from "../summary/index.ts";
import type { Unit } from "../unit.ts";
import { type ImportedItems } from "./imported-items.ts";
import type { EpochRef } from "./lineage.ts";

/**
 * Import: reads a session from JSON lines. What is imported must be possible here by appends and summaries: a summary
 * is not larger than the service makes them, and an item is kept only if messages that can be read support it.
 */

/** A line with its number in the file; the first one is 1. */
export interface NumberedLine {
  readonly number: number;
  readonly line: TransferLine;
  /**
   * For an item that cites messages of another session: the epoch whose messages support it. Without one, the item is
   * left out.
   */
  readonly vouchedBy?: EpochRef | undefined;
}

/** The progress of an import that has just begun: its first line described the session. */
export function beginProgress(id: string, throughLine: number, patienceMs: number): ImportProgress {
  return { id, throughLine, patienceMs, summaries: 0, items: 0, dropped: 0, itemBytes: 0, evidence: 0, end: null };
}

/**
 * Saves lines of a file, in the caller's transaction. Lines that are saved already are skipped.
 * @param items the items of the version that the last saved item began in
 * @param throughLine the line of the file up to which these lines go: empty ones may follow the last of them
 * @returns the new progress. If much had to be read to check items, not all lines are saved yet
 * @throws ThreadkeepError `validation_failed` if a line is wrong: it names the line
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

/**
 * Saves lines one after the other. A method returns what is wrong with a line, in words that follow "Line 7 "; or null.
 */
class Saving {
  readonly #unit: Unit;
  readonly #items: ImportedItems;
  readonly #evidenceBefore: number;
  #progress: ImportProgress;
  /** The version in which the last item began, as cached. */
  #begun: SummaryRow | null = null;
  /** Bytes of the messages' content, as cached; null if it must be read. */
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

  /** Whether so much was read to check items that other calls should have their turn. */
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
        return this.#saveEnd(line);
      default:
        return `must not be of the type "${line.type}" here`;
    }
  }

  #note(change: Partial<ImportProgress>): void {
    this.#progress = { ...this.#progress, ...change };
  }

  #saveMessage(line: MessageLine): string | null {
    const { messages, messageWriter } = this.#unit.store;
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
    messageWriter.insert(
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
        // The key of the hashes is not exported. Without a hash, a repeated append is compared with the current
        // content.
        hash: null,
        tokens,
        totalCost: (newest?.appendedCost ?? 0) + messageCostOf({ content, tokens, author: line.author ?? null }),
        totalBytes,
      },
      contentJson,
    );
    return null;
  }

  #saveEnd(line: EndLine): string | null {
    if (!line.complete) return "says that the session was changed while it was exported: export it again";
    const { branches, messages, summaries } = this.#unit.store;
    const headSeq = messages.head()?.seq ?? 0;
    const isOneLine = branches.count === 0 && (line.branchHeadSeq ?? headSeq) === headSeq;
    // An export ends with the version that covers the most of the active branch.
    const isLess = (summaries.newest()?.throughSeq ?? 0) < summaries.coveredSeq();
    if (isOneLine && isLess) return "comes after a summary that covers less than one before it";
    this.#note({ end: line });
    return null;
  }

  #saveSummary(line: SummaryLine): string | null {
    const { summaries, messages } = this.#unit.store;
    const newest = summaries.newest();
    if (line.version <= (newest?.version ?? 0)) return "has a version that is not above the one before";
    // It was made while a shorter branch was active. The file need not tell of that in another way: the messages after it
    // may have stayed the only ones.
    if (line.throughSeq < (newest?.throughSeq ?? 0)) this.#unit.store.branches.noteOther();
    if (line.throughSeq > (messages.head()?.seq ?? 0)) return `covers ${line.throughSeq}, past the last message`;
    if (this.#progress.summaries >= MAX_IMPORT_SUMMARIES) {
      return `is more than a file may have: ${MAX_IMPORT_SUMMARIES} versions of the summary`;
    }
    const { version, throughSeq, tokens, summarizer, degraded, droppedItems, createdAt } = line;
    summaries.insertImported({
      version,
      throughSeq,
      tokens,
      // Only the file says which summarizer it was, so the name is marked as imported.
      summarizer: IMPORTED_BY + summarizer,
      degraded,
      droppedItems,
      usage: line.usage ?? null,
      createdAt: Date.parse(createdAt),
    });
    this.#note({ summaries: this.#progress.summaries + 1 });
    return null;
  }

  /**
   * Saves an item if the messages that it cites support it, as a summarizer's answer is checked too. An item that they
   * do not support is left out and counted.
   */
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
    // The item counts for the size of its version even if it is left out: no export contains a version that is too
    // large.
    const refused = (isOwn ? this.#ownFault(checked, begun.throughSeq) : null) ?? this.#items.add(checked);
    if (refused !== null) return refused;
    const isBelieved = text !== "" && (isOwn ? this.#isBorneOut(checked) : this.#isVouched(checked, vouchedBy));
    if (!isBelieved) {
      this.#note({ dropped: this.#progress.dropped + 1 });
      // Nothing else in the summary may tell what this item told, so its messages no longer count as covered.
      if (isOwn && this.#holdsInNewest(line)) this.#unit.store.summaries.hide(sourceSeqs);
      return null;
    }
    const bytes = this.#progress.itemBytes + byteLength(text) + JSON.stringify(sourceSeqs).length;
    if (this.#messageBytes() + bytes > MAX_BYTES_PER_SESSION) return OVERFULL;
    const { id, kind, sourceSession, status, fromVersion, toVersion } = line;
    const from = sourceSession === undefined ? {} : { sourceSession, sourceEpoch: vouchedBy?.epoch };
    const item = { id, kind, text, sourceSeqs, ...from, status };
    this.#unit.store.summaries.insertItem(item, fromVersion, toVersion ?? null);
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

  /**
   * Whether an item cites a message that its version does not cover, or that does not exist: no export contains such an
   * item.
   */
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

  /**
   * Whether the other session vouched for the item, and nothing was erased there since: an item may repeat in other
   * words what a message said that it does not cite. That session has recorded this one as a copy, so this one is told
   * of later erasures.
   */
  #isVouched({ sourceSession = "" }: ItemLine, vouchedBy: EpochRef | undefined): boolean {
    if (vouchedBy === undefined || vouchedBy.session !== sourceSession) return false;
    const { lineage } = this.#unit.store;
    const { epoch } = vouchedBy;
    if (lineage.hasErasuresAtSource(vouchedBy)) return false;
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
