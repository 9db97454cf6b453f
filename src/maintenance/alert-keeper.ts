import type { AlertBook, AlertNotice, PendingNotice } from "../api/alert.ts";

/** Stores the state of alerts between two checks, and the notices to be sent. */
export interface AlertKeeper {
  readBook(): Promise<AlertBook>;
  /**
   * Stores the next state, and schedules its notices in the same transaction.
   * @returns false if another check has stored its state first
   */
  saveBook(book: AlertBook, notices: readonly AlertNotice[]): Promise<boolean>;
  /** The notices that are due, oldest first. Until it is settled, a notice becomes due again after growing pauses. */
  takeNotices(limit: number): Promise<PendingNotice[]>;
  /** Marks a notice as sent. Idempotent. */
  settleNotice(id: string): Promise<void>;
}
