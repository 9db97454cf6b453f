export { FileStore, toldJson } from "./file-store.ts";
export { overwriteFreedPages } from "./freed-pages.ts";
export { toIsoTime } from "./iso-time.ts";
export { pageOf } from "./pages.ts";
export { renewTable } from "./renew-table.ts";
export type { TableSql } from "./renew-table.ts";
export {
  ended,
  NEVER_ENDED,
  number,
  numberOrNull,
  stored,
  storedDetails,
  text,
  textOrNull,
  toEarlier,
  toHashedMessage,
  toJobRow,
  toLedger,
  toMessageRow,
  toSession,
  toSizedMessage,
  toSummaryInProgress,
  toSummaryRow,
  UNKNOWN_EPOCH,
} from "./read-rows.ts";
export { ALL_SESSIONS, messageCostOf, NOTHING_IN_PROGRESS } from "./rows.ts";
export type { Row } from "./read-rows.ts";
export type {
  Copying,
  CopyingImport,
  Draft,
  EarlierRow,
  EmbedJob,
  EraseJob,
  FinishedImport,
  GoodPart,
  HashedMessageRow,
  HeadRow,
  ImportProgress,
  JobBase,
  JobDetails,
  JobRow,
  LedgerRow,
  EpochRef,
  ErasedPart,
  MessageArchive,
  MessageRow,
  NewMessageRow,
  OriginRow,
  Replacement,
  SessionRow,
  SizedMessageRow,
  SummarizeJob,
  SummaryGoal,
  SummaryInProgress,
  SummaryRow,
  TipRow,
  TotalsChange,
  VersionedItem,
} from "./rows.ts";
export { fromStoredTime, localTime, readSaidAt, saidTime, toStoredTime } from "./said-at.ts";
export { overwritten } from "./secure-delete.ts";
export { containsSeq, lowestBetween, lowestOf, upTo } from "./seq-sets.ts";
export type { SeqSet } from "./seq-sets.ts";
export { plainSettings, settingsByUser, settingsOf, summarizedBudgetOf, termsOf, withTenant } from "./settings.ts";
export type { OwnSettings, TenantTerms } from "./settings.ts";
export { type TableGroup, Tables } from "./tables.ts";
