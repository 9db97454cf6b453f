import { sessionName, type SessionRef } from "../api/session.ts";
import type { ChatSession } from "./object.ts";

export { ALL_SESSIONS } from "./copies/index.ts";
export type { CarriedItems } from "./copies/index.ts";
export type { BegunImport, ImportStanding } from "./copies/index.ts";
export type { CopyStep } from "./copies/index.ts";
export type { NumberedLine } from "./copies/index.ts";
export { type LiveOpening, readOpened, writeOpening } from "./live/index.ts";
export type { EmbeddingStep } from "./summary/index.ts";
export type { CopyAnswer, CopyErasures, EpochRef } from "./copies/index.ts";

export type { FinishedImport, ImportProgress } from "./sqlite/index.ts";
export { type OwnSettings, settingsByUser, termsOf } from "./sqlite/index.ts";
export type { SummaryStep } from "./summary/index.ts";
export type { ExportCursor, ExportEnd } from "./copies/index.ts";

/** What others may ask of a session's object. */
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
  | "finishImport"
  | "forkSize"
  | "forgetArchived"
  | "jobStanding"
  | "itemScores"
  | "listing"
  | "loseCopy"
  | "losses"
  | "maintain"
  | "message"
  | "messages"
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
  | "readImport"
  | "readListing"
  | "readPendingErasures"
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
  | "state"
  | "stepExpiry"
  | "summaries"
  | "summarize"
  | "summary"
  | "switchBranch"
  | "ticketLife"
  | "update"
  | "waitForCopies"
  | "vouch"
>;

/** The only place that names a session's object. */
export interface SessionClient {
  /** A stub is dead after an exception that broke it: get a new one for each operation. */
  get(ref: SessionRef): SessionObject;
}

/** The runtime's own type of a stub maps every value it carries, and gives up on recursive ones such as JSON. */
type SessionStub = DurableObjectStub & SessionObject;

/** @param place tells the namespace in which a tenant's objects lie; without it they all lie in the one given */
export function createSessionClient(
  namespace: DurableObjectNamespace,
  place?: (namespace: DurableObjectNamespace, tenant: string) => Promise<DurableObjectNamespace>,
): SessionClient {
  return {
    get(ref) {
      const name = sessionName(ref);
      if (place === undefined) return namespace.getByName(name) as SessionStub;
      return deferred(async () => (await place(namespace, ref.tenant)).getByName(name) as SessionStub);
    },
  };
}

/** Stands in for an object whose place has still to be told: each call waits for that first. */
function deferred(find: () => Promise<SessionStub>): SessionObject {
  const calls = new Proxy(
    {},
    {
      get(_, name) {
        // What is asked of a promise is asked of everything that is awaited; an object's methods all have names.
        if (typeof name === "symbol" || name === "then") return undefined;
        return async (...given: readonly unknown[]): Promise<unknown> => {
          const object = await find();
          return Reflect.apply(Reflect.get(object, name), object, given);
        };
      },
    },
  );
  return calls as SessionObject;
}
