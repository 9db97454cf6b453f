import { DurableObject } from "cloudflare:workers";
import type { AppendRequest, AppendResult } from "../api/append.ts";
import type { Appender } from "../api/audit.ts";
import type { ContextRequest, RenderedContext } from "../api/context.ts";
import type { QueryMeaning, QueryVector } from "../api/embedding.ts";
import { type Fault, type Outcome, ThreadkeepError } from "../api/errors.ts";
import type { LogIntegrity, IntegrityReport, SourcesIntegrity, SummaryIntegrity } from "../api/finding.ts";
import type { Job, SummarizeRequest } from "../api/job.ts";
import type { Erasure, Message, MessagePatch, Seq } from "../api/message.ts";
import type { Page } from "../api/page.ts";
import type { SearchRequest, SearchResult } from "../api/search.ts";
import type { BranchRequest, SessionPatch, SessionRef, SessionState } from "../api/session.ts";
import type { SummarizerAnswer } from "../api/summarizer.ts";
import type { ExpandedSummary, Loss, RestoreRequest, Summary, SummaryChanges, SummaryVersion } from "../api/summary.ts";
import type { TenantSettings } from "../api/tenant.ts";
import type { MessageLine } from "../api/transfer.ts";
import type { UserTaken } from "../api/user-quota.ts";
import type { UsersMay } from "../api/users-may.ts";
import type { Living } from "../directory/listing-client.ts";
import { createUserDayClient } from "../directory/user-day-client.ts";
import type { JobStanding } from "../lib/retry-policy.ts";
import { createLog } from "../telemetry/log.ts";
import type { TakenNamespace } from "../tenant/taken-client.ts";
import { resyncArchive, type ArchiveDelta, type Confirmed, forgetArchived, readArchiveDelta } from "./archive/index.ts";
import {
  abandonImport,
  beginContinuation,
  beginFork,
  beginImport,
  type BegunFork,
  type BegunImport,
  type Carried,
  type CarryOverStep,
  checkImport,
  type Claim,
  confirmCopyErasures,
  type CopyAnswer,
  type CopyErasures,
  type CopyPage,
  type CopyStep,
  createFork,
  type Erased,
  type ExportCursor,
  type ExportEnd,
  type ExportHead,
  finishedImport,
  finishImportedSession,
  FIRST_PLACE,
  type ForkSettings,
  forkSize,
  type ForkSource,
  type ImportStanding,
  LastPage,
  type EpochRef,
  type CarriedItems,
  nextCarryOver,
  nextCopyStep,
  type NumberedLine,
  scheduleCarryOver,
  type PassedOnPlace,
  readCopyPage,
  readExportEnd,
  readExportHead,
  readExportPage,
  readImport,
  recordImportGrant,
  requireExported,
  saveImportPage,
  vouchFor,
  waitForCopies,
} from "./copies/index.ts";
import { eraseSession, UNKNOWN_MESSAGE } from "./erase/index.ts";
import { type LiveEnv, LiveFeed } from "./live/index.ts";
import {
  appendForClient,
  applyTenantSettings,
  type SessionCreation,
  contextAfterAppend,
  createSession,
  editForClient,
  eraseForClient,
  type MessageQuery,
  readMessage,
  readMessages,
  readState,
  readSummaries,
  recordGrant,
  renderSessionContext,
  switchForClient,
  type UpdatedSession,
  updateForClient,
  writeSessionContext,
} from "./log/index.ts";
import {
  answerForCopied,
  type CopyErasuresStep,
  dropJob,
  type Ended,
  endJob,
  eraseWhatWasCopied,
  type ErasureStep,
  type Failed,
  failJob,
  type FailureReport,
  findExpiry,
  type FoundExpiry,
  landAnswer,
  landCarried,
  landCopyPage,
  landVectors,
  type Listing,
  listingOf,
  loseCopy,
  mayBeKnown,
  noteUndelivered,
  type OutboxQueues,
  postponeJob,
  type PutOff,
  putOff,
  readCarriedOf,
  readCopyErasures,
  readErasure,
  retryJob,
  ringAlarm,
  type SavedVectors,
  settleArchived,
  settleExpiry,
  settleListed,
  standingOf,
  stepEmbedding,
  stepSummary,
} from "./outbox/index.ts";
import { TenantQuota, tokensOf, UserQuota } from "./quota/index.ts";
import { type ItemScores, questionOf, scoreItems, searchMessages } from "./search/index.ts";
import type { FinishedImport, ImportProgress } from "./sqlite/index.ts";
import {
  compareSummaries,
  type EmbeddingStep,
  knownSummary,
  NOTHING_PENDING,
  NOTHING_TO_EMBED,
  readLosses,
  readSummarized,
  readSummaryVersion,
  restoreForClient,
  summarizeForClient,
  type SummaryStep,
} from "./summary/index.ts";
import { Transactions } from "./transactions.ts";
import type { Unit } from "./unit.ts";
import {
  maintain,
  type MaintenanceResult,
  type MaintenanceTask,
  checkLogIntegrity,
  checkIntegrity,
  checkSourcesIntegrity,
  checkSummaryIntegrity,
  reindex,
} from "./verify/index.ts";

