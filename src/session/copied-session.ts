import type { Fault, Outcome } from "../contracts/errors.ts";
import type { Seq, TokenCount } from "../contracts/message.ts";
import { NOTHING_TAKEN, type SessionLimits, type Taken } from "../contracts/quota.ts";
import type { Metadata, SessionSettings, SessionState } from "../contracts/session.ts";
import type { TenantSettings } from "../contracts/tenant.ts";
import type { MessageLine } from "../contracts/transfer.ts";
import type { UserTaken } from "../contracts/user-quota.ts";
import { createUserDayClient } from "../registry/user-day-client.ts";
import { createLog } from "../telemetry/log.ts";
import { carryOver, type Carried, type CarryingStep, type Luggage, nextCarrying, readCarried } from "./carrying.ts";
import { type CopyPage, type CopyStep, nextCopyStep, oweCopy, readCopyPage, saveCopyPage } from "./copying.ts";
import { mayBeKnown } from "./failed-jobs.ts";
import {
  beginProgress,
  type Claim,
  finishImport,
  ImportedItems,
  importFault,
  type NumberedLine,
  saveLines,
  vouch,
} from "./importing.ts";
import type { Life } from "./lineage.ts";
import { oweListing } from "./listing.ts";
import { MaintainedSession } from "./maintained-session.ts";
import { copiedQuotaFault } from "./quota.ts";
import type { CopyingImport, FinishedImport, ImportProgress, SessionRow } from "./rows.ts";
import { type Birth, newId, Refusal, UNKNOWN_SESSION } from "./session-shell.ts";
import type { Ended } from "./session-work.ts";
import { type OwnSettings, settingsByUser, withTenant } from "./settings.ts";
import { TenantQuota } from "./tenant-quota.ts";
import {
  type ExportCursor,
  type ExportEnd,
  type ExportHead,
  readExportEnd,
  readExportHead,
  readExportPage,
} from "./transfer.ts";
import { UserQuota } from "./user-quota.ts";

/** What a fork is made of. */
interface ForkSource extends Life {
  readonly throughSeq: Seq;
  /** Nobody named the message: it is the newest. */
  readonly isNewest: boolean;
  /** Of its messages. */
  readonly tokens: TokenCount;
}

/** What an import begins with, besides what the session does. */
export type BegunImport = Pick<ImportProgress, "id" | "throughLine" | "patienceMs">;

/** Where an import stands. */
export interface ImportStanding extends Pick<SessionRow, "incarnation" | "metadata" | "createdAt" | "grantedAt"> {
  /** Messages that are in. */
  readonly messages: number;
  /** Null once it is whole. */
  readonly progress: ImportProgress | null;
  readonly until: number | null;
  /** Null until it is whole. */
  readonly finished: FinishedImport | null;
}

/** The side of a session's object that other sessions and files see: what it hands on, and what it begins with. */
export abstract class CopiedSession extends MaintainedSession {
  protected readonly tenantQuota = new TenantQuota(
    () => this.env.TENANT,
    (work) => this.ctx.waitUntil(work),
  );
  /** What the next page of an import is held against, of the one that sent the last page. */
  #lastPage: { readonly incarnation: string; readonly items: ImportedItems } | null = null;

  protected readonly userQuota = new UserQuota(
    createUserDayClient(() => this.env.DIRECTORY, this.ctx.id.jurisdiction, createLog()),
    (work) => this.ctx.waitUntil(work),
  );

  abstract state(tenant?: TenantSettings): Promise<Outcome<SessionState>>;

  // Forks and continuations

  /**
   * Notes that a fork is made of this session, and gives what it begins with.
   * @param counted by whose limits it may be refused; absent of one that is there already
   * @param byUser what a user sets for the fork, over what holds for this session
   */
  async beginFork(
    copy: string,
    throughSeq: Seq | undefined,
    counted?: TenantSettings,
    byUser?: { readonly settings: SessionSettings; readonly tenant: TenantSettings | undefined },
  ): Promise<Outcome<ForkSource & { metadata: Metadata; settings: OwnSettings }>> {
    return this.shell.answer(() => {
      const known = this.shell.known();
      const { session, incarnation, metadata } = known;
      const settings =
        byUser === undefined
          ? known.settings
          : settingsByUser(known.settings, byUser.settings, withTenant(known, byUser.tenant).tenantSettings);
      const through = this.#forkedThrough(throughSeq);
      const tokens = this.shell.store.messages.totalCostAt(through);
      const fault = this.#copiedFault(counted?.limits, { messages: through, tokens }, counted);
      if (fault !== null) throw new Refusal(fault);
      this.shell.store.lineage.putCopy(copy, through);
      const isNewest = throughSeq === undefined;
      return { session, incarnation, throughSeq: through, isNewest, tokens, metadata, settings };
    });
  }

