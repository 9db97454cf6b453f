import { DurableObject } from "cloudflare:workers";
import type { LimiterEnv } from "../access/rate-limit.ts";
import type { EmbeddingUsage } from "../contracts/embedding.ts";
import type { JobMessage } from "../contracts/job.ts";
import type { SummarizerAnswer } from "../contracts/summarizer.ts";
import type { JobStanding } from "../memory/work.ts";
import type { KeyCheckNamespace } from "../registry/key-check-client.ts";
import { createLateWorkClient, type LateWorkNamespace } from "../registry/late-work-client.ts";
import type { Living } from "../registry/listing-client.ts";
import type { TakenNamespace } from "../registry/taken-client.ts";
import { backlogWaitMs, type TakenByQueue } from "../telemetry/backlog.ts";
import { createLog } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { type ArchiveDelta, confirmArchived, type Confirmed, forgetArchived, readArchiveDelta } from "./archiving.ts";
import type { OwedAuditRow } from "./audit-store.ts";
import { noteAuditNotSent, oweRange, takeDueAudits } from "./auditing.ts";
import {
  beginEmbedding,
  type EmbeddingStep,
  type KeyedVector,
  NOTHING_TO_EMBED,
  oweEmbedding,
  saveVectors,
} from "./embedding.ts";
import { answerFor, beganOf, eraseCopied, eraseSession } from "./erasing.ts";
import { mayBeKnown, mayBeListed, noteUndelivered, standingOf } from "./failed-jobs.ts";
import { type ExpiryStep, oweIdleWork, stepExpiry } from "./idling.ts";
import { oldestLate } from "./late-work.ts";
import {
  confirmCopyErasures,
  type CopyAnswer,
  type CopyErasures,
  type Erased,
  FIRST_PLACE,
  type OwedCopyErasures,
  type PassedOnPlace,
  readOwedErasures,
  waitForCopies,
} from "./lineage.ts";
import { type Listing, listingOf } from "./listing.ts";
import { oweSummaryIfDue } from "./owed-summaries.ts";
import {
  type Failed,
  type FailureReport,
  noteBacklog,
  noteFailure,
  noteNotSent,
  oweArchive,
  type PutOff,
  putOff,
  takeDueJobs,
} from "./owed-work.ts";
import type { SessionRow } from "./rows.ts";
import { newId, SessionShell } from "./session-shell.ts";
import { keepDay, tokensOf } from "./spending.ts";
import { beginSummary, NOTHING_OWED, saveAnswer, type SummaryStep } from "./summarizing.ts";

/** The part of the environment that a session uses. */
export interface ChatSessionEnv extends LimiterEnv {
  readonly SUMMARIZE_QUEUE: Queue;
  readonly ARCHIVE_QUEUE: Queue;
  readonly TENANT: TakenNamespace & KeyCheckNamespace;
  readonly AUDIT_QUEUE: Queue;
  readonly OPERATIONS: LateWorkNamespace;
  /** Where the user's day is counted. */
  readonly DIRECTORY: DurableObjectNamespace;
  /** "off": nothing is limited. */
  readonly THREADKEEP_RATE_LIMITS?: string;
}

const log = createLog();
/** Shared by the sessions of an isolate. */
const lateWork = createLateWorkClient(log);

/**
 * Whether a job is done. "known": it is, and operators may have it on their lists, since another delivery may have failed while this one
 * did it.
 */
export type Ended = boolean | "known";

/** Vectors as a consumer hands them over. */
export interface SavedVectors {
  readonly model: string;
  readonly vectors: readonly KeyedVector[];
  readonly usage: EmbeddingUsage;
}

/** What has to be done about an expiry. */
export interface FoundExpiry {
  readonly step: ExpiryStep;
  /** When that was found, in ms since 1970: of two who tell others, the later one is right. */
  readonly at: number;
  readonly grantedAt: number;
  readonly hasFailed: boolean;
  /** The revision that the archive confirmed; 0, or undefined from an earlier version, if none has to be there. */
  readonly archivedRev?: number;
}

/**
 * The background side of a session's object: its alarm sends owed work to the queues, and the consumers come back for what they need
 * and with what became of it. A call for work that is no longer owed changes nothing.
 */
export abstract class SessionWork extends DurableObject<ChatSessionEnv> {
  protected readonly shell: SessionShell;

