import type { SummarizerAnswer, SummarizerRequest } from "../api/summarizer.ts";

/** What the summarizer agent uses: a language model, or the extractive summarizer. */
export interface Summarizer {
  /** The name for logs. The `model` of an answer says what made it. */
  readonly name: string;
  /**
   * @param signal is aborted when nobody waits for the answer any more, so that a paid call can be stopped
   * @throws {ProviderError} with `retryAfterSeconds` if the provider asked for a pause; any other error counts as a
   *   failure
   */
  summarize(request: SummarizerRequest, signal?: AbortSignal): Promise<SummarizerAnswer>;
}
