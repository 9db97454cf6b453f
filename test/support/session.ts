/**
 * What a test of a session needs, besides vitest: everything here runs in workerd, on the objects of the test run. `freshRef` names a
 * session that no other test uses, `sessionAt` calls its object, `pendingJobs` and `deliver` do its background work by hand, and `ring`
 * lets its alarm fire.
 */
export { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
export { unwrap } from "../../src/api/errors.ts";
export type { SessionRef } from "../../src/api/session.ts";
export { asWorker, asWorkerOf, changeArchive, onArchive } from "./session/archive.ts";
export { billed, totalOf } from "./session/billing.ts";
export { chatOf, creationOf, freshRef, said, turn } from "./session/chat.ts";
export { deliver, jobOf, pipelineDeps, quoting, summarizeBy } from "./session/consumers.ts";
export { pendingJobs, scheduleSummary, takeAlarm, withoutAlarm } from "./session/jobs.ts";
export {
  beside,
  continuationOf,
  epochRefOf,
  forkOf,
  isExpired,
  letPass,
  request,
  ring,
  untilExpired,
} from "./session/lifetime.ts";
export { askLive, clientOf, eventsOf, follow, type LiveClient, revsOf } from "./session/live.ts";
export { epochOf, sessionAt, stubAt, until } from "./session/object.ts";
export { failStatements, valueSizes } from "./session/statements.ts";
export { archivedTexts, archivedWhole, itemsOf, listed, storedText, summarizeAndArchive } from "./session/stored.ts";
export { rememberIn, TINY_MODEL, tinyVector } from "./session/vectors.ts";