  constructor(ctx: DurableObjectState, env: ChatSessionEnv) {
    super(ctx, env);
    this.shell = new SessionShell(ctx);
  }

  // Summaries

  async beginSummary(jobId: string, incarnation: string): Promise<SummaryStep> {
    return this.shell.work(jobId, incarnation, NOTHING_OWED, (session) => {
      const now = Date.now();
      const step = beginSummary(this.shell.store, session, jobId, newId, now);
      if (step.next === "call") this.shell.armForLease();
      else if (this.shell.store.jobs.byId(jobId) === null) {
        // Nothing was left to cover. What was said meanwhile may be due, and was not owed beside it.
        oweSummaryIfDue(this.shell.store, session, newId, now);
        this.shell.arm();
        this.shell.wake(jobId);
      }
      return step;
    });
  }

  /**
   * @param shortfall why it is not by the summarizer that was asked for; null if it is
   * @param isEmbedded what it brings is to be found by its meaning, too: with the version that lands vectors are owed
   */
  async saveAnswer(
    jobId: string,
    incarnation: string,
    lease: string,
    answer: SummarizerAnswer,
    shortfall: Failed | null = null,
    isEmbedded = false,
  ): Promise<SummaryStep> {
    const now = Date.now();
    return this.shell.paidWork(jobId, incarnation, tokensOf(answer.usage), NOTHING_OWED, (session) => {
      const saved = saveAnswer(this.shell.store, session, jobId, lease, answer, shortfall, newId, now);
      if (saved.committedVersion !== null) {
        this.shell.traces.follow(jobId);
        oweArchive(this.shell.store, session, newId, now, saved.isReplaced);
        oweSummaryIfDue(this.shell.store, session, newId, now);
        oweRange(this.shell.store, session, now);
        const embedding = isEmbedded ? oweEmbedding(this.shell.store, session, newId, now, true) : null;
        this.shell.changed();
        this.shell.wake(jobId);
        if (embedding !== null && saved.step.next === "done") return { ...saved.step, embeddingJobId: embedding.id };
      } else if (saved.step.next === "call") this.shell.armForLease();
      return saved.step;
    });
  }

  // Vectors

  /** @param model that is to make them; null: none does any more, and the job is over */
  async beginEmbedding(jobId: string, incarnation: string, model: string | null): Promise<EmbeddingStep> {
    return this.shell.work(jobId, incarnation, NOTHING_TO_EMBED, (session) => {
      const step = beginEmbedding(this.shell.store, session, jobId, model, newId, Date.now());
      if (step.next === "call") this.shell.armForLease();
      else this.shell.arm();
      return step;
    });
  }

  /** @param vectors of texts that were handed out under the lease; what changed since is left out */
  async saveVectors(
    jobId: string,
    incarnation: string,
    lease: string,
    { model, vectors, usage }: SavedVectors,
  ): Promise<EmbeddingStep> {
    const now = Date.now();
    return this.shell.paidWork(jobId, incarnation, usage.inputTokens, NOTHING_TO_EMBED, (session) => {
      const step = saveVectors(this.shell.store, session, jobId, lease, model, vectors, newId, now);
      if (step.next === "call") this.shell.armForLease();
      else this.shell.arm();
      return step;
    });
  }

  async noteFailure(jobId: string, incarnation: string, failure: Failed): Promise<FailureReport | null> {
    const spent = tokensOf(failure.usage);
    if (this.shell.owed(jobId, incarnation) === null && spent === 0) return null;
    return this.shell.transact(() => {
      this.shell.spend(spent, Date.now());
      if (this.shell.owed(jobId, incarnation) === null) return null;
      const report = noteFailure(this.shell.store, jobId, failure, Math.random(), Date.now());
      if (report !== null) this.shell.arm();
      if (report?.gaveUp === true) this.shell.wake(jobId);
      return report;
    });
  }

  // Any job

  /** Gives a job back that is not done. The object sends it again after the pause. */
  async putOff(jobId: string, incarnation: string, how: PutOff): Promise<void> {
    if (this.shell.owed(jobId, incarnation) === null) return;
    this.shell.transact(() => {
      putOff(this.shell.store, jobId, how, Date.now());
      this.shell.arm();
    });
  }

  async jobStanding(jobId: string, incarnation: string): Promise<JobStanding> {
    return standingOf(this.shell.owed(jobId, incarnation), Date.now());
  }

