import type { AlertBook, AlertNotice, PendingNotice } from "../api/alert.ts";

/** Where alerts are kept between two checks. */
export interface AlertKeeper {
  readBook(): Promise<AlertBook>;
  /** Keeps a book that follows the one that is there, and schedules its notices with it. @returns false if another came first */
  saveBook(book: AlertBook, notices: readonly AlertNotice[]): Promise<boolean>;
  /** What is due to be sent, the oldest first. It is due again, later each time, until it is settled. */
  takeNotices(limit: number): Promise<PendingNotice[]>;
  /** Idempotent. */
  settleNotice(id: string): Promise<void>;
}
