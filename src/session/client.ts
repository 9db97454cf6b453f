import { sessionName, type SessionRef } from "../api/session.ts";
import { deferred } from "./deferred.ts";
import type { ChatSession } from "./object.ts";

export type { CarriedItems } from "./copies/index.ts";
export type { BegunImport, ImportStanding } from "./copies/index.ts";
export type { CopyStep } from "./copies/index.ts";
export type { NumberedLine } from "./copies/index.ts";
export { createFanOutClient, type FanOutClient } from "./fan-out-client.ts";
export { readOpened, writeOpening } from "./live/index.ts";
export type { EmbeddingStep } from "./summary/index.ts";
export type { CopyAnswer, CopyCall, EpochRef, ToldCopy } from "./copies/index.ts";

export type { FinishedImport, ImportProgress } from "./sqlite/index.ts";
export { ALL_SESSIONS, type OwnSettings, settingsByUser, termsOf } from "./sqlite/index.ts";
export type { SummaryStep } from "./summary/index.ts";
export type { ExportCursor, ExportMoment } from "./copies/index.ts";

/** The methods of a session's object that code outside of `session` may call. */
export type SessionObject = Pick<
  ChatSession,
  | "abandonImport"
  | "append"
  | "resyncArchive"
  | "beginContinuation"
  | "beginEmbedding"
  | "beginExport"
  | "beginFork"
  | "beginImport"
  | "beginSummary"
  | "carryOver"
  | "checkImport"
  | "compareSummaries"
  | "confirmArchived"
  | "confirmCopyErasures"
  | "confirmErased"
  | "confirmExpiry"
  | "confirmListed"
  | "context"
  | "contextJson"
  | "create"
  | "createFork"
  | "dropJob"
  | "editMessage"
  | "endExport"
  | "erase"
  | "eraseCopied"
  | "eraseMessage"
  | "exportPage"
  | "fetch"
  | "followForFanOut"
  | "finishImport"
  | "forkSize"
  | "forgetArchived"
  | "jobStanding"
  | "listing"
  | "loseCopy"
  | "losses"
  | "maintain"
  | "message"
  | "messages"
  | "nearItems"
  | "newestQuestion"
  | "nextCarryOver"
  | "nextCopyStep"
  | "noteFailure"
  | "noteUndelivered"
  | "postponeErasure"
  | "checkIntegrity"
  | "checkLogIntegrity"
  | "checkSourcesIntegrity"
  | "checkSummaryIntegrity"
  | "putOff"
  | "readArchiveDelta"
  | "readCarried"
  | "readCopyPage"
  | "readErasure"
  | "readFeedPage"
  | "readImport"
  | "readListing"
  | "readPendingErasures"
  | "readSought"
  | "reindex"
  | "remains"
  | "retryJob"
  | "saveAnswer"
  | "saveCopyPage"
  | "saveImportPage"
  | "saveVectors"
  | "restoreSummary"
  | "search"
  | "searchJson"
  | "serveFrame"
  | "state"
  | "stepExpiry"
  | "summaries"
  | "summarize"
  | "summary"
  | "switchBranch"
  | "epochForTicket"
  | "update"
  | "waitForCopies"
  | "vouch"
>;

/** How code outside of `session` reaches a session's object. */
export interface SessionClient {
  /**
   * Returns a stub. Get a new one for each operation: after an exception that breaks its connection, a stub fails every
   * call.
   */
  get(ref: SessionRef): SessionObject;
}

/**
 * Replaces the runtime's own type of a stub. That one maps the type of every value that is passed, and fails for
 * recursive types such as JSON values.
 */
type SessionStub = DurableObjectStub & SessionObject;

/**
 * @param place finds the namespace in which a tenant's objects are stored (its jurisdiction); without it, all are in
 * `namespace`
 */
export function createSessionClient(
  namespace: DurableObjectNamespace,
  place?: (namespace: DurableObjectNamespace, tenant: string) => Promise<DurableObjectNamespace>,
): SessionClient {
  return {
    get(ref) {
      const name = sessionName(ref);
      if (place === undefined) return namespace.getByName(name) as SessionStub;
      return deferred<SessionObject>(async () => (await place(namespace, ref.tenant)).getByName(name) as SessionStub);
    },
  };
}