  /** Notes that operators were told of a job. @returns false if it is over, and they need not know */
  async noteUndelivered(
    jobId: string,
    incarnation: string,
    reason: string,
    failedAt: number = Date.now(),
  ): Promise<boolean> {
    const job = this.shell.owed(jobId, incarnation);
    return job !== null && this.shell.transact(() => noteUndelivered(this.shell.store, job, reason, failedAt));
  }

  // The archive

  /** What the archive lacks; null if the job is no longer owed. */
  async readArchiveDelta(jobId: string, incarnation: string): Promise<ArchiveDelta | null> {
    return this.shell.work(jobId, incarnation, null, (session) => readArchiveDelta(this.shell.store, session, jobId));
  }

  /** @returns whether operators may have the job on their lists: another delivery may have failed since this one began */
  async confirmArchived(jobId: string, incarnation: string, delta: Confirmed): Promise<boolean> {
    return this.shell.work(jobId, incarnation, false, (session) => {
      const isKnown = mayBeKnown(this.shell.store, jobId);
      const isDone = confirmArchived(this.shell.store, session, jobId, delta, newId, Date.now());
      this.shell.forgetRow();
      if (!isDone) this.shell.arm();
      return isKnown;
    });
  }

  async forgetArchived(jobId: string, incarnation: string, outrankedBy?: number): Promise<void> {
    this.shell.work(jobId, incarnation, undefined, (session) => {
      forgetArchived(this.shell.store, session, jobId, Date.now(), outrankedBy);
      this.shell.changed();
      return undefined;
    });
  }

  // Erasures

  /** What the archive has to erase, and which jobs operators need not know of any more; null if it has confirmed. */
  async readErasure(
    jobId: string,
    incarnation: string,
  ): Promise<{ createdAt: number; hasFailed: boolean; settles?: readonly string[]; grantedAt?: number } | null> {
    const job = this.shell.owed(jobId, incarnation);
    const session = this.shell.row();
    if (job === null || session === null) return null;
    return {
      createdAt: beganOf(job, session),
      hasFailed: mayBeListed(job),
      settles: job.settles,
      grantedAt: job.grantedAt,
    };
  }

  /** The list may still have to change: the erasure is not confirmed before `at`. */
  async postponeErasure(jobId: string, incarnation: string, at: number): Promise<void> {
    const job = this.shell.owed(jobId, incarnation);
    if (job === null) return;
    this.shell.transact(() => {
      this.shell.store.jobs.put({ ...job, nextSendAt: at });
      this.shell.arm();
    });
  }

  /** What the list is to say of the session; null if there is none. */
  async listing(): Promise<Living | null> {
    const session = this.shell.existing();
    if (session === null) return null;
    const { metadata, copying, begunBy } = session;
    return { metadata, isListed: copying?.kind !== "import", begunBy };
  }

  /** What the directory is owed; null if nothing is any more. */
  async readListing(jobId: string, incarnation: string): Promise<Listing | null> {
    return this.shell.work(jobId, incarnation, null, listingOf);
  }

  /**
   * The directory was told of the metadata.
   * @param metadataRev of which change of it
   * @param isConsumer whether it is the job's consumer that told it, who also takes the job off the operators' list. Whoever else did leaves
   *   a job that may be on that list to its consumer.
   * @returns whether nothing is owed any more; `known` where operators may have the job on their lists
   */
  async confirmListed(incarnation: string, metadataRev: number, isConsumer = false): Promise<Ended> {
    const job = this.shell.row() === null ? null : this.shell.store.jobs.first("list");
    if (job === null) return false;
    return this.shell.work(job.id, incarnation, false, (session): Ended => {
      if (session.metadataRev !== metadataRev) return false;
      const isKnown = mayBeKnown(this.shell.store, job.id);
      if (isKnown && !isConsumer) return false;
      this.shell.store.jobs.delete(job.id);
      this.shell.changed();
      return isKnown ? "known" : true;
    });
  }

  /**
   * The archive erased this life of the session. If nothing else is owed, the object is left as if it had never been.
   * @returns whether operators may have the job on their lists
   */
  async confirmErased(jobId: string, incarnation: string): Promise<boolean> {
    if (this.shell.owed(jobId, incarnation) === null) return false;
    const isKnown = mayBeKnown(this.shell.store, jobId);
    this.shell.transact(() => {
      this.shell.store.jobs.delete(jobId);
      this.shell.arm();
    });
    await this.#vanishIfDone();
    return isKnown;
  }

