import { refuseForeignWords } from "../access/users-words.ts";
import type { AppendRequest, AppendResult } from "../contracts/append.ts";
import type { Appender } from "../contracts/audit.ts";
import type { ContextRequest, RenderedContext } from "../contracts/context.ts";
import type { QueryMeaning, QueryVector } from "../contracts/embedding.ts";
import type { Fault, Outcome, PartFault } from "../contracts/errors.ts";
import type { Job, SummarizeRequest } from "../contracts/job.ts";
import { MAX_CONTEXT_BYTES, MIN_USER_SUMMARY_TOKENS } from "../contracts/limits.ts";
import type { Erasure, Message, MessagePatch, Seq, TokenCount } from "../contracts/message.ts";
import type { Page } from "../contracts/page.ts";
import { NOTHING_TAKEN, type SessionLimits, type Taken } from "../contracts/quota.ts";
import type { SearchRequest, SearchResult } from "../contracts/search.ts";
import type { BranchRequest, SessionPatch, SessionRef, SessionState } from "../contracts/session.ts";
import type {
  ExpandedSummary,
  Loss,
  RestoreRequest,
  Summary,
  SummaryChanges,
  SummaryVersion,
} from "../contracts/summary.ts";
import type { TenantSettings } from "../contracts/tenant.ts";
import { byteLength, jsonBytes } from "../contracts/text.ts";
import { limitsByUser, type UserTaken } from "../contracts/user-quota.ts";
import type { UsersMay } from "../contracts/users-may.ts";
import type { Branch } from "../memory/branch.ts";
import { renderContext } from "../memory/formats.ts";
import type { WriteJson } from "../memory/formats/prefix.ts";
import { createLog } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { appendMessages, messageId } from "./append.ts";
import { noteAppend } from "./auditing.ts";
import { beginningFault } from "./beginning.ts";
import { leftInstructionFault, settleBranch, switchBranch } from "./branching.ts";
import { oweCarrying } from "./carrying.ts";
import { digestOf } from "./digest.ts";
import type { EmbeddingStep } from "./embedding.ts";
import { editMessage, eraseMessage, eraseSession, isErasureOwed } from "./erasing.ts";
import { JsonTexts } from "./json-texts.ts";
import type { Life } from "./lineage.ts";
import { type Listing, listingOf, oweListing } from "./listing.ts";
import { LiveSession } from "./live-session.ts";
import { type ItemScores, scoreItems } from "./meaning.ts";
import { hasUnowedMessages, isArchivedInVain } from "./message-archive.ts";
import { oweSummaryByHand, oweSummaryIfDue, summarizeJob } from "./owed-summaries.ts";
import { oweArchive, toJob } from "./owed-work.ts";
import { createDayMeasure, type Measured, startOfDay, summaryQuotaFault } from "./quota.ts";
import {
  expandSummary,
  findMessage,
  type MessageQuery,
  noteTokenizer,
  readContext,
  readMessage,
  readMessages,
  readState,
  readSummaries,
  type Retrieval,
  toMessage,
  toSummary,
  toVersion,
} from "./reading.ts";
import { goodThrough } from "./redo.ts";
import { restoreSummary } from "./restoring.ts";
import { questionOf, retrieveForContext, searchMessages } from "./retrieving.ts";
import type { SessionRow } from "./rows.ts";
import { type Birth, newId, Refusal } from "./session-shell.ts";
import type { SavedVectors } from "./session-work.ts";
import { settingsByUser, settingsOf, withTenant } from "./settings.ts";
import type { SummaryStep } from "./summarizing.ts";
import { compareSummaries, readLosses } from "./summary-report.ts";

/** A change of metadata or settings writes as much as a message does, and counts like one. */
const ONE_CHANGE = { messages: 1 };

/** What a log holds, each message as it was appended. */
type Size = Pick<UserTaken, "messages" | "tokens" | "bytes">;

export type { Birth } from "./session-shell.ts";

