import type { MeaningUse } from "../api/embedding.ts";
import type { ToldRetrieval } from "../api/search.ts";

/** Makes the field that says how older messages were searched. Absent if embeddings are switched off. */
export function tellRetrieval(use: MeaningUse | undefined): { readonly retrieval?: ToldRetrieval } {
  if (use === undefined || use === "off") return {};
  return { retrieval: use === "used" ? { by: "words-and-meaning" } : { by: "words", because: use } };
}
