export { FileStore } from "./file-store.ts";
export { overwriteFreePages } from "./freed-pages.ts";
export { isoTime } from "./iso-time.ts";
export { pageOf } from "./pages.ts";
export { renewTable } from "./renew-table.ts";
export type { TableSql } from "./renew-table.ts";
export {
  costOf,
  ended,
  NEVER_BEGUN,
  NEVER_ENDED,
  number,
  numberOrNull,
  stored,
  text,
  toEarlier,
  toHashedMessage,
  toItem,
  toJob,
  toLedger,
  toMessage,
  toSession,
  toSizedMessage,
  toSummary,
  UNKNOWN_LIFE,
} from "./rows.ts";
export type {
  Copying,
  CopyingImport,
  Draft,
  EarlierRow,
  FinishedImport,
  GoodPart,
  HashedMessageRow,
  HeadRow,
  ImportProgress,
  JobRow,
  LedgerRow,
  Life,
  MessageArchive,
  MessageRow,
  NewMessageRow,
  OriginRow,
  OwedErasure,
  Row,
  SeqSet,
  SessionRow,
  SizedMessageRow,
  SummaryRow,
  TipRow,
  TotalsChange,
  VersionedItem,
} from "./rows.ts";
export { fromStoredTime, localTime, readSaidAt, saidTime, toStoredTime } from "./said-at.ts";
export { migrate, MIGRATIONS, schemaVersion } from "./schema.ts";
export { blanksOf } from "./secure-delete.ts";
export { plainSettings, settingsByUser, settingsOf, summarizedBudgetOf, termsOf, withTenant } from "./settings.ts";
export type { OwnSettings, TenantTerms } from "./settings.ts";
