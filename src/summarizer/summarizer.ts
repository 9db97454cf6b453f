import type { SummarizerAnswer, SummarizerRequest } from "../api/summarizer.ts";

/** What stands behind the summarizer agent: a model, or the extractive one that needs none. */
export interface Summarizer {
  /** Names it in logs. What made an answer stands in its `model`. */
  readonly name: string;
  /**
   * @param signal aborted when nobody waits for the answer any more: a paid call should stop then
   * @throws SummarizerError with `retryAfterSeconds` where the provider asked for a pause; anything else counts as a failure
   */
  summarize(request: SummarizerRequest, signal?: AbortSignal): Promise<SummarizerAnswer>;
}