const log = createLog();

/**
 * One chat session, as clients call it. A shell: it loads, lets the modules beside it decide, stores, and arms its one alarm, all in
 * one transaction. An object that was never written to has no schema, and reading it leaves it so.
 */
export class ChatSession extends LiveSession {
  readonly #measureDay = createDayMeasure(this.shell.store.messages, {
    earlierOn: (day) => {
      const { messages, messageTokens } = this.shell.store.spent.on(day);
      return { messages, tokens: messageTokens };
    },
    editedTokensOn: (day) => this.shell.store.editedTokensOn(day),
  });

  // Clients

  /**
   * Creates the session if it is not there.
   * @param continued the session whose summary it begins with
   */
  async create(
    birth: Birth,
    tenant?: TenantSettings,
    continued?: Life,
    trace?: string,
  ): Promise<Outcome<{ session: SessionState; created: boolean }>> {
    this.shell.traces.heed(trace);
    this.shell.heed(birth);
    return this.shell.answer(() => {
      const existing = this.shell.usable();
      const session = existing ?? this.shell.create(birth, null, tenant);
      if (existing === null && continued !== undefined) {
        const source = { ...continued, kind: "continuation", throughSeq: 0, state: "pending" } as const;
        oweCarrying(this.shell.store, session.incarnation, source, newId, Date.now());
      }
      if (existing === null) this.shell.arm();
      return { session: readState(this.shell.store, this.shell.hear(session, tenant)), created: existing === null };
    });
  }

  /**
   * Appends a batch. Without `birth` an unknown session stays unknown.
   * @param by who appends, for the audit
   * @param trace which request it belongs to, as a `traceparent`; here and below
   * @param wouldBe an unknown session that the directory has not been asked for: what it cannot begin with is refused as that, and
   *   stays unknown else. Last, since an object of an earlier version takes no notice of it
   */
  async append(
    request: AppendRequest,
    birth: Birth | null,
    tenant?: TenantSettings,
    by?: Appender,
    trace?: string,
    wouldBe?: SessionRef,
  ): Promise<Outcome<AppendResult>> {
    this.shell.traces.heed(trace);
    const begun = birth?.ref ?? wouldBe ?? null;
    const now = Date.now();
    const outcome = this.shell.answer(() => {
      if (birth === null && begun !== null && this.shell.usable() === null) {
        const tenantFault = (limits: SessionLimits, taken: Taken): Fault | null =>
          this.tenantQuota.faultOf(begun.tenant, limits, taken, tenant, now);
        const fault = beginningFault(request, tenant?.limits, tenantFault, now);
        if (fault !== null) throw new Refusal(fault);
      }
      if (birth !== null) this.shell.heed(birth);
      const existing = birth === null ? this.shell.known() : this.shell.usable();
      const session =
        existing === null && birth !== null
          ? this.shell.create(birth, null, tenant)
          : this.shell.hear(existing ?? this.shell.known(), tenant);
      const isByUser = by?.isUser === true;
      const day = this.#beginDay(session, tenant, now, isByUser);
      const before = isByUser ? this.#size() : null;
      const left = isByUser ? this.#activeBranch() : null;
      const appended = appendMessages(this.shell.store, session, request.messages, request.expectedHeadSeq, now);
      if (!appended.ok) throw new Refusal(appended.fault);
      const taken = day?.measure() ?? null;
      let byUser = before === null ? null : this.#growthSince(before);
      const { messages, headSeq, createdCount, isBranched } = appended.value;
      if (isBranched) {
        this.#refuseLeaving(left, session, "/messages");
        // What it says was paid for; to write it anew counts like what is said.
        const written = settleBranch(this.shell.store, session, newId, now);
        if (byUser !== null) byUser = { ...byUser, tokens: byUser.tokens + written };
        this.shell.forgetRow();
        this.shell.changed();
      }
      if (byUser !== null) this.#refuseOverQuota(session, byUser, now);
      if (isArchivedInVain(session)) {
        oweArchive(this.shell.store, session, newId, now);
        this.shell.changed();
      }
      if (createdCount > 0) {
        if (by !== undefined) noteAppend(this.shell.store, by, headSeq - createdCount + 1, now);
        if (request.context !== undefined) noteTokenizer(this.shell.store, request.context);
        if (oweSummaryIfDue(this.shell.store, session, newId, now)) this.shell.arm();
        else this.shell.armForSilence(session, now);
      }
      const quotas = taken === null || taken.quotas.length === 0 ? {} : { quotas: [...taken.quotas] };
      return { session, day, byUser, result: { messages, headSeq, ...quotas } };
    });
    if (!outcome.ok) return outcome;
    const { session, day, byUser, result } = outcome.value;
    day?.count();
    if (byUser !== null) this.userQuota.count(session, byUser, now);
    // Only now: what fails while a context is made must not take the messages with it.
    const context = request.context === undefined ? {} : this.#contextAfterwards(session, request.context);
    return { ok: true, value: { ...result, ...context } };
  }

  #size(): Size {
    const head = this.shell.store.messages.head();
    return { messages: head?.seq ?? 0, tokens: head?.appendedCost ?? 0, bytes: head?.appendedBytes ?? 0 };
  }

  #growthSince(before: Size): Size {
    const { messages, tokens, bytes } = this.#size();
    return {
      messages: messages - before.messages,
      tokens: tokens - before.tokens,
      bytes: bytes - before.bytes,
    };
  }

  #refuseOverQuota(session: SessionRow, asked: Partial<UserTaken>, now: number): void {
    const fault = this.userQuota.faultOf(session, asked, now);
    if (fault !== null) throw new Refusal(fault);
  }

  /** Notes where the day of the session and of its tenant stand before an append or an edit; null where nothing is bounded. */
  #beginDay(session: SessionRow, told: TenantSettings | undefined, now: number, isByUser = false) {
    const set = session.tenantSettings.limits;
    const limits = isByUser ? limitsByUser(session.owner, set) : set;
    if (limits === undefined) return null;
    const measure = this.#measureDay(limits, session.incarnation, now);
    let taken: Taken = NOTHING_TAKEN;
    return {
      /** What was taken since. Throws the refusal of what goes past a bound. */
      measure: (): Measured => {
        const measured = measure();
        const fault = measured.fault ?? this.tenantQuota.faultOf(session.tenant, limits, measured, told, now);
        if (fault !== null) throw new Refusal(fault);
        taken = measured;
        return measured;
      },
      /** Called once it has committed. */
      count: (): void => this.tenantQuota.count(session.tenant, limits, taken, now),
    };
  }

  /** Answers for a copy that is not whole yet as well: it tells when it is. */
  async state(tenant?: TenantSettings): Promise<Outcome<SessionState>> {
    return this.shell.read(() => {
      const session = this.shell.existing();
      const readable = session === null || session.copying === null ? this.shell.known() : session;
      return readState(this.shell.store, withTenant(readable, tenant));
    });
  }

  /**
   * @param isByUser its settings stand beside those of the back end, and may only be tighter
   * @returns also what the list of sessions is to say of it: the object owes it to the directory until that is confirmed
   */
  async update(
    patch: SessionPatch,
    tenant?: TenantSettings,
    trace?: string,
    isByUser = false,
  ): Promise<Outcome<{ state: SessionState; incarnation: string; listing: Listing }>> {
    this.shell.traces.heed(trace);
    return this.shell.answer(() => {
      const session = this.shell.hear(this.shell.known(), tenant);
      const now = Date.now();
      if (isByUser) this.#refuseOverQuota(session, ONE_CHANGE, now);
      const settings =
        patch.settings === undefined || !isByUser
          ? (patch.settings ?? session.settings)
          : settingsByUser(session.settings, patch.settings, session.tenantSettings);
      this.shell.store.updateSession(patch.metadata ?? session.metadata, settings);
      this.shell.forgetRow();
      const updated = this.shell.known();
      if (patch.metadata !== undefined) oweListing(this.shell.store, updated, newId, now);
      const isArchived = session.archiveRev > 0;
      const isNews = isArchived && patch.metadata !== undefined;
      const isFollowed = settingsOf(session).archiveMessages === settingsOf(updated).archiveMessages;
      const isLacking = !isFollowed && hasUnowedMessages(this.shell.store, updated);
      if (isNews || isLacking || isArchivedInVain(updated)) oweArchive(this.shell.store, updated, newId, now);
      oweSummaryIfDue(this.shell.store, updated, newId, now);
      this.shell.changed();
      if (isByUser) this.userQuota.count(session, ONE_CHANGE, now);
      const { incarnation } = updated;
      return { state: readState(this.shell.store, this.shell.known()), incarnation, listing: listingOf(updated) };
    });
  }

  async messages(query: MessageQuery): Promise<Outcome<Page<Message>>> {
    return this.shell.read(() => {
      this.shell.known();
      return readMessages(this.shell.store, query);
    });
  }

  async message(id: string): Promise<Outcome<Message>> {
    return this.shell.read(() => {
      this.shell.known();
      const message = readMessage(this.shell.store, id);
      if (message === null) throw new Refusal(UNKNOWN_MESSAGE);
      return message;
    });
  }

  /** Makes another branch the active one. @param isByUser it counts like a message, and what is written of the summary like its tokens */
  async switchBranch(
    request: BranchRequest,
    tenant?: TenantSettings,
    trace?: string,
    isByUser = false,
  ): Promise<Outcome<SessionState>> {
    this.shell.traces.heed(trace);
    const now = Date.now();
    const switched = this.shell.answer(() => {
      const session = this.shell.hear(this.shell.known(), tenant);
      const left = isByUser ? this.#activeBranch() : null;
      const outcome = switchBranch(this.shell.store, session, request, newId, now);
      if (!outcome.ok) throw new Refusal(outcome.fault);
      const { isChanged, tokens } = outcome.value;
      if (isChanged) this.#refuseLeaving(left, session, "/headSeq");
      const taken = { messages: isChanged ? 1 : 0, tokens };
      if (isByUser) this.#refuseOverQuota(session, taken, now);
      this.shell.changed();
      return { session, taken, state: readState(this.shell.store, this.shell.known()) };
    });
    if (!switched.ok) return switched;
    const { session, taken, state } = switched.value;
    if (isByUser) this.userQuota.count(session, taken, now);
    return { ok: true, value: state };
  }

  /**
   * What it brings counts like an append: for the day, for the size of the session, and for the summary that may be due by it.
   * @param byUser what users may do here, if it is one who edits
   */
  async editMessage(
    id: string,
    patch: MessagePatch,
    trace?: string,
    byUser?: UsersMay,
    tenant?: TenantSettings,
  ): Promise<Outcome<Message>> {
    this.shell.traces.heed(trace);
    const edited = this.shell.answer(() => {
      if (byUser !== undefined) this.#refuseForeignEdit(id, patch, byUser);
      const now = Date.now();
      const session = this.shell.hear(this.shell.known(), tenant);
      const day = this.#beginDay(session, tenant, now);
      const goodBefore = goodThrough(this.shell.store);
      const outcome = editMessage(this.shell.store, session, id, patch, newId, now);
      if (!outcome.ok) throw new Refusal(outcome.fault);
      day?.measure();
      const { tokens, content } = outcome.value;
      const said = { messages: 1, tokens, bytes: byteLength(JSON.stringify(content)) };
      const taken = byUser === undefined ? null : { ...said, summarizerTokens: this.#tokensReadAgain(goodBefore) };
      if (taken !== null) this.#refuseOverQuota(session, taken, now);
      this.shell.search.update(outcome.value.seq);
      oweSummaryIfDue(this.shell.store, session, newId, now);
      this.shell.changed();
      return { session, day, taken, now, message: toMessage(outcome.value) };
    });
    if (!edited.ok) return edited;
    const { session, day, taken, now } = edited.value;
    day?.count();
    if (taken !== null) this.userQuota.count(session, taken, now);
    return { ok: true, value: edited.value.message };
  }

  /** @param isByUser what it makes models read again counts for the user's day, which refuses no erasure */
  async eraseMessage(id: string, trace?: string, isByUser = false): Promise<Outcome<Erasure>> {
    this.shell.traces.heed(trace);
    const now = Date.now();
    const erased = this.shell.answer(() => {
      const session = this.shell.known();
      const goodBefore = goodThrough(this.shell.store);
      const outcome = eraseMessage(this.shell.store, session, id, newId, now);
      if (!outcome.ok) throw new Refusal(outcome.fault);
      const summarizerTokens = isByUser ? this.#tokensReadAgain(goodBefore) : 0;
      const { seq } = outcome.value;
      this.shell.search.remove([seq]);
      this.shell.changed();
      const isOwed = isErasureOwed(this.shell.store, this.shell.known(), seq);
      const erasure: Erasure = { id: messageId(outcome.value), seq, state: isOwed ? "erasing" : "erased" };
      return { session, summarizerTokens, erasure };
    });
    if (!erased.ok) return erased;
    const { session, summarizerTokens, erasure } = erased.value;
    this.userQuota.count(session, { summarizerTokens }, now);
    return { ok: true, value: erasure };
  }

  /**
   * Erases the session. From here on it does not exist; what the archive holds of it goes in the background.
   * @returns also up to which word of the directory the entry there is of what was erased
   */
  async erase(trace?: string): Promise<Outcome<Erasure & { grantedAt: number }>> {
    this.shell.traces.heed(trace);
    return this.shell.answer(() => {
      const session = this.shell.existing() ?? this.shell.known();
      this.shell.search.drop();
      eraseSession(this.shell.store, session, newId, Date.now());
      this.shell.wakeAll();
      this.shell.changed();
      return { id: session.session, state: "erasing", grantedAt: session.grantedAt };
    });
  }

  async context(
    request: ContextRequest,
    tenant?: TenantSettings,
    meaning?: QueryMeaning,
  ): Promise<Outcome<RenderedContext>> {
    return this.shell.read(() => this.#context(withTenant(this.shell.known(), tenant), request, meaning));
  }

  /** The same as JSON text. @param meaning the vector of the query, or why it has none; here and below */
  async contextJson(
    request: ContextRequest,
    tenant?: TenantSettings,
    meaning?: QueryMeaning,
  ): Promise<Outcome<string>> {
    return this.shell.read(() => {
      const texts = new JsonTexts();
      return texts.answer(this.#context(withTenant(this.shell.known(), tenant), request, meaning, texts.write));
    });
  }

  async search(request: SearchRequest, meaning?: QueryMeaning): Promise<Outcome<SearchResult>> {
    return this.shell.read(() => {
      this.shell.known();
      return searchMessages(this.shell.store, this.shell.search, request, meaning);
    });
  }

  /** The same as JSON text. */
  async searchJson(request: SearchRequest, meaning?: QueryMeaning): Promise<Outcome<string>> {
    return this.shell.read(() => {
      this.shell.known();
      return JSON.stringify(searchMessages(this.shell.store, this.shell.search, request, meaning));
    });
  }

  /** The newest message of a user on the active branch, cut: what a context's query `auto` asks. Null if there is none near its end. */
  async newestQuestion(): Promise<Outcome<string | null>> {
    return this.shell.read(() => {
      this.shell.known();
      return questionOf(this.shell.store);
    });
  }

  /** How near items of the newest version are to a query, by their ids; without those that have no vector yet. */
  async itemScores(query: QueryVector, itemIds: readonly string[]): Promise<Outcome<ItemScores>> {
    return this.shell.read(() => {
      this.shell.known();
      return scoreItems(this.shell.store, query, itemIds);
    });
  }

  async summaries(before: number | undefined, limit: number): Promise<Outcome<Page<SummaryVersion>>> {
    return this.shell.read(() => {
      this.shell.known();
      return readSummaries(this.shell.store, before, limit);
    });
  }

  /** One version, with the messages that its items cite if asked. */
  async summary(version: number, expandSources: boolean): Promise<Outcome<ExpandedSummary>> {
    return this.shell.read(() => {
      this.shell.known();
      const row = knownSummary(this.shell.store.summaries.byVersion(version));
      const summary = toVersion(row, this.shell.store.summaries.items(version));
      return expandSources ? expandSummary(this.shell.store, summary) : summary;
    });
  }

  /** What a version has that another has not. */
  async compareSummaries(version: number, from: number | undefined): Promise<Outcome<SummaryChanges>> {
    return this.shell.read(() => {
      this.shell.known();
      return knownSummary(compareSummaries(this.shell.store, version, from));
    });
  }

  /** A page of what users said that a version covers and does not say. */
  async losses(version: number, afterSeq: Seq, limit: number): Promise<Outcome<Page<Loss>>> {
    return this.shell.read(() => {
      this.shell.known();
      return knownSummary(readLosses(this.shell.store, version, afterSeq, limit));
    });
  }

  /**
   * Makes an earlier version of the summary the one that holds, and that the next goes on from.
   * @param isByUser it counts like a message, what is written of the summary like its tokens, and what models are to read again for it
   */
  async restoreSummary(
    version: number,
    request: RestoreRequest,
    tenant?: TenantSettings,
    trace?: string,
    isByUser = false,
  ): Promise<Outcome<Summary>> {
    this.shell.traces.heed(trace);
    const now = Date.now();
    const restored = this.shell.answer(() => {
      const { store } = this.shell;
      const session = this.shell.hear(this.shell.known(), tenant);
      const asked = knownSummary(store.summaries.byVersion(version));
      const goodBefore = goodThrough(store);
      const jobId = summarizeJob(store)?.id;
      const outcome = restoreSummary(store, session, asked, request, newId, now);
      if (!outcome.ok) throw new Refusal(outcome.fault);
      const { isChanged, tokens } = outcome.value;
      const summarizerTokens = isByUser && isChanged ? this.#tokensReadAgain(goodBefore) : 0;
      const taken = { messages: isChanged ? 1 : 0, tokens, summarizerTokens };
      if (isByUser) this.#refuseOverQuota(session, taken, now);
      this.shell.changed();
      const row = store.summaries.newest() ?? asked;
      const ended = jobId !== undefined && store.jobs.byId(jobId) === null ? jobId : null;
      return { session, taken, ended, summary: toSummary(row, store.summaries.items(row.version)) };
    });
    if (!restored.ok) return restored;
    const { session, taken, ended, summary } = restored.value;
    if (isByUser) this.userQuota.count(session, taken, now);
    if (ended !== null) this.shell.wake(ended);
    return { ok: true, value: summary };
  }

  /**
   * Owes a summary by hand and waits for it up to `waitMs`. The job is null if there is nothing to summarize.
   * @param isByUser what models are to read for it counts for the user's day
   */
  async summarize(
    request: SummarizeRequest,
    trace?: string,
    isByUser = false,
    tenant?: TenantSettings,
  ): Promise<Outcome<{ job: Job | null; summary: Summary | null }>> {
    this.shell.traces.heed(trace);
    const now = Date.now();
    const owed = this.shell.answer(() => {
      const session = this.shell.hear(this.shell.known(), tenant);
      const summarizerTokens = isByUser ? this.#tokensByHand(request) : 0;
      const row = oweSummaryByHand(this.shell.store, session, request, newId, now);
      const { limits } = session.tenantSettings;
      const fault =
        row === null || limits === undefined
          ? null
          : summaryQuotaFault(limits, this.shell.store.spent.on(startOfDay(now)).summaries, now);
      if (fault !== null) throw new Refusal(fault);
      const taken = { summarizerTokens: row === null ? 0 : summarizerTokens };
      this.#refuseOverQuota(session, taken, now);
      if (row !== null) this.shell.arm();
      return { session, taken, row };
    });
    if (!owed.ok) return owed;
    const { session, taken, row: job } = owed.value;
    this.userQuota.count(session, taken, now);
    if (job !== null && (request.waitMs ?? 0) > 0) await this.shell.settled(job.id, request.waitMs ?? 0);
    return this.shell.answer(() => {
      const row = this.shell.store.summaries.newest();
      const left = job === null ? null : this.shell.store.jobs.byId(job.id);
      return {
        job: job === null ? null : left === null ? { ...toJob(job), state: "done" } : toJob(left),
        summary: row === null ? null : toSummary(row, this.shell.store.summaries.items(row.version)),
      };
    });
  }

  #activeBranch(): Branch {
    const { branches, messages } = this.shell.store;
    return branches.active(messages.head()?.seq ?? 0);
  }

  /** @param left the branch that a user leaves; null if it is no user */
  #refuseLeaving(left: Branch | null, { tenantSettings }: SessionRow, path: string): void {
    const fault =
      left === null ? null : leftInstructionFault(this.shell.store, left, tenantSettings.usersMay?.write, path);
    if (fault !== null) throw new Refusal(fault);
  }

  /** What models are to be given again because of a change. Changes that share one new summary are counted as one. */
  #tokensReadAgain(goodBefore: Seq): TokenCount {
    const { messages } = this.shell.store;
    const good = goodThrough(this.shell.store);
    if (good >= goodBefore) return 0;
    const branch = this.#activeBranch();
    const again = messages.totalCostOn(branch, goodBefore) - messages.totalCostOn(branch, good);
    return Math.max(MIN_USER_SUMMARY_TOKENS, again);
  }

  /** What models are to be given for a summary by hand. */
  #tokensByHand({ fromScratch }: SummarizeRequest): TokenCount {
    const { messages, summaries } = this.shell.store;
    const open = summarizeJob(this.shell.store);
    const isAnew = fromScratch === true && open?.fromScratch !== true;
    // What is under way already is asked for once more where it failed, and whoever waits for it keeps the object awake.
    if (open !== undefined && !isAnew) return MIN_USER_SUMMARY_TOKENS;
    const from = isAnew ? 0 : (summaries.newest()?.throughSeq ?? 0);
    const tip = messages.tip();
    const read = tip === null ? 0 : tip.totalCost - messages.totalCostOn(tip.branch, from);
    return Math.max(MIN_USER_SUMMARY_TOKENS, read);
  }

  /** Past what models may read again for a user, summaries of the user's sessions are extractive. */
  override async beginSummary(jobId: string, incarnation: string): Promise<SummaryStep> {
    const step = await super.beginSummary(jobId, incarnation);
    const session = this.shell.row();
    if (step.next !== "call" || session === null) return step;
    return { ...step, isOverBudget: step.isOverBudget || this.userQuota.isSummarizerSpent(session, Date.now()) };
  }

  /** Past that nothing is embedded for them either. */
  override async beginEmbedding(jobId: string, incarnation: string, model: string | null): Promise<EmbeddingStep> {
    return this.#withUsersBudget(await super.beginEmbedding(jobId, incarnation, model));
  }

  override async saveVectors(
    jobId: string,
    incarnation: string,
    lease: string,
    saved: SavedVectors,
  ): Promise<EmbeddingStep> {
    return this.#withUsersBudget(await super.saveVectors(jobId, incarnation, lease, saved));
  }

  #withUsersBudget(step: EmbeddingStep): EmbeddingStep {
    const session = this.shell.row();
    if (step.next !== "call" || session === null) return step;
    return { ...step, isOverBudget: step.isOverBudget || this.userQuota.isSummarizerSpent(session, Date.now()) };
  }

  #refuseForeignEdit(id: string, { content, pinned }: MessagePatch, { write }: UsersMay): void {
    this.shell.known();
    const row = findMessage(this.shell.store, id, "told");
    if (row !== null) {
      refuseForeignWords(
        [{ path: "", roleAt: "messageId", message: { role: row.role, content, pinned: pinned !== undefined } }],
        write,
      );
    }
  }

  #context(
    session: SessionRow,
    request: ContextRequest,
    meaning?: QueryMeaning,
    writeJson?: WriteJson,
  ): RenderedContext {
    const { query, format = "threadkeep", summaryRole = "user", roles, provider, toolFiles, cacheControl } = request;
    const isQueried = typeof query === "string";
    let retrieval: Retrieval | null = null;
    const retrieve =
      query === undefined || query === null
        ? null
        : (branch: Branch): Retrieval => (retrieval ??= this.#retrieve(query, branch, meaning));
    // What a format adds to what is stored is told only when it is written: JSON within JSON has twice the bytes.
    for (let maxBytes = MAX_CONTEXT_BYTES; ; maxBytes = Math.floor(maxBytes / 2)) {
      const { context, bytes } = readContext(this.shell.store, session, request, retrieve, maxBytes);
      const rendered = renderContext(context, {
        format,
        summaryRole,
        roles,
        provider,
        toolFiles,
        cacheControl,
        isQueried,
        digest: digestOf,
        ...(writeJson === undefined ? {} : { writeJson }),
      });
      if (bytes <= MEASURED_CONTEXT_BYTES || maxBytes <= MEASURED_CONTEXT_BYTES) return rendered;
      if (jsonBytes(rendered) <= MAX_CONTEXT_BYTES) return rendered;
    }
  }

  /** A context without what its query would have brought back is better than none. */
  #retrieve(query: string, branch: Branch, meaning: QueryMeaning | undefined): Retrieval {
    try {
      return { ...retrieveForContext(this.shell.store, this.shell.search, query, branch, meaning), error: null };
    } catch (error) {
      log.error("retrieval_failed", errorFields(error));
      return { found: [], error: FAILED_RETRIEVAL };
    }
  }

  /** The context of an append that is committed. */
  #contextAfterwards(session: SessionRow, request: ContextRequest): Pick<AppendResult, "context" | "contextError"> {
    try {
      const outcome = this.shell.read(() => this.#context(session, request));
      if (outcome.ok) return { context: outcome.value };
      const { code, detail } = outcome.fault;
      return { contextError: { code, detail } };
    } catch (error) {
      log.error("context_failed", errorFields(error));
      return { contextError: FAILED_CONTEXT };
    }
  }
}

/** No format makes eight times as much of it: a context of no more messages need not be measured. */
const MEASURED_CONTEXT_BYTES = MAX_CONTEXT_BYTES / 8;

const FAILED_RETRIEVAL: PartFault = {
  code: "internal",
  detail:
    "The search index could not be read, and the fault has been logged. Ask for the context again to have what it lacks.",
};
const FAILED_CONTEXT: PartFault = {
  code: "internal",
  detail:
    "The messages are stored, and the fault has been logged. Ask for the context by itself: POST /v1/sessions/{sessionId}/context.",
};
const UNKNOWN_SUMMARY: Fault = {
  code: "summary_not_found",
  detail: "The session has no summary of this version. List its summaries to see which it has.",
};

/** @param found null if there is no such version */
function knownSummary<T>(found: T | null): T {
  if (found === null) throw new Refusal(UNKNOWN_SUMMARY);
  return found;
}

const UNKNOWN_MESSAGE: Fault = {
  code: "message_not_found",
  detail: "The session has no message with this id.",
};
