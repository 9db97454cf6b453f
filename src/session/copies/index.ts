export { beginContinuation, beginFork, createFork, forkSize } from "./begin-fork.ts";
export type { BegunFork, ForkSettings, ForkSource } from "./begin-fork.ts";
export { nextCarryOver, scheduleCarryOver, rescheduleCarryOver, pendingOrigin } from "./continue.ts";
export type { Carried, CarryOverStep, CarriedItems } from "./continue.ts";
export { readExportEnd, readExportHead, readExportPage, requireExported } from "./export.ts";
export type { ExportCursor, ExportEnd, ExportHead, ExportMoment } from "./export.ts";
export { beginAgain, nextCopyStep, readCopyPage } from "./fork.ts";
export type { CopyPage, CopyStep } from "./fork.ts";
export {
  abandonImport,
  beginImport,
  checkImport,
  finishedImport,
  finishImportedSession,
  LastPage,
  readImport,
  recordImportGrant,
  saveImportPage,
  vouchFor,
} from "./import-steps.ts";
export type { BegunImport, ImportStanding } from "./import-steps.ts";
export type { NumberedLine } from "./import.ts";
export type { Claim } from "./vouch.ts";
export { LineageStore } from "./lineage-store.ts";
export { furtherCopies, furtherOrigins, isAll, seqsOf } from "./lineage.ts";
export type { CopyAnswer, Erased, EpochRef, Taken } from "./lineage.ts";
export { confirmCopyErasures, tellCopies, tellCopiesOfEnd, waitForCopies } from "./tell-copies.ts";
export type { CopyCall, ToldCopy } from "./tell-copies.ts";
export { landCarried, landCopyPage, readCarriedOf, readCopyErasures } from "./for-consumer.ts";
export type { CopyErasuresStep } from "./for-consumer.ts";
