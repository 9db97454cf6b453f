export { ringAlarm } from "./alarm.ts";
export type { OutboxQueues } from "./alarm.ts";
export { AuditStore } from "./audit-store.ts";
export { noteAppend, scheduleAuditRange } from "./audit.ts";
export {
  callOff,
  dropJob,
  endJob,
  mayBeKnown,
  mayBeListed,
  noteUndelivered,
  retryJob,
  standingOf,
} from "./failed-jobs.ts";
export { expiryAt, soonestIdleAt } from "./idle-schedule.ts";
export { findExpiry, settleExpiry } from "./expire.ts";
export type { FoundExpiry } from "./expire.ts";
export { failJob, settleListed } from "./for-consumer.ts";
export type { Ended } from "./for-consumer.ts";
export { JobStore } from "./job-store.ts";
export { JobTraces } from "./job-traces.ts";
export {
  addUsage,
  heldMs,
  isHeld,
  NEVER_FAILED,
  newJob,
  postponeJob,
  putOff,
  released,
  scheduleArchive,
  toJob,
} from "./jobs.ts";
export type { Failed, FailureReport, PutOff } from "./jobs.ts";
export { listingOf, scheduleListing } from "./listing.ts";
export type { Listing } from "./listing.ts";
export { isLeftOver, nextWakeAt } from "./next-wake.ts";
export { JobWaiters } from "./waiters.ts";
