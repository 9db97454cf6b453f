export {
  cutMessages,
  isDue,
  isRemake,
  scheduleSummaryByHand,
  scheduleSummaryIfDue,
  scheduleSummaryThrough,
  summarizeJob,
  unsummarizedTokens,
} from "./due.ts";
export { callOffEmbedding, needsNewVectors, NOTHING_TO_EMBED, scheduleEmbedding } from "./embed.ts";
export type { EmbeddingStep } from "./embed.ts";
export {
  knownSummary,
  readSummarized,
  readSummaryVersion,
  restoreForClient,
  summarizeForClient,
} from "./for-client.ts";
export {
  countAnew,
  coveredAmong,
  goodThrough,
  mayBeFoldedIn,
  REBUILD_DELAY_MS,
  rebuildFromStart,
  revived,
  soundSummaryAt,
  tokensReadAgain,
  uncovered,
  withoutItems,
} from "./invalidate.ts";
export { CONTINUE, rebuilding, withMore } from "./goal.ts";
export { begunThrough, coveredAnywhere } from "./in-progress.ts";
export { settleSummaryWork } from "./rebase.ts";
export { scheduleRebuild } from "./rebuild.ts";
export { compareSummaries, readLosses } from "./report.ts";
export { bringBack, NOTHING_PENDING, toKeptItem, toPlainItem } from "./run.ts";
export type { SummaryStep } from "./run.ts";
export { SummaryStore } from "./summary-store.ts";
export { isWeighedWhole, MAX_CALL_EVIDENCE_CHARACTERS, weigh } from "./weigh.ts";
export { landAnswer, landVectors, stepEmbedding, stepSummary } from "./for-consumer.ts";
export type { SavedVectors } from "./for-consumer.ts";
