export { forgetArchived, readArchiveDelta } from "./delta.ts";
export type { ArchiveDelta, Confirmed } from "./delta.ts";
export {
  hasUnscheduledMessages,
  hasUnwantedMessages,
  isChangeUnconfirmed,
  planMessages,
  toArchived,
} from "./messages.ts";
export { resyncArchive } from "./resync.ts";
export { pageEnd, planVersions } from "./summaries.ts";
export { settleArchived } from "./for-consumer.ts";
