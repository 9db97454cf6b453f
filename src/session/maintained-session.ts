import type { Fault, Outcome } from "../contracts/errors.ts";
import type { LogProof, SessionProof, SourcesProof, SummaryProof } from "../contracts/finding.ts";
import type { Seq } from "../contracts/message.ts";
import type { TenantSettings } from "../contracts/tenant.ts";
import { archiveAgain } from "./archiving-again.ts";
import { dropJob, retryJob } from "./failed-jobs.ts";
import { maintain, type MaintenanceResult, type MaintenanceTask } from "./maintaining.ts";
import { proveLog, proveSession, proveSources, proveSummary } from "./proof.ts";
import { newId, Refusal } from "./session-shell.ts";
import { SessionWork } from "./session-work.ts";

/** The side of a session's object that operators see: it does what they ask, proves what it promises, and owes anew what was lost. */
export abstract class MaintainedSession extends SessionWork {
  /** What the object holds, and what is wrong with it by itself. Changes nothing. */
  async proof(): Promise<SessionProof> {
    const alarmAt = await this.ctx.storage.getAlarm();
    // Nothing else runs in the object while its storage is read, so that the rest is of the same moment.
    return proveSession(this.shell.store, this.shell.row(), alarmAt);
  }

  /** A page of the summary's history in a life; null if that life is over. */
  async proofOfSummary(incarnation: string, afterVersion: number): Promise<SummaryProof | null> {
    const session = this.shell.live(incarnation);
    return session === null ? null : proveSummary(this.shell.store, afterVersion);
  }

  /** A page of the items of a life, held against what they cite; null if that life is over. */
  async proofOfSources(incarnation: string, afterRow: number): Promise<SourcesProof | null> {
    const session = this.shell.live(incarnation);
    return session === null ? null : proveSources(this.shell.store, afterRow);
  }

  /** A page of the log of a life; null if that life is over. */
  async proofOfLog(incarnation: string, afterSeq: Seq): Promise<LogProof | null> {
    const session = this.shell.live(incarnation);
    return session === null ? null : proveLog(this.shell.store, session, afterSeq);
  }

  /**
   * Owes the archive everything anew. Idempotent.
   * @param aboveRev the revision that the archive holds of this life; 0 if none
   * @returns `nothing` if there is nothing that the archive is to hold, `absent` if there is nothing to send it from
   */
  async archiveAgain(aboveRev: number): Promise<"owed" | "nothing" | "absent"> {
    const session = this.shell.existing();
    if (session === null || session.expiredAt !== null || session.copying !== null) return this.#armIfOwed();
    return this.shell.transact(() => {
      const isOwed = archiveAgain(this.shell.store, session, aboveRev, newId, Date.now());
      this.shell.changed();
      return isOwed ? "owed" : "nothing";
    });
  }

  /** Has a job tried again now. Idempotent. @returns false if it is no longer owed */
  async retryJob(jobId: string): Promise<boolean> {
    if (this.shell.row() === null || this.shell.store.jobs.byId(jobId) === null) return false;
    return this.shell.transact(() => {
      const isOwed = retryJob(this.shell.store, jobId, Date.now());
      this.shell.arm();
      return isOwed;
    });
  }

  /** Gives a job up, if no promise rests on it. Idempotent. @returns false if it is no longer owed */
  async dropJob(jobId: string): Promise<Outcome<boolean>> {
    return this.shell.answer(() => {
      const job = this.shell.row() === null ? null : this.shell.store.jobs.byId(jobId);
      if (job === null) return false;
      const fault = dropJob(this.shell.store, job, Date.now());
      if (fault !== null) throw new Refusal(fault);
      this.shell.wake(jobId);
      return true;
    });
  }

  /**
   * Does what an operator asks of one session. A dry run does the same and takes it back, so that it tells what would be.
   * @param tenant the settings of now: a silent session has not heard of them
   */
  async maintain(
    task: MaintenanceTask,
    isDryRun: boolean,
    tenant?: TenantSettings,
  ): Promise<Outcome<MaintenanceResult>> {
    let result: MaintenanceResult = "nothing";
    const outcome = this.shell.answer(() => {
      const session = this.shell.hear(this.shell.known(), tenant);
      result = maintain(this.shell.store, session, task, newId, Date.now());
      if (isDryRun) throw new Refusal(TAKEN_BACK);
      this.shell.changed();
      return result;
    });
    return !outcome.ok && outcome.fault === TAKEN_BACK ? { ok: true, value: result } : outcome;
  }

  /**
   * Makes the index of a session anew, a slice at a call. One that was never searched has none, and needs none.
   * @param isFirst drops what there is
   * @returns whether there is more to do; null: there is no index
   */
  async reindex(isFirst: boolean, isDryRun: boolean): Promise<Outcome<{ done: boolean } | null>> {
    return this.shell.read(() => {
      this.shell.known();
      const { search } = this.shell;
      if (isFirst && search.indexedThroughSeq === 0) return null;
      if (isDryRun) return { done: true };
      if (isFirst) search.drop();
      if (this.shell.store.messages.isErasing()) return { done: false };
      return { done: search.catchUp().done };
    });
  }

  #armIfOwed(): "absent" {
    if (this.shell.row() !== null) this.shell.transact(() => this.shell.arm());
    return "absent";
  }
}

/** Never told: it rolls a dry run back. */
const TAKEN_BACK: Fault = { code: "internal", detail: "A dry run changes nothing." };
