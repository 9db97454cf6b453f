import type { LogProof, SessionProof } from "../contracts/finding.ts";
import type { Seq } from "../contracts/message.ts";
import { archiveAgain } from "./archiving-again.ts";
import { proveLog, proveSession } from "./proof.ts";
import { newId } from "./session-shell.ts";
import { SessionWork } from "./session-work.ts";

/** The side of a session's object that operators see: it proves what it promises, and owes anew what was lost elsewhere. */
export abstract class MaintainedSession extends SessionWork {
  /** What the object holds, and what is wrong with it by itself. Changes nothing. */
  async proof(): Promise<SessionProof> {
    const alarmAt = await this.ctx.storage.getAlarm();
    // Nothing else runs in the object while its storage is read, so that the rest is of the same moment.
    return proveSession(this.shell.store, this.shell.row(), alarmAt);
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

  #armIfOwed(): "absent" {
    if (this.shell.row() !== null) this.shell.transact(() => this.shell.arm());
    return "absent";
  }
}
