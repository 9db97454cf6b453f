/** Vectors of texts, as the parts of the Worker hand them to each other. They never leave it. */

/** What a model took to make vectors. Estimated where its provider counts nothing. */
export interface EmbeddingUsage {
  readonly inputTokens: number;
  /** Millionths of a US dollar; absent where no price is set. */
  readonly costMicroDollars?: number;
}

/** What a query means, in the space of a model. */
export interface QueryVector {
  /** As THREADKEEP_EMBEDDINGS names it: vectors of two models say nothing of each other. */
  readonly model: string;
  /** Of length 1. */
  readonly vector: Float32Array;
}

/** Why there is no vector of a query. `budget`: the day's tokens are spent. */
export type WithoutVector = "off" | "late" | "unavailable" | "budget";

/** What a read is told of its query's meaning. */
export type QueryMeaning = QueryVector | { readonly without: WithoutVector };

/** What a read did with the meaning of its query. `none-yet`: nothing that may be found has a vector. */
export type MeaningUse = "used" | "none-yet" | "other-model" | WithoutVector;

/** The largest models in use have as many. Vectors of more would fill a session. */
export const MAX_DIMENSIONS = 4_096;
