import { DurableObject } from "cloudflare:workers";
import type { AppendRequest, AppendResult } from "../api/append.ts";
import type { Appender } from "../api/audit.ts";
import type { ContextRequest, RenderedContext } from "../api/context.ts";
import type { NearItems, NearItemsRequest, QueryMeaning } from "../api/embedding.ts";
import { type Fault, type Outcome, ThreadkeepError } from "../api/errors.ts";
import type { LogIntegrity, IntegrityReport, SourcesIntegrity, SummaryIntegrity } from "../api/finding.ts";
import type { Job, SummarizeRequest } from "../api/job.ts";
import type { Rev } from "../api/live.ts";
import type { Erasure, Message, MessagePatch, Seq } from "../api/message.ts";
import type { Page } from "../api/page.ts";
import type { SearchRequest, SearchResult } from "../api/search.ts";
import type { BranchRequest, SessionPatch, SessionState } from "../api/session.ts";
import type { SummarizerAnswer } from "../api/summarizer.ts";
import type { ExpandedSummary, Loss, RestoreRequest, Summary, SummaryChanges, SummaryVersion } from "../api/summary.ts";
import { jurisdictionSchema, type TenantSettings } from "../api/tenant.ts";
import type { MessageLine } from "../api/transfer.ts";
import type { UserTaken } from "../api/user-quota.ts";
import type { UsersMay } from "../api/users-may.ts";
import { createDirectoryClient } from "../directory/client.ts";
import type { Living } from "../directory/listing-client.ts";
import { createUserDayClient } from "../directory/user-day-client.ts";
import { createJurisdictions } from "../lib/jurisdiction.ts";
import type { JobStanding } from "../lib/retry-policy.ts";
import { createLog } from "../telemetry/log.ts";
import type { TakenShardNamespace } from "../tenant/taken-client.ts";
import {
  resyncArchive,
  type ArchiveDelta,
  type Confirmed,
  forgetArchived,
  readArchiveDelta,
  settleArchived,
} from "./archive/index.ts";
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
  type CopyPage,
  type CopyStep,
  createFork,
  type Erased,
  type ExportCursor,
  type ExportEnd,
  type ExportHead,
  type ExportMoment,
  finishedImport,
  finishImportedSession,
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
  readCopyPage,
  readExportEnd,
  readExportHead,
  readExportPage,
  readImport,
  recordImportGrant,
  requireExported,
  saveImportPage,
  type ToldCopy,
  vouchFor,
  waitForCopies,
  type CopyErasuresStep,
  landCarried,
  landCopyPage,
  readCarriedOf,
  readCopyErasures,
} from "./copies/index.ts";
import {
  eraseSession,
  UNKNOWN_MESSAGE,
  answerForCopied,
  eraseWhatWasCopied,
  type ErasureStep,
  loseCopy,
  readErasure,
} from "./erase/index.ts";
import { createFanOutClient } from "./fan-out-client.ts";
import {
  type FrameSender,
  type LiveEnv,
  type MeaningOf,
  type RequestFrame,
  type Served,
  SessionFeed,
  type SoughtContext,
  type Told,
  type ToldPage,
} from "./live/index.ts";
import {
  appendForClient,
  applyTenantSettings,
  type AskedCreation,
  askToCreate,
  type ClientAppend,
  type SessionCreation,
  contextAfterAppend,
  createSession,
  editForClient,
  eraseForClient,
  type MessageQuery,
  type OwnerDirectory,
  readMessage,
  readMessages,
  readState,
  readSummaries,
  recordGrant,
  renderSessionContext,
  renewIfKnown,
  switchForClient,
  type UpdatedSession,
  updateForClient,
  writeSessionContext,
} from "./log/index.ts";
import {
  dropJob,
  type Ended,
  endJob,
  type Failed,
  failJob,
  type FailureReport,
  findExpiry,
  type FoundExpiry,
  type Listing,
  listingOf,
  mayBeKnown,
  noteUndelivered,
  type OutboxQueues,
  postponeJob,
  type PutOff,
  putOff,
  retryJob,
  ringAlarm,
  settleExpiry,
  settleListed,
  standingOf,
} from "./outbox/index.ts";
import { TenantQuota, tokensOf, UserQuota } from "./quota/index.ts";
import { nearItems, questionOf, searchMessages } from "./search/index.ts";
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
  landAnswer,
  landVectors,
  needsNewVectors,
  scheduleEmbedding,
  type SavedVectors,
  stepEmbedding,
  stepSummary,
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

