import type { SessionRef } from "../contracts/session.ts";
import type { ChatSession } from "./chat-session.ts";

export { ALL_SESSIONS } from "./carrying.ts";
export type { Luggage } from "./carrying.ts";
export { type LiveOpening, readOpened, writeOpening } from "./live-opening.ts";
export type { CopyErasures, Life } from "./lineage.ts";
export type { SummaryStep } from "./summarizing.ts";

/** What others may ask of a session's object. */
export type SessionObject = Pick<
  ChatSession,
  | "abandonImport"
  | "append"
  | "beginContinuation"
  | "beginExport"
  | "beginFork"
  | "beginImport"
  | "beginSummary"
  | "carryOver"
  | "confirmArchived"
  | "confirmCopyErasures"
  | "confirmErased"
  | "confirmExpiry"
  | "context"
  | "contextJson"
  | "create"
  | "createFork"
  | "editMessage"
  | "endExport"
  | "erase"
  | "eraseCopied"
  | "eraseMessage"
  | "exportPage"
  | "fetch"
  | "finishImport"
  | "forgetArchived"
  | "loseCopy"
  | "message"
  | "messages"
  | "nextCarrying"
  | "nextCopyStep"
  | "noteFailure"
  | "readArchiveDelta"
  | "readCarried"
  | "readCopyPage"
  | "readErasure"
  | "readOwedErasures"
  | "saveAnswer"
  | "saveCopyPage"
  | "saveImportPage"
  | "search"
  | "state"
  | "stepExpiry"
  | "summaries"
  | "summarize"
  | "summary"
  | "ticketLife"
  | "update"
>;

/** The only place that names a session's object. */
export interface SessionClient {
  /** A stub is dead after an exception that broke it: get a new one for each operation. */
  get(ref: SessionRef): SessionObject;
}

/** The runtime's own type of a stub maps every value it carries, and gives up on recursive ones such as JSON. */
type SessionStub = DurableObjectStub & SessionObject;

export function createSessionClient(namespace: DurableObjectNamespace): SessionClient {
  return {
    get: ({ tenant, owner, session }) => namespace.getByName(`${tenant}/${owner}/${session}`) as SessionStub,
  };
}
