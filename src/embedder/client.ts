/** The interface of the embedder for the pipeline and the use cases. */
import type { EmbeddingUsage } from "../api/embedding.ts";

export type { QueryEmbedder } from "./query-embedder.ts";

export interface Embedded {
  /**
   * One vector of length 1 per text, in the order of the texts. If a later request of several failed, there are fewer
   * vectors than texts; the remaining texts must be asked for again.
   */
  readonly vectors: readonly Float32Array[];
  readonly usage: EmbeddingUsage;
}

export interface Embedder {
  /** The configured model. Only vectors of the same model can be compared. */
  readonly model: string;
  /** How many texts one request takes. */
  readonly maxTexts: number;
  /**
   * Embeds texts; of a long text only its beginning. Failures are not retried; the caller decides about that.
   *
   * @param timeoutMs for each request; half a minute by default
   * @throws {ProviderError}
   */
  embed(texts: readonly string[], timeoutMs?: number): Promise<Embedded>;
  /** Whether the circuit breaker is open: after repeated failures the provider is not called for a while. */
  isResting(): boolean;
}
