import type { AlertBook, AlertNotice, PendingNotice } from "../api/alert.ts";
import type { Operations } from "./operations.ts";

/** The alerts that the Operations object stores. */
export interface AlertClient {
  /** The open alerts. */
  readBook(): Promise<AlertBook>;
  /**
   * Saves a book whose `rev` follows that of the stored one, together with the notices to send.
   * @returns false, and saves nothing, if another book was saved meanwhile
   */
  saveBook(book: AlertBook, notices: readonly AlertNotice[]): Promise<boolean>;
  /** The notices that are due, oldest first. A notice is due again after a growing pause until it is settled. */
  takeNotices(limit: number): Promise<PendingNotice[]>;
  /** Deletes a notice that was sent. Idempotent. */
  settleNotice(id: string): Promise<void>;
  /** How many notices are not sent yet. */
  countPending(): Promise<number>;
}

/** @param name the object's name: a deployment has one */
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