export type { SessionCreation } from "./log/index.ts";

/** The part of the environment that a session uses. */
export interface ChatSessionEnv extends OutboxQueues, LiveEnv {
  readonly TENANT: TakenNamespace & LiveEnv["TENANT"];
  readonly AUDIT_QUEUE: Queue;
  /** Where the user's day is counted. */
  readonly DIRECTORY: DurableObjectNamespace;
}

/**
 * One chat session, as clients, consumers and operators call it. Each method runs one function of a slice in a unit of work; the functions
 * decide, and `Transactions` commits. An object that was never written to has no schema, and reading it leaves it so.
 *
 * Of every method: `tenant` are the tenant's settings as the caller has them, `trace` the `traceparent` of the request that it belongs to,
 * `isByUser` whether the session's user asks and not the tenant's back end. A call for a job that is over changes nothing.
 */
export class ChatSession extends DurableObject<ChatSessionEnv> {
  readonly #calls: Transactions;
  readonly #live: LiveFeed;
  readonly #lastPage = new LastPage();

  constructor(ctx: DurableObjectState, env: ChatSessionEnv) {
    super(ctx, env);
    const keepAlive = (work: Promise<void>): void => ctx.waitUntil(work);
    const tellUserDay = createUserDayClient(() => this.env.DIRECTORY, ctx.id.jurisdiction, createLog());
    this.#calls = new Transactions(ctx, {
      tenant: new TenantQuota(() => this.env.TENANT, keepAlive),
      user: new UserQuota(tellUserDay, keepAlive),
    });
    this.#live = new LiveFeed(ctx, () => this.env, this.#calls, this);
  }

  // What clients do

  /**
   * Creates the session if it is not there.
   * @param continued the session whose summary it begins with
   */
  async create(
    creation: SessionCreation,
    tenant?: TenantSettings,
    continued?: EpochRef,
    trace?: string,
  ): Promise<Outcome<{ session: SessionState; created: boolean }>> {
    this.#recordGrant(creation, trace);
    return this.#calls.answer((unit) => {
      const isNew = unit.findSession() === null;
      if (isNew) createSession(unit, creation);
      else applyTenantSettings(unit);
      if (isNew && continued !== undefined) scheduleCarryOver(unit, { ...continued, ...NOT_YET_CARRIED });
      return { session: readState(unit), created: isNew };
    }, tenant);
  }

  /**
   * Appends a batch. Without `creation` an unknown session stays unknown.
   * @param by who appends, for the audit
   * @param wouldBe an unknown session that the directory has not been asked for: see `ClientAppend`
   */
  async append(
    request: AppendRequest,
    creation: SessionCreation | null,
    tenant?: TenantSettings,
    by?: Appender,
    trace?: string,
    wouldBe?: SessionRef,
  ): Promise<Outcome<AppendResult>> {
    this.#noteTrace(trace);
    const appended = this.#calls.answer((unit) => appendForClient(unit, { request, creation, by, wouldBe }), tenant);
    if (!appended.ok || request.context === undefined) return appended;
    // Only now: what fails while a context is made must not take the messages with it.
    return { ok: true, value: { ...appended.value, ...contextAfterAppend(this.#calls.unit(), request.context) } };
  }

  /** Answers for a copy that is not whole yet as well: it tells when it is. */
  async state(tenant?: TenantSettings): Promise<Outcome<SessionState>> {
    return this.#calls.read((unit) => {
      const isCopying = (unit.findUnerased()?.copying ?? null) !== null;
      if (!isCopying) unit.requireSession();
      return readState(unit);
    }, tenant);
  }

  async update(
    patch: SessionPatch,
    tenant?: TenantSettings,
    trace?: string,
    isByUser = false,
  ): Promise<Outcome<UpdatedSession>> {
    this.#noteTrace(trace);
    return this.#calls.answer((unit) => updateForClient(unit, patch, isByUser), tenant);
  }

  async messages(query: MessageQuery): Promise<Outcome<Page<Message>>> {
    return this.#calls.readSession((unit) => readMessages(unit, query));
  }

  async message(id: string): Promise<Outcome<Message>> {
    return this.#calls.readSession((unit) => {
      const message = readMessage(unit, id);
      if (message === null) throw new ThreadkeepError(UNKNOWN_MESSAGE);
      return message;
    });
  }

  async switchBranch(
    request: BranchRequest,
    tenant?: TenantSettings,
    trace?: string,
    isByUser = false,
  ): Promise<Outcome<SessionState>> {
    this.#noteTrace(trace);
    return this.#calls.answer((unit) => switchForClient(unit, request, isByUser), tenant);
  }

  /** @param byUser what users may do here, if it is one who edits */
  async editMessage(
    id: string,
    patch: MessagePatch,
    trace?: string,
    byUser?: UsersMay,
    tenant?: TenantSettings,
  ): Promise<Outcome<Message>> {
    this.#noteTrace(trace);
    return this.#calls.answer((unit) => editForClient(unit, id, patch, byUser), tenant);
  }

  async eraseMessage(id: string, trace?: string, isByUser = false): Promise<Outcome<Erasure>> {
    this.#noteTrace(trace);
    return this.#calls.answer((unit) => eraseForClient(unit, id, isByUser));
  }

  /**
   * Erases the session. From here on it does not exist; what the archive holds of it goes in the background.
   * @returns also the newest grant of the directory that belongs to what was erased
   */
  async erase(trace?: string): Promise<Outcome<Erasure & { grantedAt: number }>> {
    this.#noteTrace(trace);
    return this.#calls.answer((unit) => {
      const { session, grantedAt } = unit.findUnerased() ?? unit.requireSession();
      eraseSession(unit);
      return { id: session, state: "erasing", grantedAt };
    });
  }

  /** @param meaning the vector of the query, or why it has none; here and below */
  async context(
    request: ContextRequest,
    tenant?: TenantSettings,
    meaning?: QueryMeaning,
  ): Promise<Outcome<RenderedContext>> {
    return this.#calls.readSession((unit) => renderSessionContext(unit, request, meaning), tenant);
  }

  /** The same as JSON text. */
  async contextJson(
    request: ContextRequest,
    tenant?: TenantSettings,
    meaning?: QueryMeaning,
  ): Promise<Outcome<string>> {
    return this.#calls.readSession((unit) => writeSessionContext(unit, request, meaning), tenant);
  }

  async search(request: SearchRequest, meaning?: QueryMeaning): Promise<Outcome<SearchResult>> {
    return this.#calls.readSession((unit) => searchMessages(unit, request, meaning));
  }

  /** The same as JSON text. */
  async searchJson(request: SearchRequest, meaning?: QueryMeaning): Promise<Outcome<string>> {
    return this.#calls.readSession((unit) => JSON.stringify(searchMessages(unit, request, meaning)));
  }

  /** The newest message of a user on the active branch, cut: what a context's query `auto` asks. Null if there is none near its end. */
  async newestQuestion(): Promise<Outcome<string | null>> {
    return this.#calls.readSession(questionOf);
  }

  /** How near items of the newest version are to a query, by their ids; without those that have no vector yet. */
  async itemScores(query: QueryVector, itemIds: readonly string[]): Promise<Outcome<ItemScores>> {
    return this.#calls.readSession((unit) => scoreItems(unit, query, itemIds));
  }

  async summaries(before: number | undefined, limit: number): Promise<Outcome<Page<SummaryVersion>>> {
    return this.#calls.readSession((unit) => readSummaries(unit, before, limit));
  }

  /** One version, with the messages that its items cite if asked. */
  async summary(version: number, expandSources: boolean): Promise<Outcome<ExpandedSummary>> {
    return this.#calls.readSession((unit) => readSummaryVersion(unit, version, expandSources));
  }

  /** What a version has that another has not. */
  async compareSummaries(version: number, from: number | undefined): Promise<Outcome<SummaryChanges>> {
    return this.#calls.readSession((unit) => knownSummary(compareSummaries(unit, version, from)));
  }

  /** A page of what users said that a version covers and does not say. */
  async losses(version: number, afterSeq: Seq, limit: number): Promise<Outcome<Page<Loss>>> {
    return this.#calls.readSession((unit) => knownSummary(readLosses(unit, version, afterSeq, limit)));
  }

  /** Makes an earlier version of the summary the one that holds, and that the next goes on from. */
  async restoreSummary(
    version: number,
    request: RestoreRequest,
    tenant?: TenantSettings,
    trace?: string,
    isByUser = false,
  ): Promise<Outcome<Summary>> {
    this.#noteTrace(trace);
    return this.#calls.answer((unit) => restoreForClient(unit, version, request, isByUser), tenant);
  }

  /** Asks for a summary by hand and waits for it up to `waitMs`. The job is null if there is nothing to summarize. */
  async summarize(
    request: SummarizeRequest,
    trace?: string,
    isByUser = false,
    tenant?: TenantSettings,
  ): Promise<Outcome<{ job: Job | null; summary: Summary | null }>> {
    this.#noteTrace(trace);
    const asked = this.#calls.answer((unit) => summarizeForClient(unit, request, isByUser), tenant);
    if (!asked.ok) return asked;
    const { waitMs = 0 } = request;
    if (asked.value !== null && waitMs > 0) await this.#calls.waiters.ended(asked.value.id, waitMs);
    return this.#calls.read((unit) => readSummarized(unit, asked.value));
  }

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
    byUser?: ForkSettings,
  ): Promise<Outcome<BegunFork>> {
    return this.#calls.answer((unit) => beginFork(unit, copy, { throughSeq, byUser, counted }));
  }

  /** What a fork would copy, as it is now: whoever pays by size pays before it is begun. */
  async forkSize(throughSeq: Seq | undefined): Promise<Outcome<Pick<UserTaken, "messages" | "tokens" | "bytes">>> {
    return this.#calls.readSession((unit) => forkSize(unit, throughSeq));
  }

  /**
   * Creates this session as a fork and waits up to `waitMs` for it to be whole. A repeated request finds it there.
   * @param source what `beginFork` gave
   */
  async createFork(
    creation: SessionCreation,
    source: ForkSource,
    waitMs: number,
    tenant?: TenantSettings,
    trace?: string,
  ): Promise<Outcome<{ session: SessionState; created: boolean }>> {
    this.#recordGrant(creation, trace);
    const begun = this.#calls.answer((unit) => createFork(unit, creation, source), tenant);
    if (!begun.ok) return begun;
    const { jobId, created } = begun.value;
    if (jobId !== null) await this.#calls.waiters.ended(jobId, waitMs);
    const state = await this.state(tenant);
    return state.ok ? { ok: true, value: { session: state.value, created } } : state;
  }

  /** Notes that another session continues from this one, which may have expired. */
  async beginContinuation(copy: string): Promise<Outcome<EpochRef>> {
    return this.#calls.answer((unit) => beginContinuation(unit, copy));
  }

  // Export and import

  async beginExport(): Promise<Outcome<ExportHead>> {
    return this.#calls.readSession(readExportHead);
  }

  async exportPage(head: ExportHead, afterSeq: Seq): Promise<Outcome<MessageLine[]>> {
    return this.#calls.read((unit) => readExportPage(requireExported(unit, head), afterSeq, head.headSeq));
  }

  /** @param from where the page before this one ended; absent for the first */
  async endExport(head: ExportHead, from: ExportCursor | null = null): Promise<Outcome<ExportEnd>> {
    return this.#calls.read((unit) => readExportEnd(requireExported(unit, head), head, from));
  }

  /** Begins to fill a new session from a file. Nobody sees it until it is whole. Repeated it changes nothing. */
  async beginImport(
    creation: SessionCreation,
    begun: BegunImport,
    tenant?: TenantSettings,
    trace?: string,
  ): Promise<Outcome<ImportStanding>> {
    this.#recordGrant(creation, trace);
    return this.#calls.answer((unit) => beginImport(unit, creation, begun), tenant);
  }

  /** Where an import stands. */
  async readImport(id: string): Promise<Outcome<ImportStanding>> {
    return this.#calls.read((unit) => readImport(unit, id));
  }

  /** Saves lines of a file: see `import-steps`. */
  async saveImportPage(
    epoch: string,
    lines: readonly NumberedLine[],
    throughLine: number,
  ): Promise<Outcome<ImportProgress>> {
    return this.#calls.answer((unit) => saveImportPage(unit, this.#lastPage, { epoch, lines, throughLine }));
  }

  /** Whether an import may end now: all of its file is in, and its tenant has room for it. No list need show it before. */
  async checkImport(epoch: string): Promise<Outcome<null>> {
    return this.#calls.answer((unit) => checkImport(unit, epoch));
  }

  /**
   * Makes the session of an import that is whole. Repeated it tells the same.
   * @param grant of the directory, which lists it from now on
   */
  async finishImport(
    epoch: string,
    { grantedAt = 0, isKnown = false }: Pick<SessionCreation, "grantedAt" | "isKnown"> = {},
  ): Promise<Outcome<FinishedImport>> {
    const finished = finishedImport(this.#calls.unit(), epoch);
    if (finished !== null) return { ok: true, value: finished };
    // By itself, so that it stands where the rest is refused.
    const recorded = this.#calls.answer((unit) => recordImportGrant(unit, epoch, grantedAt));
    if (!recorded.ok) return recorded;
    return this.#calls.answer((unit) => finishImportedSession(unit, epoch, isKnown));
  }

  /** Which of the claims of an import its messages bear out: see `import-steps`. */
  async vouch(copy: string, claims: readonly Claim[]): Promise<Outcome<EpochRef & { readonly answers: boolean[] }>> {
    return this.#calls.answer((unit) => vouchFor(unit, copy, claims));
  }

  /**
   * Leaves nothing of an import that failed.
   * @param grantedAt the newest grant of the directory that its caller was given, and that nothing else comes of
   * @returns the newest grant that this epoch knew of, for the list; null if somebody else sees to the list
   */
  async abandonImport(epoch: string, grantedAt = 0): Promise<number | null> {
    const known = this.#calls.change((unit) => abandonImport(unit, epoch));
    if (known === null) return null;
    await this.#calls.vanishIfDone();
    return Math.max(known, grantedAt);
  }

  // What consumers of the queues do

  async beginSummary(jobId: string, epoch: string): Promise<SummaryStep> {
    return this.#calls.forJob(jobId, epoch, NOTHING_PENDING, (unit) => stepSummary(unit, jobId));
  }

  /** See `SavedAnswer`. */
  async saveAnswer(
    jobId: string,
    epoch: string,
    lease: string,
    answer: SummarizerAnswer,
    fallbackCause: Failed | null = null,
    isEmbedded = false,
  ): Promise<SummaryStep> {
    return this.#calls.forPaidJob(jobId, epoch, tokensOf(answer.usage), NOTHING_PENDING, (unit) =>
      landAnswer(unit, jobId, { lease, answer, fallbackCause, isEmbedded }),
    );
  }

  /** @param model that is to make the vectors; null: none does any more, and the job is over */
  async beginEmbedding(jobId: string, epoch: string, model: string | null): Promise<EmbeddingStep> {
    return this.#calls.forJob(jobId, epoch, NOTHING_TO_EMBED, (unit) => stepEmbedding(unit, jobId, model));
  }

  async saveVectors(jobId: string, epoch: string, lease: string, saved: SavedVectors): Promise<EmbeddingStep> {
    return this.#calls.forPaidJob(jobId, epoch, saved.usage.inputTokens, NOTHING_TO_EMBED, (unit) =>
      landVectors(unit, jobId, lease, saved),
    );
  }

  async noteFailure(jobId: string, epoch: string, failure: Failed): Promise<FailureReport | null> {
    const isOver = this.#calls.unit().findJob(jobId, epoch) === null;
    if (isOver && tokensOf(failure.usage) === 0) return null;
    return this.#calls.change((unit) => failJob(unit, jobId, epoch, failure));
  }

  /** Gives a job back that is not done. The object sends it again after the pause. */
  async putOff(jobId: string, epoch: string, how: PutOff): Promise<void> {
    this.#forAnyJob(jobId, epoch, undefined, (unit) => putOff(unit, jobId, how));
  }

  async jobStanding(jobId: string, epoch: string): Promise<JobStanding> {
    const unit = this.#calls.unit();
    return standingOf(unit.findJob(jobId, epoch), unit.now);
  }

  /** Notes that operators were told of a job. @returns false if it is over, and they need not know */
  async noteUndelivered(jobId: string, epoch: string, reason: string, failedAt: number = Date.now()): Promise<boolean> {
    return this.#forAnyJob(jobId, epoch, false, (unit) =>
      noteUndelivered(unit, unit.store.jobs.byId(jobId), reason, failedAt),
    );
  }

  /** What the archive lacks; null if the job is over. */
  async readArchiveDelta(jobId: string, epoch: string): Promise<ArchiveDelta | null> {
    return this.#calls.forJob(jobId, epoch, null, (unit) => readArchiveDelta(unit, jobId));
  }

  /** @returns whether operators may have the job on their lists */
  async confirmArchived(jobId: string, epoch: string, delta: Confirmed): Promise<boolean> {
    return this.#calls.forJob(jobId, epoch, false, (unit) => settleArchived(unit, jobId, delta));
  }

  async forgetArchived(jobId: string, epoch: string, outrankedBy?: number): Promise<void> {
    this.#calls.forJob(jobId, epoch, undefined, (unit) => forgetArchived(unit, jobId, outrankedBy));
  }

  /** What the list is to say of the session; null if there is none. */
  async listing(): Promise<Living | null> {
    const session = this.#calls.unit().findUnerased();
    if (session === null) return null;
    const { metadata, copying, begunBy } = session;
    return { metadata, isListed: copying?.kind !== "import", begunBy };
  }

  /** What the directory has yet to be told; null if nothing is left of that. */
  async readListing(jobId: string, epoch: string): Promise<Listing | null> {
    return this.#calls.forJob(jobId, epoch, null, (unit) => listingOf(unit.session));
  }

  /** The directory was told of the metadata: see `settleListed`. @returns whether nothing is pending of that any more */
  async confirmListed(epoch: string, metadataRev: number, isConsumer = false): Promise<Ended> {
    const { row, store } = this.#calls.unit();
    const job = row === null ? null : store.jobs.first("list");
    if (job === null) return false;
    return this.#calls.forJob(job.id, epoch, false, (unit) => settleListed(unit, job.id, { metadataRev, isConsumer }));
  }

  async readErasure(jobId: string, epoch: string): Promise<ErasureStep | null> {
    return readErasure(this.#calls.unit(), jobId, epoch);
  }

  /** The list may still have to change: the erasure is not confirmed before `at`. */
  async postponeErasure(jobId: string, epoch: string, at: number): Promise<void> {
    this.#forAnyJob(jobId, epoch, undefined, (unit) => postponeJob(unit, jobId, at));
  }

  /**
   * The archive erased this epoch of the session. If nothing else is pending, the object is left as if it had never been.
   * @returns whether operators may have the job on their lists
   */
  async confirmErased(jobId: string, epoch: string): Promise<boolean> {
    const isKnown = this.#forAnyJob(jobId, epoch, false, (unit) => endJob(unit, jobId));
    await this.#calls.vanishIfDone();
    return isKnown;
  }

  /** What the copies of this session have yet to erase, or to confirm: see `readCopyErasures`. */
  async readPendingErasures(jobId: string, epoch: string, afterRow?: number): Promise<CopyErasuresStep | null> {
    return readCopyErasures(this.#calls.unit(), { jobId, epoch, afterRow });
  }

  /**
   * @param rows of what copies confirmed
   * @param further what copies of theirs have to be told
   * @param throughRow the last of what was told
   * @returns whether operators may have the job on their lists
   */
  async confirmCopyErasures(
    jobId: string,
    epoch: string,
    rows: readonly number[],
    further: readonly CopyErasures[],
    throughRow = 0,
  ): Promise<boolean> {
    const isKnown = this.#forAnyJob(jobId, epoch, false, (unit) => {
      const isListed = mayBeKnown(unit, jobId);
      confirmCopyErasures(unit, jobId, rows, further, throughRow);
      return isListed;
    });
    await this.#calls.vanishIfDone();
    return isKnown;
  }

  /** All of that was told once, and some of it not confirmed yet. */
  async waitForCopies(jobId: string, epoch: string): Promise<void> {
    this.#forAnyJob(jobId, epoch, undefined, (unit) => waitForCopies(unit, jobId, Math.random()));
  }

  /**
   * Erases what this session took from others that was erased there, and answers whether that is done. Called until it is.
   * @param place where what copies of this one have to be told is to go on from
   */
  async eraseCopied(erased: readonly Erased[], place: PassedOnPlace = FIRST_PLACE): Promise<CopyAnswer> {
    const done = this.#calls.change((unit) => eraseWhatWasCopied(unit, erased));
    return { ...done, ...answerForCopied(this.#calls.unit(), erased, place) };
  }

  /** What is left in the object: a session, no more than what the archive and copies have yet to confirm, or nothing. */
  async remains(): Promise<"session" | "pending" | "nothing"> {
    await this.#calls.vanishIfDone();
    const unit = this.#calls.unit();
    if (unit.row === null) return "nothing";
    return unit.findUnerased() === null ? "pending" : "session";
  }

  async stepExpiry(jobId: string, epoch: string): Promise<FoundExpiry> {
    const nothing: FoundExpiry = { step: "done", at: Date.now(), grantedAt: 0, hasFailed: false };
    return this.#calls.forJob(jobId, epoch, nothing, (unit) => findExpiry(unit, jobId));
  }

  /** Expires, or calls it off: see `settleExpiry`. */
  async confirmExpiry(jobId: string, epoch: string, step: "expire" | "cancel"): Promise<Ended> {
    return this.#calls.forJob(jobId, epoch, false, (unit) => settleExpiry(unit, jobId, step));
  }

  /** The next page to copy; null if nothing is to be copied any more. */
  async nextCopyStep(jobId: string, epoch: string): Promise<CopyStep | null> {
    return this.#calls.forJob(jobId, epoch, null, (unit) => nextCopyStep(unit, jobId));
  }

  /** A page for a copy of this session; null if it is gone. */
  async readCopyPage(epoch: string, afterSeq: Seq, throughSeq: Seq): Promise<CopyPage | null> {
    const unit = this.#calls.unit();
    return unit.findForJob(epoch) === null ? null : readCopyPage(unit, afterSeq, throughSeq);
  }

  /** @returns the next step; null if there is none, "known" if operators may have the job on their lists by then */
  async saveCopyPage(jobId: string, epoch: string, page: CopyPage): Promise<CopyStep | "known" | null> {
    return this.#calls.forJob(jobId, epoch, null, (unit) => landCopyPage(unit, jobId, page));
  }

  /** What was to be copied is gone, and so is the copy. @returns the newest grant of the directory that it knows of */
  async loseCopy(jobId: string, epoch: string): Promise<number> {
    return this.#calls.forJob(jobId, epoch, 0, loseCopy);
  }

  /** Where to carry over from; null if nothing is to be carried over any more. */
  async nextCarryOver(jobId: string, epoch: string): Promise<CarryOverStep | null> {
    return this.#calls.forJob(jobId, epoch, null, (unit) => nextCarryOver(unit, jobId));
  }

  /** What another session may carry over from this one; null if it is gone. */
  async readCarried(epoch: string, mayWait: boolean): Promise<Carried | null> {
    return this.#calls.change((unit) => readCarriedOf(unit, epoch, mayWait));
  }

  /** @returns false if it has to come again */
  async carryOver(jobId: string, epoch: string, lease: string, carriedItems: CarriedItems | null): Promise<Ended> {
    return this.#calls.forJob(jobId, epoch, true, (unit) => landCarried(unit, jobId, lease, carriedItems));
  }

  // What operators do

  /** What the object holds, and what is wrong with it by itself. Changes nothing. */
  async checkIntegrity(): Promise<IntegrityReport> {
    const alarmAt = await this.ctx.storage.getAlarm();
    // Nothing else runs in the object while its storage is read, so that the rest is of the same moment.
    return checkIntegrity(this.#calls.unit(), alarmAt);
  }

  /** A page of the summary's history in an epoch; null if that is over. */
  async checkSummaryIntegrity(epoch: string, afterVersion: number): Promise<SummaryIntegrity | null> {
    return this.#ofEpoch(epoch, (unit) => checkSummaryIntegrity(unit, afterVersion));
  }

  /** A page of the items of an epoch, held against what they cite; null if that is over. */
  async checkSourcesIntegrity(epoch: string, afterRow: number): Promise<SourcesIntegrity | null> {
    return this.#ofEpoch(epoch, (unit) => checkSourcesIntegrity(unit, afterRow));
  }

  /** A page of the log of an epoch; null if that is over. */
  async checkLogIntegrity(epoch: string, afterSeq: Seq): Promise<LogIntegrity | null> {
    return this.#ofEpoch(epoch, (unit) => checkLogIntegrity(unit, afterSeq));
  }

  /**
   * Sends the archive everything anew. Idempotent.
   * @param aboveRev the revision that the archive holds of this epoch; 0 if none
   * @returns `nothing` if there is nothing that the archive is to hold, `absent` if there is nothing to send it from
   */
  async resyncArchive(aboveRev: number): Promise<"scheduled" | "nothing" | "absent"> {
    return this.#calls.change((unit) => resyncArchive(unit, aboveRev));
  }

  /** Has a job tried again now. Idempotent. @returns false if it is over */
  async retryJob(jobId: string): Promise<boolean> {
    return this.#calls.change((unit) => retryJob(unit, jobId));
  }

  /** Gives a job up, if no promise rests on it. Idempotent. @returns false if it is over */
  async dropJob(jobId: string): Promise<Outcome<boolean>> {
    return this.#calls.answer((unit) => dropJob(unit, jobId));
  }

  /** Does what an operator asks of one session. A dry run does the same and takes it back, so that it tells what would be. */
  async maintain(
    task: MaintenanceTask,
    isDryRun: boolean,
    tenant?: TenantSettings,
  ): Promise<Outcome<MaintenanceResult>> {
    let result: MaintenanceResult = "nothing";
    const outcome = this.#calls.answer((unit) => {
      unit.requireSession();
      applyTenantSettings(unit);
      result = maintain(unit, task);
      if (isDryRun) throw new ThreadkeepError(TAKEN_BACK);
      return result;
    }, tenant);
    return !outcome.ok && outcome.fault === TAKEN_BACK ? { ok: true, value: result } : outcome;
  }

  /**
   * Makes the index of a session anew, a slice at a call. One that was never searched has none, and needs none.
   * @param isFirst drops what there is
   * @returns whether there is more to do; null: there is no index
   */
  async reindex(isFirst: boolean, isDryRun: boolean): Promise<Outcome<{ done: boolean } | null>> {
    return this.#calls.readSession((unit) => reindex(unit, { isFirst, isDryRun }));
  }

  // Sockets

  /** The epoch that a ticket for this session is bound to. */
  async ticketLife(): Promise<Outcome<string>> {
    return this.#calls.readSession((unit) => unit.session.epoch);
  }

  /** Opens a socket. Only the service can call it. */
  override async fetch(request: Request): Promise<Response> {
    return this.#live.open(request);
  }

  override async webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    await this.#live.message(socket, data);
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    this.#live.close(socket, code);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    this.#live.fail(socket);
  }

  override async alarm(): Promise<void> {
    await ringAlarm(this.#calls, this.env);
  }

  // Shared by the methods above

  #noteTrace(trace: string | undefined): void {
    this.#calls.unit().traces.noteCaller(trace);
  }

  /** By itself, so that it stands also where what follows is refused: the directory's entry then belongs to the epoch that is there. */
  #recordGrant(creation: SessionCreation, trace: string | undefined): void {
    this.#noteTrace(trace);
    this.#calls.change((unit) => recordGrant(unit, creation));
  }

  /** A consumer's call for a job that outlives its session. @param gone the answer where the job is over */
  #forAnyJob<T>(jobId: string, epoch: string, gone: T, body: (unit: Unit) => T): T {
    return this.#calls.unit().findJob(jobId, epoch) === null ? gone : this.#calls.change(body);
  }

  #ofEpoch<T>(epoch: string, body: (unit: Unit) => T): T | null {
    const unit = this.#calls.unit();
    return unit.findForJob(epoch) === null ? null : body(unit);
  }
}

const NOT_YET_CARRIED = { kind: "continuation", throughSeq: 0, state: "pending" } as const;

/** Never told: it rolls a dry run back. */
const TAKEN_BACK: Fault = { code: "internal", detail: "A dry run changes nothing." };
