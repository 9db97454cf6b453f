import { DurableObject } from "cloudflare:workers";
import type { AppendRequest, AppendResult } from "../contracts/append.ts";
import type { ContextRequest, RenderedContext } from "../contracts/context.ts";
import { type Fault, type Outcome, ThreadkeepError } from "../contracts/errors.ts";
import type { Job, SummarizeRequest } from "../contracts/job.ts";
import type { Erasure, Message, MessagePatch, Seq } from "../contracts/message.ts";
import type { Page } from "../contracts/page.ts";
import type { SearchRequest, SearchResult } from "../contracts/search.ts";
import type { Metadata, SessionPatch, SessionRef, SessionSettings, SessionState } from "../contracts/session.ts";
import type { SummarizerAnswer } from "../contracts/summarizer.ts";
import type { Summary } from "../contracts/summary.ts";
import { renderContext } from "../memory/formats.ts";
import { createLog } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { appendMessages, messageId } from "./append.ts";
import { type ArchiveDelta, confirmArchived, forgetArchived, readArchiveDelta } from "./archiving.ts";
import { editMessage, eraseMessage, eraseSession } from "./erasing.ts";
import { type FailureReport, noteFailure, noteNotSent, oweArchive, takeDueJobs, toJob } from "./owed-work.ts";
import {
  findMessage,
  type MessageQuery,
  readContext,
  readMessages,
  readState,
  readSummaries,
  toMessage,
  toSummary,
} from "./reading.ts";
import { retrieveForContext, searchMessages } from "./retrieving.ts";
import { migrate, MIGRATIONS, schemaVersion } from "./schema.ts";
import { SearchIndex } from "./search-index.ts";
import { type JobRow, type SessionRow, SessionStore } from "./store.ts";
import {
  beginSummary,
  NOTHING_OWED,
  oweSummaryByHand,
  oweSummaryIfDue,
  saveAnswer,
  type SummaryStep,
} from "./summarizing.ts";

/** The part of the environment that a session uses. */
export interface ChatSessionEnv {
  readonly SUMMARIZE_QUEUE: Queue;
  readonly ARCHIVE_QUEUE: Queue;
}

/** What a session is created with, at its first write. */
export interface Birth {
  readonly ref: SessionRef;
  readonly createdAt: number;
  readonly metadata?: Metadata;
  readonly settings?: SessionSettings;
}

const HASH_KEY_BYTES = 32;

/** A fault that rolls a transaction back on its way out. */
class Refusal extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.code);
    this.fault = fault;
  }
}

const log = createLog();

/**
 * One chat session. A shell: it loads, lets the modules beside it decide, stores, and arms its one alarm, all in one
 * transaction. An object that was never written to has no schema, and reading it leaves it so.
 */
export class ChatSession extends DurableObject<ChatSessionEnv> {
  readonly #store: SessionStore;
  readonly #search: SearchIndex;
  /** The session's row as it stands; undefined until read. */
  #session: SessionRow | null | undefined;
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(ctx: DurableObjectState, env: ChatSessionEnv) {
    super(ctx, env);
    this.#store = new SessionStore(ctx.storage.sql);
    this.#search = new SearchIndex(ctx.storage);
    const version = schemaVersion(ctx.storage.sql);
    if (version === 0) {
      this.#session = null;
      return;
    }
    if (version < MIGRATIONS.length) this.#transact(() => migrate(ctx.storage.sql));
    if (this.#store.nextSendAt() !== null) {
      // An alarm that failed too often is gone for good: owed work must not wait for the next append.
      void ctx.blockConcurrencyWhile(async () => {
        if ((await ctx.storage.getAlarm()) === null) this.#arm();
      });
    }
  }

  // Clients

  /** Creates the session if it is not there. */
  async create(birth: Birth): Promise<Outcome<{ session: SessionState; created: boolean }>> {
    return this.#answer(() => {
      const existing = this.#load();
      const session = existing ?? this.#create(birth);
      return { session: readState(this.#store, session), created: existing === null };
    });
  }