  /**
   * What the copies of this session have yet to erase, or to confirm; null if all have.
   * @param afterRow where the round before ended; absent: where the delivery before did
   */
  async readOwedErasures(
    jobId: string,
    incarnation: string,
    afterRow?: number,
  ): Promise<{ owed: OwedCopyErasures[]; lastRow: number; hasFailed: boolean } | null> {
    const job = this.shell.owed(jobId, incarnation);
    if (job === null || this.shell.row() === null) return null;
    return { ...readOwedErasures(this.shell.store, afterRow ?? job.throughSeq), hasFailed: mayBeListed(job) };
  }

  /**
   * @param rows of what copies confirmed
   * @param further what copies of theirs have to be told
   * @param throughRow the last of what was told
   * @returns whether operators may have the job on their lists
   */
  async confirmCopyErasures(
    jobId: string,
    incarnation: string,
    rows: readonly number[],
    further: readonly CopyErasures[],
    throughRow = 0,
  ): Promise<boolean> {
    if (this.shell.owed(jobId, incarnation) === null) return false;
    const isKnown = mayBeKnown(this.shell.store, jobId);
    this.shell.transact(() => {
      confirmCopyErasures(this.shell.store, jobId, rows, further, throughRow, Date.now());
      this.shell.arm();
    });
    await this.#vanishIfDone();
    return isKnown;
  }

  /** All that is owed was told once, and some of it not confirmed yet. */
  async waitForCopies(jobId: string, incarnation: string): Promise<void> {
    if (this.shell.owed(jobId, incarnation) === null) return;
    this.shell.transact(() => {
      waitForCopies(this.shell.store, jobId, Math.random(), Date.now());
      this.shell.arm();
    });
  }

  /**
   * Erases what this session took from others that was erased there, and answers whether that is done. Called until it is.
   * @param place where what copies of this one have to be told is to go on from
   */
  async eraseCopied(erased: readonly Erased[], place: PassedOnPlace = FIRST_PLACE): Promise<CopyAnswer> {
    if (this.shell.row() === null) {
      return { isGone: false, grantedAt: 0, isConfirmed: true, further: [], more: null };
    }
    const done = this.#eraseCopied(erased);
    return { ...done, ...answerFor(this.shell.store, this.shell.existing(), erased, place) };
  }

