export {
  cutMessages,
  isDue,
  isRemake,
  oweSummaryByHand,
  oweSummaryIfDue,
  oweSummaryThrough,
  summarizeJob,
  unsummarizedTokens,
} from "./due.ts";
export { beginEmbedding, callOffEmbedding, NOTHING_TO_EMBED, oweEmbedding, saveVectors } from "./embed.ts";
export type { EmbeddingStep, KeyedVector } from "./embed.ts";
export {
  knownSummary,
  readSummarized,
  readSummaryVersion,
  restoreForClient,
  summarizeForClient,
} from "./for-client.ts";
export {
  begunThrough,
  countAnew,
  coveredAmong,
  coveredAnywhere,
  goodThrough,
  mayBeFoldedIn,
  REDO_DELAY_MS,
  redoFromStart,
  revived,
  soundSummaryAt,
  tokensReadAgain,
  uncovered,
  withoutItems,
} from "./invalidate.ts";
export { settleSummaryWork } from "./rebase.ts";
export { oweRebuild } from "./rebuild.ts";
export { compareSummaries, readLosses } from "./report.ts";
export { beginSummary, bringBack, NOTHING_OWED, saveAnswer, toKeptItem, toPlainItem } from "./run.ts";
export type { SummaryStep } from "./run.ts";
export { SummaryStore } from "./summary-store.ts";
export { isWeighedWhole, MAX_CALL_EVIDENCE_CHARACTERS, weigh } from "./weigh.ts";