  /** Appends a batch. Without `birth` an unknown session stays unknown. */
  async append(request: AppendRequest, birth: Birth | null): Promise<Outcome<AppendResult>> {
    return this.#answer(() => {
      const session = this.#load() ?? (birth === null ? null : this.#create(birth));
      if (session === null) throw new Refusal(UNKNOWN_SESSION);
      const now = Date.now();
      const outcome = appendMessages(this.#store, session, request.messages, request.expectedHeadSeq, now);
      if (!outcome.ok) throw new Refusal(outcome.fault);
      const { messages, headSeq, createdCount } = outcome.value;
      if (createdCount > 0 && oweSummaryIfDue(this.#store, session, newId, now)) this.#arm();
      const context = request.context === undefined ? undefined : this.#context(session, request.context);
      return { messages, headSeq, ...(context === undefined ? {} : { context }) };
    });
  }

  async state(): Promise<Outcome<SessionState>> {
    return this.#read(() => readState(this.#store, this.#known()));
  }

  async update(patch: SessionPatch): Promise<Outcome<SessionState>> {
    return this.#answer(() => {
      const session = this.#known();
      this.#store.updateSession(patch.metadata ?? session.metadata, patch.settings ?? session.settings);
      this.#session = undefined;
      const updated = this.#known();
      const now = Date.now();
      const isArchived = session.archiveRev > 0;
      if (isArchived && patch.metadata !== undefined) this.#oweArchive(updated, now);
      if (oweSummaryIfDue(this.#store, updated, newId, now) || isArchived) this.#arm();
      return readState(this.#store, this.#known());
    });
  }

  async messages(query: MessageQuery): Promise<Outcome<Page<Message>>> {
    return this.#read(() => {
      this.#known();
      return readMessages(this.#store, query);
    });
  }

  async message(id: string): Promise<Outcome<Message>> {
    return this.#read(() => {
      this.#known();
      const row = findMessage(this.#store, id);
      if (row === null) throw new Refusal(UNKNOWN_MESSAGE);
      return toMessage(row);
    });
  }

