export { confirmArchived, forgetArchived, readArchiveDelta } from "./delta.ts";
export type { ArchiveDelta, Confirmed } from "./delta.ts";
export { hasUnowedMessages, isArchivedInVain, isChangeUnheld, planMessages, toArchived } from "./messages.ts";
export { archiveAgain } from "./resync.ts";
export { pageEnd, planVersions } from "./summaries.ts";
