/** What the pipeline and the service ask for vectors with. */
import type { EmbeddingUsage } from "../api/embedding.ts";

export { EmbedderError, type EmbedderErrorKind } from "./embedder-error.ts";
export type { QueryEmbedder } from "./query-embedder.ts";

export interface Embedded {
  /** One for each text, in their order, each of length 1. Fewer where a later part of many texts failed: those are to be asked again. */
  readonly vectors: readonly Float32Array[];
  readonly usage: EmbeddingUsage;
}

export interface Embedder {
  /** Names the space of the vectors: the model, as it is set. */
  readonly model: string;
  /** Of one request. */
  readonly maxTexts: number;
  /**
   * Vectors of texts; of each text its first words, where it is long. Nothing is repeated on failure: whoever asks decides about that.
   *
   * @param timeoutMs for each request; half a minute by default
   * @throws EmbedderError
   */
  embed(texts: readonly string[], timeoutMs?: number): Promise<Embedded>;
  /** Whether the provider is left alone after failures. */
  isResting(): boolean;
}