  async editMessage(id: string, patch: MessagePatch): Promise<Outcome<Message>> {
    return this.#answer(() => {
      const outcome = editMessage(this.#store, this.#known(), id, patch, newId, Date.now());
      if (!outcome.ok) throw new Refusal(outcome.fault);
      this.#search.update(outcome.value.seq);
      this.#changed();
      return toMessage(outcome.value);
    });
  }

  async eraseMessage(id: string): Promise<Outcome<Erasure>> {
    return this.#answer(() => {
      const outcome = eraseMessage(this.#store, this.#known(), id, newId, Date.now());
      if (!outcome.ok) throw new Refusal(outcome.fault);
      const { seq } = outcome.value;
      this.#search.remove(seq);
      this.#changed();
      return { id: messageId(outcome.value), seq, state: this.#known().archiveReplace ? "erasing" : "erased" };
    });
  }

  /** Erases the session. From here on it does not exist; what the archive holds of it goes in the background. */
  async erase(): Promise<Outcome<Erasure>> {
    return this.#answer(() => {
      const session = this.#known();
      this.#search.drop();
      eraseSession(this.#store, session, newId, Date.now());
      for (const jobId of this.#waiting.keys()) this.#wake(jobId);
      this.#changed();
      return { id: session.session, state: "erasing" };
    });
  }

  async context(request: ContextRequest): Promise<Outcome<RenderedContext>> {
    return this.#read(() => this.#context(this.#known(), request));
  }

  async search(request: SearchRequest): Promise<Outcome<SearchResult>> {
    return this.#read(() => {
      this.#known();
      return searchMessages(this.#store, this.#search, request);
    });
  }

  async summaries(before: number | undefined, limit: number): Promise<Outcome<Page<Summary>>> {
    return this.#read(() => {
      this.#known();
      return readSummaries(this.#store, before, limit);
    });
  }

  /** One version, with the messages that its items cite if asked. */
  async summary(version: number, expandSources: boolean): Promise<Outcome<Summary & { sources?: Message[] }>> {
    return this.#read(() => {
      this.#known();
      const row = this.#store.summary(version);
      if (row === null) throw new Refusal(UNKNOWN_SUMMARY);
      const summary = toSummary(row, this.#store.items(version));
      if (!expandSources) return summary;
      const seqs = [...new Set(summary.items.flatMap((item) => item.sourceSeqs))];
      const sources = seqs
        .toSorted((a, b) => a - b)
        .flatMap((seq) => this.#store.messageBySeq(seq) ?? [])
        .map(toMessage);
      return { ...summary, sources };
    });
  }

  /** Owes a summary by hand and waits for it up to `waitMs`. The job is null if there is nothing to summarize. */
  async summarize(request: SummarizeRequest): Promise<Outcome<{ job: Job | null; summary: Summary | null }>> {
    const owed = this.#answer(() => {
      const row = oweSummaryByHand(this.#store, this.#known(), request, newId, Date.now());
      if (row !== null) this.#arm();
      return row;
    });
    if (!owed.ok) return owed;
    const job = owed.value;
    if (job !== null && (request.waitMs ?? 0) > 0) await this.#settled(job.id, request.waitMs ?? 0);
    return this.#answer(() => {
      const row = this.#store.newestSummary();
      const left = job === null ? null : this.#store.job(job.id);
      return {
        job: job === null ? null : left === null ? { ...toJob(job), state: "done" } : toJob(left),
        summary: row === null ? null : toSummary(row, this.#store.items(row.version)),
      };
    });
  }

  // Consumers

  async beginSummary(jobId: string, incarnation: string): Promise<SummaryStep> {
    return this.#work(incarnation, NOTHING_OWED, (session) =>
      beginSummary(this.#store, session, jobId, newId, Date.now()),
    );
  }

  async saveAnswer(jobId: string, incarnation: string, lease: string, answer: SummarizerAnswer): Promise<SummaryStep> {
    return this.#work(incarnation, NOTHING_OWED, (session) => {
      const now = Date.now();
      const saved = saveAnswer(this.#store, session, jobId, lease, answer, newId, now);
      if (saved.committedVersion !== null) {
        this.#oweArchive(session, now, saved.isReplaced);
        oweSummaryIfDue(this.#store, session, newId, now);
        this.#arm();
        this.#wake(jobId);
      }
      return saved.step;
    });
  }

  async noteFailure(
    jobId: string,
    incarnation: string,
    failure: { reason: string; lease?: string; retryAfterSeconds?: number },
  ): Promise<FailureReport | null> {
    if (this.#owed(jobId, incarnation) === null) return null;
    return this.#transact(() => {
      const report = noteFailure(this.#store, jobId, failure, Math.random(), Date.now());
      if (report !== null) this.#arm();
      if (report?.gaveUp === true) this.#wake(jobId);
      return report;
    });
  }

  /** What the archive lacks; null if the job is no longer owed. */
  async readArchiveDelta(jobId: string, incarnation: string): Promise<ArchiveDelta | null> {
    return this.#work(incarnation, null, (session) => readArchiveDelta(this.#store, session, jobId));
  }

  async confirmArchived(jobId: string, incarnation: string, delta: { rev: number; version: number }): Promise<void> {
    this.#work(incarnation, undefined, (session) => {
      if (!confirmArchived(this.#store, session, jobId, delta, Date.now())) this.#arm();
      this.#session = undefined;
      return undefined;
    });
  }

  async forgetArchived(jobId: string, incarnation: string, outrankedBy?: number): Promise<void> {
    this.#work(incarnation, undefined, (session) => {
      forgetArchived(this.#store, session, jobId, Date.now(), outrankedBy);
      this.#session = undefined;
      this.#arm();
      return undefined;
    });
  }

  /** What the archive has to erase; null if it has confirmed. */
  async readErasure(jobId: string, incarnation: string): Promise<{ createdAt: number; failures: number } | null> {
    const job = this.#owed(jobId, incarnation);
    const session = this.#row();
    if (job === null || session === null) return null;
    // Only the newest life's date is kept. Each began after those before it, and that is all that the archive goes by.
    const createdAt = session.incarnation === incarnation ? session.createdAt : session.createdAt - 1;
    return { createdAt, failures: job.failures };
  }

  /** The archive erased this life of the session. If no other has begun, the object is left as if it had never been. */
  async confirmErased(jobId: string, incarnation: string): Promise<void> {
    if (this.#owed(jobId, incarnation) === null) return;
    this.#store.deleteJob(jobId);
    if (this.#load() !== null || this.#store.jobs().length > 0) return;
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
    this.#session = null;
  }

  // The alarm

  override async alarm(): Promise<void> {
    const session = this.#row();
    if (session === null) return;
    // Marked and armed again before anything that can fail: a crash from here on costs a delay, never the work.
    const due = this.#transact(() => {
      const jobs = takeDueJobs(this.#store, session, Math.random, Date.now());
      this.#arm();
      return jobs;
    });
    await Promise.all(
      due.map(async (message) => {
        const queue = message.kind === "summarize" ? this.env.SUMMARIZE_QUEUE : this.env.ARCHIVE_QUEUE;
        try {
          await queue.send(message);
        } catch (error) {
          log.warn("job_not_sent", { jobId: message.jobId, kind: message.kind, ...errorFields(error) });
          this.#transact(() => {
            noteNotSent(this.#store, message.jobId, Math.random(), Date.now());
            this.#arm();
          });
        }
      }),
    );
  }

  // Inside

  /** The session's row, also where the session is erased and the archive has yet to confirm. */
  #row(): SessionRow | null {
    if (this.#session === undefined) {
      this.#session = schemaVersion(this.ctx.storage.sql) === 0 ? null : this.#store.session();
    }
    return this.#session;
  }

  #load(): SessionRow | null {
    const session = this.#row();
    return session === null || session.erasedAt !== null ? null : session;
  }

  /** A job of this or of an erased life of the session. */
  #owed(jobId: string, incarnation: string): JobRow | null {
    const job = this.#row() === null ? null : this.#store.job(jobId);
    return job !== null && job.incarnation === incarnation ? job : null;
  }

  /** What was read of the session may be old, and there may be new work. */
  #changed(): void {
    this.#session = undefined;
    this.#arm();
  }

  #known(): SessionRow {
    const session = this.#load();
    if (session === null) throw new Refusal(UNKNOWN_SESSION);
    return session;
  }

  #create(birth: Birth): SessionRow {
    migrate(this.ctx.storage.sql);
    const erased = this.#store.session();
    this.#store.insertSession({
      ...birth.ref,
      incarnation: newId(),
      hashKey: crypto.getRandomValues(new Uint8Array(HASH_KEY_BYTES)),
      metadata: birth.metadata ?? {},
      settings: birth.settings ?? {},
      // Of two lives the archive takes the one that began later for the last; clocks may differ.
      createdAt: erased === null ? birth.createdAt : Math.max(birth.createdAt, erased.createdAt + 1),
    });
    this.#session = undefined;
    return this.#known();
  }

  #context(session: SessionRow, request: ContextRequest): RenderedContext {
    const { query } = request;
    const retrieve =
      query === undefined || query === null
        ? null
        : (throughSeq: Seq) => retrieveForContext(this.#store, this.#search, query, throughSeq);
    return renderContext(readContext(this.#store, session, request, retrieve), {
      format: request.format ?? "threadkeep",
      summaryRole: request.summaryRole ?? "user",
    });
  }

  #oweArchive(session: SessionRow, now: number, isReplaced = false): void {
    oweArchive(this.#store, session, newId, now, isReplaced);
    this.#session = undefined;
  }

  /** One alarm, many reasons: the earliest of them. */
  #arm(): void {
    const at = this.#store.nextSendAt();
    // The storage takes the alarm into the transaction that is open.
    if (at !== null) void this.ctx.storage.setAlarm(at);
  }

  /** Runs in a transaction; whatever is thrown rolls it back, and what was cached with it. */
  #transact<T>(body: () => T): T {
    try {
      return this.ctx.storage.transactionSync(body);
    } catch (error) {
      this.#store.forget();
      // Nothing is read here: a disk that fails again would leave what is cached as it is.
      this.#session = undefined;
      throw error;
    }
  }

  #answer<T>(body: () => T): Outcome<T> {
    return this.#read(() => this.#transact(body));
  }

  /** An answer that changes nothing needs no transaction: nothing else runs while it is made. */
  #read<T>(body: () => T): Outcome<T> {
    try {
      return { ok: true, value: body() };
    } catch (error) {
      if (error instanceof Refusal || error instanceof ThreadkeepError) return { ok: false, fault: error.fault };
      throw error;
    }
  }

  /** A consumer's call: a job of an earlier incarnation finds nothing owed. */
  #work<T>(incarnation: string, gone: T, body: (session: SessionRow) => T): T {
    const session = this.#load();
    if (session === null || session.incarnation !== incarnation) return gone;
    return this.#transact(() => body(session));
  }

  #settled(jobId: string, waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.#waiting.get(jobId) ?? new Set();
      this.#waiting.set(jobId, waiters);
      const finish = (): void => {
        clearTimeout(timer);
        waiters.delete(finish);
        if (waiters.size === 0) this.#waiting.delete(jobId);
        resolve();
      };
      const timer = setTimeout(finish, waitMs);
      waiters.add(finish);
    });
  }

  #wake(jobId: string): void {
    for (const finish of this.#waiting.get(jobId) ?? []) finish();
  }
}

function newId(): string {
  return crypto.randomUUID();
}

const UNKNOWN_SESSION: Fault = {
  code: "session_not_found",
  detail: "Append a message or create the session first; ids are case-sensitive.",
};
const UNKNOWN_MESSAGE: Fault = {
  code: "message_not_found",
  detail: "The session has no message with this id.",
};
const UNKNOWN_SUMMARY: Fault = {
  code: "summary_not_found",
  detail: "The session has no summary of this version. List its summaries to see which it has.",
};