const log = createLog();
const inJurisdiction = createJurisdictions(log);

/** The part of the environment that a session's object uses. */
export interface ChatSessionEnv extends OutboxQueues, LiveEnv {
  readonly TAKEN_SHARD: TakenShardNamespace;
  readonly AUDIT_QUEUE: Queue;
  /** The namespace of the directories, which register new sessions and count what a user has used in a day. */
  readonly DIRECTORY: DurableObjectNamespace;
  /** The namespace of the fan-out objects, which keep sockets of sessions with very many. */
  readonly FAN_OUT: DurableObjectNamespace;
}

/**
 * One chat session: a Durable Object whose methods clients, queue consumers and operators call. Each method runs one
 * function of a slice in a unit of work; the function decides, and `Transactions` commits. An object that was never
 * written to has no tables, and reading it does not create any.
 *
 * In all methods: `tenant` are the tenant's settings as the caller knows them, `trace` is the `traceparent` of the
 * request, and `isByUser` tells whether the session's user makes the call, and not the tenant's back end. Methods that
 * take a `jobId` change nothing if that job is done. Methods that return an `Outcome` return a fault where they refuse
 * a call; they throw only on an internal error.
 */
export class ChatSession extends DurableObject<ChatSessionEnv> {
  readonly #calls: Transactions;
  readonly #live: SessionFeed;
  readonly #directory: OwnerDirectory;
  readonly #lastPage = new LastPage();

