import type { AlertBook, AlertNotice, PendingNotice } from "../api/alert.ts";
import type { Operations } from "./operations.ts";

/** Alerts as the Operations object keeps them. */
export interface AlertClient {
  readBook(): Promise<AlertBook>;
  /** Keeps a book that follows the one that is there, and schedules its notices with it. @returns false if another came first */
  saveBook(book: AlertBook, notices: readonly AlertNotice[]): Promise<boolean>;
  /** What is due to be sent, the oldest first. It is due again, later each time, until it is settled. */
  takeNotices(limit: number): Promise<PendingNotice[]>;
  /** Idempotent. */
  settleNotice(id: string): Promise<void>;
  countPending(): Promise<number>;
}

/** @param name of the object: there is one for a deployment */
export function createAlertClient(namespace: DurableObjectNamespace<Operations>, name = "operations"): AlertClient {
  const stub = (): DurableObjectStub<Operations> => namespace.getByName(name);
  return {
    readBook: () => stub().readAlertBook(),
    saveBook: (book, notices) => stub().saveAlertBook(book, notices),
    takeNotices: (limit) => stub().takeNotices(limit),
    settleNotice: (id) => stub().settleNotice(id),
    countPending: () => stub().countNotices(),
  };
}
