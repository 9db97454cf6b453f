export { appendForClient, contextAfterAppend } from "./append-for-client.ts";
export { fullFault, messageId, seqOfServerId, serverId } from "./append.ts";
export { BranchStore } from "./branch-store.ts";
export { editForClient, eraseForClient } from "./edit-for-client.ts";
export { applyTenantSettings, createSession, recordGrant } from "./epoch.ts";
export type { SessionCreation } from "./epoch.ts";
export { noteChange, noteErasures } from "./feed-changes.ts";
export { FeedStore } from "./feed-store.ts";
export { countThrough, entriesAfter, FeedWindow } from "./feed.ts";
export type { Change, SentEvent } from "./feed.ts";
export { MessageStore } from "./message-store.ts";
export type { FileView } from "./message-store.ts";
export {
  expandSummary,
  findMessage,
  prompted,
  readMessage,
  readMessages,
  readState,
  readSummaries,
  toMessage,
  toSummary,
  toVersion,
} from "./read.ts";
export type { MessageQuery } from "./read.ts";
export { renderSessionContext, writeSessionContext } from "./render-context.ts";
export { switchForClient, updateForClient } from "./settings-for-client.ts";
export type { UpdatedSession } from "./settings-for-client.ts";
export { settleBranch } from "./switch-branch.ts";