  /** @param meaningOf how vectors of queries in frames are requested; null if embeddings are off */
  constructor(ctx: DurableObjectState, env: ChatSessionEnv, meaningOf: () => MeaningOf | null) {
    super(ctx, env);
    const keepAlive = (work: Promise<void>): void => ctx.waitUntil(work);
    const { data: place } = jurisdictionSchema.safeParse(ctx.id.jurisdiction);
    this.#directory = createDirectoryClient(env.DIRECTORY, async (all) =>
      place === undefined ? all : inJurisdiction(all, place),
    );
    const tellUserDay = createUserDayClient(() => this.env.DIRECTORY, ctx.id.jurisdiction, log);
    this.#calls = new Transactions(ctx, {
      tenant: new TenantQuota(() => this.env.TAKEN_SHARD, keepAlive),
      user: new UserQuota(tellUserDay, keepAlive),
    });
    const fanOuts = createFanOutClient(() =>
      place === undefined ? this.env.FAN_OUT : inJurisdiction(this.env.FAN_OUT, place),
    );
    this.#live = new SessionFeed(ctx, () => this.env, this.#calls, this, {
      fanOutOf: (fanOut) => fanOuts.get(this.#calls.unit().session, fanOut),
      meaningOf,
    });
  }

  // What clients do

  /**
   * Creates the session if it does not exist.
   * @param continued the epoch of a session with whose summary a new session begins
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
   * Appends messages.
   * @param creation what to create the session with if it does not exist; null: it is then `session_not_found`
   * @param by who appends, for the audit log
   */
  async append(
    request: AppendRequest,
    creation: AskedCreation | null,
    tenant?: TenantSettings,
    by?: Appender,
    trace?: string,
  ): Promise<Outcome<AppendResult>> {
    this.#noteTrace(trace);
    if (creation === null || this.#calls.unit().findUnerased() !== null) {
      return this.#append({ request, creation: null, by }, tenant);
    }
    const granted = await askToCreate(this.#calls.unit(tenant), this.#directory, { request, creation, by });
    if (!granted.ok) return granted;
    const appended = this.#append({ request, creation: granted.value, by }, tenant);
    if (appended.ok) await renewIfKnown(this.#calls.unit(), this.#directory, granted.value);
    return appended;
  }

  /** The session's state, also while it is being copied or imported: clients poll it to see when it is complete. */
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

  /** @param byUser what the tenant lets its users do, if a user makes the edit */
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
   * Erases the session. For clients it does not exist from now on; the archive's rows and the copies are erased in the
   * background.
   * @returns also the newest creation grant of the erased epoch, for the directory
   */
  async erase(trace?: string): Promise<Outcome<Erasure & { grantedAt: number }>> {
    this.#noteTrace(trace);
    return this.#calls.answer((unit) => {
      const { session, grantedAt } = unit.findUnerased() ?? unit.requireSession();
      eraseSession(unit);
      return { id: session, state: "erasing", grantedAt };
    });
  }

  /** @param meaning the vector of the query, or the reason why there is none; here and below */
  async context(
    request: ContextRequest,
    tenant?: TenantSettings,
    meaning?: QueryMeaning,
  ): Promise<Outcome<RenderedContext>> {
    return this.#readByMeaning(meaning, (unit) => renderSessionContext(unit, request, meaning), tenant);
  }

  /** Does the same, and returns JSON text. */
  async contextJson(
    request: ContextRequest,
    tenant?: TenantSettings,
    meaning?: QueryMeaning,
  ): Promise<Outcome<string>> {
    return this.#readByMeaning(meaning, (unit) => writeSessionContext(unit, request, meaning), tenant);
  }

  async search(request: SearchRequest, meaning?: QueryMeaning): Promise<Outcome<SearchResult>> {
    return this.#readByMeaning(meaning, (unit) => searchMessages(unit, request, meaning));
  }

  /** Does the same, and returns JSON text. */
  async searchJson(request: SearchRequest, meaning?: QueryMeaning): Promise<Outcome<string>> {
    return this.#readByMeaning(meaning, (unit) => JSON.stringify(searchMessages(unit, request, meaning)));
  }

  /**
   * The newest message of a user on the active branch, shortened: what a context with the query `auto` searches for.
   * Null if there is none near the end of the branch.
   */
  async newestQuestion(): Promise<Outcome<string | null>> {
    return this.#calls.readSession(questionOf);
  }

  /** The items of the newest version that are nearest to a query in meaning. */
  async nearItems(request: NearItemsRequest): Promise<Outcome<NearItems>> {
    return this.#readByMeaning(request.query, (unit) => nearItems(unit, request));
  }

  /** Reads. If the vectors are of an earlier model than the query's, it also schedules the job that makes new ones. */
  #readByMeaning<T>(meaning: QueryMeaning | undefined, body: (unit: Unit) => T, tenant?: TenantSettings): Outcome<T> {
    const outcome = this.#calls.readSession(body, tenant);
    if (outcome.ok && needsNewVectors(this.#calls.unit(), meaning)) {
      this.#calls.change((unit) => scheduleEmbedding(unit, false));
    }
    return outcome;
  }

  async summaries(before: number | undefined, limit: number): Promise<Outcome<Page<SummaryVersion>>> {
    return this.#calls.readSession((unit) => readSummaries(unit, before, limit));
  }

  /** @param expandSources whether to include the messages that its items cite */
  async summary(version: number, expandSources: boolean): Promise<Outcome<ExpandedSummary>> {
    return this.#calls.readSession((unit) => readSummaryVersion(unit, version, expandSources));
  }

  /**
   * What a version says that another does not, and the other way round.
   * @param from the other version; undefined: the one before
   */
  async compareSummaries(version: number, from: number | undefined): Promise<Outcome<SummaryChanges>> {
    return this.#calls.readSession((unit) => knownSummary(compareSummaries(unit, version, from)));
  }

  /** A page of what users said in the messages that a version covers, and that the version does not say. */
  async losses(version: number, afterSeq: Seq, limit: number): Promise<Outcome<Page<Loss>>> {
    return this.#calls.readSession((unit) => knownSummary(readLosses(unit, version, afterSeq, limit)));
  }

  /** Makes a new version of the summary with the items of an earlier one. Later summaries continue from it. */
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

  /**
   * Schedules a summary at a client's request, and waits up to `waitMs` ms for it. `job` is null if there is nothing to
   * summarize.
   */
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
   * Called on the source of a fork: records that the fork takes messages from it, and returns what the fork begins
   * with.
   * @param copy the name of the fork
   * @param counted the tenant whose limits apply; undefined if the fork exists already
   * @param byUser the settings that a user chose for the fork
   */
  async beginFork(
    copy: string,
    throughSeq: Seq | undefined,
    counted?: TenantSettings,
    byUser?: ForkSettings,
  ): Promise<Outcome<BegunFork>> {
    return this.#calls.answer((unit) => beginFork(unit, copy, { throughSeq, byUser, counted }));
  }

  /** What a fork would copy as of now. Used to check the user's daily limit before the fork is begun. */
  async forkSize(throughSeq: Seq | undefined): Promise<Outcome<Pick<UserTaken, "messages" | "tokens" | "bytes">>> {
    return this.#calls.readSession((unit) => forkSize(unit, throughSeq));
  }

  /**
   * Creates this session as a fork, and waits up to `waitMs` ms for it to be complete. Repeating the call returns the
   * same session.
   * @param source what `beginFork` returned
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

  /**
   * Called on the source of a continuation: records that the session `copy` takes items from it. The source may have
   * expired.
   */
  async beginContinuation(copy: string): Promise<Outcome<EpochRef>> {
    return this.#calls.answer((unit) => beginContinuation(unit, copy));
  }

  // Export and import

  async beginExport(): Promise<Outcome<ExportHead>> {
    return this.#calls.readSession(readExportHead);
  }

  async exportPage(head: ExportMoment, afterSeq: Seq): Promise<Outcome<MessageLine[]>> {
    return this.#calls.read((unit) => readExportPage(requireExported(unit, head), afterSeq, head.headSeq));
  }

  /** @param from the cursor that the previous page returned; null for the first page */
  async endExport(head: ExportMoment, from: ExportCursor | null = null): Promise<Outcome<ExportEnd>> {
    return this.#calls.read((unit) => readExportEnd(requireExported(unit, head), head, from));
  }

  /**
   * Begins an import: creates a session that clients cannot see until it is complete. Repeating the call changes
   * nothing.
   */
  async beginImport(
    creation: SessionCreation,
    begun: BegunImport,
    tenant?: TenantSettings,
    trace?: string,
  ): Promise<Outcome<ImportStanding>> {
    this.#recordGrant(creation, trace);
    return this.#calls.answer((unit) => beginImport(unit, creation, begun), tenant);
  }

  /** How far an import is. */
  async readImport(id: string): Promise<Outcome<ImportStanding>> {
    return this.#calls.read((unit) => readImport(unit, id));
  }

  /** Saves a page of an import's lines: see the function of the same name. */
  async saveImportPage(
    epoch: string,
    lines: readonly NumberedLine[],
    throughLine: number,
  ): Promise<Outcome<ImportProgress>> {
    return this.#calls.answer((unit) => saveImportPage(unit, this.#lastPage, { epoch, lines, throughLine }));
  }

  /**
   * Checks that an import can be finished: the file is complete, and the tenant's limits allow it. The caller lists the
   * session in the directory only after this.
   */
  async checkImport(epoch: string): Promise<Outcome<null>> {
    return this.#calls.answer((unit) => checkImport(unit, epoch));
  }

  /**
   * Finishes an import: from now on the session exists. Repeating the call returns the same.
   * @param grantedAt the directory's creation grant, given when it listed the session
   * @param isKnown whether the directory has an entry of an earlier epoch, which must be updated
   * @returns `isRepeated`: another call has finished it already
   */
  async finishImport(
    epoch: string,
    { grantedAt = 0, isKnown = false }: Pick<SessionCreation, "grantedAt" | "isKnown"> = {},
  ): Promise<Outcome<FinishedImport & { readonly isRepeated: boolean }>> {
    const finished = finishedImport(this.#calls.unit(), epoch);
    if (finished !== null) return { ok: true, value: { ...finished, isRepeated: true } };
    // In a transaction of its own, so that the grant stays recorded even if the import is refused.
    const recorded = this.#calls.answer((unit) => recordImportGrant(unit, epoch, grantedAt));
    if (!recorded.ok) return recorded;
    return this.#calls.answer((unit) => ({ ...finishImportedSession(unit, epoch, isKnown), isRepeated: false }));
  }

  /**
   * Called on a session whose messages the items of an import cite: tells which of these claims its messages support.
   */
  async vouch(copy: string, claims: readonly Claim[]): Promise<Outcome<EpochRef & { readonly answers: boolean[] }>> {
    return this.#calls.answer((unit) => vouchFor(unit, copy, claims));
  }

  /**
   * Deletes everything of an import that failed.
   * @param grantedAt the newest creation grant that the caller was given for it
   * @returns the newest creation grant of the import, by which the caller removes the directory's entry; null if the
   * caller has nothing to remove
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

  /** Saves a summarizer's answer: see `SavedAnswer`. */
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

  /** @param model the model that makes vectors now; null: vectors are switched off, and the job ends */
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

  /** Puts a job off that could not be done yet. The object sends it again after a pause. */
  async putOff(jobId: string, epoch: string, how: PutOff): Promise<void> {
    this.#forAnyJob(jobId, epoch, undefined, (unit) => putOff(unit, jobId, how));
  }

  async jobStanding(jobId: string, epoch: string): Promise<JobStanding> {
    const unit = this.#calls.unit();
    return standingOf(unit.findJob(jobId, epoch), unit.now);
  }

  /**
   * Notes that a job was put on the operators' list of failed jobs.
   * @returns false if the job is done, so that it need not be listed
   */
  async noteUndelivered(jobId: string, epoch: string, reason: string, failedAt: number = Date.now()): Promise<boolean> {
    return this.#forAnyJob(jobId, epoch, false, (unit) =>
      noteUndelivered(unit, unit.store.jobs.byId(jobId), reason, failedAt),
    );
  }

  /** What the archive is missing; null if the job is done. */
  async readArchiveDelta(jobId: string, epoch: string): Promise<ArchiveDelta | null> {
    return this.#calls.forJob(jobId, epoch, null, (unit) => readArchiveDelta(unit, jobId));
  }

  /** @returns whether the job may be on the operators' list of failed jobs, and has to be removed from it */
  async confirmArchived(jobId: string, epoch: string, delta: Confirmed): Promise<boolean> {
    return this.#calls.forJob(jobId, epoch, false, (unit) => settleArchived(unit, jobId, delta));
  }

  /** The archive has lost what it confirmed: everything is sent again. See the function of the same name. */
  async forgetArchived(jobId: string, epoch: string, outrankedBy?: number): Promise<void> {
    this.#calls.forJob(jobId, epoch, undefined, (unit) => forgetArchived(unit, jobId, outrankedBy));
  }

  /** What the directory's entry of this session must say; null if there is no session. */
  async listing(): Promise<Living | null> {
    const session = this.#calls.unit().findUnerased();
    if (session === null) return null;
    const { metadata, copying, begunBy } = session;
    return { metadata, isListed: copying?.kind !== "import", begunBy };
  }

  /** The newest metadata for the directory; null if it has confirmed them. */
  async readListing(jobId: string, epoch: string): Promise<Listing | null> {
    return this.#calls.forJob(jobId, epoch, null, (unit) => listingOf(unit.session));
  }

  /**
   * The directory has stored the metadata of revision `metadataRev`: see `settleListed`.
   * @returns whether nothing more has to be sent to it
   */
  async confirmListed(epoch: string, metadataRev: number, isConsumer = false): Promise<Ended> {
    const { row, store } = this.#calls.unit();
    const job = row === null ? null : store.jobs.first("list");
    if (job === null) return false;
    return this.#calls.forJob(job.id, epoch, false, (unit) => settleListed(unit, job.id, { metadataRev, isConsumer }));
  }

  async readErasure(jobId: string, epoch: string): Promise<ErasureStep | null> {
    return readErasure(this.#calls.unit(), jobId, epoch);
  }

  /** The directory may still have to be changed: the erasure cannot be confirmed before `at` (ms since 1970). */
  async postponeErasure(jobId: string, epoch: string, at: number): Promise<void> {
    this.#forAnyJob(jobId, epoch, undefined, (unit) => postponeJob(unit, jobId, at));
  }

  /**
   * The archive has erased this epoch. If nothing else is pending, the object is emptied.
   * @returns whether the job may be on the operators' list of failed jobs
   */
  async confirmErased(jobId: string, epoch: string): Promise<boolean> {
    const isKnown = this.#forAnyJob(jobId, epoch, false, (unit) => endJob(unit, jobId));
    await this.#calls.vanishIfDone();
    return isKnown;
  }

  /** What copies of this session still have to erase or to confirm: see `readCopyErasures`. */
  async readPendingErasures(jobId: string, epoch: string, afterCopy?: number): Promise<CopyErasuresStep | null> {
    return readCopyErasures(this.#calls.unit(), { jobId, epoch, afterCopy });
  }

  /**
   * Records which copies have confirmed what they were told, and which further copies they named.
   * @param throughCopy the row of the copy after which the next delivery continues
   * @returns whether the job may be on the operators' list of failed jobs
   */
  async confirmCopyErasures(
    jobId: string,
    epoch: string,
    told: readonly ToldCopy[],
    throughCopy = 0,
  ): Promise<boolean> {
    const isKnown = this.#forAnyJob(jobId, epoch, false, (unit) => {
      const isListed = mayBeKnown(unit, jobId);
      confirmCopyErasures(unit, jobId, told, throughCopy);
      return isListed;
    });
    await this.#calls.vanishIfDone();
    return isKnown;
  }

  /** Every copy was told in this round, and some have not confirmed: they are asked again later. */
  async waitForCopies(jobId: string, epoch: string): Promise<void> {
    this.#forAnyJob(jobId, epoch, undefined, (unit) => waitForCopies(unit, jobId, Math.random()));
  }

  /**
   * Called on a copy: erases what it took from other sessions and was erased there. The caller repeats it until the
   * copy confirms.
   * @param afterCopy where to continue the list of the copies of this copy
   */
  async eraseCopied(erased: readonly Erased[], afterCopy = 0): Promise<CopyAnswer> {
    const done = this.#calls.change((unit) => eraseWhatWasCopied(unit, erased));
    return { ...done, ...answerForCopied(this.#calls.unit(), erased, afterCopy) };
  }

  /**
   * What is in the object: a session; only what the archive and the copies have not confirmed yet (`pending`); or
   * nothing.
   */
  async remains(): Promise<"session" | "pending" | "nothing"> {
    await this.#calls.vanishIfDone();
    const unit = this.#calls.unit();
    if (unit.row === null) return "nothing";
    return unit.findUnerased() === null ? "pending" : "session";
  }

  async stepExpiry(jobId: string, epoch: string): Promise<FoundExpiry> {
    const nothing: FoundExpiry = { step: "done", at: Date.now(), grantedAt: 0, hasFailed: false, archivedRev: 0 };
    return this.#calls.forJob(jobId, epoch, nothing, (unit) => findExpiry(unit, jobId));
  }

  /** Expires the session, or cancels that: see `settleExpiry`. */
  async confirmExpiry(jobId: string, epoch: string, step: "expire" | "cancel"): Promise<Ended> {
    return this.#calls.forJob(jobId, epoch, false, (unit) => settleExpiry(unit, jobId, step));
  }

  /** The next page that a fork needs; null if it needs none. */
  async nextCopyStep(jobId: string, epoch: string): Promise<CopyStep | null> {
    return this.#calls.forJob(jobId, epoch, null, (unit) => nextCopyStep(unit, jobId));
  }

  /** Called on the source of a fork: a page of its messages; null if that epoch is over. */
  async readCopyPage(epoch: string, afterSeq: Seq, throughSeq: Seq): Promise<CopyPage | null> {
    const unit = this.#calls.unit();
    return unit.findForJob(epoch) === null ? null : readCopyPage(unit, afterSeq, throughSeq);
  }

  /**
   * @returns the next step; null if there is none; "known" if there is none, and the job may be on the operators' list
   * of failed jobs
   */
  async saveCopyPage(jobId: string, epoch: string, page: CopyPage): Promise<CopyStep | "known" | null> {
    return this.#calls.forJob(jobId, epoch, null, (unit) => landCopyPage(unit, jobId, page));
  }

  /**
   * The source of a fork is gone, so the fork is deleted.
   * @returns the newest creation grant of the fork, for the directory
   */
  async loseCopy(jobId: string, epoch: string): Promise<number> {
    return this.#calls.forJob(jobId, epoch, 0, loseCopy);
  }

  /** Which session to carry items over from; null if there is nothing left to do. */
  async nextCarryOver(jobId: string, epoch: string): Promise<CarryOverStep | null> {
    return this.#calls.forJob(jobId, epoch, null, (unit) => nextCarryOver(unit, jobId));
  }

  /** Called on a session that another continues: the items to carry over; null if that epoch is over. */
  async readCarried(epoch: string, mayWait: boolean): Promise<Carried | null> {
    return this.#calls.change((unit) => readCarriedOf(unit, epoch, mayWait));
  }

  /** @returns false if the caller has to call again later */
  async carryOver(jobId: string, epoch: string, lease: string, carriedItems: CarriedItems | null): Promise<Ended> {
    return this.#calls.forJob(jobId, epoch, true, (unit) => landCarried(unit, jobId, lease, carriedItems));
  }

  // What operators do

  /**
   * What the object holds, and which flaws it can find without reading the log and the history of summaries. Changes
   * nothing.
   */
  async checkIntegrity(): Promise<IntegrityReport> {
    const alarmAt = await this.ctx.storage.getAlarm();
    // From here on, nothing else runs in the object: all that is read belongs to one moment.
    return checkIntegrity(this.#calls.unit(), alarmAt);
  }

  /** Checks a page of an epoch's versions of the summary; null if the epoch is over. */
  async checkSummaryIntegrity(epoch: string, afterVersion: number): Promise<SummaryIntegrity | null> {
    return this.#ofEpoch(epoch, (unit) => checkSummaryIntegrity(unit, afterVersion));
  }

  /** Checks a page of an epoch's items against the messages that they cite; null if the epoch is over. */
  async checkSourcesIntegrity(epoch: string, afterRow: number): Promise<SourcesIntegrity | null> {
    return this.#ofEpoch(epoch, (unit) => checkSourcesIntegrity(unit, afterRow));
  }

  /** Checks a page of an epoch's log; null if the epoch is over. */
  async checkLogIntegrity(epoch: string, afterSeq: Seq): Promise<LogIntegrity | null> {
    return this.#ofEpoch(epoch, (unit) => checkLogIntegrity(unit, afterSeq));
  }

  /**
   * Sends everything again to the archive. Idempotent.
   * @param aboveRev the revision that the archive holds of this epoch; 0 if none
   * @returns `nothing` if there is nothing to archive, `absent` if there is no session to archive
   */
  async resyncArchive(aboveRev: number): Promise<"scheduled" | "nothing" | "absent"> {
    return this.#calls.change((unit) => resyncArchive(unit, aboveRev));
  }

  /**
   * Makes a job due now. Idempotent.
   * @returns false if it is done
   */
  async retryJob(jobId: string): Promise<boolean> {
    return this.#calls.change((unit) => retryJob(unit, jobId));
  }

  /**
   * Gives a job up, if that breaks no promise of the service. Idempotent.
   * @returns false if it is done
   */
  async dropJob(jobId: string): Promise<Outcome<boolean>> {
    return this.#calls.answer((unit) => dropJob(unit, jobId));
  }

  /**
   * Does one task of an operator for this session. A dry run does the same and rolls it back, so that its result tells
   * what the task would do.
   */
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
   * Rebuilds the search index, one part with each call. A session that was never searched has no index, and needs none.
   * @param isFirst whether to drop the old index first
   * @returns `done: false` if there is more to do; null if there is no index
   */
  async reindex(isFirst: boolean, isDryRun: boolean): Promise<Outcome<{ done: boolean } | null>> {
    return this.#calls.readSession((unit) => reindex(unit, { isFirst, isDryRun }));
  }

  // Sockets

  /** The epoch in which a ticket for this session is valid. */
  async epochForTicket(): Promise<Outcome<string>> {
    return this.#calls.readSession((unit) => unit.session.epoch);
  }

  /** A fan-out object has sockets and wants to be told of changes: see `FanOuts.follow`. */
  async followForFanOut(fanOut: number): Promise<Told | null> {
    return this.#live.follow(fanOut);
  }

  /** The next events after a rev, for a fan-out object; null if this object holds no session. */
  async readFeedPage(epoch: string, after: Rev): Promise<ToldPage | null> {
    return this.#live.page(epoch, after);
  }

  /** Serves a frame that a fan-out object received. */
  async serveFrame(
    epoch: string,
    frame: RequestFrame,
    sender: FrameSender,
    isByMeaning: boolean,
  ): Promise<Outcome<Served>> {
    return this.#live.serveFrame(epoch, frame, sender, isByMeaning);
  }

  /** Reads the context that such a frame waits for. */
  async readSought(epoch: string, sought: SoughtContext, meaning: QueryMeaning): Promise<Outcome<RenderedContext>> {
    return this.#live.readSought(epoch, sought, meaning);
  }

  /** Opens a WebSocket for the live feed. Only code of this service can call it. */
  override async fetch(request: Request): Promise<Response> {
    return this.#live.open(request);
  }

  override async webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    await this.#live.live.message(socket, data);
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    this.#live.live.close(socket, code);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    this.#live.live.fail(socket);
  }

  override async alarm(): Promise<void> {
    await ringAlarm(this.#calls, this.env);
  }

  // Shared by the methods above

  #append(append: ClientAppend, tenant: TenantSettings | undefined): Outcome<AppendResult> {
    const appended = this.#calls.answer((unit) => appendForClient(unit, append), tenant);
    const { context } = append.request;
    if (!appended.ok || context === undefined) return appended;
    // After the append has committed: a fault while the context is made must not roll the messages back.
    return { ok: true, value: { ...appended.value, ...contextAfterAppend(this.#calls.unit(), context) } };
  }

  #noteTrace(trace: string | undefined): void {
    this.#calls.unit().traces.noteCaller(trace);
  }

  /**
   * Records the creation grant in a transaction of its own, so that it stays recorded even if the call is then refused:
   * the directory's entry, which has this grant, must belong to the epoch that exists.
   */
  #recordGrant(creation: SessionCreation, trace: string | undefined): void {
    this.#noteTrace(trace);
    this.#calls.change((unit) => recordGrant(unit, creation));
  }

  /**
   * Runs a consumer's call for a job that goes on after its session was erased or has expired.
   * @param gone what to return if the job is done
   */
  #forAnyJob<T>(jobId: string, epoch: string, gone: T, body: (unit: Unit) => T): T {
    return this.#calls.unit().findJob(jobId, epoch) === null ? gone : this.#calls.change(body);
  }

  #ofEpoch<T>(epoch: string, body: (unit: Unit) => T): T | null {
    const unit = this.#calls.unit();
    return unit.findForJob(epoch) === null ? null : body(unit);
  }
}

const NOT_YET_CARRIED = { kind: "continuation", throughSeq: 0, state: "pending" } as const;

/** Rolls a dry run back. It is never sent to a client. */
const TAKEN_BACK: Fault = { code: "internal", detail: "A dry run changes nothing." };
