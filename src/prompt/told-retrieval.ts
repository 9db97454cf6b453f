import type { MeaningUse } from "../api/embedding.ts";
import type { ToldRetrieval } from "../api/search.ts";

/** How older messages were looked for, as an answer tells it. Nothing is told where embeddings are off. */
export function tellRetrieval(use: MeaningUse | undefined): { readonly retrieval?: ToldRetrieval } {
  if (use === undefined || use === "off") return {};
  return { retrieval: use === "used" ? { by: "words-and-meaning" } : { by: "words", because: use } };
}