  /** What a fork would copy, as it is now: whoever pays by size pays before it is begun. */
  async forkSize(throughSeq: Seq | undefined): Promise<Outcome<Pick<UserTaken, "messages" | "tokens" | "bytes">>> {
    return this.shell.read(() => {
      this.shell.known();
      const messages = this.#forkedThrough(throughSeq);
      const { messages: log } = this.shell.store;
      return { messages, tokens: log.totalCostAt(messages), bytes: log.bytesThrough(messages) };
    });
  }

  #forkedThrough(throughSeq: Seq | undefined): Seq {
    const headSeq = this.shell.store.messages.head()?.seq ?? 0;
    if (throughSeq === undefined) return this.shell.store.branches.active(headSeq).headSeq;
    if (throughSeq <= headSeq) return throughSeq;
    throw new Refusal({
      code: "validation_failed",
      detail: `The session has ${headSeq} messages. Fork it through one of them, or leave throughSeq out for the newest.`,
      errors: [{ path: "/throughSeq", detail: `is past the newest message, ${headSeq}` }],
      facts: { headSeq },
    });
  }

  /** Messages that come all at once count for all sessions of the tenant together, and not for the day of the one that they come to. */
  #copiedFault(limits: SessionLimits | undefined, copied: Taken, told?: TenantSettings): Fault | null {
    const tenant = this.shell.row()?.tenant;
    if (limits === undefined || tenant === undefined) return null;
    const now = Date.now();
    return copiedQuotaFault(limits, copied, now) ?? this.tenantQuota.faultOf(tenant, limits, copied, told, now);
  }

  /** The messages that an import brought so far. */
  #imported(): Taken {
    const head = this.shell.store.messages.head();
    return head === null ? NOTHING_TAKEN : { messages: head.seq, tokens: head.totalCost };
  }

  /**
   * Creates this session as a fork and waits up to `waitMs` for it to be whole. A repeated request finds it there.
   * @param source what `beginFork` gave
   */
  async createFork(
    birth: Birth,
    source: ForkSource,
    waitMs: number,
    tenant?: TenantSettings,
    trace?: string,
  ): Promise<Outcome<{ session: SessionState; created: boolean }>> {
    this.shell.traces.heed(trace);
    this.shell.heed(birth);
    const begun = this.shell.answer(() => {
      const existing = this.shell.existing();
      const origin = existing === null ? undefined : this.shell.store.lineage.origins().find(isFork);
      // Asked again for the newest message, the source may have moved on.
      const isThrough = source.isNewest || origin?.throughSeq === source.throughSeq;
      const isSame = origin?.incarnation === source.incarnation && isThrough;
      if (existing !== null && !isSame) throw new Refusal(TAKEN_SESSION);
      if (existing !== null) return { created: false, jobId: null };
      const now = Date.now();
      const { incarnation } = this.shell.create(birth, { kind: "fork", until: now, sourceChanges: null }, tenant);
      const { session, throughSeq } = source;
      const row = {
        session,
        incarnation: source.incarnation,
        kind: "fork",
        throughSeq,
        state: "pending",
      } as const;
      const job = oweCopy(this.shell.store, incarnation, row, newId, now);
      this.shell.arm();
      return { created: true, jobId: job.id };
    });
    if (!begun.ok) return begun;
    // Here and not at its source: a request that broke off in between is repeated, and the messages come once.
    if (begun.value.created && tenant?.limits !== undefined) {
      const copied = { messages: source.throughSeq, tokens: source.tokens };
      this.tenantQuota.count(birth.ref.tenant, tenant.limits, copied, Date.now());
    }
    if (begun.value.jobId !== null) await this.shell.settled(begun.value.jobId, waitMs);
    const state = await this.state(tenant);
    return state.ok ? { ok: true, value: { session: state.value, created: begun.value.created } } : state;
  }

  /** Notes that another session continues from this one, which may have expired. */
  async beginContinuation(copy: string): Promise<Outcome<Life>> {
    return this.shell.answer(() => {
      const existing = this.shell.existing();
      const session = existing === null || existing.expiredAt === null ? this.shell.known() : existing;
      this.shell.store.lineage.putCopy(copy, null);
      return { session: session.session, incarnation: session.incarnation };
    });
  }

  // Copies, as the consumers make them

  /** The next page to copy; null if nothing is owed any more. */
  async nextCopyStep(jobId: string, incarnation: string): Promise<CopyStep | null> {
    return this.shell.work(jobId, incarnation, null, (session) => nextCopyStep(this.shell.store, session, jobId));
  }

  /** A page for a copy of this session; null if it is gone. */
  async readCopyPage(incarnation: string, afterSeq: Seq, throughSeq: Seq): Promise<CopyPage | null> {
    const session = this.shell.live(incarnation);
    return session === null ? null : readCopyPage(this.shell.store, session, afterSeq, throughSeq);
  }

  /** @returns the next step; null if there is none, "known" if operators may have the job on their lists by then */
  async saveCopyPage(jobId: string, incarnation: string, page: CopyPage): Promise<CopyStep | "known" | null> {
    return this.shell.work(jobId, incarnation, null, (session): CopyStep | "known" | null => {
      const isKnown = mayBeKnown(this.shell.store, jobId);
      const step = saveCopyPage(this.shell.store, session, jobId, page, newId, Date.now());
      this.shell.changed();
      if (step === null) this.shell.wake(jobId);
      return step === null && isKnown ? "known" : step;
    });
  }

  /**
   * What was to be copied is gone, and so is the copy.
   * @returns up to which word of the directory the entry there is of it
   */
  async loseCopy(jobId: string, incarnation: string): Promise<number> {
    return this.shell.work(jobId, incarnation, 0, (session) => {
      if (session.copying !== null && this.shell.store.jobs.byId(jobId) !== null) this.eraseWhole(session);
      return session.grantedAt;
    });
  }

  /** Where to carry over from; null if nothing is owed any more. */
  async nextCarrying(jobId: string, incarnation: string): Promise<CarryingStep | null> {
    return this.shell.work(jobId, incarnation, null, () => nextCarrying(this.shell.store, jobId, newId));
  }

  /** What another session may carry over from this one; null if it is gone. */
  async readCarried(incarnation: string, mayWait: boolean): Promise<Carried | null> {
    const session = this.shell.existing();
    if (session === null || session.incarnation !== incarnation) return null;
    return this.shell.transact(() => {
      const carried = readCarried(this.shell.store, session, mayWait, newId, Date.now());
      this.shell.arm();
      return carried;
    });
  }

  /** @returns false if it has to come again */
  async carryOver(jobId: string, incarnation: string, lease: string, luggage: Luggage | null): Promise<Ended> {
    return this.shell.work(jobId, incarnation, true, (session): Ended => {
      const isKnown = mayBeKnown(this.shell.store, jobId);
      const isDone = carryOver(this.shell.store, session, jobId, lease, luggage, newId, Date.now());
      this.shell.changed();
      if (isDone) this.shell.wake(jobId);
      return isDone && isKnown ? "known" : isDone;
    });
  }

  // Export and import

  async beginExport(): Promise<Outcome<ExportHead>> {
    return this.shell.read(() => readExportHead(this.shell.store, this.shell.known()));
  }

  async exportPage(head: ExportHead, afterSeq: Seq): Promise<Outcome<MessageLine[]>> {
    return this.shell.read(() => {
      this.#exporting(head);
      return readExportPage(this.shell.store, afterSeq, head.headSeq);
    });
  }

  /** @param from where the page before this one ended; absent for the first */
  async endExport(head: ExportHead, from: ExportCursor | null = null): Promise<Outcome<ExportEnd>> {
    return this.shell.read(() => readExportEnd(this.shell.store, this.#exporting(head), head, from));
  }

  /** One file is of one life of the session. */
  #exporting(head: ExportHead): SessionRow {
    const session = this.shell.known();
    if (session.incarnation !== head.incarnation) throw new Refusal(LOST_EXPORT);
    return session;
  }

  /**
   * Begins to fill a new session from a file. Nobody sees it until it is whole. Repeated it changes nothing.
   * @param id names the import, for who sends its parts
   * @param throughLine the line that told of the session
   */
  async beginImport(
    birth: Birth,
    { id, throughLine, patienceMs }: BegunImport,
    tenant?: TenantSettings,
    trace?: string,
  ): Promise<Outcome<ImportStanding>> {
    this.shell.traces.heed(trace);
    this.shell.heed(birth);
    return this.shell.answer(() => {
      const existing = this.shell.existing();
      if (existing !== null && importIdOf(existing) !== id) throw new Refusal(TAKEN_SESSION);
      if (existing !== null) return this.#standing(existing);
      const progress = beginProgress(id, throughLine, patienceMs);
      const copying = { kind: "import", until: Date.now() + patienceMs, progress } as const;
      const session = this.shell.create(birth, copying, tenant);
      this.shell.arm();
      return this.#standing(session);
    });
  }

  /** Where an import stands. */
  async readImport(id: string): Promise<Outcome<ImportStanding>> {
    return this.shell.read(() => {
      const session = this.shell.existing();
      if (session === null) throw new Refusal(UNKNOWN_SESSION);
      if (importIdOf(session) !== id) throw new Refusal(UNKNOWN_IMPORT);
      return this.#standing(session);
    });
  }

  #standing(session: SessionRow): ImportStanding {
    const { incarnation, metadata, createdAt, grantedAt, copying, imported } = session;
    const head = this.shell.store.messages.head();
    const begun = { incarnation, metadata, createdAt, grantedAt, messages: head?.seq ?? 0, finished: imported };
    if (copying?.kind !== "import") return { ...begun, progress: null, until: null };
    const { progress, until } = copying;
    return { ...begun, progress, until };
  }

  /**
   * Saves lines of a file; what is in already is passed over.
   * @param throughLine the last line of the file that they stand for
   * @returns how far it is, which may be less: then it is to be called again
   */
  async saveImportPage(
    incarnation: string,
    lines: readonly NumberedLine[],
    throughLine: number,
  ): Promise<Outcome<ImportProgress>> {
    const known = this.#lastPage?.incarnation === incarnation ? this.#lastPage.items : null;
    this.#lastPage = null;
    const saved = this.shell.answer(() => {
      const { session, copying } = this.#importing(incarnation);
      const items = known ?? ImportedItems.of(this.shell.store);
      const outcome = saveLines(this.shell.store, copying.progress, items, lines, throughLine);
      if (!outcome.ok) throw new Refusal(outcome.fault);
      // What can never fit is not read to its end.
      const { limits } = session.tenantSettings;
      const fault = limits === undefined ? null : copiedQuotaFault(limits, this.#imported(), Date.now());
      if (fault !== null) throw new Refusal(fault);
      const progress = outcome.value;
      const until = Date.now() + progress.patienceMs;
      this.shell.store.setCopying({ ...copying, until, progress });
      this.shell.changed();
      return { progress, items };
    });
    if (!saved.ok) return saved;
    const { progress, items } = saved.value;
    this.#lastPage = { incarnation, items };
    return { ok: true, value: progress };
  }

  /** Whether an import may end now: all of its file is in, and its tenant has room for it. No list need show it before. */
  async checkImport(incarnation: string): Promise<Outcome<null>> {
    return this.shell.answer(() => {
      if (this.#finished(incarnation) !== null) return null;
      const { progress } = this.#endingImport(incarnation);
      const { copying } = this.#importing(incarnation);
      this.shell.store.setCopying({ ...copying, progress: { ...progress, isEnding: true } });
      this.shell.forgetRow();
      return null;
    });
  }

  /**
   * Makes the session of an import that is whole. Repeated it tells the same.
   * @param grantedAt the word of the directory that lists it from now on
   */
  async finishImport(
    incarnation: string,
    { grantedAt = 0, isKnown = false }: Pick<Birth, "grantedAt" | "isKnown"> = {},
  ): Promise<Outcome<FinishedImport>> {
    const earlier = this.shell.read(() => this.#finished(incarnation));
    if (!earlier.ok) return earlier;
    if (earlier.value !== null) return { ok: true, value: earlier.value };
    // Also where it is refused: whoever gives it up has it taken off the list by that word.
    const heard = this.shell.answer(() => {
      const { session } = this.#importing(incarnation);
      this.shell.store.setGrantedAt(Math.max(session.grantedAt, grantedAt));
      this.shell.forgetRow();
    });
    if (!heard.ok) return heard;
    const finished = this.shell.answer(() => {
      const { session, progress } = this.#endingImport(incarnation);
      const imported = this.#imported();
      const now = Date.now();
      const result = finishImport(this.shell.store, session, progress, newId, now);
      if (isKnown) oweListing(this.shell.store, session, newId, now);
      this.#lastPage = null;
      this.shell.changed();
      return { result, session, imported };
    });
    if (!finished.ok) return finished;
    // Not before it is whole: a file that is refused uses nothing up.
    const { result, session, imported } = finished.value;
    const { limits } = session.tenantSettings;
    if (limits !== undefined) this.tenantQuota.count(session.tenant, limits, imported, Date.now());
    return { ok: true, value: result };
  }

  /** What the import of a life brought; null if it is not whole. */
  #finished(incarnation: string): FinishedImport | null {
    const session = this.shell.existing();
    return session?.incarnation === incarnation && session.copying === null ? session.imported : null;
  }

  #endingImport(incarnation: string): { readonly session: SessionRow; readonly progress: ImportProgress } {
    const { session, copying } = this.#importing(incarnation);
    const { progress } = copying;
    const fault =
      importFault(this.shell.store, progress) ?? this.#copiedFault(session.tenantSettings.limits, this.#imported());
    if (fault !== null) throw new Refusal(fault);
    return { session, progress };
  }

  /**
   * Which of the claims of an import its messages bear out, for the first of them at least. The session that it is to become is told of
   * later erasures.
   */
  async vouch(copy: string, claims: readonly Claim[]): Promise<Outcome<Life & { readonly answers: boolean[] }>> {
    return this.shell.answer(() => {
      const { session, incarnation } = this.shell.known();
      const answers = vouch(this.shell.store, claims);
      if (answers.includes(true)) this.shell.store.lineage.putCopy(copy, null);
      return { session, incarnation, answers };
    });
  }

  /**
   * Leaves nothing of an import that failed.
   * @param grantedAt the newest word of the directory that its caller was given, and that nothing else comes of
   * @returns the newest word that this life had heard of, for the list; null if it is not this import's any more: it is whole, or was
   *   erased, and whoever did that sees to the list
   */
  async abandonImport(incarnation: string, grantedAt = 0): Promise<number | null> {
    const session = this.shell.existing();
    if (session?.incarnation !== incarnation || session.copying === null) return null;
    // Whoever broke off may have had it listed by a word that is known to nobody: what erases it sees to the list until that is right.
    if (session.copying.kind === "import" && session.copying.progress.isEnding === true) {
      this.shell.transact(() => this.eraseWhole(session));
      return null;
    }
    this.shell.transact(() => {
      this.shell.search.drop();
      this.shell.store.wipe(Date.now());
      this.shell.changed();
    });
    if (this.shell.isLeftOver()) await this.shell.vanish();
    return Math.max(session.grantedAt, grantedAt);
  }

  #importing(incarnation: string): { readonly session: SessionRow; readonly copying: CopyingImport } {
    const session = this.shell.existing();
    const copying = session?.copying;
    if (session?.incarnation !== incarnation || copying?.kind !== "import") throw new Refusal(LOST_IMPORT);
    return { session, copying };
  }
}

/** What tells the imports of one session id apart, whether it is still being filled or came of it. */
function importIdOf({ copying, imported }: SessionRow): string | null {
  return copying?.kind === "import" ? copying.progress.id : (imported?.id ?? null);
}

function isFork({ kind }: { readonly kind: string }): boolean {
  return kind === "fork";
}

const TAKEN_SESSION: Fault = {
  code: "session_exists",
  detail: "Choose another id, or erase the session that has it.",
};
const UNKNOWN_IMPORT: Fault = {
  code: "import_not_found",
  detail: "It was given up, or the session came of another. Begin it anew, under an id that no session has.",
};
const LOST_EXPORT: Fault = {
  code: "session_not_found",
  detail: "The session was erased while it was exported. Export the one that has its id now.",
};
const LOST_IMPORT: Fault = {
  code: "session_not_found",
  detail: "The import took too long, or the session was erased meanwhile. Send the file again.",
};