  #eraseCopied(erased: readonly Erased[]): { isGone: boolean; grantedAt: number } {
    const session = this.shell.existing();
    if (session === null) return { isGone: false, grantedAt: 0 };
    const { grantedAt } = session;
    return this.shell.transact(() => {
      const { isGone, forgotten } = eraseCopied(this.shell.store, session, erased, newId, Date.now());
      if (isGone) {
        this.shell.search.drop();
        this.shell.wakeAll();
      }
      for (const seqs of forgotten) {
        if ("throughSeq" in seqs) this.shell.search.drop();
        else this.shell.search.remove(seqs);
      }
      this.shell.changed();
      return { isGone, grantedAt };
    });
  }

  /** What is left in the object: a session, no more than what the archive and copies have yet to confirm, or nothing. */
  async remains(): Promise<"session" | "owed" | "nothing"> {
    await this.#vanishIfDone();
    if (this.shell.row() === null) return "nothing";
    return this.shell.existing() === null ? "owed" : "session";
  }

  async #vanishIfDone(): Promise<void> {
    if (this.shell.isLeftOver()) await this.shell.vanish();
  }

  // Expiry

  async stepExpiry(jobId: string, incarnation: string): Promise<FoundExpiry> {
    const at = Date.now();
    const job = this.shell.owed(jobId, incarnation);
    const nothing: FoundExpiry = { step: "done", at, grantedAt: 0, hasFailed: false };
    return this.shell.work(jobId, incarnation, nothing, (session) => {
      const step = stepExpiry(this.shell.store, session, jobId, newId, at);
      this.shell.changed();
      const { grantedAt, archivedRev } = session;
      return { step, at, grantedAt, hasFailed: job !== null && mayBeListed(job), archivedRev };
    });
  }

  /**
   * Expires, or calls it off, if that is still what has to be done.
   * @returns whether it did: else the job is sent again, or was done before
   */
  async confirmExpiry(jobId: string, incarnation: string, step: "expire" | "cancel"): Promise<Ended> {
    return this.shell.work(jobId, incarnation, false, (session): Ended => {
      const isKnown = mayBeKnown(this.shell.store, jobId);
      const now = Date.now();
      if (stepExpiry(this.shell.store, session, jobId, newId, now) !== step) {
        this.shell.changed();
        return false;
      }
      if (step === "expire") {
        oweRange(this.shell.store, session, now);
        keepDay(this.shell.store, session, now);
        this.shell.search.drop();
        this.shell.store.expire(now);
      }
      this.shell.store.jobs.delete(jobId);
      this.shell.changed();
      return isKnown ? "known" : true;
    });
  }

  // The alarm

  override async alarm(): Promise<void> {
    this.shell.rings();
    const session = this.shell.row();
    if (session === null || this.shell.isLeftOver()) {
      // Nothing is left but what nobody came back for, or the count of a day, which is over.
      await this.shell.vanish();
      return;
    }
    this.shell.eraseSlice();
    const now = Date.now();
    // Marked and armed again before anything that can fail: a crash from here on costs a delay, never the work.
    const { due, audits, late } = this.shell.transact(() => {
      if (this.#isAbandoned(session, now)) this.eraseWhole(session);
      else if (session.erasedAt === null && session.expiredAt === null && session.copying === null) {
        oweIdleWork(this.shell.store, session, newId, now);
        this.shell.forgetRow();
      }
      const taken = {
        due: takeDueJobs(this.shell.store, session, this.shell.traces, Math.random, now),
        audits: takeDueAudits(this.shell.store, Math.random, now),
        late: oldestLate(this.shell.store, now),
      };
      this.shell.arm();
      return taken;
    });
    // Told before it is sent: told afterwards, the consumer could have settled it already.
    await lateWork.note(this.env.OPERATIONS, late);
    await Promise.all([
      this.#sendAudits(audits),
      ...due.map(async (message) => {
        const isForModel = message.kind === "summarize" || message.kind === "embed";
        const queue = isForModel ? this.env.SUMMARIZE_QUEUE : this.env.ARCHIVE_QUEUE;
        try {
          const taken: TakenByQueue | undefined = await queue.send(message);
          this.#awaitTurn(message, backlogWaitMs(taken, Date.now()));
        } catch (error) {
          log.warn("job_not_sent", { jobId: message.jobId, kind: message.kind, ...errorFields(error) });
          this.shell.transactIfLeft(() => {
            noteNotSent(this.shell.store, message.jobId, Math.random(), Date.now());
            this.shell.arm();
          });
        }
      }),
    ]);
  }

  /** A queue that is behind is given the time that it takes. */
  #awaitTurn(message: JobMessage, waitedMs: number): void {
    if (waitedMs === 0) return;
    this.shell.transactIfLeft(() => {
      if (noteBacklog(this.shell.store, message, waitedMs, Math.random(), Date.now())) this.shell.arm();
    });
  }

  /** What the queue has taken is owed no more: it keeps it, and an event that comes twice is stored once. */
  async #sendAudits(owed: readonly OwedAuditRow[]): Promise<void> {
    for (const audit of owed) {
      try {
        await this.env.AUDIT_QUEUE.send({ v: 1, events: audit.events });
        this.shell.transactIfLeft(() => {
          this.shell.store.audit.settle(audit.id);
          this.shell.arm();
        });
      } catch (error) {
        log.warn("audit_not_sent", { events: audit.events.length, ...errorFields(error) });
        this.shell.transactIfLeft(() => {
          noteAuditNotSent(this.shell.store, audit, Math.random(), Date.now());
          this.shell.arm();
        });
      }
    }
    if (owed.length > 0) await this.#vanishIfDone();
  }

  /** An import whose file stopped coming. */
  #isAbandoned({ copying, erasedAt }: SessionRow, now: number): boolean {
    return erasedAt === null && copying?.kind === "import" && copying.until <= now;
  }

  protected eraseWhole(session: SessionRow): void {
    this.shell.search.drop();
    eraseSession(this.shell.store, session, newId, Date.now());
    this.shell.wakeAll();
    this.shell.changed();
  }
}
