/** Vectors of texts, as the modules of the Worker pass them to each other. They are never sent to a client. */
import type { Item, ItemKind, ItemStatus } from "./summary.ts";

/** What a model used to make vectors. Estimated if its provider returns no counts. */
export interface EmbeddingUsage {
  readonly inputTokens: number;
  /** Millionths of a US dollar; absent where no price is set. */
  readonly costMicroDollars?: number | undefined;
}

/** The vector of a query. */
interface QueryVector {
  /** The model's name in THREADKEEP_EMBEDDINGS. Vectors of different models cannot be compared. */
  readonly model: string;
  /** Normalized to length 1. */
  readonly vector: Float32Array;
}

/**
 * Why there is no vector of a query. `off`: embeddings are not configured; `late`: it took too long; `unavailable`: the
 * provider failed; `budget`: the tokens of the day are used up, or the user has searched too often in this minute.
 */
type WithoutVector = "off" | "late" | "unavailable" | "budget";

/** The vector of a read's query, or why there is none. */
export type QueryMeaning = QueryVector | { readonly without: WithoutVector };

/**
 * Whether a read searched by meaning. `none-yet`: no message or item that it could find has a vector. `other-model`:
 * the stored vectors are of another model.
 */
export type MeaningUse = "used" | "none-yet" | "other-model" | WithoutVector;

/** What is looked for among the items of a session's newest summary. An absent field does not restrict. */
export interface NearItemsRequest {
  readonly query: QueryVector;
  readonly limit: number;
  readonly kinds?: readonly ItemKind[] | undefined;
  readonly statuses?: readonly ItemStatus[] | undefined;
}

export interface NearItem {
  readonly item: Item;
  /** Cosine similarity with the query. */
  readonly nearness: number;
  /** When the version of the summary was made in which the item first appeared, in ms since 1970. */
  readonly madeAt: number;
}

/** The items that are near to a query, nearest first, and whether vectors could be used; if not, why. */
export interface NearItems {
  readonly use: MeaningUse;
  readonly items: readonly NearItem[];
}

/** The largest number of dimensions that models in use have. Larger vectors would fill a session's storage. */
export const MAX_DIMENSIONS = 4_096;
